"""Even grids of a standard normal variable, and the likelihoods that the oracle sums over them."""

import numpy as np
from scipy.special import log_ndtr, ndtr

from lfnet.simulation import signals
from lfnet.simulation.people import block_bounds
from lfnet.simulation.settings import Settings
from lfnet.simulation.signals import ClipStatistics

__all__ = [
    "grid",
    "kernel",
    "label_given_severity",
    "log_length",
    "log_normal",
    "log_order",
    "normal_weights",
    "normalised",
]

_REACH = 5.0


def log_order(clip: ClipStatistics, drive: np.ndarray) -> np.ndarray:
    """Return log p(order of the clip's blocks | drive): π + (1 − π) chance in order, else (1 − π)(1 − chance)."""
    in_order = signals.tempo_probability(drive)
    chance, count = np.unique(clip.chance, return_counts=True)
    log = clip.disordered * log_ndtr(-drive)
    return log + np.log(in_order[:, None] + (1 - in_order[:, None]) * chance) @ count


def log_length(min_blocks: int, max_blocks: int, u: np.ndarray, settings: Settings) -> np.ndarray:
    """Return log p(min_blocks ≤ blocks ≤ max_blocks | u), blocks rounded and clipped to the cohort's bounds."""
    low_bound, high_bound = block_bounds(settings)
    edges = np.array(
        [
            -np.inf if min_blocks <= low_bound else min_blocks - 0.5,
            np.inf if max_blocks >= high_bound else max_blocks + 0.5,
        ]
    )
    inner = np.isfinite(edges)
    if not inner.any():
        return np.zeros(len(u))  # any length at all
    edges[inner] = np.log(edges[inner] * settings.signal.block / settings.fps / settings.duration.median)
    spread = max(settings.duration.spread, 1e-9) * np.sqrt(1 - settings.duration_leak**2)
    low, high = ((edge - settings.duration.spread * settings.duration_leak * u) / spread for edge in edges)
    # Differences of the lower tail on both sides of 0, so that rounding loses none.
    mirrored = low + high > 0
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    return np.log(np.maximum(ndtr(high) - ndtr(low), 1e-300))


def label_given_severity(points: np.ndarray, labels: np.ndarray, noise: float) -> np.ndarray:
    """Return p(clip(round(severity + noise · h)) = label), float64 [U, K]."""
    if noise == 0:
        nearest = np.clip(np.rint(points), labels[0], labels[-1])
        return (nearest[:, None] == labels).astype(float)
    upper = (labels[:-1] + 0.5 - points[:, None]) / noise
    below = np.concatenate([np.zeros((len(points), 1)), ndtr(upper), np.ones((len(points), 1))], axis=1)
    return np.diff(below, axis=1)


def grid(steps: int) -> np.ndarray:
    """Return even steps from −5 to 5 standard deviations."""
    return np.linspace(-_REACH, _REACH, steps)


def normal_weights(points: np.ndarray) -> np.ndarray:
    """Return standard normal weights on an even grid, of sum 1."""
    return normalised(np.exp(-0.5 * points**2))


def kernel(points: np.ndarray, means: np.ndarray, variance: float) -> np.ndarray:
    """Return N(points; mean, variance), float64 [means, points], rows of sum 1; narrow ones use the nearest points."""
    spacing = points[1] - points[0]
    variance = max(variance, (0.4 * spacing) ** 2)
    return normalised(np.exp(-0.5 * (points - means[:, None]) ** 2 / variance))


def log_normal(value: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the log normal density up to a number that does not depend on value and mean."""
    return -0.5 * (value - mean) ** 2 / variance


def normalised(values: np.ndarray) -> np.ndarray:
    """Scale values to sum 1 along the last axis."""
    return values / values.sum(axis=-1, keepdims=True)
