"""Plain text of a table for a terminal."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lfnet import RESEARCH_ONLY
from lfnet.reports.grid import Grid, evidence_grids, make_grid, wrap
from lfnet.reports.main_columns import narrower
from lfnet.tables.formatting import DASH
from lfnet.tables.table import Table
from lfnet.text import terminal_width

__all__ = ["terminal"]

_MIN_WIDTH = 40
_PROSE = 100  # maximum length of a line of sentences
_GAP = "  "
_NOTE = 28
_WIDE, _NARROW = 32, 13  # maximum length of a line of a cell
_LOUD = ("Leak", "Warning")  # labels of the audit that may not be overlooked
_MIN_NAME = 20  # minimum of that of a cell that names its row

Lines = list[list[list[str]]]  # rows × columns × lines of a cell


def terminal(table: Table, width: int | None = None, full: bool = True) -> str:
    """Format a table as text.

    Parameters
    ----------
    table : Table
    width : int or None
        Maximum length of a line, at least 40; None: that of the terminal, 100 in a pipe. Sentences have at most 100.
    full : bool
        Everything: columns that do not fit follow in further blocks, which repeat the names of the rows. Else what was
        found, warnings, the main columns that fit, and notes.
    """
    columns = max(_MIN_WIDTH, width or terminal_width())
    width = min(columns, _PROSE)
    parts = [*textwrap.wrap(table.title, width), *textwrap.wrap(table.question, width)]
    for text in table.banners:
        parts += textwrap.wrap(text.upper(), width)
    if table.findings:
        parts += ["", *textwrap.wrap(table.findings.head, width)]
        for question, text in table.findings.lines if full else table.findings.brief:
            parts += textwrap.wrap(f"  {question}: {text}.", width, subsequent_indent="    ")
    parts += _everything(table, width, columns) if full else _main(table, width, columns)
    return "\n".join(line.rstrip() for line in parts) + "\n"


def _main(table: Table, width: int, columns: int) -> list[str]:
    """Warnings, the main columns, notes, and what is left out."""
    loud = [("Warning", text) for text in table.warnings]
    loud += [(f"{label} (audit)", text) for label, text in table.audit if label in _LOUD]
    parts = [""] * bool(loud) + [line for label, text in loud for line in _indented(f"{label}: {text}", width)]
    for narrow in narrower(_without_notes(table)):
        # Cells of one line: an interval is not separated from its value.
        if len(_layout(make_grid(narrow), columns, _WIDE, False).blocks) == 1:
            break
    parts += [*_blocks(make_grid(narrow), [section.label for section in table.sections], columns), ""]
    parts += _closing(table, width)
    notes: dict[str, list[str]] = {}
    for section in table.sections:
        for row in section.rows:
            name = ", ".join([section.label] * bool(section.label) + [row.label or ", ".join(table.names(row))])
            for note in row.notes:
                notes.setdefault(note, []).append(name)
    for note, names in notes.items():
        parts += _indented(f"{note[0].upper()}{note[1:]}: {'; '.join(names)}.", width)
    parts += _failures(table, width)
    kept = {column.name.partition(" ")[0] for column in narrow.columns}
    left = [column.heading.rstrip(" ↓↑") for column in table.columns if column.name not in kept]
    more = ", ".join([*left, "the evidence and audit in full, and what each number means"])
    parts += _indented(f"--full shows more: {more}.", width)
    return [*parts, *textwrap.wrap(RESEARCH_ONLY, width)]


def _without_notes(table: Table) -> Table:
    """The table without the column of notes: they follow below."""
    sections = (replace(one, rows=tuple(replace(row, notes=()) for row in one.rows)) for one in table.sections)
    return replace(table, sections=tuple(sections))


def _everything(table: Table, width: int, columns: int) -> list[str]:
    """Head, audit, all columns, evidence and foot."""
    parts = ["", *(line for name, text in table.facts for line in _indented(f"{name}: {text}.", width))]
    for text in table.warnings:
        parts += _indented(f"Warning: {text}", width)
    parts += _box(table, width)
    parts += _blocks(make_grid(table), [section.label for section in table.sections], columns)
    for section in table.sections:
        for title, grid in evidence_grids(section.evidence):
            first, *others = _blocks(grid, [""], columns)
            parts += [first, *textwrap.wrap(f"{section.label}. " * bool(section.label) + title, width), *others]
    parts += ["", *_closing(table, width)]
    for text in table.foot:
        parts += _indented(text, width)
    return parts + _failures(table, width)


def _closing(table: Table, width: int) -> list[str]:
    parts = []
    for section in table.sections:
        lead = f"{section.label}. " if section.label else ""
        parts += [line for text in section.closing for line in _indented(lead + text, width)]
    return parts


def _failures(table: Table, width: int) -> list[str]:
    texts = [f"No result: {' '.join(failure.overrides)}: {failure.reason}" for failure in table.failures]
    return [line for text in texts for line in _indented(text, width)]


def _indented(text: str, width: int) -> list[str]:
    """The lines of a text, all but the first one indented."""
    return textwrap.wrap(text, width, subsequent_indent="  ")


def _blocks(grid: Grid, labels: Sequence[str], width: int) -> list[str]:
    """The lines of a grid, each block of its columns after an empty line."""
    layout = _best_layout(grid, width)
    parts: list[str] = []
    for block in layout.blocks:
        widths, right = [layout.widths[i] for i in block], [grid.numeric[i] for i in block]
        parts += ["", *_row([layout.headings[i] for i in block], widths, right), _GAP.join("─" * n for n in widths)]
        for section, (label, rows, body) in enumerate(zip(labels, grid.sections, layout.bodies, strict=True)):
            if label and rows:
                parts += [*([""] if section else []), *textwrap.wrap(label, width)]
            for number, (line, cells) in enumerate(zip(rows, body, strict=True)):
                if line.kind == "reference" and all(line.texts[i] in ("", DASH) for i in block[grid.names :]):
                    continue
                if number and line.kind == "reference" and rows[number - 1].kind != "reference":
                    parts.append(_GAP.join("·" * n for n in widths))
                parts += _row([cells[i] for i in block], widths, right)
    return parts


def _box(table: Table, width: int) -> list[str]:
    """The lines of the audit after a vertical rule."""
    if not table.audit:
        return []
    lines = [
        line
        for label, text in table.audit
        for line in textwrap.wrap(
            f"{label.upper() if label in _LOUD else label}: {text}", width - 2, subsequent_indent="  "
        )
    ]
    return ["", "┌ Audit", *(f"│ {line}" for line in lines[:-1]), f"└ {lines[-1]}"]


@dataclass(frozen=True)
class _Layout:
    """Texts broken into lines, the widths of the columns, and the columns of each block."""

    headings: list[list[str]]
    bodies: list[Lines]
    widths: list[int]
    blocks: list[list[int]]


def _best_layout(grid: Grid, width: int) -> _Layout:
    """The layout with the fewest blocks; among those, metrics separate from costs; among those, cells in one line."""
    layouts = [_layout(grid, width, longest, turning) for turning in (True, False) for longest in (_WIDE, _NARROW)]
    return min(layouts, key=lambda layout: len(layout.blocks))


def _layout(grid: Grid, width: int, longest: int, turning: bool) -> _Layout:
    limits = [max(_MIN_NAME, width // (2 * grid.names))] * grid.names + [longest] * (len(grid.headings) - grid.names)
    if grid.notes:
        limits[-1] = _NOTE
    headings = [wrap(heading, _NARROW) for heading in grid.headings]
    bodies = [
        [[wrap(text, limit) for text, limit in zip(line.texts, limits, strict=True)] for line in rows]
        for rows in grid.sections
    ]
    every = [headings, *(cells for body in bodies for cells in body)]
    widths = [max(len(text) for cells in every for text in cells[i]) for i in range(len(headings))]
    return _Layout(headings, bodies, widths, _split(widths, grid, width, turning))


def _split(widths: Sequence[int], grid: Grid, width: int, turning: bool) -> list[list[int]]:
    """All columns in one block if they fit, else several, each of which begins with the columns that name the row."""
    lead = list(range(grid.names))

    def taken(columns: Sequence[int]) -> int:
        return sum(widths[column] + len(_GAP) for column in columns) - len(_GAP)

    if taken(range(len(widths))) <= width:
        return [list(range(len(widths)))]
    blocks = [list(lead)]
    for column in range(grid.names, len(widths)):
        begun = len(blocks[-1]) > len(lead)
        if begun and ((turning and column in grid.turns) or taken([*blocks[-1], column]) > width):
            blocks.append(list(lead))
        blocks[-1].append(column)
    return blocks


def _row(cells: Sequence[Sequence[str]], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    height = max(len(cell) for cell in cells)
    lines = []
    for level in range(height):
        texts = [cell[level] if level < len(cell) else "" for cell in cells]
        lines.append(
            _GAP.join(
                text.rjust(width) if right else text.ljust(width)
                for text, width, right in zip(texts, widths, numeric, strict=True)
            )
        )
    return lines
