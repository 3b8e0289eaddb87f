"""The first version of a manifest: clips found in a folder, people guessed, scores merged, splits made by person."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lfnet.cohorts.cohort import COLUMNS, Scale
from lfnet.cohorts.csvfile import read_table
from lfnet.cohorts.folder import clip_name
from lfnet.cohorts.guess_people import guess
from lfnet.cohorts.labels import is_number, is_usual, label_column
from lfnet.cohorts.media import KINDS, READY_SUFFIXES, VIDEO_SUFFIXES, find
from lfnet.cohorts.splits import FEW_PEOPLE, fold_people, split_people
from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError
from lfnet.files import write_text

__all__ = ["Merged", "add_labels", "add_splits", "draft", "manifest_text", "split_again"]

_PERSON = ("person_id", "person", "participant_id", "participant", "subject_id", "subject")
_FOLDS = 5


def draft(root: Path, kind: str | None = None) -> tuple[pd.DataFrame, str]:
    """The clips below `root` with guessed people: a manifest's columns, and person_guessed.

    kind: videos, frames or features; None takes what is there, if it is of one kind. label is NaN, split unlabelled,
    fps and n_frames "" until somebody fills them in; the index holds the files. Returns the rule of the guess, too.
    Raises `LfnetError` where there is nothing, or several kinds.
    """
    root = Path(root)
    if not root.is_dir():
        raise LfnetError(f"{root} is not a folder. Name the folder that holds the clips.")
    found: dict[str, list[Path]] = {name: [] for name in KINDS}
    for what, path in find(root):
        if what in found:
            found[what].append(path)
    present = [name for name, files in found.items() if files]
    if kind is None and len(present) > 1:
        counts = " and ".join(f"{len(found[name])} {_said(name)}" for name in present)
        raise LfnetError(f"{root} holds {counts}. Choose one with --kind {' or --kind '.join(present)}.")
    chosen = kind or (present[0] if present else None)
    if chosen is None or not found[chosen]:
        wanted = f"no {_said(chosen)}" if chosen else "no clip"
        raise LfnetError(
            f"{root} holds {wanted}. Clips are videos ({' '.join(VIDEO_SUFFIXES)}), folders of two or more pictures, "
            f"or ready features ({' '.join(READY_SUFFIXES)})."
        )
    files = found[chosen]
    plain = [path.relative_to(root) if chosen == "frames" else path.relative_to(root).with_suffix("") for path in files]
    guesses, rule = guess(plain)
    table = pd.DataFrame(
        {
            "clip_id": [clip_name(path.relative_to(root)) for path in files],
            "recording_id": "",
            "person_id": [one.person for one in guesses],
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
    # Tasks of one sitting are one recording; other clips are recordings of their own.
    sittings = [f"{one.person}_{one.session}" if one.session else "" for one in guesses]
    twice = pd.Series(list(zip(sittings, table["task"], strict=True))).duplicated(keep=False).to_numpy()
    table["recording_id"] = [
        sitting if sitting and not again else clip
        for sitting, again, clip in zip(sittings, twice, table["clip_id"], strict=True)
    ]
    return table, rule


def _said(kind: str) -> str:
    return {"videos": "videos", "frames": "frame folders", "features": "feature files"}[kind]


@dataclass(frozen=True)
class Merged:
    """What a label file gave.

    level: what its names in `column` are (clip, recording, person). labelled: clips with a score now. unused: names
    that match nothing.
    """

    level: str
    column: str
    labelled: int
    unused: tuple[str, ...]


def add_labels(table: pd.DataFrame, path: Path, scale: Scale, column: str | None = None) -> Merged:
    """Fill in the labels of a draft from a csv file, whose names are those of clips, recordings or people.

    The column of names and their level are those that match the most clips. A further column with people's ids settles
    who is who; so do people's ids as names. column: the column of scores, by default as `label_column` says.
    Raises `LfnetError` naming file and rows where nothing matches, scores contradict or leave the scale.
    """
    labels = read_table(path)
    level, names = _best_key(table, labels, path, column)
    scores = label_column(labels.drop(columns=names), path, column, "--label-column NAME")
    people = next((name for name in _PERSON if name in labels.columns and name not in (names, scores)), None)
    problems: list[str] = []
    given: dict[str, tuple[float, int, str]] = {}
    for row, name, score in zip(labels.index.tolist(), labels[names], labels[scores], strict=True):
        if score.lower() in ("", "nan", "na", "n/a", "-"):
            continue
        if not is_number(score):
            problems.append(f"row {row}: score {score!r} of {name!r} is not a number. Correct it or leave it empty.")
        elif not scale.min <= float(score) <= scale.max:
            problems.append(
                f"row {row}: score {score} of {name!r} lies outside {scale.name} ({scale.min:g} to {scale.max:g}). "
                "Correct it or choose another --scale."
            )
        else:
            person = str(labels.at[row, people]) if people else ""
            known = given.setdefault(_plain(name), (float(score), row, person))
            if known[0] != float(score):
                problems.append(f"row {row}: {name!r} scores {score}, but {known[0]:g} in row {known[1]}. Keep one.")
    used = set()
    for file in table.index:
        key = next((key for key in _keys(table.loc[file], level) if key in given), None)
        if key is None:
            continue
        used.add(key)
        table.at[file, "label"] = given[key][0]
        if level == "person" or given[key][2]:
            if given[key][2]:
                table.at[file, "person_id"] = given[key][2]
            table.at[file, "person_guessed"] = "no"
    for recording, clips in table.groupby("recording_id"):
        if clips["label"].nunique() > 1 or clips["person_id"].nunique() > 1:
            said = ", ".join(f"{clip}: {label:g}" for clip, label in zip(clips["clip_id"], clips["label"], strict=True))
            problems.append(f"clips of recording {recording} have several scores or people ({said}). Make them one.")
    refuse(problems, path)
    # The label belongs to the recording: a clip whose own name is not in the file takes its recording's.
    table["label"] = table.groupby("recording_id")["label"].transform("first")
    unused = tuple(name for name in labels[names] if _plain(name) in given and _plain(name) not in used)
    return Merged(level, names, int(table["label"].notna().sum()), unused)


def _plain(name: str) -> str:
    """A name as it is compared: without folders, suffix, capitals and leading zeros."""
    path = Path(name.replace("\\", "/").rstrip("/"))
    text = (path.stem if path.suffix.lower() in (*VIDEO_SUFFIXES, *READY_SUFFIXES) else path.name).lower()
    return text.lstrip("0") or text


def _keys(clip: pd.Series, level: str) -> tuple[str, ...]:
    if level == "clip":
        return _plain(clip["clip_id"]), _plain(clip["path"])
    return (_plain(clip[f"{level}_id"]),)


def _best_key(table: pd.DataFrame, labels: pd.DataFrame, path: Path, column: str | None) -> tuple[str, str]:
    # A score of 7 is not person 7.
    candidates = [name for name in labels.columns if name != column and not is_usual(name)]
    best, most = ("", ""), 0
    records = [table.loc[file] for file in table.index]
    for level in ("clip", "recording", "person"):
        wanted = [_keys(clip, level) for clip in records]
        for name in candidates:
            values = {_plain(value) for value in labels[name] if value}
            hits = sum(any(key in values for key in keys) for keys in wanted)
            if hits > most:
                best, most = (level, name), hits
    if most:
        return best
    shown = labels.iloc[0].tolist() if len(labels) else ["no rows"]
    first = table.iloc[0]
    raise LfnetError(
        f"{path}: no row names a clip, a recording or a person of the folder. Its first row: {', '.join(shown)}. "
        f"The folder's first clip: {first['clip_id']}, recording {first['recording_id']}, person {first['person_id']}. "
        "Give the file a column with one of these names."
    )


def add_splits(table: pd.DataFrame, shares: tuple[float, ...], seed: int) -> int:
    """Make splits by person, and folds (column `fold`) too where people are few. Returns how many people have a label.

    A recording without a label is unlabelled. Fewer than three people cannot be split: their split stays empty.
    """
    recordings = table.drop_duplicates("recording_id")[["recording_id", "person_id", "label"]]
    people = int(recordings.loc[recordings["label"].notna(), "person_id"].nunique())
    if people >= 3:
        table["split"] = table["recording_id"].map(split_people(recordings, shares, seed)).to_numpy()
    elif people:
        table["split"] = ["" if known else "unlabelled" for known in table["label"].notna()]
    if 3 <= people < FEW_PEOPLE:
        folds = table["recording_id"].map(fold_people(recordings, min(_FOLDS, people), seed))
        table["fold"] = [str(fold) if fold else "" for fold in folds]
    return people


def split_again(manifest: Path, shares: tuple[float, ...], seed: int) -> tuple[pd.DataFrame, int]:
    """Make the splits of a manifest file anew and write it; its other columns stay as they are.

    Returns the table and how many people have a label, as `add_splits` does. Raises `LfnetError` naming file and row.
    """
    table = read_table(manifest)
    missing = [column for column in ("person_id", "label") if column not in table.columns]
    if missing:
        raise LfnetError(f"{manifest}: missing column {', '.join(missing)}. Add it.")
    if "recording_id" not in table.columns:
        key = "clip_id" if "clip_id" in table.columns else "path"
        if key not in table.columns:
            raise LfnetError(f"{manifest}: missing column clip_id. Add it.")
        whose = table[key]
    else:
        whose = table["recording_id"]
    work = pd.DataFrame({"recording_id": whose, "person_id": table["person_id"]}, index=table.index)
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
    for name, clips in table.assign(whose=whose).groupby("whose"):
        if clips["label"].nunique() > 1 or clips["person_id"].nunique() > 1:
            problems.append(f"row {clips.index[-1]}: recording {name!r} has several labels or people. Make them equal.")
    refuse(problems, manifest)
    work["label"] = [float(value) if value else float("nan") for value in table["label"]]
    work["split"] = "unlabelled"
    people = add_splits(work, shares, seed)
    table["split"] = work["split"]
    table = table.drop(columns="fold", errors="ignore")
    if "fold" in work.columns:
        table["fold"] = work["fold"]
    write_text(manifest, _csv_text(table))
    return table.assign(recording_id=whose, label=work["label"]), people


def manifest_text(table: pd.DataFrame) -> str:
    """A draft as csv text, sorted by clip_id; person_guessed is there as long as somebody is guessed."""
    extra = ["fold"] if "fold" in table.columns else []
    if (table["person_guessed"] == "yes").any():
        extra.append("person_guessed")
    sorted_table = table.sort_values("clip_id")[[*COLUMNS, *extra]].astype(object)
    sorted_table["label"] = ["" if pd.isna(label) else f"{label:g}" for label in sorted_table["label"]]
    return _csv_text(sorted_table)


def _csv_text(table: pd.DataFrame) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.to_numpy().tolist())
    return out.getvalue()
