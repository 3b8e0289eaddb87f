"""Draft a manifest: find clips, guess people from file names, make splits by person."""

from pathlib import Path

import pandas as pd

from lfnet.cohorts.cohort import COLUMNS
from lfnet.cohorts.columns import is_number
from lfnet.cohorts.csvfile import blanked, read_table
from lfnet.cohorts.feature_table import feature_tables, table_fault
from lfnet.cohorts.guess import guess_people
from lfnet.cohorts.identity import clip_name, normal_id, one_spelling, spellings, without_suffix
from lfnet.cohorts.media import (
    FRAME_SUFFIXES,
    KINDS,
    READY_SUFFIXES,
    TABLE_SUFFIXES,
    VIDEO_SUFFIXES,
    find,
    left_out,
    why_no_clip,
)
from lfnet.cohorts.splits import FEW_PEOPLE, fold_people, split_people
from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError
from lfnet.files import write_text

__all__ = ["add_splits", "clips_below", "draft", "manifest_text", "resplit_manifest"]

_FOLDS = 5
_PLURAL = {"videos": "videos", "frames": "frame folders", "features": "feature files"}


def clips_below(root: Path, kind: str | None = None) -> tuple[list[Path], str, list[Path]]:
    """Find the clips below a folder, their kind, and the other files.

    Raises
    ------
    LfnetError
        There is no clip, or there are several kinds.
    """
    root = Path(root)
    if not root.is_dir():
        raise LfnetError(f"{root} is not a folder. Give the folder that holds the clips.")
    found: dict[str, list[Path]] = {name: [] for name in KINDS}
    others: list[Path] = []
    for what, path in find(root):
        found.get(what, others).append(path)
    if not any(found.values()) or (kind == "features" and not found["features"]):
        found["features"] = feature_tables(others)
    present = [name for name, files in found.items() if files]
    if kind is None and len(present) > 1:
        counts = " and ".join(f"{len(found[name])} {_PLURAL[name]}" for name in present)
        raise LfnetError(f"{root} holds {counts}. Choose one with --kind {' or --kind '.join(present)}.")
    chosen = kind or (present[0] if present else None)
    if chosen is None or not found[chosen]:
        wanted = f"no {_PLURAL[chosen]}" if chosen else "no clip"
        raise LfnetError(
            f"{root} holds {wanted}. Clips are videos ({' '.join(VIDEO_SUFFIXES)}), folders of two or more images "
            f"({' '.join(FRAME_SUFFIXES)}), or feature files ({' '.join(READY_SUFFIXES)}, or tables "
            f"{' '.join(TABLE_SUFFIXES)} with a column timestamp, time or frame)."
            + "".join(
                f" Found {len(paths)} {what}{': convert them' if what.startswith('.') else ''}."
                for what, paths in left_out(root, "").items()
            )
            + next((f"\n{reason}" for path in others if (reason := why_no_clip(path)).count("\n")), "")
            + next((f" {fault}" for path in _tables(others) if (fault := table_fault(path))), "")
        )
    return found[chosen], chosen, [path for path in others if path not in found["features"]]


def draft(root: Path, kind: str | None = None) -> tuple[pd.DataFrame, str]:
    """Find the clips below `root` and guess their people.

    Parameters
    ----------
    root : Path
        The folder.
    kind : str, optional
        videos, frames or features; by default, the only kind that the folder holds.

    Returns
    -------
    table : DataFrame
        A manifest's columns, session and person_guessed; the index "file" holds the paths. label is NaN, split is
        unlabelled, fps and n_frames are "".
    rule : str
        How people were guessed, in words.

    Raises
    ------
    LfnetError
        There is no clip, there are several kinds, or two clips would have one id.
    """
    root = Path(root)
    files, chosen, _ = clips_below(root, kind)
    refuse(
        [f"{str(path)!r} is no valid text. Rename it." for path in files if not _is_text(str(path.relative_to(root)))],
        root,
    )
    relative = [path.relative_to(root) for path in files]
    guesses, rule = guess_people([path if chosen == "frames" else Path(without_suffix(path)) for path in relative])
    spelling = one_spelling(one.person for one in guesses)
    table = pd.DataFrame(
        {
            "clip_id": [clip_name(path.relative_to(root)) for path in files],
            "recording_id": "",
            "person_id": [spelling[one.person] for one in guesses],
            "split": "unlabelled",
            "task": [one.task for one in guesses],
            "label": float("nan"),
            "path": [path.relative_to(root).as_posix() for path in files],
            "fps": "",
            "n_frames": "",
            "person_guessed": "yes",
        },
        index=pd.Index(files, name="file"),
    )
    refuse(
        [
            f"{', '.join(clips['path'])} would all be clip {name!r}. Rename or remove all but one."
            for name, clips in table.groupby("clip_id")
            if len(clips) > 1
        ],
        root,
    )
    table.attrs["spellings"] = spellings(one.person for one in guesses)
    # Tasks of one session are one recording; any other clip is a recording by itself.
    table["session"] = [one.session for one in guesses]
    sessions = [f"{spelling[one.person]}_{one.session}" if one.session else "" for one in guesses]
    twice = pd.Series(list(zip(sessions, table["task"], strict=True))).duplicated(keep=False).to_numpy()
    table["recording_id"] = [
        session if session and (one.whole or not repeated) else clip
        for one, session, repeated, clip in zip(guesses, sessions, twice, table["clip_id"], strict=True)
    ]
    return table, rule


