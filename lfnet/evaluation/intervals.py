"""Intervals for a metric on new people: several ways, of which each metric has the one that was measured to cover best.

`experiments/validation` measures them and keeps the record of what each reached. METHODS and DIFFERENCES are chosen
from it (nearest to 95 % at n = 50, up to Monte Carlo error); a test ties the record to these choices and to the numbers
that they give.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lfnet.evaluation.resample import Quantity

__all__ = [
    "DIFFERENCES",
    "METHODS",
    "RESAMPLED",
    "WAYS",
    "Interval",
    "bca",
    "interval",
    "jackknife_t",
    "percentile",
    "studentised",
    "symmetric",
]

Floats = NDArray[np.float64]

_UNDEFINED = 0.05  # the share of undefined resamples above which there is no interval


@dataclass(frozen=True)
class Interval:
    """low and high enclose the truth in about `level` of all studies; method: one of WAYS."""

    low: float
    high: float
    level: float
    method: str


def percentile(quantity: Quantity, level: float) -> Interval | None:
    """Quantiles of the resamples (Efron 1979): too short in small samples, kept to be measured beside the others."""
    values = _defined(quantity.value_B)
    if values is None:
        return None
    ends: Floats = np.asarray(np.quantile(values, _tails(level)), np.float64)
    return _given(ends, level, "percentile")


def bca(quantity: Quantity, level: float) -> Interval | None:
    """Bias-corrected and accelerated (Efron 1987, JASA 82). With one recording a person it is SciPy's BCa."""
    values = _defined(quantity.value_B)
    pulls = quantity.left_out_P.mean() - quantity.left_out_P
    if values is None or not np.isfinite(pulls).all() or not pulls.any():
        return None
    below = ((values < quantity.value).sum() + (values <= quantity.value).sum()) / (2 * len(values))
    if not 0 < below < 1:
        return None
    bias = stats.norm.ppf(below)
    acceleration = (pulls**3).sum() / (6 * (pulls**2).sum() ** 1.5)
    z = bias + stats.norm.ppf(_tails(level))
    shares = stats.norm.cdf(bias + z / (1 - acceleration * z))
    return _given(np.quantile(values, shares), level, "BCa")


def studentised(quantity: Quantity, level: float) -> Interval | None:
    """Bootstrap-t (Efron 1982; Hall 1988) on the metric's scale, each resample with its own standard error."""
    pivots = _defined(quantity.pivot_B)
    if pivots is None:
        return None
    steps: Floats = -np.quantile(pivots, _tails(level))[::-1] * np.float64(quantity.error)
    return _about(quantity, steps, level, "studentised")


def symmetric(quantity: Quantity, level: float) -> Interval | None:
    """Bootstrap-t from the quantile of |t|: as far down as up on the metric's scale (Hall 1988)."""
    pivots = _defined(quantity.pivot_B)
    if pivots is None:
        return None
    reach = np.quantile(np.abs(pivots), level) * quantity.error
    return _about(quantity, np.array([-reach, reach]), level, "symmetric studentised")


def jackknife_t(quantity: Quantity, level: float) -> Interval | None:
    """Student's t on the metric's scale, with the standard error of leaving out one person at a time.

    Degrees of freedom: Satterthwaite's, over seeds and people; those of the people from the kurtosis of their
    influences, P − 1 at most, because a variance that hangs on two people is not known with 27 degrees of freedom.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        left = quantity.scale.forward(quantity.left_out_P)
        pulls = left - left.mean()
    count, square = len(left), np.square(pulls).sum()
    if not np.isfinite(square) or not quantity.error > 0:
        return None
    kurtosis = count * (pulls**4).sum() / square**2
    people_df = min(count - 1, 2 * count / max(kurtosis - 1, 0.2))
    people = (count - 1) / count * square
    seeds = quantity.seeds * float(quantity.scale.slope(quantity.value)) ** 2
    df = (people + seeds) ** 2 / (people**2 / people_df + seeds**2 / quantity.seeds_df)
    reach = stats.t.ppf((1 + level) / 2, df) * np.sqrt(people + seeds)
    return _about(quantity, np.array([-reach, reach]), level, "jackknife t")


WAYS: MappingProxyType[str, Callable[[Quantity, float], Interval | None]] = MappingProxyType(
    {
        "percentile": percentile,
        "BCa": bca,
        "studentised": studentised,
        "symmetric studentised": symmetric,
        "jackknife t": jackknife_t,
    }
)
RESAMPLED = frozenset(WAYS) - {"jackknife t"}

METHODS = MappingProxyType(
    {
        "mae": "jackknife t",
        "rmse": "jackknife t",
        "pcc": "jackknife t",
        "ccc": "jackknife t",
        "sigma_ratio": "jackknife t",
        "var_ratio": "jackknife t",
        "skill": "symmetric studentised",
    }
)
DIFFERENCES = MappingProxyType(
    {
        "mae": "symmetric studentised",
        "rmse": "jackknife t",
        "pcc": "jackknife t",
        "ccc": "jackknife t",
        "sigma_ratio": "jackknife t",
        "var_ratio": "jackknife t",
        "skill": "symmetric studentised",
    }
)


def interval(quantity: Quantity, method: str, level: float) -> Interval | None:
    """The interval by one of WAYS; None where the sample allows none (nothing varies, too often undefined)."""
    return WAYS[method](quantity, level)


def _tails(level: float) -> Floats:
    return np.array([(1 - level) / 2, (1 + level) / 2])


def _defined(values_B: Floats) -> Floats | None:
    kept = values_B[np.isfinite(values_B)]
    return kept if len(kept) and len(kept) >= (1 - _UNDEFINED) * len(values_B) else None


def _about(quantity: Quantity, steps: Floats, level: float, method: str) -> Interval | None:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _given(quantity.scale.inverse(quantity.scale.forward(quantity.value) + steps), level, method)


def _given(ends: Floats, level: float, method: str) -> Interval | None:
    low, high = map(float, ends)
    return Interval(low, high, level, method) if np.isfinite([low, high]).all() and low < high else None
