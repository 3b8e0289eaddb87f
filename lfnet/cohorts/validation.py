"""Validation of a table of clips: all problems in one message, each with its row and how to fix it."""

import difflib
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lfnet.cohorts.identity import MAX_ID, forbidden
from lfnet.cohorts.scale import Scale
from lfnet.errors import LfnetError
from lfnet.files import exists

__all__ = ["COLUMNS", "SPLITS", "SPLIT_ALIASES", "nearest", "refuse", "validate"]

SPLITS = ("train", "dev", "test", "unlabelled")
COLUMNS = ("clip_id", "recording_id", "person_id", "split", "task", "label", "path", "fps", "n_frames")

_TEXT = ("clip_id", "recording_id", "person_id", "split", "task", "path")
_MAX_PROBLEMS = 10
# Names of the splits in other tools.
SPLIT_ALIASES = {
    "training": "train",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "development": "dev",
    "devel": "dev",
    "testing": "test",
    "eval": "test",
    "unknown": "unlabelled",
}


def validate(clips: pd.DataFrame, scale: Scale, origin: Path | str, found: Sequence[str] = ()) -> pd.DataFrame:
    """Check a table of clips and return it with `COLUMNS` only, typed, sorted by clip_id, with a new index.

    The splits train and dev need clips, all with labels. test needs clips too (labels may be absent) unless there are
    unlabelled clips. A table of test or unlabelled clips alone is valid: it can be predicted, and models of other
    cohorts can be tested on it, but nothing can be trained on it.

    Parameters
    ----------
    clips : DataFrame
        One row a clip. A named index ("row", "file") identifies the rows in messages; an unnamed one counts as the rows
        of a csv file below its header.
    scale : Scale
        Scale that the labels must lie on.
    origin : str or Path
        File or folder that messages name.
    found : sequence of str
        Problems that the caller found already; they are part of the same message.

    Returns
    -------
    DataFrame
        Text columns (task may be ""; path is "" where the cohort brings its own features), and label, fps and n_frames
        as float64 (NaN: unknown).

    Raises
    ------
    LfnetError
        All problems in one message, the first ten in full.
    """
    _check_columns(clips, origin)
    rows = _rows(clips)
    table = clips.loc[:, list(COLUMNS)].reset_index(drop=True)
    for column in _TEXT:
        text = table[column].astype(object).where(table[column].notna(), "")
        table[column] = text.map(lambda value: str(value).strip()).astype("str")
    problems = [*found]
    problems += [f"{rows[row]}: {text}" for row, text in _row_problems(table, rows, scale)]
    for column in ("label", "fps", "n_frames"):
        table[column] = _number(table[column])
    problems += _recording_problems(table, rows)
    problems += _split_problems(table)
    refuse(problems, origin)
    return table.sort_values("clip_id", kind="stable").reset_index(drop=True)


def refuse(problems: list[str], origin: Path | str) -> None:
    """Raise one `LfnetError` that lists the problems (their number and the first ten), if there are any."""
    if not problems:
        return
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    more = [f"… and {len(problems) - _MAX_PROBLEMS} more"] if len(problems) > _MAX_PROBLEMS else []
    raise LfnetError("\n  ".join([f"{origin}: {count}", *problems[:_MAX_PROBLEMS], *more]))


