"""Layout of a table as lines and columns of texts, shared by Markdown, LaTeX, HTML and the terminal."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lfnet.tables.formatting import DASH
from lfnet.tables.table import Block, Row, Table

__all__ = ["Grid", "Line", "evidence_grids", "make_grid", "wrap"]


@dataclass(frozen=True)
class Line:
    """The texts of one row, under the grid's headings."""

    kind: Literal["model", "reference", "failed", "missing"]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """The texts of a table.

    Parameters
    ----------
    headings : tuple of str
    names : int
        How many of the first columns name the row.
    numeric : tuple of bool
        Which columns contain numbers.
    sections : tuple of tuples of Line
    turns : tuple of int
        Columns at which metrics change to costs, or costs to metrics: where a table that is too wide is best split.
    notes : bool
        Whether the last column contains notes.
    """

    headings: tuple[str, ...]
    names: int
    numeric: tuple[bool, ...]
    sections: tuple[tuple[Line, ...], ...]
    turns: tuple[int, ...] = ()
    notes: bool = False


def make_grid(table: Table) -> Grid:
    """Lay out a table; row keys that never differ are left out, seeds and notes have a column where needed."""
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
        if row.kind in ("failed", "missing"):
            texts[len(keys) + seeds] = row.kind
        kind = "reference" if row.kind == "control" else row.kind  # both are below the line
        return Line(kind, tuple(texts + ["; ".join(row.notes)] * notes))

    sections = tuple(tuple(line(row) for row in section.rows) for section in table.sections)
    measures = [column.metric is not None for column in table.columns]
    turns = [len(keys) + seeds + i for i in range(1, len(measures)) if measures[i] != measures[i - 1]]
    return Grid(tuple(headings), len(keys), tuple(numeric), sections, tuple(turns), notes)


def evidence_grids(evidence: Sequence[Block]) -> list[tuple[str, Grid]]:
    """Title and layout of each block of evidence; models come before references."""
    found = []
    for block in evidence:
        lines = tuple(
            Line("model" if number < block.models else "reference", texts) for number, texts in enumerate(block.rows)
        )
        numeric = tuple(i > 0 and heading != "Verdict" for i, heading in enumerate(block.headings))
        found.append((block.title, Grid(block.headings, 1, numeric, (lines,))))
    return found


def wrap(text: str, width: int = 13) -> list[str]:
    """Break a text at spaces into lines of about `width`; never within a mean ± sd, (1 of 3) or [low, high]."""
    glued = re.sub(r"\(\d+ of \d+\)| ± |\[[^\[\]]*\]", lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(glued, width, break_long_words=False, break_on_hyphens=False) or [""]
    return [line.replace("\0", " ") for line in lines]
