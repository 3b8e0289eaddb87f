"""Scores of recordings: a file for each with one number in it, or tables with a column of names and one of scores."""

import re
from pathlib import Path

import pandas as pd

from lfnet.cohorts.csvfile import read_table, read_text
from lfnet.errors import LfnetError

__all__ = ["is_number", "is_usual", "label_column", "read_score", "read_scores"]

# What columns of scores are called.
_NAMES = frozenset(
    [
        *("label", "labels", "score", "severity", "depression", "bdi", "bdi_ii", "bdi-ii", "bdi2"),
        *("phq", "phq_score", "phq8", "phq-8", "phq8_score", "phq9", "phq-9", "phq9_score"),
        *("hamd", "hamd17", "hamd-17"),
    ]
)


def is_number(text: str) -> bool:
    """Whether a text says a number (NaN says none)."""
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def is_usual(column: str) -> bool:
    """Whether a column's name says that it holds scores."""
    return column in _NAMES


def read_score(path: Path) -> float:
    """The one number that a label file holds; words beside it (a header, a name) are passed over.

    Raises `LfnetError` naming the file where it holds no number, or several.
    """
    found = [word for word in re.split(r"[\s,;]+", read_text(path)) if is_number(word)]
    if len(found) != 1:
        said = "no number" if not found else f"{len(found)} numbers"
        raise LfnetError(f"{path} holds {said}, where one score was expected. Correct the file or cohort.labels.files.")
    return float(found[0])


def read_scores(path: Path, recording: str, column: str | None = None) -> pd.DataFrame:
    """The scores of a table: person, session, label (NaN where the cell is empty); the index "row" is the file's line.

    recording: a regular expression with the groups person and session, searched in the column of names. column: the
    column of scores, by default as `label_column` says. Raises `LfnetError` naming file and rows.
    """
    pattern = re.compile(recording, re.IGNORECASE)
    bare = read_table(path, header=False)
    # A table without a header starts with a name and a score at once.
    first = bare.iloc[0]
    headed = not (any(pattern.search(value) for value in first) and any(is_number(value) for value in first))
    table = read_table(path) if headed else bare.rename(columns=str)
    hits = {name: int(table[name].map(lambda value: bool(pattern.search(value))).sum()) for name in table.columns}
    names = max(hits, key=lambda name: hits[name]) if hits else None
    if names is None or not hits[names]:
        shown = ", ".join(table.iloc[0]) if len(table) else "no rows"
        raise LfnetError(f"{path}: no value matches {recording!r} (first row: {shown}). Mend cohort.labels.recording.")
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
        said = match.groupdict()
        rows.append((row, said["person"], said.get("session") or "1", float(score) if score else float("nan")))
    return pd.DataFrame(rows, columns=["row", "person", "session", "label"]).set_index("row")


def label_column(table: pd.DataFrame, path: Path, column: str | None, setting: str) -> str:
    """The column of scores: `column`, else one with a usual name, else the only column of numbers.

    Raises `LfnetError` where there is none or several, naming the `setting` that chooses one.
    """
    known = ", ".join(map(str, table.columns)) or "none"
    if column is not None:
        lowered = column.lower().replace(" ", "_")
        if lowered not in table.columns:
            raise LfnetError(f"{path} has no column {column!r}. There are: {known}.")
        return lowered
    named = [name for name in table.columns if is_usual(name)]
    if len(named) == 1:
        return str(named[0])
    numbers = [
        name
        for name in table.columns
        if any(table[name]) and all(is_number(value) for value in table[name] if value not in ("", "nan", "NaN", "NA"))
    ]
    if not named and len(numbers) == 1:
        return str(numbers[0])
    raise LfnetError(f"{path}: which column holds the scores? There are: {known}. Say it with {setting}.")
