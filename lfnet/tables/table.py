"""Table as data: sections of rows of cells, each cell with the run folders that it came from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from lfnet.config import settings
from lfnet.evaluation.replicates import Summary, summarise
from lfnet.runs.result import Result
from lfnet.runs.run import MISSING, Run
from lfnet.runs.sweep_record import Failure
from lfnet.tables.formatting import DASH

__all__ = [
    "BANNER",
    "Block",
    "Cell",
    "Column",
    "FigureSettings",
    "Finding",
    "Findings",
    "Key",
    "Row",
    "Section",
    "Table",
    "Values",
]

BANNER = "Simulated: the truth is known, and no person stands behind it."


@settings
class FigureSettings:
    """`table.figure`: one column against another, with a logarithmic x axis if `log`.

    by: a row key with a line for each of its values; x may then be several columns, with a panel each.
    """

    x: str | tuple[str, ...]
    y: str
    log: bool = False
    by: str | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """The columns of x."""
        return (self.x,) if isinstance(self.x, str) else self.x


@dataclass(frozen=True)
class Cell:
    """One cell: its text, each run folder's value (None: undefined), and their summary."""

    text: str
    values: dict[str, float | None]
    summary: Summary

    @property
    def run_names(self) -> tuple[str, ...]:
        """The names of the runs this cell came from."""
        return tuple(self.values)


Values = dict[str, float | None]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    name: as the table's yaml writes it. heading: as print shows it. read(result): the number, None where it is
    undefined, MISSING where the result has none. show(values, runs): the text of one cell. metric: the metric's name
    for columns of metrics, None for the others, which reference rows leave empty. unit: for the foot of the table.
    """

    name: str
    heading: str
    read: Callable[[Result], Any]
    show: Callable[[Values, Sequence[Run]], str]
    metric: str | None = None

    def cell(self, runs: Sequence[Run]) -> Cell:
        """The cell of a row whose runs are these, one a seed."""
        return self.fill({run.name: self.read(run.result) for run in runs}, runs)

    def fill(self, read: dict[str, Any], runs: Sequence[Run] = ()) -> Cell:
        """A cell of values read elsewhere; what is MISSING is left out."""
        values: Values = {folder: value for folder, value in read.items() if value is not MISSING}
        return Cell(self.show(values, runs) if values else DASH, values, summarise(values.values()))


@dataclass(frozen=True)
class Key:
    """A config key that defines rows, and its heading."""

    name: str
    heading: str


@dataclass(frozen=True)
class Row:
    """One line: a model over its seeds, a control, a reference, jobs that all failed, or jobs that have not ended.

    A control is a model where there is nothing to learn or to see; it is compared with nothing. identity: the text of
    each row key (not of references). label: a reference's name in print. notes: what its reader must know (marks,
    failed seeds). runs: those it came from.
    """

    kind: Literal["model", "control", "reference", "failed", "missing"]
    identity: dict[str, str]
    cells: dict[str, Cell] = field(default_factory=dict)
    label: str = ""
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()

    @property
    def run_names(self) -> tuple[str, ...]:
        """The names of its runs."""
        return tuple(run.name for run in self.runs)


@dataclass(frozen=True)
class Finding:
    """The answer of one block of comparisons in one sentence.

    question: "vs mean_mlp". subject: whom the verdicts are about. whom: the people who were scored. text: the rows by
    their verdicts. metric: whose differences it gives, mae or auroc. verdicts: verdict → names of its rows; none where
    too few people were scored. brief: the text for a first screen, where many rows are counted; "": the text.
    """

    question: str
    subject: str
    whom: str
    text: str
    metric: str = "mae"
    verdicts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    brief: str = ""


@dataclass(frozen=True)
class Findings:
    """What a table found: a head that says what all lines have in common, and (question, answer) lines.

    brief: the lines for a first screen, where many rows are counted instead of named.
    """

    head: str
    lines: tuple[tuple[str, str], ...]
    brief: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Block:
    """A plain table of texts under a section: evidence on its rows.

    rows: texts under the headings, the first names the row; the first `models` are models, the others references. data:
    the numbers behind them, as JSON. finding: of comparisons, their sentence.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    models: int
    data: dict[str, Any] = field(default_factory=dict)
    finding: Finding | None = None


@dataclass(frozen=True)
class Section:
    """Rows measured on one cohort variant, and the lines that close them. label is "" where there is one section.

    evidence: intervals of its rows and comparisons between them.
    """

    label: str
    identity: dict[str, str]
    rows: tuple[Row, ...]
    closing: tuple[str, ...] = ()
    evidence: tuple[Block, ...] = ()


