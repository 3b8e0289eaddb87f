"""Deep ensembles as rows: the mean of the scores of a row's seeds, which costs what they cost together.

Source: Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty estimation using deep ensembles".
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lfnet.evaluation.class_metrics import add_class_metrics
from lfnet.evaluation.evidence import RowScores
from lfnet.evaluation.replicates import summarise
from lfnet.runs.collection import DifferentRecordings, Ensemble
from lfnet.runs.result import Result
from lfnet.runs.run import MISSING
from lfnet.tables.few import people_of, withhold
from lfnet.tables.grouping import Group
from lfnet.tables.table import Cell, Column, Row, Section

__all__ = ["MEANING", "ensemble_rows", "ensemble_scores", "with_ensembles"]

MEANING = (
    "Ensemble: the mean of the scores of a row's seeds; its cost is that of all of them, and its interval is over "
    "people alone."
)


def with_ensembles(
    sections: Sequence[Section],
    groups: Sequence[Sequence[Group]],
    shown: Sequence[Column],
    names: Sequence[str],
    fewest: int,
) -> tuple[Section, ...]:
    """The sections, each with its groups' ensembles before the references. fewest: people that a correlation needs."""
    filled = []
    for section, members in zip(sections, groups, strict=True):
        first = next((i for i, row in enumerate(section.rows) if row.kind == "reference"), len(section.rows))
        made = withhold(
            ensemble_rows(members, shown, names), shown, people_of([run for one in members for run in one.runs]), fewest
        )
        filled.append(replace(section, rows=(*section.rows[:first], *made, *section.rows[first:])))
    return tuple(filled)


def ensemble_rows(groups: Sequence[Group], columns: Sequence[Column], names: Sequence[str]) -> list[Row]:
    """A row below the line for each group of two seeds or more that have scored the same.

    names: the row keys that name a row. Rows of fusions have none: what is random
    in them is averaged already.
    """
    found = []
    for group in groups:
        result = _together(group)
        if result is None:
            continue
        folders = [run.name for run in group.runs]
        cells = {}
        for column in columns:
            value = column.read(result)
            if value is not MISSING:
                shown = column.show({folders[0]: value}, ())
                cells[column.name] = Cell(shown, dict.fromkeys(folders, value), summarise([value]))
        text = _named(", ".join(group.identity[key] for key in names), len(folders))
        found.append(Row("reference", {}, cells, text, runs=tuple(group.runs)))
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
        row.shared_people,
        deterministic=True,  # these seeds are the ensemble: there are no others of it to be drawn
    )


def _named(row: str, seeds: int) -> str:
    return f"{row}, ensemble of {seeds} seeds"


def _together(group: Group) -> Result | None:
    """The result that a run of the ensemble would have, as far as columns read it."""
    if len(group.runs) < 2 or any(run.result.kind != "head" or not run.has_scores for run in group.runs):
        return None
    ensemble = Ensemble(tuple(group.runs))
    try:
        scores = ensemble.predictions
        metrics = add_class_metrics(scores.metrics(), scores, group.runs[0].result.scale.whole)
    except DifferentRecordings:
        return None
    return replace(group.runs[0].result, metrics=metrics, cost=ensemble.cost, training=ensemble.training)
