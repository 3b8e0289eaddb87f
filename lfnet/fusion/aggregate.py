"""Segments → clip: LightFusionNet's four statistics."""

import numpy as np

__all__ = ["AGGREGATES", "aggregate"]

AGGREGATES = ("mean", "median", "trimmed_mean", "mean_median")


def aggregate(
    scores: np.ndarray, clip: np.ndarray, clips: int, how: str, *, trim: float = 0.1, mean_share: float = 0.7
) -> np.ndarray:
    """float64 [clips] from the scores [rows] of segments; NaN for a clip without one.

    how: mean, median, trimmed_mean (a share `trim` left out at either end, as `scipy.stats.trim_mean`) or mean_median
    (mean_share · mean + (1 − mean_share) · median; published .7 and .3). Raises `ValueError` for another.
    """
    if how not in AGGREGATES:
        raise ValueError(f"unknown aggregation {how!r}: one of {AGGREGATES}")
    joined = np.full(clips, np.nan)
    for number in np.unique(clip):
        own = np.sort(scores[clip == number])
        if how == "trimmed_mean":
            cut = int(trim * len(own))
            own = own[cut : len(own) - cut]
        mean, median = own.mean(), np.median(own)
        if how == "median":
            joined[number] = median
        elif how == "mean_median":
            joined[number] = mean_share * mean + (1 - mean_share) * median
        else:
            joined[number] = mean
    return joined
