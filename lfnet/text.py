"""Plain text for people: columns of a table, lists of names, cells of a spreadsheet."""

import re
import shutil
import sys
from collections.abc import Sequence

__all__ = [
    "MINUS",
    "align_columns",
    "cut_lines",
    "first_names",
    "fixed",
    "plural",
    "spreadsheet_cell",
    "terminal_width",
]

MINUS = "−"


def align_columns(table: Sequence[Sequence[str]], *, numbers: bool = False) -> list[str]:
    """Pad the cells of each column to one width; with `numbers`, all columns but the first are right-aligned.

    Examples
    --------
    >>> align_columns([["split", "n"], ["train", "50"]], numbers=True)
    ['split   n', 'train  50']
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    sides = ["<", *[">" if numbers else "<"] * (len(widths) - 1)]
    form = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return [form.format(*row).rstrip() for row in table]


def first_names(names: Sequence[str]) -> str:
    """Join the first three names: `a, b, c, …`."""
    return ", ".join(names[:3]) + ", …" * (len(names) > 3)


def fixed(value: float, digits: int = 2, sign: bool = False) -> str:
    """`value` with a fixed number of decimals; `sign` puts a + before what is above zero; zero has none."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def plural(number: int, word: str) -> str:
    """Format a number of things: `1 person`, `2 people`, `3 clips`."""
    words = {"person": "people"}
    return f"{number:,} {word if number == 1 else words.get(word, word + 's')}"


def spreadsheet_cell(text: str) -> str:
    """Return a cell of a csv for people: text that a spreadsheet would run as a formula gets a `'` before it, and
    line breaks become spaces.

    For files that lfnet reads again, cells are left as they are.

    Examples
    --------
    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("-0.5"), spreadsheet_cell("ldbm")
    ("'=1+1", '-0.5', 'ldbm')
    """
    line = re.sub(r"[\r\n]+", " ", text)  # a carriage return would end the row
    if not line.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) and line[:1] != "\t":
        return line
    try:
        float(line)
    except ValueError:
        return f"'{line}"
    return line.strip()


def cut_lines(text: str, length: int = 1000) -> str:
    """Cut lines that are longer than `length`: a value from a damaged file may have any length.

    Examples
    --------
    >>> cut_lines("abc\\nabcdef", 4)
    'abc\\nabc…'
    """
    return "\n".join(line if len(line) <= length else f"{line[: length - 1]}…" for line in text.splitlines())


def terminal_width(piped: int = 100) -> int:
    """The number of columns of the terminal; `piped` where standard output is none, as in a pipe."""
    return shutil.get_terminal_size((piped, 24)).columns if sys.stdout.isatty() else piped
