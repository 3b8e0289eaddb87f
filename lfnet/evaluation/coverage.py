"""How often intervals hold, level by level, and how wide they are: calibration curves of two kinds of interval.

- conformal: the half-width of `lfnet.evaluation.conformal`, calibrated on one half of the people and tried on the
  other, over many halvings. Where people are exchangeable it holds by construction; its width tells models apart.
- by the spread: score ± z · sd, as if the spread of several scores (passes with dropout, an ensemble's members) were
  the SD of a normal error (Lakshminarayanan et al. 2017). Nothing makes it hold: it knows nothing of noisy labels.

The curve is that of Kuleshov et al. 2018, "Accurate uncertainties for deep learning using calibrated regression", ICML.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from lfnet.evaluation.conformal import rank, reachable, weights_of

__all__ = ["LEVELS", "Curve", "conformal_curve", "mean_curve", "spread_curve"]

Floats = NDArray[np.float64]

LEVELS = tuple(round(level / 100, 2) for level in range(50, 100, 5))
_HALVINGS = 2000
_FEWEST = 4  # people: of fewer no level above two thirds could be tried


@dataclass(frozen=True)
class Curve:
    """coverage_L: the share of labels within their intervals, NaN where a level is out of reach; width_L: their mean
    width in points, cut to the scale. n: people (conformal) or recordings (by the spread) that it was measured on.
    calibrated: how many of them calibrated, 0 for none. reachable: the highest level that those reach.
    """

    kind: str
    level_L: tuple[float, ...]
    coverage_L: Floats
    width_L: Floats
    n: int
    calibrated: int = 0
    reachable: float = 1.0

    def at(self, level: float) -> tuple[float, float] | None:
        """(coverage, width) at one of the levels; None where it is out of reach."""
        place = self.level_L.index(level)
        found = float(self.coverage_L[place]), float(self.width_L[place])
        return None if np.isnan(found[0]) else found


def conformal_curve(
    rows: pd.DataFrame,
    low: float,
    high: float,
    *,
    typical: float | None = None,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
) -> Curve | None:
    """The curve of conformal intervals; None where there are too few people.

    rows: one recording a person (`calibration_rows`) with label and score, and sd where `typical` is given: then the
    intervals follow the spread. low, high: the scale's ends.
    """
    label_N, score_N = rows["label"].to_numpy(float), rows["score"].to_numpy(float)
    n = len(rows)
    if n < _FEWEST:
        return None
    weight_N = np.ones(n) if typical is None else weights_of(rows["sd"].to_numpy(float), typical)
    half = n // 2
    order_HN = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (_HALVINGS, 1)), axis=1)
    error_HN = (np.abs(score_N - label_N) / weight_N)[order_HN]
    given_HN, tried_HN = np.sort(error_HN[:, :half], axis=1), order_HN[:, half:]
    found = []
    for level in levels:
        k = rank(half, level)
        if k > half:
            found.append((np.nan, np.nan))
            continue
        width_HN = given_HN[:, k - 1 : k] * weight_N[tried_HN]
        found.append(_held(label_N[tried_HN], score_N[tried_HN], width_HN, low, high))
    coverage_L, width_L = np.array(found).T
    kind = "conformal" if typical is None else "conformal, by the spread"
    return Curve(kind, tuple(levels), coverage_L, width_L, n, half, reachable(half))


def spread_curve(
    kind: str, rows: pd.DataFrame, low: float, high: float, *, levels: Sequence[float] = LEVELS
) -> Curve | None:
    """The curve of score ± z · sd; None where no label is known. rows: label, score, sd of recordings."""
    known = rows[rows["label"].notna()]
    if known.empty:
        return None
    label_N, score_N, sd_N = (known[name].to_numpy(float) for name in ("label", "score", "sd"))
    found = [_held(label_N, score_N, float(ndtri((1 + level) / 2)) * sd_N, low, high) for level in levels]
    coverage_L, width_L = np.array(found).T
    return Curve(kind, tuple(levels), coverage_L, width_L, len(known))


def mean_curve(curves: Sequence[Curve]) -> Curve | None:
    """The mean over curves of one kind, of a row's seeds; None of none."""
    if not curves:
        return None
    first = curves[0]
    coverage_L = np.mean([curve.coverage_L for curve in curves], axis=0)
    width_L = np.mean([curve.width_L for curve in curves], axis=0)
    return Curve(first.kind, first.level_L, coverage_L, width_L, first.n, first.calibrated, first.reachable)


def _held(label_N: Floats, score_N: Floats, half_N: Floats, low: float, high: float) -> tuple[float, float]:
    inside_N = np.abs(label_N - score_N) <= half_N
    width_N = np.clip(score_N + half_N, low, high) - np.clip(score_N - half_N, low, high)
    return float(inside_N.mean()), float(width_N.mean())