def nearest(word: str, known: tuple[str, ...], aliases: dict[str, str] | None = None) -> str:
    """Return a sentence that suggests the known word nearest to `word`, or an empty text."""
    lowered = word.strip().casefold()
    if aliases and lowered in aliases:
        return f" Did you mean {aliases[lowered]}?"
    close = difflib.get_close_matches(lowered, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def _check_columns(clips: pd.DataFrame, origin: Path | str) -> None:
    missing = [column for column in COLUMNS if column not in clips.columns]
    if missing:
        found = ", ".join(map(str, clips.columns)) or "none"
        raise LfnetError(
            f"{origin}: missing column {', '.join(missing)}. Found: {found}. Needed: {', '.join(COLUMNS)}."
        )
    if clips.empty:
        raise LfnetError(f"{origin}: no clips. Add one row for each clip.")


def _rows(clips: pd.DataFrame) -> list[str]:
    if clips.index.name is None:
        return [f"row {position + 2}" for position in range(len(clips))]
    return [f"{clips.index.name} {value}" for value in clips.index]


def _number(column: pd.Series) -> pd.Series:
    text = column.map(lambda value: value.strip() if isinstance(value, str) else value)
    return pd.to_numeric(text, errors="coerce").astype("float64")


def _row_problems(table: pd.DataFrame, rows: list[str], scale: Scale) -> Iterator[tuple[int, str]]:
    """Yield (position, what is wrong and how to fix it) for single rows and for duplicates."""
    seen: dict[str, int] = {}
    media: dict[str, int] = {}
    labels, fps, frames = (_number(table[column]).to_numpy() for column in ("label", "fps", "n_frames"))
    for row, record in enumerate(table.to_dict("records")):
        clip = record["clip_id"]
        if not clip:
            yield row, "clip_id is missing. Give each clip a unique name."
        elif odd := forbidden(clip):
            yield row, f"clip_id {clip!r} holds {odd!r}. Use only letters, digits, '.', '_' and '-'."
        elif len(clip.encode()) > MAX_ID:
            yield row, f"clip_id {clip[:30]!r}… has {len(clip.encode())} bytes. Use {MAX_ID} or fewer."
        elif (first := seen.setdefault(unicodedata.normalize("NFC", clip).casefold(), row)) != row:
            other = table["clip_id"].iloc[first]
            same = "is" if other == clip else f"differs only in case from {other!r}, which is"
            yield row, f"clip_id {clip!r} {same} in {rows[first]} too. Give each clip a unique name."
        for column in ("recording_id", "person_id"):
            if not record[column]:
                yield row, f"{column} is missing (clip {clip!r}). Fill it in."
        split = record["split"]
        if split not in SPLITS:
            hint = nearest(split, SPLITS, SPLIT_ALIASES)
            yield row, f"unknown split {split!r}. Known: {', '.join(SPLITS)}.{hint}"
        yield from ((row, text) for text in _label_problems(record["label"], labels[row], split, scale))
        if not _blank(record["fps"]) and not (np.isfinite(fps[row]) and fps[row] > 0):
            yield row, f"fps {record['fps']} is not a positive number. Give frames per second, or leave it empty."
        if not _blank(record["n_frames"]) and not (frames[row] >= 1 and frames[row] == np.floor(frames[row])):
            yield row, f"n_frames {record['n_frames']} is not a count of frames. Give 1 or more, or leave it empty."
        path = record["path"]
        if not path:
            continue
        if not exists(path):
            yield row, f"{path} does not exist. Correct the path or remove the row."
        if (first := media.setdefault(path, row)) != row:
            yield row, f"{path} is the clip of {rows[first]} too. Remove one of the two."


def _blank(value: object) -> bool:
    return bool(pd.isna(value)) or (isinstance(value, str) and not value.strip())  # type: ignore[call-overload]


def _label_problems(value: object, label: float, split: str, scale: Scale) -> Iterator[str]:
    span = f"{scale.name} runs from {scale.min:g} to {scale.max:g}"
    if _blank(value):
        if split in ("train", "dev"):
            yield f"no label, but split {split} needs one. Give the score ({span}) or set split to unlabelled."
    elif np.isnan(label):
        yield f"label {value!r} is not a number. Give the score ({span})."
    elif not scale.min <= label <= scale.max:
        yield f"label {label:g} lies outside the scale: {span}. Correct it or choose another scale."
    elif scale.kind != "interval" and label % 1:
        what = "0 or 1" if scale.kind == "binary" else f"a whole number from {scale.min:g} to {scale.max:g}"
        yield f"label {label:g} is no class of the {scale.kind} scale {scale.name}: give {what}."


def _recording_problems(table: pd.DataFrame, rows: list[str]) -> Iterator[str]:
    """Yield disagreements between clips of one recording: it is one session of one person, with one label."""
    rules = {
        "label": "A recording has one label",
        "person_id": "A recording is of one person",
        "split": "The clips of a recording stay in one split",
    }
    named = table[table["recording_id"] != ""]
    uneven = named.groupby("recording_id")[list(rules)].nunique(dropna=False).gt(1).any(axis=1)
    for recording in uneven.index[uneven]:
        clips = named[named["recording_id"] == recording]
        for column, reason in rules.items():
            different = clips.drop_duplicates(column)
            if len(different) > 1:
                one, two = different.index[:2]
                first, second = (_shown(table.at[row, column]) for row in (one, two))
                yield (
                    f"{rows[two]}: recording {recording!r} has {column} {second}, but {first} in {rows[one]}. "
                    f"{reason}: make them equal or give the clips different recording_ids."
                )


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "none" if np.isnan(value) else f"{value:g}"
    return repr(value)


def _split_problems(table: pd.DataFrame) -> Iterator[str]:
    present = set(table["split"])
    if not present <= set(SPLITS) or present <= {"test", "unlabelled"}:
        return
    for split in ("train", "dev", "test"):
        if split not in present and not (split == "test" and "unlabelled" in present):
            yield f"no clip has split {split}. Move some people into it (`lfnet cohort split` makes splits by person)."
