"""Rank metrics, for scores on another scale than the labels: they need no common points."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from lfnet.evaluation.class_metrics import split_name
from lfnet.evaluation.metrics import pcc
from lfnet.evaluation.predictions import Predictions

__all__ = ["add_rank_metrics", "spearman"]

_Numbers = dict[str, float | None]
# Of metrics that compare a score with the label itself, or with a cut-off of its scale, none is left.
_WITHOUT_POINTS = ("pcc", "spearman", "n", "auroc", "auprc")


def spearman(labels: ArrayLike, scores: ArrayLike) -> float:
    """Spearman's rank correlation; NaN where either side is constant.

    Parameters
    ----------
    labels, scores : array_like, shape [n]

    References
    ----------
    Spearman (1904), "The proof and measurement of association between two things", American Journal of Psychology 15.

    Examples
    --------
    >>> round(spearman([1, 2, 3, 4], [10, 20, 40, 30]), 6)
    0.8
    """
    labels, scores = np.asarray(labels, float), np.asarray(scores, float)
    if len(labels) < 2:
        return float("nan")
    return float(pcc(stats.rankdata(labels), stats.rankdata(scores)))


def add_rank_metrics(
    metrics: dict[str, dict[str, _Numbers]], predictions: Predictions, *, points: bool
) -> dict[str, dict[str, _Numbers]]:
    """Add Spearman's correlation to {split: {level: metrics}}, and leave ranks alone where scores have other points.

    Parameters
    ----------
    metrics : dict
        Of `predictions`, with those of classification.
    predictions : Predictions
    points : bool
        Whether scores and labels are in the same points.
    """
    made: dict[str, dict[str, _Numbers]] = {}
    frame = predictions.frame[predictions.frame["label"].notna()]
    for split, levels in metrics.items():
        for level, values in levels.items():
            rows = frame[(frame["split"] == split) & (frame["level"] == level)]
            value = spearman(rows["label"], rows["score"])
            found = {**values, "spearman": None if np.isnan(value) else value}
            made.setdefault(split, {})[level] = {name: own for name, own in found.items() if points or _of_ranks(name)}
    return made


def _of_ranks(name: str) -> bool:
    return (split_name(name) or (name,))[0] in _WITHOUT_POINTS or "_people" in name
