"""Calibration curves: coverage and width of several kinds of interval, by level.

- conformal: the half-width of `lfnet.evaluation.conformal`, calibrated on one half of the people and tested on the
  other, over many random halves. Where people are exchangeable its coverage is right by construction; its width differs
  between models.
- conformal, by the quantiles: predicted quantiles, conformalised in the same way (Romano et al. 2019).
- by the spread: score ± z · sd, as if the spread of several scores (passes with dropout, an ensemble's members) were
  the SD of a normal error (Lakshminarayanan et al. 2017). Its coverage is not guaranteed: it ignores noise of labels.

- quantiles: predicted quantiles as they are. Each person counts once, whatever the number of recordings.

The curve is that of Kuleshov et al. 2018, "Accurate uncertainties for deep learning using calibrated regression", ICML.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from lfnet.evaluation.conformal import excess, rank, reachable, weights_of
from lfnet.evaluation.quantiles import central, covered_by_person, quantiles_of

__all__ = [
    "LEVELS",
    "Curve",
    "conformal_curve",
    "mean_curve",
    "quantile_conformal_curve",
    "quantile_curve",
    "spread_curve",
]

Floats = NDArray[np.float64]

LEVELS = tuple(round(level / 100, 2) for level in range(50, 100, 5))
_SPLITS = 2000
_MIN_PEOPLE = 4  # with fewer, no level above two thirds can be reached


@dataclass(frozen=True)
class Curve:
    """Coverage and width of intervals by level.

    Parameters
    ----------
    kind : str
        Name of the interval.
    level_L : tuple of float
    coverage_L : ndarray
        Share of labels within their intervals; NaN where a level cannot be reached.
    width_L : ndarray
        Mean width in points, clipped to the scale.
    n : int
        People (conformal) or recordings (by the spread) that it is measured on.
    calibrated : int
        How many of them are used for calibration.
    reachable : float
        The highest level that these can reach.
    """

    kind: str
    level_L: tuple[float, ...]
    coverage_L: Floats
    width_L: Floats
    n: int
    calibrated: int = 0
    reachable: float = 1.0

    def at(self, level: float) -> tuple[float, float] | None:
        """Coverage and width at one of the levels; None where it cannot be reached."""
        place = self.level_L.index(level)
        found = float(self.coverage_L[place]), float(self.width_L[place])
        return None if np.isnan(found[0]) else found


def conformal_curve(rows: pd.DataFrame, low: float, high: float, *, typical: float | None = None) -> Curve | None:
    """Measure conformal intervals by level; None where there are too few people.

    Parameters
    ----------
    rows : DataFrame
        One recording per person (`calibration_rows`) with label, score, and sd where `typical` is given.
    low, high : float
        Ends of the scale.
    typical : float, optional
        The typical spread, for intervals that follow the spread.
    """
    label_N, score_N = rows["label"].to_numpy(float), rows["score"].to_numpy(float)
    n = len(rows)
    if n < _MIN_PEOPLE:
        return None
    weight_N = np.ones(n) if typical is None else weights_of(rows["sd"].to_numpy(float), typical)
    half, order_HN = n // 2, _orders(n)
    error_HN = (np.abs(score_N - label_N) / weight_N)[order_HN]
    sorted_HN, test_HN = np.sort(error_HN[:, :half], axis=1), order_HN[:, half:]

    def measure(level: float, k: int) -> tuple[float, float]:
        width_HN = sorted_HN[:, k - 1 : k] * weight_N[test_HN]
        return _coverage(label_N[test_HN], score_N[test_HN], width_HN, low, high)

    return _calibrated_curve("conformal" if typical is None else "conformal, by the spread", n, half, measure)


def quantile_conformal_curve(rows: pd.DataFrame, low: float, high: float) -> Curve | None:
    """As `conformal_curve`, of conformalised quantiles; `rows` has label and the columns of quantiles."""
    label_N, quantile_NL = rows["label"].to_numpy(float), quantiles_of(rows)
    n = len(rows)
    if n < _MIN_PEOPLE:
        return None
    half, order_HN = n // 2, _orders(n)
    test_HN = order_HN[:, half:]

    def measure(level: float, k: int) -> tuple[float, float]:
        low_N, high_N = central(quantile_NL, level)
        excess_HN = excess(label_N, low_N, high_N)[order_HN]
        margin_H1 = np.sort(excess_HN[:, :half], axis=1)[:, k - 1 : k]
        middle_HN = ((low_N + high_N) / 2)[test_HN]
        lower_HN = np.minimum(low_N[test_HN] - margin_H1, middle_HN)
        upper_HN = np.maximum(high_N[test_HN] + margin_H1, middle_HN)
        width_HN = np.clip(upper_HN, low, high) - np.clip(lower_HN, low, high)
        return float((excess_HN[:, half:] <= margin_H1).mean()), float(width_HN.mean())

    return _calibrated_curve("conformal, by the quantiles", n, half, measure)


def quantile_curve(rows: pd.DataFrame, low: float, high: float) -> Curve | None:
    """Measure predicted quantiles by level; None where no label is known.

    `rows` has person_id, label and the columns of quantiles of recordings. Levels beyond the outermost quantiles have
    the intervals of those.
    """
    known = rows[rows["label"].notna()]
    if known.empty:
        return None
    label_N, found = known["label"].to_numpy(float), []
    for level in LEVELS:
        low_N, high_N = central(quantiles_of(known), level)
        covered = covered_by_person((low_N <= label_N) & (label_N <= high_N), known["person_id"])
        found.append((covered, float((np.clip(high_N, low, high) - np.clip(low_N, low, high)).mean())))
    coverage_L, width_L = np.array(found).T
    return Curve("quantiles", LEVELS, coverage_L, width_L, int(known["person_id"].nunique()))


def spread_curve(kind: str, rows: pd.DataFrame, low: float, high: float) -> Curve | None:
    """Measure score ± z · sd by level; None where no label is known. `rows` has label, score and sd of recordings."""
    known = rows[rows["label"].notna()]
    if known.empty:
        return None
    label_N, score_N, sd_N = (known[name].to_numpy(float) for name in ("label", "score", "sd"))
    found = [_coverage(label_N, score_N, float(ndtri((1 + level) / 2)) * sd_N, low, high) for level in LEVELS]
    coverage_L, width_L = np.array(found).T
    return Curve(kind, LEVELS, coverage_L, width_L, len(known))


def mean_curve(curves: Sequence[Curve]) -> Curve | None:
    """Average curves of one kind, over a row's seeds; None for none."""
    if not curves:
        return None
    coverage_L = np.mean([curve.coverage_L for curve in curves], axis=0)
    return replace(curves[0], coverage_L=coverage_L, width_L=np.mean([curve.width_L for curve in curves], axis=0))


def _calibrated_curve(kind: str, n: int, half: int, measure: Callable[[float, int], tuple[float, float]]) -> Curve:
    """Measure coverage and width by level: the k-th of `half` calibrating people sets the margin; NaN above `half`."""
    ranks = [(level, rank(half, level)) for level in LEVELS]
    found = [measure(level, k) if k <= half else (np.nan, np.nan) for level, k in ranks]
    coverage_L, width_L = np.array(found).T
    return Curve(kind, LEVELS, coverage_L, width_L, n, half, reachable(half))


def _orders(n: int) -> NDArray[np.intp]:
    """Random orders [H, n] of n people; the first half calibrates, the second is tested."""
    return np.random.default_rng(0).permuted(np.tile(np.arange(n), (_SPLITS, 1)), axis=1)


def _coverage(label_N: Floats, score_N: Floats, half_N: Floats, low: float, high: float) -> tuple[float, float]:
    inside_N = np.abs(label_N - score_N) <= half_N
    width_N = np.clip(score_N + half_N, low, high) - np.clip(score_N - half_N, low, high)
    return float(inside_N.mean()), float(width_N.mean())
