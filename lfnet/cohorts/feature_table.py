"""Feature files that are tables: one row a frame, columns by name, times and validity in columns of their own."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lfnet.cohorts.csvfile import BLANK
from lfnet.cohorts.feature_stream import FeatureStream
from lfnet.cohorts.media import TABLE_SUFFIXES
from lfnet.errors import LfnetError
from lfnet.files import refuse_special
from lfnet.text import plural

__all__ = [
    "Table",
    "check_columns",
    "feature_tables",
    "is_feature_table",
    "read_feature_table",
    "table_columns",
    "table_fault",
]

_DELIMITERS = (",", ";", "\t")
_MAX_NAMED = 12


class Table(NamedTuple):
    """A table's features float64 [T, D], valid bool [T], time float64 [T] in seconds, names of columns, and notes."""

    features: np.ndarray
    valid: np.ndarray
    time: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...]


def table_columns(path: Path, header: bool = True) -> list[str]:
    """Return the names of a table's columns without reading its rows.

    Raises
    ------
    LfnetError
        The file cannot be read, is empty or has two columns of one name.
    """
    return _layout(path, header)[0]


def check_columns(path: Path, stream: FeatureStream, fps: float = float("nan")) -> None:
    """Raise `LfnetError` where the names of a table's columns lack those of a stream, or its times."""
    names, _ = _layout(path, stream.header)
    marks = {kind: name for kind in ("time", "frame") if (name := _find(names, getattr(stream, kind))) is not None}
    if not _chosen(path, names, marks, stream):
        raise LfnetError(f"{path} has no column of numbers but those of time and validity.")
    if "time" not in marks and not fps > 0 and stream.fps is None:
        raise LfnetError(_no_times(path, stream))


