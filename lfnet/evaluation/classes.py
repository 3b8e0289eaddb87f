"""Metrics of classification: ranking and probabilities of a binary label, and agreement of classes.

A label is positive from a cut-off on. A score ranks people (AUROC, AUPRC), is a probability (Brier score, calibration),
or is compared with a threshold, which gives a confusion matrix. Thresholds are the cut-off itself, or chosen on dev;
none is chosen on the data that it is measured on. All values are those of scikit-learn, which tests compare.

Axes: N recordings, K classes, `[..., K, K]` confusion matrices with labels in rows and scores in columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lfnet.cohorts.scale import Scale

__all__ = [
    "OF_COUNTS",
    "Cut",
    "Threshold",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "calibration_curve",
    "choose_threshold",
    "class_numbers",
    "confusion",
    "cuts_of",
    "edges_of",
    "kappa",
    "macro_f1",
    "quadratic_kappa",
    "sensitivity",
    "specificity",
    "weighted_precision",
    "wins",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Threshold = str
"""Origin of a threshold: "cutoff", "dev" (maximum of balanced accuracy on dev) or "dev90" (sensitivity .9 there)."""


@dataclass(frozen=True)
class Cut:
    """A binary question about labels.

    Parameters
    ----------
    name : str
        In names of metrics: "14" in `auroc_14`; "" where the label itself is binary.
    score : float
        Labels from this one on are positive.
    threshold : float or None
        Scores from this one on count as positive; None where scores have another unit than labels.
    probability : bool
        Whether scores are probabilities of a positive.
    source : str
        Who published the cut-off.
    """

    name: str
    score: float
    threshold: float | None
    probability: bool = False
    source: str = ""

    def positive(self, label: ArrayLike) -> Bools:
        """Which labels are positive."""
        return np.asarray(np.asarray(label, np.float64) >= self.score)


def cuts_of(scale: Scale) -> tuple[Cut, ...]:
    """The binary questions of a scale: its label where that is binary, else its cut-offs.

    Examples
    --------
    >>> bands = [{"name": "all", "low": 0, "high": 24}]
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=bands, cutoffs=[{"score": 10, "source": "Kroenke (2009)"}])
    >>> [cut.name for cut in cuts_of(scale)], [cut.name for cut in cuts_of(scale.binary(10))]
    (['10'], [''])
    """
    if scale.kind == "binary":
        return (Cut("", 0.5, 0.5, probability=True),)
    return tuple(
        Cut(f"{one.score:g}".replace(".", "_"), one.score, one.score, source=one.source) for one in scale.cutoffs
    )


def edges_of(scale: Scale) -> Floats | None:
    """Lowest scores of the scale's classes but the first; None for a binary scale, or one band.

    A predicted score is in the highest band that starts at or below it (`Scale.band`). Classes of an ordinal scale are
    one whole number each, so a score is rounded to the nearest.
    """
    if scale.kind == "binary" or len(scale.bands) < 2:
        return None
    lows = np.array([band.low for band in scale.bands[1:]])
    return lows - 0.5 if scale.kind == "ordinal" else lows


def auroc(positive: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: the probability that a positive scores higher than a negative; ties count half.

    Parameters
    ----------
    positive : array_like of bool, shape [N]
    score : array_like, shape [N]

    Returns
    -------
    float
        .5 for a constant score; NaN without a positive or without a negative.

    References
    ----------
    Hanley and McNeil (1982), "The meaning and use of the area under a ROC curve", Radiology 143.

    Examples
    --------
    >>> auroc([True, True, False, False], [3, 2, 2, 1])
    0.875
    """
    y, s = np.asarray(positive, bool), np.asarray(score, np.float64)
    if not y.any() or y.all():
        return float("nan")
    return float(wins(s[y], s[~y]).mean() / (~y).sum())


def wins(score_M: Floats, other_N: Floats) -> Floats:
    """How many of the others each score exceeds, ties counting half, [M]."""
    ordered = np.sort(other_N)
    below, reached = (np.searchsorted(ordered, score_M, side) for side in ("left", "right"))
    return np.asarray((below + reached) / 2, np.float64)