@dataclass(frozen=True, repr=False)
class Table:
    """A table with all that a reader needs to trust it; `build` makes it, `write` and `terminal` show it.

    constants: row keys with one value in all rows, which print moves from the rows into the head. facts: (name, text)
    lines of the head. warnings: what must not be overlooked. foot: lines below. audit: (label, text) lines of the box
    above (`audit_box`), none where no run was audited. findings: what was found, None where nothing was compared. few:
    the banner of a table with too few people (`lfnet.tables.few`), else "". shortened: the banner of trainings that a
    setting of `debug` cut short, else "". figure: the columns to plot, None for none. show_paths: whether files made of
    it may name places and reasons of failures (`lfnet.tables.public`).
    """

    name: str
    title: str
    question: str
    level: str
    command: str
    simulated: bool
    keys: tuple[Key, ...]
    constants: tuple[str, ...]
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    foot: tuple[str, ...]
    failures: tuple[Failure, ...]
    digest: str
    findings: Findings | None = None
    few: str = ""
    shortened: str = ""
    audit: tuple[tuple[str, str], ...] = ()
    figure: FigureSettings | None = None
    show_paths: bool = False

    @property
    def banners(self) -> tuple[str, ...]:
        """Lines that stand above everything else."""
        return (*(BANNER,) * self.simulated, *(text for text in (self.shortened, self.few) if text))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all sections."""
        return tuple(row for section in self.sections for row in section.rows)

    def names(self, row: Row) -> list[str]:
        """The texts that name a row: those of the row keys that are no constants."""
        return [text for key, text in row.identity.items() if key not in self.constants]

    def __repr__(self) -> str:
        kinds = [row.kind for row in self.rows]
        counts = ", ".join(f"{kinds.count(kind)} {kind} rows" for kind in dict.fromkeys(kinds))
        simulated = " on simulated data" * self.simulated
        return f"Table {self.name}{simulated}: {counts}; columns {', '.join(one.name for one in self.columns)}"

    def to_frame(self) -> pd.DataFrame:
        """The rows as a tidy table.

        Returns
        -------
        DataFrame
            One row a row of the table: the section's and the row's keys, kind, label (of references and controls), the
            number of runs, each column's mean over seeds, and for metrics `COLUMN.sd`; NaN where a number is undefined
            or does not apply.

        Examples
        --------
        >>> from lfnet.tables.build import build
        >>> table = build(record, record.parent.parent)  # record: lfnet_runs/sweeps/architectures.json
        >>> table.to_frame()[["head", "kind", "n_runs", "parameters"]].head(2)
               head   kind  n_runs  parameters
        0      ldbm  model       2   1354881.0
        1  mean_mlp  model       2    131585.0
        """
        lines = []
        for section in self.sections:
            for row in section.rows:
                line: dict[str, Any] = {**section.identity, **row.identity, "kind": row.kind, "label": row.label}
                line["n_runs"] = len(row.runs)
                for column in self.columns:
                    cell = row.cells.get(column.name)
                    line[column.name] = np.nan if cell is None or cell.summary.mean is None else cell.summary.mean
                    if column.metric:
                        sd = None if cell is None else cell.summary.sd
                        line[f"{column.name}.sd"] = np.nan if sd is None else sd
                lines.append(line)
        return pd.DataFrame(lines)

    def to_json(self) -> dict[str, Any]:
        """The table for machines: raw numbers by run folder, texts as printed, None where a number is undefined."""
        return {
            "format": 1,
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "level": self.level,
            "command": self.command,
            "simulated": self.simulated,
            "banners": list(self.banners),
            "digest": self.digest,
            "facts": dict(self.facts),
            "warnings": list(self.warnings),
            "findings": None
            if self.findings is None
            else {"head": self.findings.head, "lines": [list(line) for line in self.findings.lines]},
            "audit": [list(line) for line in self.audit],
            "foot": list(self.foot),
            "rows": [key.name for key in self.keys],
            "columns": [{"name": column.name, "heading": column.heading} for column in self.columns],
            "sections": [
                {
                    "label": section.label,
                    "identity": section.identity,
                    "closing": list(section.closing),
                    "rows": [_row(row) for row in section.rows],
                    "evidence": [{"title": block.title, **block.data} for block in section.evidence],
                }
                for section in self.sections
            ],
            "failures": [
                {"overrides": list(failure.overrides), "reason": failure.reason, "run": failure.folder}
                for failure in self.failures
            ],
        }


def _row(row: Row) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "identity": row.identity,
        "label": row.label,
        "seeds": list(row.seeds),
        "notes": list(row.notes),
        "runs": list(row.run_names),
        "cells": {
            name: {"text": cell.text, "mean": cell.summary.mean, "sd": cell.summary.sd, "values": cell.values}
            for name, cell in row.cells.items()
        },
    }
