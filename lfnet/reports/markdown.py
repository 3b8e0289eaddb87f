"""Markdown of a table, readable as plain text too."""

import re
from collections.abc import Sequence

from lfnet.reports.grid import Grid, Line, evidence_grids, make_grid
from lfnet.tables.table import Block, Table

__all__ = ["escape", "evidence_tables", "markdown"]


def markdown(table: Table) -> str:
    """Format a table as GitHub-flavoured Markdown: findings, head, aligned tables, foot, failed jobs, run folders."""
    blocks = [f"# {escape(table.title)}"]
    if table.question:
        blocks.append(escape(table.question))
    blocks += [f"**{escape(text)}**" for text in table.banners]
    if table.findings:
        blocks.append(f"**{escape(table.findings.head)}**")
        blocks.append("\n".join(f"- {escape(question)}: {escape(text)}." for question, text in table.findings.lines))
    head = [f"- {name}: {escape(text)}." for name, text in table.facts]
    head += [f"- **Warning:** {escape(text)}" for text in table.warnings]
    blocks.append("\n".join(head))
    if table.audit:
        box = [f"> - {_marked(label)}: {escape(text)}" for label, text in table.audit]
        blocks.append("\n".join(["> **Audit**", ">", *box]))
    for section, text in zip(table.sections, _tables(make_grid(table)), strict=True):
        if section.label:
            blocks.append(f"## {escape(section.label)}")
        blocks.append(text if section.rows else "")
        if section.closing:
            blocks += [escape(text) for text in section.closing]
        blocks += evidence_tables(section.evidence)
    blocks.append("\n".join(f"- {escape(line)}" for line in table.foot))
    if table.failures:
        blocks.append("## Jobs without a result")
        blocks.append(
            "\n".join(f"- {_code(' '.join(failure.overrides))}: {escape(failure.reason)}" for failure in table.failures)
        )
    traced = [
        f"- {escape(', '.join([section.label] * bool(section.label) + table.names(row)))}: "
        + ", ".join(f"`{name}`" for name in row.run_names)
        for section in table.sections
        for row in section.rows
        if row.kind == "model"
    ]
    if traced:
        blocks += ["## Run folders", "Reference rows come from all run folders of their section.", "\n".join(traced)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def evidence_tables(evidence: Sequence[Block]) -> list[str]:
    """Format blocks of evidence: the title and the table of each."""
    return [text for title, grid in evidence_grids(evidence) for text in (f"**{escape(title)}**", *_tables(grid))]


def _code(text: str) -> str:
    plain = text.replace("`", "'")
    return escape(f"`{plain}`")


def _marked(label: str) -> str:
    return f"**{label}**" if label in ("Leak", "Warning") else label


def _tables(grid: Grid) -> list[str]:
    """A table for each section, all with the same widths."""
    sections = [[_cells(line) for line in section] for section in grid.sections]
    headings = [escape(heading) for heading in grid.headings]
    every = [headings, *(cells for section in sections for cells in section)]
    widths = [max(len(cells[i]) for cells in every) for i in range(len(headings))]
    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, grid.numeric, strict=True)]
    top = [_line(headings, widths, grid.numeric), f"| {' | '.join(rule)} |"]
    return ["\n".join([*top, *(_line(cells, widths, grid.numeric) for cells in section)]) for section in sections]


def _line(texts: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(texts, widths, numeric, strict=True)
    ]
    return "| " + " | ".join(padded) + " |"


def _cells(line: Line) -> list[str]:
    """The texts of a row, a reference's name in italics. A backtick would hide the escape of a | from the table."""
    texts = [escape(text.replace("`", "'")) for text in line.texts]
    return [f"*{texts[0]}*", *texts[1:]] if line.kind == "reference" else texts


def escape(text: str) -> str:
    """Escape characters that Markdown interprets, except between backticks; no link, image or tag is left.

    Examples
    --------
    >>> print(escape("see [x](javascript:alert(1)) <b> `a|b`"))
    see [x]\\(javascript:alert(1)) \\<b\\> `a|b`
    """
    pieces = re.split(r"((?<!`)`[^`]+`(?!`))", re.sub(r"[\n\r\v\f\x85\u2028\u2029]", " ", text))
    return "".join(
        # A backtick without a partner could pair with that of code, and uncover what is not escaped there.
        piece if i % 2 else re.sub(r"([|*<>\\]|(?<=\])[(:])", r"\\\1", piece.replace("`", "'"))
        for i, piece in enumerate(pieces)
    )
