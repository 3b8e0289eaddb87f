"""A table's files: Markdown to read, CSV and JSON to compute with, LaTeX to print."""

import csv
import io
from pathlib import Path

from lfnet.files import write_json, write_text
from lfnet.reports.latex import latex
from lfnet.reports.line_plot import draw_lines
from lfnet.reports.markdown import markdown
from lfnet.reports.scatter_plot import draw
from lfnet.tables.public import public
from lfnet.tables.table import Cell, Column, Table
from lfnet.text import spreadsheet_cell

__all__ = ["raw_csv", "write"]


def write(table: Table, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.csv, NAME.tex and NAME.json into `folder`, each whole or not at all; their paths.

    They contain no paths and no reasons of failures (`lfnet.tables.public`), unless the table was built with
    `show_paths`. Where the table has a figure, NAME.png and NAME.svg too.
    """
    folder, table = Path(folder), public(table)
    paths = [folder / f"{table.name}.{suffix}" for suffix in ("md", "csv", "tex", "json")]
    for path, text in zip(paths, (markdown(table), raw_csv(table), latex(table)), strict=False):
        write_text(path, text, personal=False)
    write_json(paths[-1], table.to_json(), personal=False)
    if table.figure is None:
        return paths
    return paths + (draw if table.figure.by is None else draw_lines)(table, table.figure, folder)


def raw_csv(table: Table) -> str:
    """Raw numbers, one line a row: each column's mean over seeds, a metric's sd next to it; empty where there is none.

    `undefined` says which numbers are undefined, and in how many seeds ("test.pcc 1/3"); `runs` names the run folders.
    """
    sections = list(dict.fromkeys(name for section in table.sections for name in section.identity))
    keys = [key.name for key in table.keys]
    numbers = [column.name for column in table.columns]
    header = [*sections, *keys, "kind", "reference", "seeds"]
    for column in table.columns:
        header += [column.name, f"{column.name}.sd"] if column.metric else [column.name]
    header += ["undefined", "note", "runs"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(spreadsheet_cell, header))
    for section in table.sections:
        for row in section.rows:
            cells = [row.cells.get(name) for name in numbers]
            undefined = [
                f"{name} {cell.summary.undefined}/{cell.summary.n + cell.summary.undefined}"
                for name, cell in zip(numbers, cells, strict=True)
                if cell is not None and cell.summary.undefined
            ]
            writer.writerow(
                [
                    *(spreadsheet_cell(section.identity.get(name, "")) for name in sections),
                    *(spreadsheet_cell(row.identity.get(key, "")) for key in keys),
                    row.kind,
                    spreadsheet_cell(row.label),
                    " ".join(map(str, row.seeds)),
                    *(text for column in table.columns for text in _numbers(column, row.cells.get(column.name))),
                    "; ".join(undefined),
                    spreadsheet_cell("; ".join(row.notes)),
                    " ".join(row.run_names),
                ]
            )
    return text.getvalue()


def _numbers(column: Column, cell: Cell | None) -> list[str]:
    mean, sd = (_raw(cell.summary.mean), _raw(cell.summary.sd)) if cell else ("", "")
    return [mean, sd] if column.metric else [mean]


def _raw(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