def _tables(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in TABLE_SUFFIXES]


def _is_text(name: str) -> bool:
    """Whether a file name can be written in UTF-8; names of other encodings hold surrogates."""
    return name.isprintable() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def add_splits(table: pd.DataFrame, shares: tuple[float, ...], seed: int) -> int:
    """Make splits by person in place, and folds (column `fold`) where there are fewer than `FEW_PEOPLE` people.

    A recording without a label is unlabelled. With fewer than three people, column split stays empty.

    Returns
    -------
    int
        Number of people with a label.
    """
    recordings = table.drop_duplicates("recording_id")[["recording_id", "person_id", "label"]]
    people = recordings.loc[recordings["label"].notna(), "person_id"].map(normal_id).nunique()
    if people >= 3:
        table["split"] = table["recording_id"].map(split_people(recordings, shares, seed)).to_numpy()
    elif people:
        table["split"] = ["" if known else "unlabelled" for known in table["label"].notna()]
    if 3 <= people < FEW_PEOPLE:
        folds = table["recording_id"].map(fold_people(recordings, min(_FOLDS, people), seed))
        table["fold"] = [str(fold) if fold else "" for fold in folds]
    return people


def resplit_manifest(manifest: Path, shares: tuple[float, ...], seed: int) -> tuple[pd.DataFrame, int]:
    """Replace the splits of a manifest file; its other columns stay as they are.

    Returns
    -------
    table : DataFrame
        The manifest's table with numbers in column label.
    people : int
        Number of people with a label.

    Raises
    ------
    LfnetError
        A column or value is missing, or the clips of a recording differ in label or person.
    """
    table = blanked(read_table(manifest))
    missing = [column for column in ("person_id", "label") if column not in table.columns]
    if missing:
        raise LfnetError(f"{manifest}: missing column {', '.join(missing)}. Add it.")
    if "recording_id" not in table.columns:
        key = "clip_id" if "clip_id" in table.columns else "path"
        if key not in table.columns:
            raise LfnetError(f"{manifest}: missing column clip_id. Add it.")
        recordings = table[key]
    else:
        recordings = table["recording_id"]
    work = pd.DataFrame({"recording_id": recordings, "person_id": table["person_id"]}, index=table.index)
    problems = [
        f"row {row}: {column} is missing. Fill it in."
        for column in work.columns
        for row, value in zip(work.index, work[column], strict=True)
        if not value
    ]
    problems += [
        f"row {row}: label {value!r} is not a number. Give the score, or leave it empty."
        for row, value in zip(table.index, table["label"], strict=True)
        if value and not is_number(value)
    ]
    for name, clips in table.assign(recording_id=recordings).groupby("recording_id"):
        if clips["label"].nunique() > 1 or clips["person_id"].map(normal_id).nunique() > 1:
            problems.append(f"row {clips.index[-1]}: recording {name!r} has several labels or people. Make them equal.")
    refuse(problems, manifest)
    work["label"] = [float(value) if value else float("nan") for value in table["label"]]
    work["split"] = "unlabelled"
    people = add_splits(work, shares, seed)
    table["split"] = work["split"]
    table = table.drop(columns="fold", errors="ignore")
    if "fold" in work.columns:
        table["fold"] = work["fold"]
    write_text(manifest, table.to_csv(index=False, lineterminator="\n"))
    return table.assign(recording_id=recordings, label=work["label"]), people


def manifest_text(table: pd.DataFrame) -> str:
    """Return a draft as csv text, sorted by clip_id; with column person_guessed where a person is guessed."""
    extra = [*(["fold"] if "fold" in table.columns else []), *table.attrs.get("groups", ())]
    if (table["person_guessed"] == "yes").any():
        extra.append("person_guessed")
    sorted_table = table.sort_values("clip_id")[[*COLUMNS, *extra]].astype(object)
    sorted_table["label"] = ["" if pd.isna(label) else f"{label:g}" for label in sorted_table["label"]]
    return sorted_table.to_csv(index=False, lineterminator="\n")
