"""Interval methods that are measured: the two that lfnet uses, and three that cover less well in small samples."""

import numpy as np
from scipy import stats

from lfnet.evaluation.intervals import defined, interval_about, interval_between, jackknife_t, symmetric


def percentile(quantity, level):
    """Quantiles of the resamples (Efron 1979): too short in small samples."""
    values = defined(quantity.value_B)
    if values is None:
        return None
    return interval_between(np.quantile(values, _tails(level)), level, "percentile")


def bca(quantity, level):
    """Bias-corrected and accelerated (Efron 1987, JASA 82). With one recording per person it equals SciPy's BCa."""
    values = defined(quantity.value_B)
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
    return interval_between(np.quantile(values, shares), level, "BCa")


def studentised(quantity, level):
    """Bootstrap-t (Efron 1982; Hall 1988) on the metric's scale, each resample with its own standard error."""
    pivots = defined(quantity.pivot_B)
    if pivots is None:
        return None
    steps = -np.quantile(pivots, _tails(level))[::-1] * np.float64(quantity.error)
    return interval_about(quantity, steps, level, "studentised")


def _tails(level):
    return np.array([(1 - level) / 2, (1 + level) / 2])


ALL_METHODS = {
    "percentile": percentile,
    "BCa": bca,
    "studentised": studentised,
    "symmetric studentised": symmetric,
    "jackknife t": jackknife_t,
}
