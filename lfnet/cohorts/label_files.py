"""Labels from files: one number per recording's file, or a table with a column of names and one of scores."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lfnet.cohorts.csvfile import read_table, read_text
from lfnet.cohorts.media import READY_SUFFIXES, VIDEO_SUFFIXES
from lfnet.cohorts.scale import Scale
from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError

__all__ = ["Merged", "add_labels", "is_number", "label_column", "read_score", "read_scores"]

# Usual names of score columns, and of columns with people's ids.
_NAMES = frozenset(
    [
        *("label", "labels", "score", "severity", "depression", "bdi", "bdi_ii", "bdi-ii", "bdi2"),
        *("phq", "phq_score", "phq8", "phq-8", "phq8_score", "phq9", "phq-9", "phq9_score"),
        *("hamd", "hamd17", "hamd-17"),
    ]
)
_PERSON = ("person_id", "person", "participant_id", "participant", "subject_id", "subject")


def is_number(text: str) -> bool:
    """Return whether a text is a number other than NaN."""
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def read_score(path: Path) -> float:
    """Return the one number in a label file; words next to it (a header, a name) are skipped.

    Raises
    ------
    LfnetError
        The file holds no number, or several.
    """
    found = [word for word in re.split(r"[\s,;]+", read_text(path)) if is_number(word)]
    if len(found) != 1:
        count = "no number" if not found else f"{len(found)} numbers"
        raise LfnetError(f"{path} holds {count} instead of one score. Correct the file or cohort.labels.files.")
    return float(found[0])


def read_scores(path: Path, recording: str, column: str | None = None) -> pd.DataFrame:
    """Return the scores of a table.

    Parameters
    ----------
    path : Path
        A csv file.
    recording : str
        Regular expression with the groups person and session (default 1), searched in the column of names.
    column : str, optional
        Column of scores; by default, `label_column` chooses it.

    Returns
    -------
    DataFrame
        Columns person, session and label (NaN where the cell is empty); the index "row" is the line in the file.

    Raises
    ------
    LfnetError
        No value matches `recording`, or a score is not a number.
    """
    pattern = re.compile(recording, re.IGNORECASE)
    bare = read_table(path, header=False)
    # The first line of a table without header holds a name and a score already.
    first = bare.iloc[0]
    headed = not (any(pattern.search(value) for value in first) and any(is_number(value) for value in first))
    table = read_table(path) if headed else bare.rename(columns=str)
    hits = {name: int(table[name].map(lambda value: bool(pattern.search(value))).sum()) for name in table.columns}
    names = max(hits, key=lambda name: hits[name]) if hits else None
    if names is None or not hits[names]:
        shown = ", ".join(table.iloc[0]) if len(table) else "no rows"
        raise LfnetError(
            f"{path}: no value matches {recording!r} (first row: {shown}). Correct cohort.labels.recording."
        )
    scores = label_column(table.drop(columns=names), path, column, "cohort.labels.column=NAME")
    rows = []
    for row, name, score in zip(table.index, table[names], table[scores], strict=True):
        match = pattern.search(Path(name.replace("\\", "/")).name) or pattern.search(name)
        if match is None:
            continue
        if score and not is_number(score):
            raise LfnetError(
                f"{path}: row {row}: score {score!r} of {name} is not a number. Correct it or leave it empty."
            )
        groups = match.groupdict()
        rows.append((row, groups["person"], groups.get("session") or "1", float(score) if score else float("nan")))
    return pd.DataFrame(rows, columns=["row", "person", "session", "label"]).set_index("row")


def label_column(table: pd.DataFrame, path: Path, column: str | None, setting: str) -> str:
    """Return the column of scores: `column`, else the one with a usual name, else the only column of numbers.

    Raises
    ------
    LfnetError
        There is none or several; the message names the `setting` that chooses one.
    """
    known = ", ".join(map(str, table.columns)) or "none"
    if column is not None:
        lowered = column.lower().replace(" ", "_")
        if lowered not in table.columns:
            raise LfnetError(f"{path} has no column {column!r}. There are: {known}.")
        return lowered
    named = [name for name in table.columns if name in _NAMES]
    if len(named) == 1:
        return str(named[0])
    numbers = [
        name
        for name in table.columns
        if any(table[name]) and all(is_number(value) for value in table[name] if value not in ("", "nan", "NaN", "NA"))
    ]
    if not named and len(numbers) == 1:
        return str(numbers[0])
    raise LfnetError(f"{path}: which column holds the scores? There are: {known}. Choose it with {setting}.")


@dataclass(frozen=True)
class Merged:
    """Result of `add_labels`.

    Attributes
    ----------
    level : str
        What the names in the label file are: clip, recording or person.
    column : str
        The column that holds them.
    labelled : int
        Clips with a score.
    unused : tuple of str
        Names that match no clip.
    """

    level: str
    column: str
    labelled: int
    unused: tuple[str, ...]


def add_labels(table: pd.DataFrame, path: Path, scale: Scale, column: str | None = None) -> Merged:
    """Fill in the labels of a drafted manifest from a csv file with names of clips, recordings or people.

    The column of names and their level are those that match the most clips. People's ids, as names or in a further
    column, replace guessed people.

    Parameters
    ----------
    table : DataFrame
        A draft (`lfnet.cohorts.draft.draft`), changed in place.
    path : Path
        The csv file.
    scale : Scale
        Scale that the scores must lie on.
    column : str, optional
        Column of scores; by default, `label_column` chooses it.

    Raises
    ------
    LfnetError
        No name matches, or scores contradict each other or lie outside the scale.
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
            scores_of = ", ".join(
                f"{clip}: {label:g}" for clip, label in clips[["clip_id", "label"]].to_numpy().tolist()
            )
            problems.append(
                f"clips of recording {recording} have several scores or people ({scores_of}). Make them equal."
            )
    refuse(problems, path)
    # The label belongs to the recording, so that clips which the file does not name get their recording's.
    table["label"] = table.groupby("recording_id")["label"].transform("first")
    unused = tuple(name for name in labels[names] if _plain(name) in given and _plain(name) not in used)
    return Merged(level, names, int(table["label"].notna().sum()), unused)


