"""Metrics of classification, or of a group of people, with each person left out, from which their intervals follow.

A person is left out with all recordings, which allows for several recordings of a person as Obuchowski's variance of a
clustered AUROC does. AUROC takes one sort: without a person it loses the pairs of that person's recordings.

Axes: P people, S seeds, N recordings, K classes.

References
----------
Obuchowski (1997), "Nonparametric analysis of clustered ROC curve data", Biometrics 53. DeLong, DeLong and
Clarke-Pearson (1988), "Comparing the areas under two or more correlated receiver operating characteristic curves",
Biometrics 44.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from lfnet.evaluation.classes import OF_COUNTS, weighted_precision, wins
from lfnet.evaluation.intervals import Interval, interval_between, jackknife_t
from lfnet.evaluation.resample import Quantity
from lfnet.evaluation.sufficient_statistics import SCALES, Scale

__all__ = ["LOGIT", "LeftOut", "Question", "class_interval", "difference", "leave_out", "leave_out_mean"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_CHUNK = 256  # people left out in one pass


def _slope_of_logit(x: object) -> Floats:
    share = np.asarray(x, np.float64)
    return np.asarray(1 / (share * (1 - share)))


LOGIT = Scale("logit", special.logit, special.expit, _slope_of_logit)
_SHARES = ("sensitivity", "specificity", "coverage")
_SCALES = MappingProxyType(
    {
        **dict.fromkeys((*_SHARES, "auroc", "auprc"), LOGIT),
        # These are nearly normal as they are: on the logit or Fisher's scale intervals are too long at n = 50.
        **dict.fromkeys(("balanced_accuracy", "macro_f1", "kappa", "bias", "slope"), SCALES["difference"]),
        "quadratic_kappa": SCALES["pcc"],
        "brier": SCALES["rmse"],
        "mae": SCALES["mae"],
    }
)


@dataclass(frozen=True)
class Question:
    """What labels are asked: the class of each recording, its person (0 … P − 1), and the edges between classes."""

    class_N: Ints
    person_N: Ints
    edges: Floats

    @property
    def people(self) -> int:
        """Number of people P."""
        return int(self.person_N.max()) + 1

    def people_in(self, positive: bool) -> int:
        """People with a recording in a class above the first, or in the first."""
        return len(set(self.person_N[(self.class_N > 0) == positive].tolist()))


@dataclass(frozen=True)
class LeftOut:
    """A metric of each seed [S], without each person [S, P], and the people that a share is of."""

    metric: str
    value_S: Floats
    left_SP: Floats
    people: int

    def quantity(self, joint: bool) -> Quantity:
        """The mean over seeds with its components of variance; joint: seeds are drawn too."""
        return _quantity(self.value_S, self.left_SP, _SCALES[self.metric], joint)


def leave_out(metric: str, question: Question, score_SN: Floats, threshold_S: Sequence[float] | None) -> LeftOut:
    """Measure a metric of each seed, and without each person.

    Parameters
    ----------
    metric : str
        auroc, auprc, brier, or one of `OF_COUNTS`.
    question : Question
    score_SN : ndarray
    threshold_S : sequence of float or None
        From which scores of a seed count as positive; None: scores have the classes of the question's edges.
    """
    found = []
    for seed, score_N in enumerate(score_SN):
        if metric == "auroc":
            found.append(_auroc(question, score_N))
        elif metric == "auprc":
            found.append(_auprc(question, score_N))
        elif metric == "brier":
            found.append(_brier(question, score_N))
        else:
            edges = question.edges if threshold_S is None else np.array([threshold_S[seed]])
            found.append(_of_counts(metric, question, score_N, edges))
    value_S, left_SP = np.array([value for value, _ in found]), np.stack([left_P for _, left_P in found])
    people = question.people if metric not in _SHARES else question.people_in(metric == "sensitivity")
    return LeftOut(metric, value_S, left_SP, people)


def leave_out_mean(metric: str, value_SN: Floats, person_N: NDArray[np.intp], people: int) -> LeftOut:
    """Measure the mean over recordings of each seed, and without each person.

    Parameters
    ----------
    metric : str
        mae, bias or coverage.
    value_SN : ndarray
    person_N : ndarray of int
        The person of each recording, from 0 to `people` − 1.
    people : int
    """
    sum_SP = np.stack([np.bincount(person_N, value_N, people) for value_N in value_SN])
    count_P = np.bincount(person_N, minlength=people)
    left_SP = (sum_SP.sum(axis=1, keepdims=True) - sum_SP) / (count_P.sum() - count_P)
    return LeftOut(metric, value_SN.mean(axis=1), left_SP, people)


def difference(one: LeftOut, base: LeftOut, joint: bool) -> Quantity:
    """The difference of two rows' means over seeds."""
    own, other = (_quantity(part.value_S, part.left_SP, SCALES["difference"], joint) for part in (one, base))
    left_P = own.left_out_P - other.left_out_P
    parts = [(quantity.seeds, quantity.seeds_df) for quantity in (own, other)]
    seeds = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / df for variance, df in parts if variance > 0)
    df = seeds**2 / spread if spread else float("inf")  # Satterthwaite
    return _assembled(own.value - other.value, left_P, seeds, df, SCALES["difference"])


