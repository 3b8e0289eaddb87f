"""Numbers that too few people cannot carry: correlations are withheld, and a banner says so.

Below `table.evidence.min_people` people of a split there is no interval, no standard error over people and no
correlation: two recordings correlate by 1 or −1 whatever a model does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lfnet.cohorts.splits import CROSS_VALIDATION
from lfnet.evaluation.class_metrics import read_class_metric, split_name
from lfnet.evaluation.estimates import CORRELATIONS, too_few
from lfnet.evaluation.replicates import summarise
from lfnet.runs.run import Run
from lfnet.tables.table import Column, Row

__all__ = ["banner", "people_of", "withhold"]


def people_of(runs: Sequence[Run]) -> dict[str, int]:
    """Split → people, the fewest of any run; of the splits that are scored."""
    found: dict[str, int] = {}
    for run in runs:
        for split in run.result.metrics:
            people = run.result.cohort.people.get(split)
            if people is not None:
                found[split] = min(people, found.get(split, people))
    return found


def withhold(rows: Sequence[Row], columns: Sequence[Column], people: Mapping[str, int], fewest: int) -> list[Row]:
    """Replace correlations of splits with fewer than `fewest` people by the number of people.

    Metrics of a cut-off are replaced where fewer people than that are on one of its sides.
    """
    texts = {}
    runs = [run for row in rows for run in row.runs]
    for column in columns:
        split = column.name.partition(".")[0]
        splits = ("dev", "test") if split == "gap" else (split,)
        if column.metric in CORRELATIONS:
            n = min((people[one] for one in splits if one in people), default=fewest)
        else:
            n = _rarer_kind(column.metric, splits, runs, fewest)
        if n < fewest:
            texts[column.name] = too_few(n)
    return [
        replace(
            row,
            cells={
                name: replace(cell, text=texts[name], summary=summarise([])) if name in texts and cell.values else cell
                for name, cell in row.cells.items()
            },
        )
        for row in rows
    ]


def _rarer_kind(metric: str | None, splits: Sequence[str], runs: Sequence[Run], fewest: int) -> int:
    """People of the rarer kind, positive or negative, that a metric of a cut-off is of."""
    if metric is None or split_name(metric) is None:
        return fewest
    counts = [fewest]
    for run in runs:
        for split in splits:
            values = run.result.metrics.get(split, {}).get("recording", {})
            if found := read_class_metric(values, metric, run.result.scale.whole):
                counts.append(found[1] or fewest)
    return min(counts)


def banner(runs: Sequence[Run], fewest: int) -> str:
    """The line above a table of which a split has too few people; "" where none has.

    It names the settings of a cross-validation where test alone has too few people and all splits together have enough.
    """
    people = people_of(runs)
    short = [f"{split} {n}" for split, n in people.items() if n < fewest]
    if not short:
        return ""
    folds = f" Test each person once: {CROSS_VALIDATION}." if _can_cross(runs, people, fewest) else ""
    return (
        f"Too few people ({', '.join(short)}): fewer than {fewest} support no interval, no correlation and no "
        f"statement about a model there.{folds}"
    )


def _can_cross(runs: Sequence[Run], people: Mapping[str, int], fewest: int) -> bool:
    """Whether a cross-validation would test enough people, of runs whose test split has too few."""
    return people.get("test", fewest) < fewest and all(
        not run.folds
        and not run.result.cohort.simulated
        and run.result.config.get("test_cohort") is None
        and sum(run.result.cohort.people.values()) >= fewest
        for run in runs
    )
