"""Deep ensembles as rows: the mean of the scores of a row's seeds, which costs what they cost together.

Source: Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty estimation using deep ensembles".
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.evaluation.evidence import RowScores
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.replicates import mean_scores, summarise
from lfnet.runs.sweep_record import MISSING
from lfnet.tables.grouping import Group
from lfnet.tables.table import Cell, Column, Row, Section

__all__ = ["MEANING", "ensemble_rows", "ensemble_scores", "with_ensembles"]

MEANING = "Ensemble: the mean of the scores of a row's seeds; its cost is that of all of them."
_COSTS = ("parameters", "active_parameters", "flops", "bytes", "latency_ms", "energy_mj")


def with_ensembles(
    sections: Sequence[Section],
    groups: Sequence[Sequence[Group]],
    shown: Sequence[Column],
    names: Sequence[str],
    runs: Path,
) -> tuple[Section, ...]:
    """The sections, each with its groups' ensembles before the references."""
    filled = []
    for section, members in zip(sections, groups, strict=True):
        first = next((i for i, row in enumerate(section.rows) if row.kind == "reference"), len(section.rows))
        made = ensemble_rows(members, shown, names, runs)
        filled.append(replace(section, rows=(*section.rows[:first], *made, *section.rows[first:])))
    return tuple(filled)


def ensemble_rows(groups: Sequence[Group], columns: Sequence[Column], names: Sequence[str], runs: Path) -> list[Row]:
    """A row below the line for each group of two seeds or more that have scored the same.

    names: the row keys that name a row. runs: the folder of the run folders. Rows of fusions have none: what is random
    in them is averaged already.
    """
    found = []
    for group in groups:
        result = _together(group, runs)
        if result is None:
            continue
        folders = [run.folder for run in group.runs]
        cells = {}
        for column in columns:
            value = column.read(result)
            if value is not MISSING:
                shown = column.show({folders[0]: value}, ())
                cells[column.name] = Cell(shown, dict.fromkeys(folders, value), summarise([value]))
        text = _named(", ".join(group.identity[key] for key in names), len(folders))
        found.append(Row("reference", {}, cells, text, runs=tuple(folders)))
    return found


def ensemble_scores(row: RowScores) -> RowScores | None:
    """The ensemble of a row's seeds as one row of scores; None where it has but one."""
    score_SN = np.asarray(row.score, np.float64)
    if len(score_SN) < 2 or row.deterministic:
        return None
    return RowScores(
        _named(row.name, len(score_SN)),
        row.recording_id,
        row.person_id,
        row.label,
        score_SN.mean(axis=0)[None],
        row.trained_people,
        deterministic=True,  # these seeds are the ensemble: there are no others of it to be drawn
    )


def _named(row: str, seeds: int) -> str:
    return f"{row}, ensemble of {seeds} seeds"


def _together(group: Group, runs: Path) -> dict[str, Any] | None:
    """A result as a run of the ensemble would have left it, as far as columns read it."""
    results = [run.result for run in group.runs]
    if len(results) < 2 or any(result.get("kind") != "head" for result in results):
        return None
    try:
        members = [
            Predictions.from_csv_text((runs / run.folder / "predictions.csv").read_text(encoding="utf-8"))
            for run in group.runs
        ]
        metrics = mean_scores(members).metrics()
    except (OSError, KeyError, ValueError):  # a run without predictions, or of other recordings
        return None
    costs = {name: [result.get("cost", {}).get(name) for result in results] for name in _COSTS}
    seconds = [result.get("training", {}).get("seconds") for result in results]
    return {
        "kind": "head",
        "config": results[0].get("config", {}),
        "features": results[0].get("features", {}),
        "metrics": metrics,
        "cost": {name: sum(values) for name, values in costs.items() if None not in values},
        "training": {} if None in seconds else {"seconds": sum(seconds)},
    }
