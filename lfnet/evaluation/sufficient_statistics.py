"""Sums per person, from which all metrics follow: a resample of people is a row of weights times a matrix.

Every metric of lfnet is a smooth function of means over recordings: of |error|, its square, label, score, their squares
and their product. A person's recordings enter through their sums alone, so 10,000 resamples of people are one matrix
product, and the derivatives of a metric by its means give its influence function (Hampel 1974), hence a standard error
within each resample without a second level of resampling.

Axes: P people, S seeds, B resamples (or the one real sample), K kinds of sum.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lfnet.evaluation.metrics import METRICS

__all__ = [
    "EVIDENCE_METRICS",
    "SCALES",
    "Labels",
    "Means",
    "Scale",
    "Scores",
    "influence",
    "label_sums",
    "means",
    "means_without_each",
    "score_sums",
    "value",
]

Floats = NDArray[np.float64]

EVIDENCE_METRICS = (*METRICS, "skill")  # skill = 1 − MAE / MAE of a constant
# A variance below this share of the largest square is rounding (the square of 1e-6 in metrics.py).
_TINY = 1e-12

_LABEL_KINDS = ("n", "y", "yy", "c")  # recordings, label, its square, |label − constant|
_SCORE_KINDS = ("a", "q", "s", "ss", "ys")  # |error|, its square, score, its square, label × score


@dataclass(frozen=True)
class Labels:
    """Sums of labels: sums_KP by kind (n, y, yy, c) and person; `largest` square, for rounding."""

    sums_KP: Floats
    largest: float

    @property
    def people(self) -> int:
        return self.sums_KP.shape[1]


@dataclass(frozen=True)
class Scores:
    """Sums of one row's scores: sums_KSP by kind (a, q, s, ss, ys), seed and person; `largest` square, for rounding."""

    sums_KSP: Floats
    largest: float

    @property
    def seeds(self) -> int:
        return self.sums_KSP.shape[1]

    def of(self, chosen: NDArray[np.bool_]) -> "Scores":
        """Select some of the seeds."""
        return Scores(self.sums_KSP[:, chosen], self.largest)


@dataclass(frozen=True)
class Means:
    """Means over recordings in each resample: n_B recordings; label: kind → [B]; score: kind → [B, S]."""

    n_B: Floats
    label: dict[str, Floats]
    score: dict[str, Floats]
    label_rounding: float
    score_rounding: float


def label_sums(person_N: NDArray[np.intp], label_N: Floats, constant: float | None) -> Labels:
    """Sum labels per person. `person_N`: 0 … P − 1; `constant`: the constant score of skill, or None."""
    y = label_N - label_N.mean()
    c = np.full_like(y, np.nan) if constant is None else np.abs(label_N - constant)
    kinds = np.stack([np.ones_like(y), y, y * y, c])
    return Labels(_by_person(kinds, person_N), float(np.max(label_N**2, initial=0.0)))


def score_sums(person_N: NDArray[np.intp], label_N: Floats, score_SN: Floats) -> Scores:
    """Sum errors and scores per person and seed; labels and scores are centred, which changes no metric."""
    centre = label_N.mean()
    y, s, error = label_N - centre, score_SN - centre, score_SN - label_N
    kinds = np.stack([np.abs(error), error * error, s, s * s, y * s])
    return Scores(_by_person(kinds, person_N), float(np.max(score_SN**2, initial=0.0)))


def _by_person(kinds: Floats, person_N: NDArray[np.intp]) -> Floats:
    """Sum over the recordings of each person; [..., N] becomes [..., P]."""
    people = int(person_N.max()) + 1
    rows = kinds.reshape(-1, len(person_N))
    sums = np.array([np.bincount(person_N, row, people) for row in rows], np.float64)
    return sums.reshape(*kinds.shape[:-1], people)


def means(weight_BP: Floats, labels: Labels, scores: Scores) -> Means:
    """Compute the means of each resample. `weight_BP`: how often each person is in it."""
    kinds, seeds, people = scores.sums_KSP.shape
    score_BKS = (weight_BP @ scores.sums_KSP.reshape(kinds * seeds, people).T).reshape(-1, kinds, seeds)
    return _means(labels.sums_KP @ weight_BP.T, score_BKS, labels, scores)


def means_without_each(labels: Labels, scores: Scores) -> Means:
    """Compute the means without each of the people in turn: P resamples, each of all but one."""
    label_KP, score_KSP = labels.sums_KP, scores.sums_KSP
    left_KP = label_KP.sum(axis=-1, keepdims=True) - label_KP
    left_KSP = score_KSP.sum(axis=-1, keepdims=True) - score_KSP
    return _means(left_KP, np.moveaxis(left_KSP, -1, 0), labels, scores)


def _means(label_KB: Floats, score_BKS: Floats, labels: Labels, scores: Scores) -> Means:
    n_B = label_KB[0]
    return Means(
        n_B,
        {kind: label_KB[k] / n_B for k, kind in enumerate(_LABEL_KINDS)},
        {kind: score_BKS[:, k] / n_B[:, None] for k, kind in enumerate(_SCORE_KINDS)},
        _TINY * labels.largest,
        _TINY * scores.largest,
    )


def value(metric: str, at: Means) -> Floats:
    """Compute the metric of each resample and seed, [B, S]; NaN where it is undefined."""
    return _measure(metric, at)[0]


