"""A table as Markdown that is also readable as plain text."""

import re
from collections.abc import Sequence

from lfnet.reports.grid import Line, make_grid
from lfnet.tables.table import BANNER, Block, Row, Table

__all__ = ["markdown"]


def markdown(table: Table) -> str:
    """The table as GitHub-flavoured Markdown: head, one aligned table a section, foot, failed jobs, run folders."""
    blocks = [f"# {_escape(table.title)}"]
    if table.question:
        blocks.append(_escape(table.question))
    if table.simulated:
        blocks.append(f"**{BANNER}**")
    head = [f"- {name}: {_escape(text)}." for name, text in table.facts]
    head += [f"- **Warning:** {_escape(text)}" for text in table.warnings]
    blocks.append("\n".join(head))
    if table.audit:
        box = [f"> - {_marked(label)}: {_escape(text)}" for label, text in table.audit]
        blocks.append("\n".join(["> **Audit**", ">", *box]))
    grid = make_grid(table)
    lines = [[_cells(line) for line in section] for section in grid.sections]
    headings = [_escape(heading) for heading in grid.headings]
    every = [headings, *(cells for section in lines for cells in section)]
    widths = [max(len(cells[i]) for cells in every) for i in range(len(headings))]
    for section, rows in zip(table.sections, lines, strict=True):
        if section.label:
            blocks.append(f"## {_escape(section.label)}")
        blocks.append("\n".join(_table(headings, rows, widths, grid.numeric)))
        if section.closing:
            blocks += [_escape(text) for text in section.closing]
        for block in section.evidence:
            blocks += [f"**{_escape(block.title)}**", "\n".join(_block(block))]
    blocks.append("\n".join(f"- {_escape(line)}" for line in table.foot))
    if table.failures:
        blocks.append("## Jobs without a result")
        blocks.append(
            "\n".join(f"- `{' '.join(failure.overrides)}`: {_escape(failure.reason)}" for failure in table.failures)
        )
    traced = [f"- {_escape(_name(table, section.label, row))}: {', '.join(f'`{name}`' for name in row.run_names)}"
              for section in table.sections for row in section.rows if row.kind == "model"]  # fmt: skip
    if traced:
        blocks += ["## Run folders", "Reference rows come from all run folders of their section.", "\n".join(traced)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _block(block: Block) -> list[str]:
    rows = [
        [f"*{_escape(texts[0])}*" if number >= block.models else _escape(texts[0]), *map(_escape, texts[1:])]
        for number, texts in enumerate(block.rows)
    ]
    headings = [_escape(heading) for heading in block.headings]
    widths = [max(len(cells[i]) for cells in (headings, *rows)) for i in range(len(headings))]
    return _table(headings, rows, widths, [i > 0 and headings[i] != "Verdict" for i in range(len(headings))])


def _marked(label: str) -> str:
    return f"**{label}**" if label in ("Leak", "Warning") else label


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], numeric: Sequence[bool]
) -> list[str]:
    rule = [("-" * (width - 1) + ":") if right else "-" * width for width, right in zip(widths, numeric, strict=True)]
    return [
        _line(headings, widths, numeric),
        "| " + " | ".join(rule) + " |",
        *(_line(row, widths, numeric) for row in rows),
    ]


def _line(texts: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(texts, widths, numeric, strict=True)
    ]
    return "| " + " | ".join(padded) + " |"


def _name(table: Table, section: str, row: Row) -> str:
    names = [text for key, text in row.identity.items() if key not in table.constants]
    return ", ".join([section, *names] if section else names)


def _cells(line: Line) -> list[str]:
    """A row's texts; a reference's name is in italics. A backtick would hide the escape of a | from the table."""
    texts = [_escape(text.replace("`", "'")) for text in line.texts]
    return [f"*{texts[0]}*", *texts[1:]] if line.kind == "reference" else texts


def _escape(text: str) -> str:
    """`text` with what Markdown would swallow made visible; what stands between backticks is left alone."""
    pieces = re.split(r"(`[^`]*`)", text.replace("\n", " "))
    return "".join(piece if i % 2 else re.sub(r"([|*<>\\])", r"\\\1", piece) for i, piece in enumerate(pieces))