def class_interval(found: LeftOut, joint: bool, level: float) -> Interval | None:
    """The interval of a metric; None where the sample allows none.

    A share (sensitivity, specificity, coverage) may be 0 or 1: it has Wilson's interval with the number of recordings
    that would have given its variance if they were independent (Korn and Graubard 1998), at 0 and 1 the number of
    people.
    """
    if found.metric not in _SHARES:
        return jackknife_t(found.quantity(joint), level)
    quantity = found.quantity(joint)
    share, variance = quantity.value, quantity.people + quantity.seeds
    if not np.isfinite(share) or not np.isfinite(variance) or found.people < 2:
        return None
    count = share * (1 - share) / variance if variance > 0 else found.people
    count = min(count, 1e9)
    t = float(stats.t.ppf((1 + level) / 2, found.people - 1))
    middle, reach = share + t**2 / (2 * count), t * np.sqrt(share * (1 - share) / count + t**2 / (4 * count**2))
    ends = np.array([middle - reach, middle + reach]) / (1 + t**2 / count)
    return interval_between(np.clip(ends, 0.0, 1.0), level, "Wilson, clustered")


def _quantity(value_S: Floats, left_SP: Floats, scale: Scale, joint: bool) -> Quantity:
    seeds = len(value_S)
    between = float(value_S.var(ddof=1)) / seeds if joint and seeds > 1 else 0.0
    return _assembled(float(value_S.mean()), left_SP.mean(axis=0), between, max(seeds - 1, 1), scale)


def _assembled(value: float, left_P: Floats, seeds: float, seeds_df: float, scale: Scale) -> Quantity:
    count = len(left_P)
    people = (count - 1) / count * float(np.square(left_P - left_P.mean()).sum())
    nothing = np.empty(0)
    return Quantity(value, people, seeds, seeds_df, scale, left_P, nothing, nothing)


def _auroc(question: Question, score_N: Floats) -> tuple[float, Floats]:
    y, person, people = question.class_N > 0, question.person_N, question.people
    over_M, under_N = wins(score_N[y], score_N[~y]), y.sum() - wins(score_N[~y], score_N[y])
    lost_P = np.bincount(person[y], over_M, people) + np.bincount(person[~y], under_N, people)
    positive_P, negative_P = (np.bincount(person[part], minlength=people).astype(float) for part in (y, ~y))
    for both in np.flatnonzero((positive_P > 0) & (negative_P > 0)):  # whose own pairs were taken away twice
        own = person == both
        lost_P[both] -= wins(score_N[own & y], score_N[own & ~y]).sum()
    pairs = float(y.sum()) * float((~y).sum())
    left = (y.sum() - positive_P) * ((~y).sum() - negative_P)
    left_P = (over_M.sum() - lost_P) / np.where(left > 0, left, np.nan)
    return float(over_M.sum() / pairs) if pairs else float("nan"), left_P


def _auprc(question: Question, score_N: Floats) -> tuple[float, Floats]:
    y, people = question.class_N > 0, question.people
    left_P = [
        weighted_precision(
            y, score_N, (question.person_N != np.arange(start, min(start + _CHUNK, people))[:, None]) * 1.0
        )
        for start in range(0, people, _CHUNK)
    ]
    return float(weighted_precision(y, score_N, np.ones((1, len(y))))[0]), np.concatenate(left_P)


def _brier(question: Question, score_N: Floats) -> tuple[float, Floats]:
    error_N = np.square(score_N - (question.class_N > 0))
    sum_P, count_P = (np.bincount(question.person_N, weights) for weights in (error_N, np.ones_like(error_N)))
    left = count_P.sum() - count_P
    return float(error_N.mean()), (sum_P.sum() - sum_P) / np.where(left > 0, left, np.nan)


def _of_counts(metric: str, question: Question, score_N: Floats, edges: Floats) -> tuple[float, Floats]:
    classes = len(question.edges) + 1
    found_N = np.searchsorted(edges, score_N, side="right")
    cell_N = (question.person_N * classes + question.class_N) * classes + found_N
    counts_PKK = np.bincount(cell_N, minlength=question.people * classes**2).astype(np.float64)
    counts_PKK = counts_PKK.reshape(question.people, classes, classes)
    whole = counts_PKK.sum(axis=0)
    return float(OF_COUNTS[metric](whole)), OF_COUNTS[metric](whole - counts_PKK)
