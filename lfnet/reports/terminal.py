"""A table as plain text for a terminal: no colour, no boxes, at most `width` characters a line."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from lfnet.reports.grid import Grid, make_grid, wrap
from lfnet.tables.formatting import DASH
from lfnet.tables.table import BANNER, Block, Table

__all__ = ["terminal"]

WIDTH = 120
_GAP = "  "
_NOTE = 28
_WIDE, _NARROW = 32, 13  # where a cell's text is broken

Lines = list[list[list[str]]]  # rows × columns × lines of a cell


def terminal(table: Table, width: int = WIDTH) -> str:
    """The table as text. Where the columns do not fit, the rest follows in a second block with the rows' names."""
    parts = [f"{table.title}", *textwrap.wrap(table.question, width)]
    if table.simulated:
        parts.append(BANNER.upper())
    parts.append("")
    for name, text in table.facts:
        parts += textwrap.wrap(f"{name}: {text}.", width, subsequent_indent="  ")
    for text in table.warnings:
        parts += textwrap.wrap(f"Warning: {text}", width, subsequent_indent="  ")
    parts += _box(table, width)
    grid = make_grid(table)
    layout = _best_layout(grid, width)
    headings, bodies, widths = layout.headings, layout.bodies, layout.widths
    for block in layout.blocks:
        parts += ["", *_row([headings[i] for i in block], [widths[i] for i in block], [grid.numeric[i] for i in block])]
        parts.append(_GAP.join("─" * widths[i] for i in block))
        for section, rows, lines in zip(table.sections, grid.sections, bodies, strict=True):
            if section.label:
                parts += [*([""] if section is not table.sections[0] else []), section.label]
            for number, (line, cells) in enumerate(zip(rows, lines, strict=True)):
                if line.kind == "reference" and all(line.texts[i] in ("", DASH) for i in block[grid.names :]):
                    continue
                if number and line.kind == "reference" and rows[number - 1].kind != "reference":
                    parts.append(_GAP.join("·" * widths[i] for i in block))
                parts += _row([cells[i] for i in block], [widths[i] for i in block], [grid.numeric[i] for i in block])
    for section in table.sections:
        for evidence in section.evidence:
            parts += ["", *textwrap.wrap(f"{section.label}. " * bool(section.label) + evidence.title, width)]
            parts += _block(evidence, width)
    parts.append("")
    for section in table.sections:
        lead = f"{section.label}. " if section.label and section.closing else ""
        for text in section.closing:
            parts += textwrap.wrap(lead + text, width, subsequent_indent="  ")
    for text in table.foot:
        parts += textwrap.wrap(text, width, subsequent_indent="  ")
    for failure in table.failures:
        parts += textwrap.wrap(
            f"No result: {' '.join(failure.overrides)}: {failure.reason}", width, subsequent_indent="  "
        )
    return "\n".join(line.rstrip() for line in parts) + "\n"


def _block(block: Block, width: int) -> list[str]:
    """A block's lines; headings are broken, and where the columns do not fit, cells are too."""
    for longest in (_WIDE, _NARROW):
        cells = [[wrap(text, longest if i else 10**6) for i, text in enumerate(texts)] for texts in block.rows]
        headings = [wrap(text, _NARROW) for text in block.headings]
        widths = [max(len(text) for row in (headings, *cells) for text in row[i]) for i in range(len(headings))]
        if sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
            break
    right = [i > 0 and block.headings[i] != "Verdict" for i in range(len(widths))]
    lines = [*_row(headings, widths, right), _GAP.join("─" * size for size in widths)]
    for number, row in enumerate(cells):
        if number == block.models:
            lines.append(_GAP.join("·" * size for size in widths))
        lines += _row(row, widths, right)
    return lines


def _box(table: Table, width: int) -> list[str]:
    """The audit's lines behind a rule at the left."""
    if not table.audit:
        return []
    lines = [
        line
        for label, text in table.audit
        for line in textwrap.wrap(
            f"{label.upper() if label in ('Leak', 'Warning') else label}: {text}", width - 2, subsequent_indent="  "
        )
    ]
    return ["", "┌ Audit", *(f"│ {line}" for line in lines[:-1]), f"└ {lines[-1]}"]


@dataclass(frozen=True)
class _Layout:
    """Every text broken into lines, the widths of the columns, and which columns each block shows."""

    headings: list[list[str]]
    bodies: list[Lines]
    widths: list[int]
    blocks: list[list[int]]


def _best_layout(grid: Grid, width: int) -> _Layout:
    """The fewest blocks; among those, metrics apart from costs; among those, cells in one line."""
    layouts = [_layout(grid, width, longest, turning) for turning in (True, False) for longest in (_WIDE, _NARROW)]
    return min(layouts, key=lambda layout: len(layout.blocks))


def _layout(grid: Grid, width: int, longest: int, turning: bool) -> _Layout:
    limits = [10**6] * grid.names + [longest] * (len(grid.headings) - grid.names)
    if grid.notes:
        limits[-1] = _NOTE
    headings = [wrap(heading, _NARROW) for heading in grid.headings]
    bodies = [
        [[wrap(text, limit) for text, limit in zip(line.texts, limits, strict=True)] for line in rows]
        for rows in grid.sections
    ]
    every = [headings, *(cells for body in bodies for cells in body)]
    widths = [max(len(text) for cells in every for text in cells[i]) for i in range(len(headings))]
    return _Layout(headings, bodies, widths, _blocks(widths, grid, width, turning))


def _blocks(widths: Sequence[int], grid: Grid, width: int, turning: bool) -> list[list[int]]:
    """All columns in one block where they fit, else several, each led by the columns that name the row."""
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
