"""A table as texts in lines and columns: what Markdown, LaTeX and the terminal have in common."""

import re
import textwrap
from dataclasses import dataclass
from typing import Literal

from lfnet.tables.formatting import DASH
from lfnet.tables.table import Row, Table

__all__ = ["Grid", "Line", "make_grid", "wrap"]


@dataclass(frozen=True)
class Line:
    """One row's texts, under the grid's headings."""

    kind: Literal["model", "reference", "failed"]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table's texts.

    names: how many of the first columns name the row. numeric: which columns hold numbers. turns: the columns at which
    metrics turn into costs or costs into metrics, where a table that is too wide is best broken. notes: is the last
    column one of notes? sections: the lines of each.
    """

    headings: tuple[str, ...]
    names: int
    numeric: tuple[bool, ...]
    turns: tuple[int, ...]
    notes: bool
    sections: tuple[tuple[Line, ...], ...]


def make_grid(table: Table) -> Grid:
    """Lay a table out. Row keys that never differ are left to the head; seeds and notes get a column where needed."""
    keys = [key for key in table.keys if key.name not in table.constants]
    seeds = len({len(row.seeds) for row in table.rows if row.seeds}) > 1
    notes = any(row.notes for row in table.rows)
    headings = [key.heading for key in keys] + ["Seeds"] * seeds
    headings += [column.heading for column in table.columns] + ["Note"] * notes
    numeric = [False] * len(keys) + [True] * (seeds + len(table.columns)) + [False] * notes

    def line(row: Row) -> Line:
        names = [row.identity.get(key.name, "") for key in keys]
        if row.kind == "reference":
            names = [row.label, *[""] * (len(keys) - 1)]
        texts = names + [str(len(row.seeds)) if row.seeds else DASH] * seeds
        texts += [row.cells[column.name].text if column.name in row.cells else DASH for column in table.columns]
        if row.kind == "failed":
            texts[len(keys) + seeds] = "failed"
        kind = "reference" if row.kind == "control" else row.kind  # both stand below the line
        return Line(kind, tuple(texts + ["; ".join(row.notes)] * notes))

    sections = tuple(tuple(line(row) for row in section.rows) for section in table.sections)
    measures = [column.metric is not None for column in table.columns]
    turns = [len(keys) + seeds + i for i in range(1, len(measures)) if measures[i] != measures[i - 1]]
    return Grid(tuple(headings), len(keys), tuple(numeric), tuple(turns), notes, sections)


def wrap(text: str, width: int = 13) -> list[str]:
    """`text` in lines of about `width`, broken at spaces; never within a mean and its sd, (1 of 3) or [low, high]."""
    glued = re.sub(r"\(\d+ of \d+\)| ± |\[[^\[\]]*\]", lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(glued, width, break_long_words=False, break_on_hyphens=False) or [""]
    return [line.replace("\0", " ") for line in lines]
