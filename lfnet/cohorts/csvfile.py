"""Read tables as spreadsheets, pandas and R save them: commas, semicolons or tabs, byte order marks, .xlsx."""

import codecs
import csv
import io
import re
from pathlib import Path
from zipfile import ZipFile

import pandas as pd

from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.files import refuse_special

__all__ = ["BLANK", "blanked", "check_encoding", "read_table", "read_text"]

# Spellings of an empty cell, in lower case: pandas, R, spreadsheets.
BLANK = frozenset(["", "nan", "na", "n/a", "#n/a", "<na>", "none", "null", "-", "."])
# Columns of a manifest in which these are no values. A person may be called NA.
_BLANK_COLUMNS = ("label", "fps", "n_frames", "fold", "task")
# Of an Excel file: bytes of what the archive contains, and cells of a sheet.
_MAX_UNPACKED, _MAX_CELLS = 200_000_000, 5_000_000
_DELIMITERS = (",", ";", "\t")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OFFICE = (b"\xd0\xcf\x11\xe0", b"PK\x03\x04")  # .xls; .xlsx and .ods
_SAVE = "Save the file as 'CSV UTF-8'"


def check_encoding(name: str, option: str) -> None:
    """Raise `LfnetError` where Python knows no text encoding of this name. option: where the user gave it."""
    try:
        known = codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise LfnetError(
            f"{option} {name}: there is no such encoding. Give one that Python knows, such as cp1252 (Windows, western "
            "Europe), cp1251 (Cyrillic), gb18030 (Chinese), shift_jis or utf-16-le."
        )


def read_text(path: Path, encoding: str | None = None, option: str | None = None) -> str:
    """Return the text of a UTF-8 file, or of a UTF-16 file with a byte order mark.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        Encoding of a file that has no byte order mark and is not UTF-8. None is guessed: tables in two 8-bit encodings
        differ in nothing but the names in them.
    option : str, optional
        The option that sets `encoding`, for messages.

    Raises
    ------
    LfnetError
        The file is missing, cannot be read or has another encoding (with the line).
    """
    refuse_special(path)
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except OSError as error:
        raise LfnetError(f"{path} cannot be read ({error.strerror}).") from error
    if raw.startswith(_OFFICE):
        raise LfnetError(f"{path} is no text, but an office file. Save the table as .xlsx or 'CSV UTF-8'.")
    # Excel's "Unicode text" is UTF-16 with a byte order mark.
    marked = "utf-16" if raw.startswith(_UTF16) else "utf-8-sig" if raw.startswith(codecs.BOM_UTF8) else None
    name = marked or encoding or "utf-8"
    try:
        text = raw.decode(name)
    except UnicodeError as error:
        line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
        other = f", or give its encoding, such as {option} cp1252" if option and name == "utf-8" else ""
        what = "UTF-8" if name == "utf-8" else name
        raise LfnetError(f"{path}: line {line} is not {what} text. {_SAVE}{other}.") from error
    if "\0" in text:
        raise LfnetError(f"{path} is not plain text. {_SAVE}.")
    if name == encoding and b"\0" not in raw and _is_utf8(raw) and raw.decode() != text:
        raise LfnetError(f"{path} is UTF-8 text, and {option} says {encoding}. Leave {option} out.")
    return text


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_table(
    path: Path, header: bool = True, *, rename: bool = True, encoding: str | None = None, option: str | None = None
) -> pd.DataFrame:
    """Read a table as text.

    The delimiter is the comma, semicolon or tab that parts the first line into most values, or the one that Excel's
    line `sep=;` names. A comma in a number is the decimal separator. Spaces around values are removed, and so are
    columns without name and values. A first column without a place in the header holds R's row names and is removed.

    Parameters
    ----------
    path : Path
        A csv file, or the only sheet of an .xlsx file.
    header : bool
        Whether the first line holds column names. Else columns are 0, 1, …
    rename : bool
        Whether column names become lower case, with "_" for spaces.
    encoding, option : str, optional
        As for `read_text`.

    Returns
    -------
    DataFrame
        Text columns; the index "row" is each row's line in the file. Columns without a name are called unnamed_N.

    Raises
    ------
    LfnetError
        The file is empty, has two columns of one name or uneven rows.
    """
    if Path(path).suffix.lower() in (".xlsx", ".xlsm"):
        lines = _excel_lines(path)
    else:
        lines = _csv_lines(path, read_text(path, encoding, option))
    lines = [(number, row) for number, row in lines if any(row)]
    if not lines:
        raise LfnetError(f"{path} is empty.")
    first = lines.pop(0)[1] if header else [""] * len(lines[0][1])
    if header and _numbered_by_r(lines, len(first)):
        lines = [(number, row[1:]) for number, row in lines]
    width = len(first)
    refuse(
        [
            f"row {number}: {len(row)} values under {width} columns. Quote values that hold the delimiter."
            for number, row in lines
            if len(row) < width or any(row[width:])
        ],
        path,
    )
    table = pd.DataFrame(
        [[_decimal_point(value) for value in row[:width]] for _, row in lines],
        columns=pd.Index(_names(path, first, rename)) if header else pd.RangeIndex(width),
        index=pd.Index([number for number, _ in lines], name="row"),
        dtype=object,
    )
    return table.drop(
        columns=[name for name in table.columns if str(name).startswith("unnamed_") and not any(table[name])]
    )


