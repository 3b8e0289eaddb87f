"""Confidence intervals of a metric, or of a difference of metrics, over people.

Each metric has the method whose measured coverage is nearest to 95 % at n = 50, up to Monte Carlo error (METHODS,
DIFFERENCES). `experiments/validation` measures them, together with methods that cover less well, and records what each
reached; a test compares the record with these choices and with the numbers that they give.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lfnet.evaluation.resample import Quantity

__all__ = [
    "DIFFERENCES",
    "METHODS",
    "REACHED",
    "RESAMPLED",
    "Interval",
    "coverage_sentence",
    "defined",
    "interval",
    "interval_about",
    "interval_between",
    "jackknife_p",
    "jackknife_t",
    "symmetric",
]

Floats = NDArray[np.float64]

_MAX_UNDEFINED = 0.05  # share of undefined resamples above which there is no interval


@dataclass(frozen=True)
class Interval:
    """An interval that encloses the truth in about `level` of all studies; method: "jackknife t" or "symmetric …"."""

    low: float
    high: float
    level: float
    method: str


def symmetric(quantity: Quantity, level: float) -> Interval | None:
    """Bootstrap-t from the quantile of |t|: symmetric on the metric's scale (Hall 1988)."""
    pivots = defined(quantity.pivot_B)
    if pivots is None:
        return None
    reach = np.quantile(np.abs(pivots), level) * quantity.error
    return interval_about(quantity, np.array([-reach, reach]), level, "symmetric studentised")


def jackknife_t(quantity: Quantity, level: float) -> Interval | None:
    """Student's t on the metric's scale, with the standard error of leaving out one person at a time.

    Degrees of freedom: Satterthwaite's, over seeds and people. Those of the people follow from the kurtosis of their
    influences, P − 1 at most, because few influential people determine the variance with few degrees of freedom.
    """
    found = _jackknife(quantity)
    if found is None:
        return None
    error, df = found
    reach = stats.t.ppf((1 + level) / 2, df) * error
    return interval_about(quantity, np.array([-reach, reach]), level, "jackknife t")


def jackknife_p(quantity: Quantity, null: float = 0.0, toward: int = 0) -> float | None:
    """p-value of a difference being `null`, by the t of `jackknife_t`; None where the sample allows none.

    toward: 0 for two sides; 1 for the alternative that the difference is larger, −1 that it is smaller. Where nothing
    varies, as between two constants, p is 0 or 1.
    """
    found = _jackknife(quantity)
    distance = quantity.value - null
    if found is None:
        if quantity.error != 0:
            return None
        return float(distance == 0) if toward == 0 else float(not distance * toward > 0)
    t = distance / found[0]
    return float(2 * stats.t.sf(abs(t), found[1]) if toward == 0 else stats.t.sf(toward * t, found[1]))


def _jackknife(quantity: Quantity) -> tuple[float, float] | None:
    """Standard error on the metric's scale, and its degrees of freedom."""
    with np.errstate(divide="ignore", invalid="ignore"):
        left = quantity.scale.forward(quantity.left_out_P)
        pulls = left - left.mean()
    count, square = len(left), np.square(pulls).sum()
    if not np.isfinite(square) or not quantity.error > 0:
        return None
    seeds = quantity.seeds * float(quantity.scale.slope(quantity.value)) ** 2
    people = (count - 1) / count * square
    with np.errstate(divide="ignore", invalid="ignore"):  # values that are all equal have no spread
        kurtosis = count * (pulls**4).sum() / square**2
        people_df = min(count - 1, 2 * count / max(kurtosis - 1, 0.2))
        df = (people + seeds) ** 2 / (people**2 / people_df + seeds**2 / quantity.seeds_df)
    return float(np.sqrt(people + seeds)), float(df)


_FUNCTIONS: MappingProxyType[str, Callable[[Quantity, float], Interval | None]] = MappingProxyType(
    {"symmetric studentised": symmetric, "jackknife t": jackknife_t}
)
RESAMPLED = frozenset({"symmetric studentised"})

_JACKKNIFED = ("mae", "rmse", "pcc", "ccc", "sigma_ratio", "var_ratio")
METHODS = MappingProxyType({**dict.fromkeys(_JACKKNIFED, "jackknife t"), "skill": "symmetric studentised"})
DIFFERENCES = MappingProxyType({**METHODS, "mae": "symmetric studentised"})