def _plain(name: str) -> str:
    """A name for comparison: without folders, suffix, capitals and leading zeros."""
    path = Path(name.replace("\\", "/").rstrip("/"))
    text = (path.stem if path.suffix.lower() in (*VIDEO_SUFFIXES, *READY_SUFFIXES) else path.name).lower()
    return text.lstrip("0") or text


def _keys(clip: pd.Series, level: str) -> tuple[str, ...]:
    if level == "clip":
        return _plain(clip["clip_id"]), _plain(clip["path"])
    return (_plain(clip[f"{level}_id"]),)


def _best_key(table: pd.DataFrame, labels: pd.DataFrame, path: Path, column: str | None) -> tuple[str, str]:
    # Columns of scores are no candidates: a score of 7 is not person 7.
    candidates = [name for name in labels.columns if name != column and name not in _NAMES]
    best, max_hits = ("", ""), 0
    records = [table.loc[file] for file in table.index]
    for level in ("clip", "recording", "person"):
        wanted = [_keys(clip, level) for clip in records]
        for name in candidates:
            values = {_plain(value) for value in labels[name] if value}
            hits = sum(any(key in values for key in keys) for keys in wanted)
            if hits > max_hits:
                best, max_hits = (level, name), hits
    if max_hits:
        return best
    shown = labels.iloc[0].tolist() if len(labels) else ["no rows"]
    first = table.iloc[0]
    raise LfnetError(
        f"{path}: no row names a clip, a recording or a person of the folder. Its first row: {', '.join(shown)}. "
        f"The folder's first clip: {first['clip_id']}, recording {first['recording_id']}, person {first['person_id']}. "
        "Give the file a column with one of these names."
    )
