"""Labels from files: one number per recording's file, or a table with a column of names and one of scores."""

import re
from pathlib import Path

import pandas as pd

from lfnet.cohorts.columns import is_number, label_column
from lfnet.cohorts.csvfile import BLANK, read_table, read_text
from lfnet.errors import LfnetError

__all__ = ["read_score", "read_scores"]


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
        known = score.lower() not in BLANK
        if known and not is_number(score):
            raise LfnetError(
                f"{path}: row {row}: score {score!r} of {name} is not a number. Correct it or leave it empty."
            )
        groups = match.groupdict()
        rows.append((row, groups["person"], groups.get("session") or "1", float(score) if known else float("nan")))
    return pd.DataFrame(rows, columns=["row", "person", "session", "label"]).set_index("row")
