"""Predicted quantiles: their score (CRPS), and the coverage and width of the intervals between them.

A distribution is described by its quantiles at the levels of `LEVELS`. Axes in names: N recordings, L levels.

The quantile score is ρ_τ(y, q) = (τ − 1[y < q]) (y − q), the pinball loss (Koenker and Bassett 1978). The continuous
ranked probability score is CRPS = 2 ∫ ρ_τ dτ (Laio and Tamea 2007, equation 12), integrated here by the trapezoid rule
over `LEVELS`, with the outermost quantiles up to the levels 0 and 1. Of a score without a distribution (all quantiles
equal) it is the absolute error, so it is in points and can be compared with the MAE.

References
----------
Koenker R., Bassett G. (1978). Regression quantiles. Econometrica 46, 33–50. Laio F., Tamea S. (2007). Verification
tools for probabilistic forecasts of continuous hydrological variables. HESS 11, 1267–1277. Gneiting T., Raftery A. E.
(2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359–378.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lfnet.cohorts.validation import SPLITS

__all__ = [
    "COLUMNS",
    "LEVELS",
    "central",
    "column",
    "covered_by_person",
    "crps",
    "pinball",
    "quantiles_of",
    "summarise_quantiles",
]

Floats = NDArray[np.float64]

LEVELS = tuple(round(level / 100, 2) for level in range(5, 100, 5))
"""Levels of the predicted quantiles: .05, .10, … .95."""


def column(level: float) -> str:
    """Name of the column of a level: q05 for .05."""
    return f"q{round(100 * level):02d}"


COLUMNS = tuple(column(level) for level in LEVELS)


def quantiles_of(table: pd.DataFrame) -> Floats:
    """The quantiles [N, L] of a table with `COLUMNS`, as in a run's quantiles.csv."""
    return table[list(COLUMNS)].to_numpy(np.float64)


def pinball(label_N: ArrayLike, quantile_NL: ArrayLike, levels: Sequence[float] = LEVELS) -> Floats:
    """Quantile score [N, L] of each quantile, in points.

    Examples
    --------
    >>> pinball([10.0], [[8.0, 13.0]], levels=[0.25, 0.75]).tolist()
    [[0.5, 0.75]]
    """
    error_NL = np.asarray(label_N, np.float64)[:, None] - np.asarray(quantile_NL, np.float64)
    level_L = np.asarray(levels, np.float64)
    return np.maximum(level_L * error_NL, (level_L - 1) * error_NL)


def crps(label_N: ArrayLike, quantile_NL: ArrayLike) -> Floats:
    """CRPS [N] in points from the quantiles at `LEVELS`.

    Examples
    --------
    >>> crps([10.0], np.full((1, len(LEVELS)), 7.0)).round(12).tolist()  # a point: its absolute error
    [3.0]
    """
    quantile_NL = np.asarray(quantile_NL, np.float64)
    level_L, whole_NL = (0.0, *LEVELS, 1.0), np.hstack([quantile_NL[:, :1], quantile_NL, quantile_NL[:, -1:]])
    return np.asarray(np.trapezoid(2 * pinball(label_N, whole_NL, level_L), level_L, axis=1), np.float64)


def central(quantile_NL: ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Ends [N] of the central interval of a level: the quantiles at (1 ∓ level) / 2.

    Between the levels of `LEVELS` quantiles are interpolated; beyond them the outermost ones are returned.

    Examples
    --------
    >>> low, high = central([LEVELS], 0.8)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.1], [0.9])
    """
    quantile_NL = np.asarray(quantile_NL, np.float64)
    low_N, high_N = (_interpolated(quantile_NL, end) for end in ((1 - level) / 2, (1 + level) / 2))
    return low_N, high_N


def _interpolated(quantile_NL: Floats, level: float) -> Floats:
    place = float(np.interp(level, LEVELS, np.arange(len(LEVELS))))
    below = min(int(place), len(LEVELS) - 2)
    weight = place - below
    return np.asarray((1 - weight) * quantile_NL[:, below] + weight * quantile_NL[:, below + 1], np.float64)


def covered_by_person(inside_N: ArrayLike, person_N: ArrayLike) -> float:
    """Share of labels within their intervals, each person counting once whatever the number of recordings.

    Examples
    --------
    >>> covered_by_person([True, True, True, False], ["ann", "ann", "ann", "bob"])
    0.5
    """
    inside = pd.Series(np.asarray(inside_N, np.float64))
    return float(inside.groupby(np.asarray(person_N)).mean().mean())


def summarise_quantiles(table: pd.DataFrame, low: float, high: float) -> dict[str, dict[str, Any]]:
    """Summarise a table of quantiles by split.

    Parameters
    ----------
    table : DataFrame
        person_id, split, label and `COLUMNS` of recordings.
    low, high : float
        Ends of the scale, to which intervals are clipped.

    Returns
    -------
    dict
        split → n (labelled recordings), people, crps, and for the central intervals of 80 and 90 %: coverage_80,
        coverage_90 (by person) and width_80, width_90 in points.
    """
    found: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        own = table[(table["split"] == split) & table["label"].notna()]
        if not len(own):
            continue
        label_N, quantile_NL = own["label"].to_numpy(float), quantiles_of(own)
        found[split] = {
            "n": len(own),
            "people": int(own["person_id"].nunique()),
            "crps": float(crps(label_N, quantile_NL).mean()),
        }
        for level in (0.8, 0.9):
            low_N, high_N = central(quantile_NL, level)
            inside_N = (low_N <= label_N) & (label_N <= high_N)
            width_N = np.clip(high_N, low, high) - np.clip(low_N, low, high)
            name = f"{100 * level:.0f}"
            found[split][f"coverage_{name}"] = covered_by_person(inside_N, own["person_id"])
            found[split][f"width_{name}"] = float(width_N.mean())
    return found
