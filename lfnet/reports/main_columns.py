"""The main columns of a table, for its first screen."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace

from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.replicates import summarise
from lfnet.tables.formatting import DASH
from lfnet.tables.table import Block, Cell, Column, Row, Section, Table

__all__ = ["narrower"]


def narrower(table: Table) -> Iterator[Table]:
    """Yield the table with the intervals of MAE, then with ever fewer columns.

    Columns are left out in this order: dev and gap, together; those that are not of the compared split, together; then
    one by one RMSE and CCC (of binary labels also MAE, PCC and sigma_ratio), and the last ones. Of binary labels the
    intervals are those of AUROC.
    """
    lead = "auroc" if any(_of_classes(section) for section in table.sections) else "mae"
    minor = METRICS if lead == "auroc" else ("rmse", "ccc")
    table = _with_intervals(table, lead)
    columns = list(table.columns)
    yield table
    splits = {_split(column) for column in columns if "[" in column.name} if table.findings else set()
    others = [column for column in columns if _split(column) not in {"dev", "gap"} - splits]
    compared = [column for column in columns if _split(column) in splits]
    for fewer in (others, compared):
        if fewer and len(fewer) < len(columns):
            columns = fewer
            yield replace(table, columns=tuple(columns))
    for dropped in sorted(columns[1:], key=lambda column: (_rank(column, minor), -columns.index(column))):
        columns = [column for column in columns if column is not dropped]
        yield replace(table, columns=tuple(columns))


def _split(column: Column) -> str:
    return column.name.partition(".")[0]


def _rank(column: Column, minor: Container[str]) -> int:
    """How early a column is left out."""
    split, _, metric = column.name.partition(".")
    return 0 if split in ("dev", "gap") else 1 if metric in minor else 2


def _with_intervals(table: Table, lead: str) -> Table:
    """Replace a metric ± its SD over seeds by the metric with its interval over people, as the evidence shows it."""
    blocks = [block for section in table.sections if (block := _intervals(section)) is not None]
    split = blocks[0].data["split"] if blocks else ""
    plain = next((column for column in table.columns if column.name == f"{split}.{lead}"), None)
    # MAE of new people too, where some people are in another split.
    headings = dict.fromkeys(
        heading for block in blocks for heading in block.headings if heading.startswith(lead.upper()) and "[" in heading
    )
    arrow = "↑" if lead == "auroc" else "↓"
    shown = {
        heading: replace(plain, name=f"{plain.name} {heading}", heading=f"{split.capitalize()} {heading} {arrow}")
        for heading in headings
        if plain is not None
    }
    columns: list[Column] = []
    for column in table.columns:
        columns += shown.values() if column is plain else [column]
    sections = []
    for section in table.sections:
        block = _intervals(section)
        texts = {} if block is None else {line[0]: dict(zip(block.headings, line, strict=True)) for line in block.rows}
        rows = [
            _row(row, texts.get(row.label or ", ".join(table.names(row)), {}), shown, plain) for row in section.rows
        ]
        sections.append(replace(section, rows=tuple(rows)))
    return replace(table, columns=tuple(columns), sections=tuple(sections))


def _of_classes(section: Section) -> Block | None:
    """The block of a binary label, which is the question itself and no cut-off of a score."""
    return next((block for block in section.evidence if block.data.get("binary")), None)


def _intervals(section: Section) -> Block | None:
    return _of_classes(section) or next((block for block in section.evidence if "estimand" in block.data), None)


def _row(row: Row, texts: Mapping[str, str], shown: Mapping[str, Column], plain: Column | None) -> Row:
    cells = dict(row.cells)
    own = cells.get(plain.name) if plain else None
    for heading, column in shown.items():
        # A row without evidence keeps its MAE, in the column of all people.
        text = texts.get(heading, DASH if own is None or heading != list(shown)[-1] else own.text)
        cells[column.name] = Cell(text, {}, summarise([]))
    return replace(row, cells=cells)
