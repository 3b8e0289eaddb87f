"""How much better a protocol that chooses on test looks than one that does not: a column set across rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.seeds import summarise
from lfnet.tables.collect import MISSING
from lfnet.tables.columns import Column, Values
from lfnet.tables.numbers import DASH, spread
from lfnet.tables.table import Cell, Row

__all__ = ["KEY", "PREFIX", "column", "fill"]

PREFIX = "optimism."
KEY = "fusion"  # the row key whose two values are compared
_PUBLISHED, _NESTED = "published", "nested"


def column(name: str) -> Column | None:
    """The column `optimism.METRIC`, of test; None for another name. It is empty until `fill` sees all rows."""
    metric = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or metric not in METRICS or METRICS[metric].better is None:
        return None

    def show(values: Values, runs: Sequence[Any]) -> str:
        return spread(summarise(values.values()), sign=True)

    return Column(name, f"Optimism {METRICS[metric].label}", lambda result: MISSING, show)


def fill(rows: Sequence[Row], shown: Sequence[Column]) -> list[Row]:
    """The rows with optimism in those of fusion=published: by how much they look better than their nested twins.

    A twin agrees in all other row keys; seeds are paired. Above 0 the published row flatters: its MAE is lower, or its
    PCC higher, than that of the row that chose nothing on test.
    """
    wanted = [one for one in shown if one.name.startswith(PREFIX)]
    if not wanted:
        return list(rows)
    twins = {_others(row): row for row in rows if row.identity.get(KEY) == _NESTED}
    filled = []
    for row in rows:
        twin = twins.get(_others(row))
        if row.identity.get(KEY) == _PUBLISHED and twin is not None:
            row = replace(row, cells={**row.cells, **{one.name: _cell(one, row, twin) for one in wanted}})
        filled.append(row)
    return filled


def _others(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple((key, text) for key, text in row.identity.items() if key != KEY)


def _cell(one: Column, row: Row, twin: Row) -> Cell:
    metric = one.name.removeprefix(PREFIX)
    sign = 1 if METRICS[metric].better == "lower" else -1
    mine, other = _by_seed(row, metric), _by_seed(twin, metric)
    values: Values = {}
    for seed in mine.keys() & other.keys():
        folder, published = mine[seed]
        nested = other[seed][1]
        values[folder] = None if published is None or nested is None else sign * (nested - published)
    return Cell(one.show(values, ()) if values else DASH, values, summarise(values.values()))


def _by_seed(row: Row, metric: str) -> dict[int, tuple[str, float | None]]:
    cell = row.cells.get(f"test.{metric}")
    if cell is None or len(set(row.seeds)) < len(row.seeds):  # several draws or deals: no seed tells which is which
        return {}
    return {
        seed: (folder, cell.values[folder])
        for seed, folder in zip(row.seeds, row.runs, strict=True)
        if folder in cell.values
    }