def average_precision(positive: ArrayLike, score: ArrayLike) -> float:
    """Area under the precision-recall curve (AUPRC) as average precision: Σ (recall step) × precision.

    Returns
    -------
    float
        The share of positives for a constant score; NaN without a positive.

    Examples
    --------
    >>> round(average_precision([True, False, True, False], [4, 3, 2, 1]), 3)
    0.833
    """
    y, s = np.asarray(positive, bool), np.asarray(score, np.float64)
    return float(weighted_precision(y, s, np.ones((1, len(y))))[0])


def weighted_precision(positive_N: Bools, score_N: Floats, weight_WN: Floats) -> Floats:
    """Average precision under each row of weights, [W]; NaN without a positive."""
    order = np.argsort(-score_N, kind="stable")
    weight_WN, y = weight_WN[:, order], positive_N[order]
    last = np.append(np.flatnonzero(np.diff(score_N[order])), len(y) - 1) if len(y) else np.empty(0, int)
    hits_WG = np.cumsum(weight_WN * y, axis=1)[:, last]
    all_WG = np.cumsum(weight_WN, axis=1)[:, last]
    step_WG = np.diff(hits_WG, axis=1, prepend=0.0)
    precision_WG = hits_WG / np.where(all_WG > 0, all_WG, 1.0)
    total_W = hits_WG[:, -1] if len(last) else np.zeros(len(weight_WN))
    return np.asarray((step_WG * precision_WG).sum(axis=1) / np.where(total_W > 0, total_W, np.nan))


def brier(positive: ArrayLike, probability: ArrayLike) -> float:
    """Brier score, the mean squared error of probabilities; NaN without recordings.

    References
    ----------
    Brier (1950), "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78.

    Examples
    --------
    >>> round(brier([True, False], [0.8, 0.4]), 6)
    0.1
    """
    y, p = np.asarray(positive, np.float64), np.asarray(probability, np.float64)
    return float(np.square(p - y).mean()) if len(y) else float("nan")


def calibration_curve(positive: ArrayLike, probability: ArrayLike, bins: int = 10) -> tuple[Floats, Floats, Floats]:
    """Predicted and observed shares of positives, in bins of equal numbers of recordings.

    Parameters
    ----------
    positive : array_like of bool, shape [N]
    probability : array_like, shape [N]
    bins : int
        Their number; bins without a recording are left out.

    Returns
    -------
    predicted, observed, count : ndarray
        Mean probability, share of positives and number of recordings of each bin.

    Examples
    --------
    >>> predicted, observed, count = calibration_curve([False, False, True, True], [0.1, 0.3, 0.6, 0.8], bins=2)
    >>> predicted.round(2).tolist(), observed.tolist(), count.tolist()
    ([0.2, 0.7], [0.0, 1.0], [2.0, 2.0])
    """
    y, p = np.asarray(positive, np.float64), np.asarray(probability, np.float64)
    edges = np.percentile(p, np.linspace(0, 100, bins + 1))
    place = np.searchsorted(edges[1:-1], p)
    count, total, hits = (np.bincount(place, weights, bins).astype(np.float64) for weights in (p * 0 + 1, p, y))
    seen = count > 0
    return total[seen] / count[seen], hits[seen] / count[seen], count[seen]


