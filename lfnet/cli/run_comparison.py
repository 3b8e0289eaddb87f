"""Comparison of runs: their metrics, and the settings in which they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet import RESEARCH_ONLY
from lfnet.errors import LfnetError
from lfnet.text import align_columns

if TYPE_CHECKING:
    from lfnet.runs.result import Result

__all__ = ["RunComparison", "compare_runs"]

_METRICS = ("mae", "rmse", "pcc", "ccc", "sigma_ratio")
_CLASS_METRICS = ("auroc", "brier", "sensitivity", "specificity")
_NONE = "-"


@dataclass(frozen=True)
class RunComparison:
    """Rows of text, a column a run after the row's name: facts (the first row has the runs' names), and differences."""

    facts: list[list[str]]
    differences: list[list[str]]

    def text(self) -> str:
        """What `lfnet runs --compare` prints."""
        lines = align_columns([*self.facts, *self.differences])
        parts = [*lines[: len(self.facts)], ""]
        parts += ["settings that differ:", *lines[len(self.facts) :]] if self.differences else ["no setting differs"]
        note = "A difference between runs is no evidence: `lfnet table` gives intervals and verdicts."
        return "\n".join([*parts, "", note, RESEARCH_ONLY])


def compare_runs(names: Sequence[str], runs: Path, *, show_paths: bool = False) -> RunComparison:
    """Compare finished runs in the folder `runs`, named by their first letters.

    Settings that may name a file or a folder are `…`, unless `show_paths`. Raises `LfnetError` for fewer than two runs,
    and for a name that is not one run's.
    """
    from lfnet.runs.run import Run

    if len(names) < 2:
        raise LfnetError("--compare needs two runs or more. `lfnet runs` lists them.")
    found = [Run.find(name, runs) for name in names]
    results = [run.result for run in found]
    facts = [["", *(run.name for run in found)], *_facts(results, show_paths)]
    return RunComparison(facts, _differences(results, show_paths))


def _facts(results: "Sequence[Result]", show_paths: bool) -> list[list[str]]:
    """Model, cohort, metrics, training and cost of each run, a row a fact."""
    from lfnet.runs.public_settings import public_cohort

    cohorts = [result.cohort.name if show_paths else public_cohort(result) for result in results]
    simulated = [" (simulated)" * result.cohort.simulated for result in results]
    training = [result.training for result in results]
    return [
        ["head", *(result.model for result in results)],
        ["cohort", *(name + mark for name, mark in zip(cohorts, simulated, strict=True))],
        ["seed", *(str(result.seed) for result in results)],
        *(row for split in ("dev", "test") for row in _metrics(results, split)),
        ["best epoch", *(_NONE if one.epochs is None else f"{one.best_epoch} of {one.epochs}" for one in training)],
        ["seconds", *(_NONE if one.seconds is None else f"{one.seconds:.0f}" for one in training)],
        ["parameters", *(f"{result.cost.parameters:,}" if result.cost.parameters else _NONE for result in results)],
        ["marks", *("; ".join(result.marks) or _NONE for result in results)],
    ]


def _metrics(results: "Sequence[Result]", split: str) -> list[list[str]]:
    """The metrics of recordings; no correlation of a few people."""
    from lfnet.evaluation.class_metrics import is_binary
    from lfnet.evaluation.estimates import CORRELATIONS, EvidenceSettings, too_few

    numbers = [result.metrics.get(split, {}).get("recording", {}) for result in results]
    people = [result.cohort.people.get(split, 0) for result in results]
    rows = []
    for name in _CLASS_METRICS if any(map(is_binary, numbers)) else _METRICS:
        cells = []
        for own, count in zip(numbers, people, strict=True):
            value, few = own.get(name), name in CORRELATIONS and count < EvidenceSettings().min_people
            cells.append(_NONE if value is None else too_few(count) if few else f"{value:.2f}")
        rows.append([f"{split} {name}", *cells])
    return rows


def _differences(results: "Sequence[Result]", show_paths: bool) -> list[list[str]]:
    """The options, settings and versions in which runs differ, other than the seed."""
    from lfnet.runs.public_settings import public_setting
    from lfnet.runs.run import leaves

    own = [{**result.choices, **dict(leaves(result.config))} for result in results]
    versions = [{f"version of {name}": text for name, text in result.versions.items()} for result in results]
    rows = []
    for tables, hidden in ((own, not show_paths), (versions, False)):
        for key in dict.fromkeys(key for table in tables for key in table if key != "seed"):
            values = [table.get(key, _NONE) for table in tables]
            if any(value != values[0] for value in values):
                shown = [public_setting(key, value) for value in values] if hidden else values
                rows.append([key, *map(_text, shown)])
    return rows


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
