"""Metrics of regression: errors, correlations and the spread of scores.

Every metric is a pure function of labels and scores of shape [..., n], in the scale's points. It measures the last axis
and keeps the others, so that resamples are measured in one call. Inside arrays an undefined value is NaN;
`compute_metrics` turns it into None, as files and tables have it.

**Undefined values.** No metric is defined on no labels. PCC needs two points or more and two sides that vary; CCC,
`sigma_ratio` and `var_ratio` need two points or more and labels that vary. A constant prediction has CCC 0 and
`sigma_ratio` 0. **Constant** means max − min ≤ 1e-6 · max |x|, about ten units in the last place of float32: the
rounding that a collapsed network leaves does not count as variation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["DDOF", "METRICS", "Metric", "ccc", "compute_metrics", "mae", "pcc", "rmse", "sigma_ratio", "var_ratio"]

DDOF = 0  # of every variance in this module
_CONSTANT = 1e-6

Floats = NDArray[np.float64]


def mae(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Mean absolute error, in points.

    Parameters
    ----------
    labels, scores : array_like, shape [..., n]
        Observed and predicted values, in points.

    Returns
    -------
    ndarray, shape [...]
        NaN where n is 0.

    Examples
    --------
    >>> float(mae([0, 10, 20], [2, 10, 16]))
    2.0
    """
    y, s = _pair(labels, scores)
    return _mean(np.abs(s - y))


def rmse(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Root of the mean squared error, in points.

    Parameters
    ----------
    labels, scores : array_like, shape [..., n]
        Observed and predicted values, in points.

    Returns
    -------
    ndarray, shape [...]
        NaN where n is 0.

    Examples
    --------
    >>> float(rmse([0, 10], [3, 6]).round(2))
    3.54
    """
    y, s = _pair(labels, scores)
    return np.sqrt(_mean(np.square(s - y)))


def pcc(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Pearson's correlation coefficient.

    Parameters
    ----------
    labels, scores : array_like, shape [..., n]
        Observed and predicted values, in points.

    Returns
    -------
    ndarray, shape [...]
        NaN where either side is constant or n < 2.

    Examples
    --------
    >>> float(pcc([0, 10, 20], [5, 6, 7]).round(6))
    1.0
    """
    y, s = _pair(labels, scores)
    if y.shape[-1] < 2:
        return _defined(np.zeros(y.shape[:-1]), False)
    y_unit, s_unit = _unit(y), _unit(s)
    return _defined(np.clip((y_unit * s_unit).sum(axis=-1), -1.0, 1.0), ~(_constant(y) | _constant(s)))


def ccc(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Concordance correlation coefficient.

    2 cov / (var_y + var_s + (mean_y − mean_s)²), with variances of ddof 0.

    Parameters
    ----------
    labels, scores : array_like, shape [..., n]
        Observed and predicted values, in points.

    Returns
    -------
    ndarray, shape [...]
        0 for a constant prediction; NaN where labels are constant or n < 2.

    References
    ----------
    Lin (1989), "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45.

    Examples
    --------
    >>> float(ccc([0, 10, 20], [10, 20, 30]).round(3))
    0.571
    """
    y, s = _pair(labels, scores)
    if y.shape[-1] < 2:
        return _defined(np.zeros(y.shape[:-1]), False)
    covariance = (_centred(y) * _centred(s)).mean(axis=-1)
    spread = y.var(axis=-1, ddof=DDOF) + s.var(axis=-1, ddof=DDOF) + np.square(y.mean(axis=-1) - s.mean(axis=-1))
    value = 2.0 * covariance / np.where(spread > 0, spread, 1.0)
    return _defined(np.where(_constant(s), 0.0, value), ~_constant(y))


def sigma_ratio(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """SD of the scores over SD of the labels: near 0 where a model has collapsed to a constant.

    Parameters
    ----------
    labels, scores : array_like, shape [..., n]
        Observed and predicted values, in points.

    Returns
    -------
    ndarray, shape [...]
        0 for a constant prediction; NaN where labels are constant or n < 2.

    Notes
    -----
    Both SDs have ddof 0; their ratio is the same for any ddof. The temporal ablation calls this number a variance
    ratio, but its thresholds suit the ratio of SDs.

    Examples
    --------
    >>> float(sigma_ratio([0, 10, 20], [8, 10, 12]).round(6))
    0.2
    """
    y, s = _pair(labels, scores)
    if y.shape[-1] < 2:
        return _defined(np.zeros(y.shape[:-1]), False)
    constant = _constant(y)
    ratio = s.std(axis=-1, ddof=DDOF) / np.where(constant, 1.0, y.std(axis=-1, ddof=DDOF))
    return _defined(np.where(_constant(s), 0.0, ratio), ~constant)


def var_ratio(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Variance of the scores over variance of the labels: the square of `sigma_ratio`.

    Parameters
    ----------
    labels, scores : array_like, shape [..., n]
        Observed and predicted values, in points.

    Returns
    -------
    ndarray, shape [...]
        Undefined where `sigma_ratio` is.

    Examples
    --------
    >>> float(var_ratio([0, 10, 20], [8, 10, 12]).round(6))
    0.04
    """
    return np.square(sigma_ratio(labels, scores))


@dataclass(frozen=True)
class Metric:
    """A metric and how it is read.

    Parameters
    ----------
    function : callable
        (labels, scores) → values.
    better : {"lower", "higher"} or None
        The direction in which it is better.
    label, unit : str
        Its name and unit in tables.
    """

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


def compute_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float | None]:
    """All metrics of one set of labels and scores.

    Parameters
    ----------
    labels, scores : array_like, shape [n]
        In points. A label of NaN is unknown: its score is left out.

    Returns
    -------
    dict
        Metric → value, None where it is undefined; and `n`, the number of known labels.

    Raises
    ------
    ValueError
        Shapes differ, or a score is not finite.

    Examples
    --------
    >>> compute_metrics([0, 10, 20], [5, 5, 5])["pcc"] is None
    True
    >>> compute_metrics([0, 10, float("nan")], [5, 5, 5])["n"]
    2
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