def choose_threshold(positive: ArrayLike, score: ArrayLike, how: Threshold) -> float:
    """Choose a threshold on dev; scores from it on count as positive.

    Parameters
    ----------
    positive : array_like of bool, shape [N]
    score : array_like, shape [N]
    how : {"dev", "dev90"}
        dev: the score with the highest balanced accuracy (Youden's index). dev90: the highest score that finds 90 % of
        the positives. The highest such score where there are several.

    Returns
    -------
    float
        NaN without a positive or without a negative.

    References
    ----------
    Youden (1950), "Index for rating diagnostic tests", Cancer 3.

    Examples
    --------
    >>> choose_threshold([False, False, True, True], [1.0, 3.0, 2.0, 4.0], "dev90")
    2.0
    """
    y, s = np.asarray(positive, bool), np.asarray(score, np.float64)
    if not y.any() or y.all():
        return float("nan")
    candidates = np.unique(s)[::-1]
    found, alarms = (1 - np.searchsorted(np.sort(s[part]), candidates) / part.sum() for part in (y, ~y))
    if how == "dev90":
        return float(candidates[np.flatnonzero(found >= 0.9 - 1e-12)[0]])
    return float(candidates[np.argmax(np.round(found - alarms, 12))])


def confusion(label_N: NDArray[np.intp], found_N: NDArray[np.intp], classes: int) -> Floats:
    """Confusion matrix [K, K] of class numbers: labels in rows, scores in columns."""
    counts = np.bincount(label_N * classes + found_N, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.float64)


def sensitivity(counts: Floats) -> Floats:
    """Share of the positives that are found; NaN without a positive."""
    return _ratio(counts[..., 1, 1], counts[..., 1, :].sum(-1))


def specificity(counts: Floats) -> Floats:
    """Share of the negatives that are not taken for positives; NaN without a negative."""
    return _ratio(counts[..., 0, 0], counts[..., 0, :].sum(-1))


def balanced_accuracy(counts: Floats) -> Floats:
    """Mean over the labels' classes of the share that is found; NaN without recordings."""
    own = counts.sum(-1)
    found = np.diagonal(counts, axis1=-2, axis2=-1) / np.where(own > 0, own, 1.0)
    return _ratio(found.sum(-1), (own > 0).sum(-1))


def macro_f1(counts: Floats) -> Floats:
    """Mean of F1 over the classes among labels and scores: 0 for a class that is never found."""
    both = counts.sum(-1) + counts.sum(-2)
    f1 = 2 * np.diagonal(counts, axis1=-2, axis2=-1) / np.where(both > 0, both, 1.0)
    return _ratio(f1.sum(-1), (both > 0).sum(-1))


def kappa(counts: Floats) -> Floats:
    """Cohen's kappa: agreement beyond chance; 0 for a constant score, NaN where labels and scores have one class.

    References
    ----------
    Cohen (1960), "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20.
    """
    return _kappa(counts, 1.0 - np.eye(counts.shape[-1]))


def quadratic_kappa(counts: Floats) -> Floats:
    """Kappa with disagreements weighted by their square: Lin's CCC of the class numbers.

    References
    ----------
    Cohen (1968), "Weighted kappa", Psychological Bulletin 70.
    """
    place = np.arange(counts.shape[-1])
    return _kappa(counts, np.square(place[:, None] - place).astype(np.float64))


OF_COUNTS: MappingProxyType[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "balanced_accuracy": balanced_accuracy,
        "macro_f1": macro_f1,
        "kappa": kappa,
        "quadratic_kappa": quadratic_kappa,
    }
)
"""Metrics of a confusion matrix [..., K, K] → [...]; sensitivity and specificity of two classes."""


def _kappa(counts: Floats, weight_KK: Floats) -> Floats:
    n = counts.sum((-2, -1))
    expected = counts.sum(-1)[..., :, None] * counts.sum(-2)[..., None, :]
    by_chance = (weight_KK * expected).sum((-2, -1)) / np.where(n > 0, n, 1.0)
    return np.asarray(1 - _ratio((weight_KK * counts).sum((-2, -1)), by_chance))


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    whole = np.asarray(whole, np.float64)
    return np.asarray(np.asarray(part, np.float64) / np.where(whole > 0, whole, np.nan))


def class_numbers(edges: ArrayLike, value_N: ArrayLike) -> NDArray[np.intp]:
    """Number of each value's class: how many edges it reaches."""
    return np.searchsorted(np.asarray(edges, np.float64), np.asarray(value_N, np.float64), side="right")
