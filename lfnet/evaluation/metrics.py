"""How far scores lie from labels, how well they follow them, and how much they vary.

Every metric is a pure function of labels and scores in the scale's points, of shape [..., n]; the last axis is measured
and the others are carried along, so that resamples are measured in one call. Inside arrays an undefined value is NaN;
`evaluate` turns it into None, which is what every file and table of lfnet holds.

**Undefined.** Nothing is measured on no labels. PCC needs two points or more and neither side constant; CCC,
`sigma_ratio` and `var_ratio` need two points or more and labels that vary (a constant prediction has CCC 0 and
`sigma_ratio` 0: that is a finding, not a gap). **Constant** means max − min ≤ 1e-6 · max |x|: about ten units in the
last place of float32, so that what a collapsed network's rounding leaves is not mistaken for a signal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["DDOF", "METRICS", "Metric", "ccc", "evaluate", "mae", "pcc", "rmse", "sigma_ratio", "var_ratio"]

DDOF = 0  # of every variance in this module
_CONSTANT = 1e-6

Floats = NDArray[np.float64]


def mae(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Mean absolute error of [..., n] → [...], in points."""
    y, s = _pair(labels, scores)
    return _mean(np.abs(s - y))


def rmse(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Root of the mean squared error of [..., n] → [...], in points."""
    y, s = _pair(labels, scores)
    return np.sqrt(_mean(np.square(s - y)))


def pcc(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Pearson's correlation of [..., n] → [...]; NaN where either side is constant or n < 2."""
    y, s = _pair(labels, scores)
    if y.shape[-1] < 2:
        return _defined(np.zeros(y.shape[:-1]), False)
    y_unit, s_unit = _unit(y), _unit(s)
    return _defined(np.clip((y_unit * s_unit).sum(axis=-1), -1.0, 1.0), ~(_constant(y) | _constant(s)))


def ccc(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Concordance correlation of [..., n] → [...]; 0 for a constant prediction, NaN where labels are constant or n < 2.

    2 cov / (var_y + var_s + (mean_y − mean_s)²) with ddof 0: the sample coefficient of Lin 1989, "A concordance
    correlation coefficient to evaluate reproducibility", Biometrics 45.
    """
    y, s = _pair(labels, scores)
    if y.shape[-1] < 2:
        return _defined(np.zeros(y.shape[:-1]), False)
    covariance = (_centred(y) * _centred(s)).mean(axis=-1)
    spread = y.var(axis=-1, ddof=DDOF) + s.var(axis=-1, ddof=DDOF) + np.square(y.mean(axis=-1) - s.mean(axis=-1))
    value = 2.0 * covariance / np.where(spread > 0, spread, 1.0)
    return _defined(np.where(_constant(s), 0.0, value), ~_constant(y))


def sigma_ratio(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """SD of the scores over SD of the labels, [..., n] → [...]: near 0 where a model has collapsed to a constant.

    Both SDs have ddof 0 (their ratio is the same for any ddof). 0 for a constant prediction; NaN where labels are
    constant or n < 2. System B calls this number a variance ratio, but its thresholds suit the ratio of SDs.
    """
    y, s = _pair(labels, scores)
    if y.shape[-1] < 2:
        return _defined(np.zeros(y.shape[:-1]), False)
    constant = _constant(y)
    ratio = s.std(axis=-1, ddof=DDOF) / np.where(constant, 1.0, y.std(axis=-1, ddof=DDOF))
    return _defined(np.where(_constant(s), 0.0, ratio), ~constant)


def var_ratio(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Variance of the scores over variance of the labels: the square of `sigma_ratio`, undefined where that is."""
    return np.square(sigma_ratio(labels, scores))


@dataclass(frozen=True)
class Metric:
    """A metric's function, the direction in which it is better (None: neither), its name in print and its unit."""

    function: Callable[[ArrayLike, ArrayLike], Floats]
    better: Literal["lower", "higher"] | None
    label: str
    unit: str


METRICS: MappingProxyType[str, Metric] = MappingProxyType(
    {
        "mae": Metric(mae, "lower", "MAE", "points"),
        "rmse": Metric(rmse, "lower", "RMSE", "points"),
        "pcc": Metric(pcc, "higher", "PCC", ""),
        "ccc": Metric(ccc, "higher", "CCC", ""),
        "sigma_ratio": Metric(sigma_ratio, None, "sigma_ratio", ""),
        "var_ratio": Metric(var_ratio, None, "var_ratio", ""),
    }
)


def evaluate(labels: ArrayLike, scores: ArrayLike) -> dict[str, float | None]:
    """Every metric of [n] labels and scores, and `n`, the number of labels known; None where a metric is undefined.

    A label of NaN is unknown: its score is not measured. Raises `ValueError` for shapes that differ and scores that are
    not finite.
    """
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if y.shape != s.shape or y.ndim != 1:
        raise ValueError(f"labels and scores must both be [n], not {y.shape} and {s.shape}")
    known = ~np.isnan(y)
    y, s = y[known], s[known]
    values = {name: float(metric.function(y, s)) for name, metric in METRICS.items()}
    return {name: None if np.isnan(value) else value for name, value in values.items()} | {"n": len(y)}


def _pair(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    y, s = np.broadcast_arrays(np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64))
    if y.ndim == 0:
        raise ValueError("labels and scores must be [..., n], not single numbers")
    if not (np.isfinite(y).all() and np.isfinite(s).all()):
        raise ValueError("labels and scores must be finite")
    return y, s


def _mean(x: Floats) -> Floats:
    return np.asarray(x.mean(axis=-1) if x.shape[-1] else np.full(x.shape[:-1], np.nan))


def _defined(values: ArrayLike, where: ArrayLike) -> Floats:
    return np.asarray(np.where(where, values, np.nan), dtype=np.float64)


def _constant(x: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.ptp(x, axis=-1) <= _CONSTANT * np.abs(x).max(axis=-1))


def _centred(x: Floats) -> Floats:
    return x - x.mean(axis=-1, keepdims=True)


def _unit(x: Floats) -> Floats:
    """Centred and divided by its length (left at 0 where that is 0): dividing before multiplying cannot overflow."""
    centred = _centred(x)
    length = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True))
    return centred / np.where(length > 0, length, 1.0)
