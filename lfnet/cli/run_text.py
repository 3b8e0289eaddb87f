"""A finished job in a few lines: its metrics, its training, and what a reader must know."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.evaluation.class_metrics import binary_text, is_binary
from lfnet.evaluation.estimates import CORRELATIONS, EvidenceSettings, too_few
from lfnet.runs.result import Result
from lfnet.runs.run import PREDICTIONS
from lfnet.text import plural

__all__ = ["run_lines"]


def run_lines(result: Result, folder: Path) -> Iterator[str]:
    """Yield what `lfnet train` prints of a job in its run folder."""
    for split, levels in result.metrics.items():
        numbers = levels["recording"]
        people = result.cohort.people.get(split, 0)
        if is_binary(numbers):
            yield f"{split:>5}: {binary_text(numbers)}"
            continue
        few = people < EvidenceSettings().min_people
        shown = ", ".join(
            f"{name} {'undefined' if numbers[name] is None else format(numbers[name], '.2f')}"
            for name in ("mae", "rmse", "pcc", "spearman", "ccc", "sigma_ratio")
            if name in numbers and not (few and name in CORRELATIONS)
        )
        shown += f"; no correlation, {too_few(people)}" * few
        constant = result.references["train_median"].get(split, {}).get("mae")
        median = "" if constant is None else f"  (the training median: mae {constant:.2f})"
        yield f"{split:>5}: {shown}{median}"
    if number := result.cohort.recordings.get("unlabelled"):
        count = plural(number, "recording")
        yield f"scores of {count} without a label: {folder / PREDICTIONS} (split unlabelled)"
    if result.items is not None:
        for split, items in result.items["splits"].items():
            shown = ", ".join(f"{name} {values['mae']:.2f}" for name, values in items.items())
            yield f"{split:>5}, mae of the items: {shown}"
    training, scale = result.training, result.scale.name
    if training.epochs is not None:
        ended = "converged" if training.converged else "not converged"
        epochs = f"{training.epochs} epoch{'s' * (training.epochs != 1)}"
        yield f"{epochs}, {ended}; best at {training.best_epoch}; scale {scale}"
    if result.tuning is not None:
        yield _tuning_line(result.tuning)
    for name, choice in result.chosen.items():
        shown = ", ".join(f"{key} {value}" for key, value in choice.items() if value is not None)
        yield f"chosen for {name}: {shown}; scale {scale}"
    for text in (*result.cohort.warnings, *result.marks):
        yield f"warning: {text}"
    yield RESEARCH_ONLY


def _tuning_line(tuning: Mapping[str, Any]) -> str:
    """The trials of a tuned job: their cost, and what dev gained by them."""
    select = tuning["select"]
    values = [point["value"] for point in (tuning["curve"][0], tuning["curve"][-1])]
    first, best = ("undefined" if value is None else f"{value:.2f}" for value in values)
    counts = "".join(f", {tuning[name]} {name}" for name in ("failed", "collapsed") if tuning[name])
    return (
        f"tuned: {plural(tuning['trials'], 'trial')} in {tuning['seconds']:.0f} s{counts}; {select['split']} "
        f"{select['metric']} ({select['level']}) {first} as given, {best} in trial {tuning['best_trial']}"
    )