def influence(metric: str, at: Means, labels: Labels, scores: Scores, share_BS: Floats) -> Floats:
    """Compute each person's influence on the metric averaged over seeds, in each resample, [B, P].

    `share_BS` is each seed's share in the average (1/S, or that of a resample of seeds). In a resample with weights w
    the influences sum to 0 under w, and the sum of w × influence² estimates the variance of the average over people
    (infinitesimal jackknife: Jaeckel 1972; Efron 1982, chapter 6).
    """
    slopes = _measure(metric, at)[1]
    per_n = share_BS / at.n_B[:, None]
    coefficients, sums = [], []
    pull_B = np.zeros_like(at.n_B)  # effect of one more recording through the divisor of every mean
    for k, kind in enumerate(_SCORE_KINDS):
        if kind in slopes:
            scaled = slopes[kind] * per_n
            coefficients.append(scaled)
            sums.append(scores.sums_KSP[k])
            pull_B -= (scaled * at.score[kind]).sum(axis=1)
    for k, kind in enumerate(_LABEL_KINDS):
        if kind in slopes:
            scaled_B = (slopes[kind] * per_n).sum(axis=1)
            coefficients.append(scaled_B[:, None])
            sums.append(labels.sums_KP[k : k + 1])
            pull_B -= scaled_B * at.label[kind]
    coefficients.append(pull_B[:, None])
    sums.append(labels.sums_KP[:1])
    return np.asarray(np.concatenate(coefficients, axis=1) @ np.concatenate(sums, axis=0))


def _measure(metric: str, at: Means) -> tuple[Floats, dict[str, Floats]]:
    """Compute a metric [B, S] and its derivatives by the means of each kind, [B, S] or [B, 1]."""
    a, q = at.score["a"], at.score["q"]
    if metric == "mae":
        return a, {"a": np.ones_like(a)}
    if metric == "rmse":
        root = np.sqrt(q)
        return root, {"q": 0.5 / np.where(root > 0, root, np.nan)}
    if metric == "skill":
        c = at.label["c"][:, None]
        c = np.where(c > 0, c, np.nan)
        return 1 - a / c, {"a": np.broadcast_to(-1 / c, a.shape), "c": a / c**2}
    y, s = at.label["y"][:, None], at.score["s"]
    var_y, var_s = at.label["yy"][:, None] - y**2, at.score["ss"] - s**2
    var_y = np.where(var_y > at.label_rounding, var_y, np.nan)
    moves = var_s > at.score_rounding
    if metric == "ccc":
        distance = at.label["yy"][:, None] + at.score["ss"] - 2 * y * s  # var_y + var_s + (mean_y − mean_s)²
        ccc = np.where(moves, 2 * (at.score["ys"] - y * s) / distance, 0.0) + 0 * var_y
        half = 2 / distance
        even = -ccc / distance
        return ccc, {"ys": half, "y": -s * (1 - ccc) * half, "s": -y * (1 - ccc) * half, "yy": even, "ss": even}
    var_s = np.where(moves, var_s, np.nan)
    if metric == "pcc":
        scale = 1 / np.sqrt(var_y * var_s)
        pcc = np.clip((at.score["ys"] - y * s) * scale, -1.0, 1.0)
        by_y, by_s = pcc / var_y, pcc / var_s
        slopes = {"ys": scale, "y": -s * scale + by_y * y, "s": -y * scale + by_s * s, "yy": -by_y / 2, "ss": -by_s / 2}
        return pcc, slopes
    ratio = var_s / var_y
    if metric == "var_ratio":
        return ratio, {"ss": 1 / var_y + 0 * s, "s": -2 * s / var_y, "yy": -ratio / var_y, "y": 2 * y * ratio / var_y}
    if metric == "sigma_ratio":
        root = np.sqrt(ratio)
        return root, {"ss": root / var_s / 2, "s": -root * s / var_s, "yy": -root / var_y / 2, "y": root * y / var_y}
    raise ValueError(f"unknown metric {metric!r}: one of {EVIDENCE_METRICS}")


Function = Callable[[ArrayLike], Floats]


@dataclass(frozen=True)
class Scale:
    """An increasing transformation, its inverse and its derivative (a standard error on the scale is slope × error)."""

    name: str
    forward: Function
    inverse: Function
    slope: Function


def _array(x: ArrayLike) -> Floats:
    return np.asarray(x, dtype=np.float64)


def _above_zero(x: ArrayLike) -> Floats:
    """Inverse of −1/√; infinite from 0 on."""
    return np.where(_array(x) < 0, 1 / np.square(np.minimum(_array(x), -1e-150)), np.inf)


_PLAIN = Scale("plain", _array, _array, lambda x: np.ones_like(_array(x)))
_LOG = Scale("log", lambda x: np.log(_array(x)), lambda x: np.exp(_array(x)), lambda x: 1 / _array(x))
_FISHER = Scale(
    "Fisher", lambda x: np.arctanh(_array(x)), lambda x: np.tanh(_array(x)), lambda x: 1 / (1 - np.square(_array(x)))
)
# The log of a root mean square is still skewed; −1/√ is not (measured in experiments/validation).
_ROOT = Scale("−1/√", lambda x: -(_array(x) ** -0.5), _above_zero, lambda x: 0.5 * _array(x) ** -1.5)
# 1 − skill is a ratio of two MAEs.
_SKILL = Scale(
    "log(1 − skill)", lambda x: -np.log1p(-_array(x)), lambda x: -np.expm1(-_array(x)), lambda x: 1 / (1 - _array(x))
)

SCALES = MappingProxyType(
    {
        "mae": _LOG,
        "rmse": _ROOT,
        "pcc": _FISHER,
        "ccc": _FISHER,
        "sigma_ratio": _LOG,
        "var_ratio": _LOG,
        "skill": _SKILL,
        "difference": _PLAIN,
    }
)