def is_feature_table(path: Path) -> bool:
    """Return whether a file is a table with a column of times or frame numbers, and numbers below it.

    A table of scores and a manifest are none.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES or path.name.lower() == "manifest.csv":
        return False
    try:
        names, _ = _layout(path, True)
        plain = FeatureStream()
        timed = [_find(names, known) for known in (plain.time, plain.frame)]
        if len(names) < 3 or not any(name is not None for name in timed):
            return False
        rows = _frame(path, names, True, names, first=3)
    except LfnetError:
        return False
    numbers = rows.apply(pd.to_numeric, errors="coerce").notna().any()
    return len(rows) > 1 and float(numbers.mean()) >= 0.5


def feature_tables(paths: Sequence[Path]) -> list[Path]:
    """Return the tables among files that are clips, and those that would be if they could be read.

    The second have the suffix of the first, and are empty, are no text, or have the same columns and too few rows. To
    read them is an error that names the file and the reason.
    """
    good = [path for path in paths if is_feature_table(path)]
    suffixes = {path.suffix.lower() for path in good}
    layouts = {tuple(_layout(path, True)[0]) for path in good}
    for path in paths:
        if path in good or path.suffix.lower() not in suffixes or path.name.lower() == "manifest.csv":
            continue
        if table_fault(path) or tuple(_layout(path, True)[0]) in layouts:
            good.append(path)
    return sorted(good)


def table_fault(path: Path) -> str:
    """Return why a file cannot be read as a table, "" where it can."""
    try:
        _layout(path, True)
    except LfnetError as error:
        return str(error)
    return ""


def read_feature_table(path: Path, fps: float, stream: FeatureStream) -> Table:
    """Read the columns of a stream.

    Times are those of the time column; where the clip's `fps` is given, or there is no such column, they are the frame
    numbers or rows divided by it. Frames that are not in the table are no rows: what was thinned or lost keeps its
    time. A row is valid if its numbers are finite, a face was found in it and its confidence is enough. Of several
    faces, the one with most valid rows is read.

    Parameters
    ----------
    path : Path
        The file.
    fps : float
        Frames per second; NaN where it is not given.
    stream : FeatureStream
        The columns and how they are read.

    Raises
    ------
    LfnetError
        The file is no such table: a column is missing, a cell is no number (with its row), or times do not increase.
    """
    names, _ = _layout(path, stream.header)
    known = {kind: _find(names, getattr(stream, kind)) for kind in ("time", "frame", "success", "confidence", "face")}
    marks = {kind: name for kind, name in known.items() if name is not None}
    chosen = _chosen(path, names, marks, stream)
    rows = _frame(path, names, stream.header, [*dict.fromkeys([*chosen, *marks.values()])])
    if not len(rows):
        raise LfnetError(f"{path} has no rows below its names of columns.")
    if stream.columns is None:
        chosen = [name for name in chosen if not _is_text(rows[name])]
        if not chosen:
            raise LfnetError(f"{path} has no column of numbers but those of time and validity.")
    numbers = {name: _numbers(path, rows[name]) for name in dict.fromkeys([*chosen, *marks.values()])}
    x_TD = np.column_stack([numbers[name] for name in chosen])
    valid_T = np.isfinite(x_TD).all(axis=1)
    if "success" in marks:
        valid_T &= numbers[marks["success"]] == 1
    if "confidence" in marks and stream.min_confidence:
        valid_T &= numbers[marks["confidence"]] >= stream.min_confidence
    kept, notes = _one_face(numbers.get(marks.get("face", "")), valid_T)
    time_T = _times(path, numbers, marks, len(rows), fps, stream)
    late = np.flatnonzero(~(np.diff(time_T[kept]) > 0))
    if len(late):
        row = rows.index[kept][late[0] + 1]
        column = f"column {marks['time']!r}" if "time" in marks else f"column {marks.get('frame', '')!r}"
        raise LfnetError(
            f"{path}: row {row}: {column} does not increase. Sort the rows, or name the column of faces with the "
            "stream's `face`."
        )
    try:
        x_TD = stream.transform(x_TD[kept], valid_T[kept])
    except LfnetError as error:
        raise LfnetError(f"{path}: {error}") from error
    return Table(x_TD, valid_T[kept], time_T[kept], tuple(chosen), notes)


def _layout(path: Path, header: bool) -> tuple[list[str], str]:
    """Names of columns and the delimiter."""
    refuse_special(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except (OSError, UnicodeError) as error:
        raise LfnetError(f"{path} cannot be read as a table of text ({error}).") from error
    if not first.strip():
        raise LfnetError(f"{path} is empty.")
    delimiter = max(_DELIMITERS, key=first.count)
    names = next(csv.reader([first.rstrip("\r\n")], delimiter=delimiter, skipinitialspace=True))
    names = [name.strip() for name in names] if header else [f"c{number}" for number in range(len(names))]
    names = [name or f"unnamed_{number}" for number, name in enumerate(names)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LfnetError(f"{path}: two columns are called {twice[0]!r}. Rename one.")
    return names, delimiter


def _frame(path: Path, names: list[str], header: bool, wanted: Sequence[str], first: int | None = None) -> pd.DataFrame:
    """The wanted columns; the index is the line in the file."""
    delimiter = _layout(path, header)[1]
    _check_widths(path, delimiter, len(names), first)
    try:
        rows = pd.read_csv(
            path,
            sep=delimiter,
            names=names,
            header=0 if header else None,
            usecols=list(wanted),
            nrows=first,
            skipinitialspace=True,
            skip_blank_lines=False,
            index_col=False,
            encoding="utf-8-sig",
            low_memory=False,
        )
    except Exception as error:  # pandas raises errors of many kinds
        raise LfnetError(f"{path} cannot be read as a table ({str(error).splitlines()[0]}).") from error
    rows.index = pd.RangeIndex(1 + header, len(rows) + 1 + header)
    return rows.dropna(how="all")


def _check_widths(path: Path, delimiter: str, width: int, first: int | None) -> None:
    """Refuse a row of more values than columns, which pandas would cut; one delimiter more at its end is none."""
    mark = delimiter.encode()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip(b" \r\n")
            if line.count(mark) - line.endswith(mark) >= width and b'"' not in line:
                raise LfnetError(
                    f"{path}: row {number}: {line.count(mark) + 1} values under {width} columns. Quote values that "
                    "hold the delimiter."
                )
            if first is not None and number > first:
                return


def _find(names: Sequence[str], known: Sequence[str]) -> str | None:
    lowered = {name.lower(): name for name in reversed(names)}
    return next((lowered[name.lower()] for name in known if name.lower() in lowered), None)


def _chosen(path: Path, names: list[str], marks: dict[str, str], stream: FeatureStream) -> list[str]:
    """The stream's columns: those of each pattern in natural order, or all but those of time and validity."""
    if stream.columns is None:
        return [name for name in names if name not in marks.values()]
    chosen: dict[str, None] = {}
    for pattern in stream.columns:
        found = [name for name in names if re.fullmatch(pattern, name)]
        if not found:
            shown = ", ".join(names[:_MAX_NAMED]) + (f", … ({len(names)})" if len(names) > _MAX_NAMED else "")
            raise LfnetError(
                f"{path}: no column is called '{pattern}'. There are {shown}. Choose other columns, such as "
                "features@cohort.features=columns for all."
            )
        chosen |= dict.fromkeys(sorted(found, key=_natural))
    return list(chosen)


