"""Optimism: by how much a shortcut of selection or fitting improves test scores, all else equal.

A row with a shortcut (conf/shortcut) is compared with the row that differs from it in that alone, run by run of the
same seed and the same draw of the cohort. The interval is Student's over these pairs, since
each draw of a cohort has other people.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import t

from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.replicates import summarise
from lfnet.runs.run import MISSING, Run
from lfnet.tables.formatting import DASH, fixed
from lfnet.tables.table import Cell, Column, Row, Values

__all__ = ["LEVEL", "fill_optimism", "mean_over_runs", "optimism_column"]

LEVEL = 0.95
_PREFIX = "optimism."
_KEY, _NONE = "shortcut", "none"
_MIN_PAIRS = 3  # for an interval


def optimism_column(name: str) -> Column | None:
    """The column `optimism.METRIC`, of test; None for another name. It is empty until `fill_optimism` sees all rows."""
    metric = name.removeprefix(_PREFIX)
    if not name.startswith(_PREFIX) or metric not in METRICS or METRICS[metric].better is None:
        return None

    def show(values: Values, runs: Sequence[Any]) -> str:
        return mean_over_runs([value for value in values.values() if value is not None])

    return Column(name, f"Optimism {METRICS[metric].label} [{100 * LEVEL:g} %]", lambda result: MISSING, show)


def fill_optimism(rows: Sequence[Row], shown: Sequence[Column]) -> list[Row]:
    """Fill the optimism of rows with a shortcut: by how much they are better than their twins without one.

    A twin agrees in all other row keys; runs of one seed and one draw of the cohort are paired. Above 0, the row with
    the shortcut is better: its MAE is lower, or its PCC higher.
    """
    wanted = [one for one in shown if one.name.startswith(_PREFIX)]
    if not wanted:
        return list(rows)
    twins = {_others(row): row for row in rows if row.identity.get(_KEY) == _NONE}
    filled = []
    for row in rows:
        twin = twins.get(_others(row))
        if row.identity.get(_KEY, _NONE) != _NONE and twin is not None and not _same_scores(row, twin):
            row = replace(row, cells={**row.cells, **{one.name: _cell(one, row, twin) for one in wanted}})
        filled.append(row)
    return filled


def _same_scores(row: Row, twin: Row) -> bool:
    """Whether the shortcut changed no score: it does not apply to this model."""
    measured = [{_draw(run): run.result.metrics for run in one.runs} for one in (row, twin)]
    common = measured[0].keys() & measured[1].keys()
    return bool(common) and all(measured[0][draw] == measured[1][draw] for draw in common)


def _others(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple((key, text) for key, text in row.identity.items() if key != _KEY)


def _cell(one: Column, row: Row, twin: Row) -> Cell:
    metric = one.name.removeprefix(_PREFIX)
    sign = 1 if METRICS[metric].better == "lower" else -1
    mine, other = _by_draw(row, metric), _by_draw(twin, metric)
    values: Values = {}
    for draw in mine.keys() & other.keys():
        name, flattered = mine[draw]
        honest = other[draw][1]
        values[name] = None if flattered is None or honest is None else sign * (honest - flattered)
    return Cell(one.show(values, ()) if values else DASH, values, summarise(values.values()))


def _by_draw(row: Row, metric: str) -> dict[tuple[int, str], tuple[str, float | None]]:
    """(seed, cohort) → the run's name and its metric."""
    cell = row.cells.get(f"test.{metric}")
    if cell is None:
        return {}
    return {_draw(run): (run.name, cell.values[run.name]) for run in row.runs if run.name in cell.values}


def _draw(run: Run) -> tuple[int, str]:
    return run.seed, run.result.cohort.fingerprint


def mean_over_runs(values: Sequence[float]) -> str:
    """Mean and Student's interval; the mean alone where there are too few pairs."""
    if not values:
        return "undefined"
    mean = float(np.mean(values))
    text = fixed(mean, sign=True)
    if len(values) < _MIN_PAIRS:
        return text
    reach = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{text} [{fixed(mean - reach, sign=True)}, {fixed(mean + reach, sign=True)}]"
