"""Read csv files as spreadsheets save them: commas, semicolons or tabs, with or without a byte order mark."""

import csv
import io
from pathlib import Path

import pandas as pd

from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError

__all__ = ["read_table", "read_text"]

_DELIMITERS = (",", ";", "\t")


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without its byte order mark.

    Raises
    ------
    LfnetError
        The file is missing, cannot be read or has another encoding (with the line).
    """
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except OSError as error:
        raise LfnetError(f"{path} cannot be read ({error.strerror}).") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise LfnetError(f"{path}: line {line} is not UTF-8 text. Save the file as 'CSV UTF-8'.") from error
    if "\0" in text:
        raise LfnetError(f"{path} is not plain text. Save it as 'CSV UTF-8'.")
    return text


def read_table(path: Path, header: bool = True) -> pd.DataFrame:
    """Read a csv file as text.

    The delimiter is the comma, semicolon or tab that the first line holds most of. Between semicolons, a comma in a
    number is the decimal separator. Spaces around values are removed.

    Parameters
    ----------
    path : Path
        The file.
    header : bool
        Whether the first line holds column names; they become lower case, with "_" for spaces. Else columns are 0, 1, …

    Returns
    -------
    DataFrame
        Text columns; the index "row" is each row's line in the file.

    Raises
    ------
    LfnetError
        The file is empty, has two columns of one name or uneven rows.
    """
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        lines = [(reader.line_num, [value.strip() for value in row]) for row in reader]
    except csv.Error as error:
        raise LfnetError(f"{path}: line {reader.line_num} is not csv ({error}).") from error
    lines = [(number, row) for number, row in lines if any(row)]
    if not lines:
        raise LfnetError(f"{path} is empty.")
    columns = pd.RangeIndex(len(lines[0][1])) if not header else pd.Index(_names(path, lines.pop(0)[1], lines))
    width = len(columns)
    refuse(
        [
            f"row {number}: {len(row)} values under {width} columns. Quote values that hold {delimiter!r}."
            for number, row in lines
            if len(row) < width or any(row[width:])
        ],
        path,
    )
    rows = [row[:width] for _, row in lines]
    if delimiter == ";":
        rows = [[_decimal_point(value) for value in row] for row in rows]
    index = pd.Index([number for number, _ in lines], name="row")
    return pd.DataFrame(rows, columns=columns, index=index, dtype=object)


def _names(path: Path, header: list[str], lines: list[tuple[int, list[str]]]) -> list[str]:
    names = [name.lower().replace(" ", "_") for name in header]
    # Spreadsheets leave empty columns at the right.
    while names and names[-1] == "" and not any(any(row[len(names) - 1 :]) for _, row in lines):
        names.pop()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LfnetError(f"{path}: two columns are called {', '.join(map(repr, twice))}. Rename one.")
    return names


def _decimal_point(value: str) -> str:
    whole, comma, part = value.partition(",")
    return f"{whole}.{part}" if comma and whole.lstrip("+-").isdigit() and part.isdigit() else value