def interval(quantity: Quantity, method: str, level: float) -> Interval | None:
    """Compute an interval.

    Parameters
    ----------
    quantity : Quantity
        A metric or a difference, with its resamples where the method needs them (RESAMPLED).
    method : {"symmetric studentised", "jackknife t"}
        METHODS and DIFFERENCES name each metric's.
    level : float
        Such as 0.95.

    Returns
    -------
    Interval or None
        None where the sample allows none: nothing varies, or too many resamples are undefined.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.evaluation.resample import measure
    >>> from lfnet.evaluation.sufficient_statistics import label_sums, score_sums
    >>> person, label = np.arange(6), np.array([3.0, 8, 12, 20, 31, 40])
    >>> score = label + np.array([[5.0, -2, 4, -7, 1, -9]])
    >>> (mae,), _ = measure("mae", label_sums(person, label, None), [score_sums(person, label, score)])
    >>> found = interval(mae, "jackknife t", 0.95)
    >>> round(found.low, 1), round(mae.value, 1), round(found.high, 1)
    (2.3, 4.7, 9.3)
    """
    return _FUNCTIONS[method](quantity, level)


def defined(values_B: Floats) -> Floats | None:
    """The defined values of resamples; None where too many are undefined."""
    kept = values_B[np.isfinite(values_B)]
    return kept if len(kept) and len(kept) >= (1 - _MAX_UNDEFINED) * len(values_B) else None


def interval_about(quantity: Quantity, steps: Floats, level: float, method: str) -> Interval | None:
    """The interval from the value + steps[0] to the value + steps[1] on the metric's scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval_between(quantity.scale.inverse(quantity.scale.forward(quantity.value) + steps), level, method)


def interval_between(ends: Floats, level: float, method: str) -> Interval | None:
    """The interval between two ends; None where they are not finite or not in order."""
    low, high = map(float, ends)
    return Interval(low, high, level, method) if np.isfinite([low, high]).all() and low < high else None


# People → percent of cohorts whose 95 % interval contained the truth, over heads, trained models and architectures: the
# means of the chosen rows of experiments/validation/coverage.csv; a test compares.
REACHED = MappingProxyType(
    {
        28: {"mae": 94.8, "rmse": 93.3, "pcc": 95.3, "ccc": 95.1, "sigma_ratio": 95.4, "skill": 95.1},
        84: {"mae": 95.4, "rmse": 94.9, "pcc": 96.3, "ccc": 96.8, "sigma_ratio": 94.9, "skill": 95.7},
        280: {"mae": 95.4, "rmse": 95.3, "pcc": 95.4, "ccc": 95.3, "sigma_ratio": 95.2, "skill": 95.2},
    }
)
_RECORDINGS = MappingProxyType({28: 50, 84: 150, 280: 500})
_MEASURED_LEVEL = 0.95


def coverage_sentence(metrics: Sequence[str], people: int, level: float = _MEASURED_LEVEL) -> str:
    """State how often intervals of these metrics contained the truth, at the measured size nearest to `people`.

    Parameters
    ----------
    metrics : sequence of str
    people : int
        The number of people whom the intervals are over. Nearest by ratio.
    level : float

    Returns
    -------
    str
        "" for a level or metrics not measured.

    Examples
    --------
    >>> coverage_sentence(["mae"], 250).partition(", including")[0]
    'The 95 % intervals contained the truth in 95.4 % of simulated cohorts of 280 people (500 recordings)'
    """
    nearest = min(REACHED, key=lambda size: abs(np.log(size / people)))
    rates = [REACHED[nearest][metric] for metric in metrics if metric in REACHED[nearest]]
    if not rates or level != _MEASURED_LEVEL:
        return ""
    low, high = min(rates), max(rates)
    rate = f"{low:.1f} %" if low == high else f"{low:.1f}–{high:.1f} %"
    ends = {min(REACHED): "the fewest", max(REACHED): "the most"}
    outside = not min(REACHED) <= people <= max(REACHED)
    aside = f"; {ends[nearest]} measured" if outside else ""
    return (
        f"The 95 % intervals contained the truth in {rate} of simulated cohorts of {nearest} people "
        f"({_RECORDINGS[nearest]} recordings{aside}), including heavy-tailed errors and several recordings of one "
        "person (experiments/validation)."
    )
