"""Metrics of classification in words: cut-offs with their sources, and how thresholds were chosen."""

from collections.abc import Iterable, Sequence

from lfnet.evaluation.class_metrics import CLASS_METRICS, split_name
from lfnet.evaluation.classes import Cut, cuts_of
from lfnet.runs.run import Run
from lfnet.tables.table import Column

__all__ = ["THRESHOLDS", "class_meanings", "describe_cut"]

THRESHOLDS = {
    "cutoff": "scores from the cut-off on count as positive",
    "dev": "scores count as positive from that score on which has the highest balanced accuracy on dev",
    "dev90": "scores count as positive from the highest score on that finds 90 % of the positives of dev",
}


def describe_cut(cut: Cut, scale: str) -> str:
    """What is positive, with its source."""
    if cut.probability:
        return f"{scale}: a label of 1; from .5 on a probability counts as positive"
    return f"{scale} of {cut.score:g} or more ({cut.source})"


def class_meanings(columns: Sequence[Column], runs: Sequence[Run]) -> Iterable[str]:
    """Lines of the foot on the columns of classification."""
    found = [split_name(column.metric) for column in columns if column.metric]
    named = [own for own in found if own is not None]
    if not named or not runs:
        return
    scale = runs[0].result.scale
    cuts = cuts_of(scale.whole) if scale.whole else ()
    of_cuts = [(metric, cut) for metric, cut in named if not metric.endswith("_bands") and metric != "quadratic_kappa"]
    asked = {cut for _, cut in of_cuts}
    shown = [own for own in cuts if own.name in asked or (own is cuts[0] and "" in asked)]
    for number, own in enumerate(shown):
        first = " (where a heading names no cut-off)" if own is cuts[0] and "" in asked and own.name else ""
        yield f"{'Positive' if not number else 'And'}{first}: {describe_cut(own, scale.name)}."
    ways = {CLASS_METRICS[metric].threshold for metric, _ in of_cuts} - {""}
    for way in (way for way in THRESHOLDS if way in ways):
        name = "Threshold" if way == "cutoff" else f"({way})"
        yield f"{name}: {THRESHOLDS[way]}."
    if len(of_cuts) < len(named) and scale.whole:
        bands = ", ".join(f"{band.name} from {band.low:g}" for band in scale.whole.bands)
        yield f"Bands: {bands}."