def _numbered_by_r(lines: list[tuple[int, list[str]]], width: int) -> bool:
    """Whether each row begins with its number and has one value more than the header."""
    rows = [row for _, row in lines]
    return all(len(row) == width + 1 and row[0] == str(number) for number, row in enumerate(rows, 1)) and any(
        row[-1] for row in rows
    )


def blanked(table: pd.DataFrame) -> pd.DataFrame:
    """Return a manifest's table with "" for spellings of an empty cell, and whole folds.

    pandas writes NaN and folds as 1.0, R writes NA.

    Examples
    --------
    >>> blanked(pd.DataFrame({"person_id": ["NA"], "label": ["NA"], "fold": ["1.0"]})).iloc[0].tolist()
    ['NA', '', '1']
    """
    table = table.copy()
    for column in set(_BLANK_COLUMNS) & set(table.columns):
        table[column] = ["" if value.lower() in BLANK else value for value in table[column]]
    if "fold" in table.columns:
        table["fold"] = [re.sub(r"^(\d+)\.0+$", r"\1", value) for value in table["fold"]]
    return table


def _csv_lines(path: Path, text: str) -> list[tuple[int, list[str]]]:
    filled = [line for line in text.splitlines() if line.strip()]
    first = filled[0] if filled else ""
    named = re.fullmatch(r'"?sep=(.)"?', first.strip("\r\n"), re.IGNORECASE)
    delimiter = named.group(1) if named else max(_DELIMITERS, key=lambda mark: _count(first, mark))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        lines = [(reader.line_num, [value.strip() for value in row]) for row in reader]
        if lines and _is_open(text, delimiter):  # the rows behind the mark are all part of one value
            before = lines[-2][0] if len(lines) > 1 else 0
            raise LfnetError(f"{path}: row {before + 1}: a quotation mark is not closed. Close or remove it.")
    except csv.Error as error:
        raise LfnetError(f"{path}: line {reader.line_num} is not csv ({error}).") from error
    if named:
        lines.pop(next(place for place, (_, row) in enumerate(lines) if any(row)))
    return lines


def _is_open(text: str, delimiter: str) -> bool:
    """Whether a csv file ends inside quotation marks."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _count(line: str, delimiter: str) -> int:
    """Number of values in a line; delimiters inside quotes do not count."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), []))
    except csv.Error:
        return 0


def _excel_lines(path: Path) -> list[tuple[int, list[str]]]:
    if not Path(path).is_file():
        raise LfnetError(f"{path} does not exist.")
    require("excel", use=str(path), otherwise="save the table as CSV UTF-8")
    from openpyxl import load_workbook

    try:
        with ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_UNPACKED:
                raise ValueError("larger than any table of labels")
        values, formulas = (load_workbook(path, data_only=computed) for computed in (True, False))
    except Exception as error:  # openpyxl raises errors of zip and xml libraries of many kinds
        raise LfnetError(f"{path} is no .xlsx file that can be read. Save the table as CSV UTF-8.") from error
    for sheet in values.worksheets:
        if sheet.max_row * sheet.max_column > _MAX_CELLS:  # openpyxl would make all cells between
            raise LfnetError(
                f"{path}: sheet {sheet.title!r} reaches to row {sheet.max_row} and column {sheet.max_column}. Delete "
                "the cells far from the others, or save the table as CSV UTF-8."
            )
    sheets = [
        sheet for sheet in values.worksheets if any(any(cell is not None for cell in row) for row in sheet.values)
    ]
    if len(sheets) > 1:
        titles = ", ".join(repr(sheet.title) for sheet in sheets)
        raise LfnetError(
            f"{path} has {len(sheets)} sheets with values ({titles}). Save the right one as a file of its own."
        )
    lines = []
    for sheet in sheets:
        for number, row in enumerate(sheet.iter_rows(), 1):
            for cell in row:
                if cell.value is None and formulas[sheet.title][cell.coordinate].value is not None:
                    raise LfnetError(
                        f"{path}: cell {cell.coordinate} holds a formula without a value. Open and save the file in "
                        "Excel, or save it as CSV UTF-8."
                    )
            lines.append((number, [_excel_text(cell.value) for cell in row]))
    return lines


def _excel_text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _names(path: Path, header: list[str], rename: bool) -> list[str]:
    names = [name.lower().replace(" ", "_") if rename else name for name in header]
    names = [name or f"unnamed_{place}" for place, name in enumerate(names, 1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LfnetError(f"{path}: two columns are called {', '.join(map(repr, twice))}. Rename one.")
    return names


def _decimal_point(value: str) -> str:
    whole, comma, part = value.partition(",")
    return f"{whole}.{part}" if comma and whole.lstrip("+-").isdigit() and part.isdigit() else value