def _no_times(path: Path, stream: FeatureStream) -> str:
    return (
        f"{path} has no column of times ({', '.join(stream.time)}). Name it so, or give the clip's fps in the manifest."
    )


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def _is_text(column: pd.Series) -> bool:
    given = column.dropna()
    return not pd.api.types.is_numeric_dtype(column) and (
        not len(given) or bool(pd.to_numeric(_plain(given), errors="coerce").isna().all())
    )


def _plain(column: pd.Series) -> pd.Series:
    """Text of numbers with a decimal point."""
    return column.astype(str).str.strip().str.replace(",", ".", regex=False)


def _numbers(path: Path, column: pd.Series) -> np.ndarray:
    """float64 [T]; NaN where a cell is empty."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64)
    text = _plain(column.where(column.notna(), ""))
    numbers = pd.to_numeric(text, errors="coerce")
    wrong = numbers.isna() & ~text.str.lower().isin(BLANK)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        row, value = column.index[place], column.iloc[place]
        raise LfnetError(
            f"{path}: row {row}: {value!r} in column {column.name!r} is not a number. Correct it, or choose others."
        )
    return numbers.to_numpy(np.float64)


def _one_face(faces: np.ndarray | None, valid_T: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which rows are kept, bool [T], and a note where several faces are in the table."""
    if faces is None:
        return np.ones(len(valid_T), bool), ()
    known, counts = np.unique(faces[valid_T], return_counts=True)
    if len(known) < 2:
        return np.ones(len(valid_T), bool), ()
    face = known[np.argmax(counts)]
    note = f"{len(known)} faces: {face:g} has most valid rows ({counts.max()}) and is read"
    return faces == face, (note,)


def _times(
    path: Path, numbers: dict[str, np.ndarray], marks: dict[str, str], rows: int, fps: float, stream: FeatureStream
) -> np.ndarray:
    """Seconds of each row, float64 [T]."""
    rate = fps if fps > 0 else stream.fps
    if "time" in marks and not (fps > 0 and "frame" in marks):
        kind, time = "time", numbers[marks["time"]]
    elif rate is None:
        raise LfnetError(_no_times(path, stream))
    elif "frame" in marks:
        kind, time = "frame", (numbers[marks["frame"]] - stream.first_frame) / rate
    else:
        return np.arange(rows) / rate
    if lost := int((~np.isfinite(time)).sum()):
        raise LfnetError(f"{path}: column {marks[kind]!r} is empty in {plural(lost, 'row')}. Fill it in.")
    return time
