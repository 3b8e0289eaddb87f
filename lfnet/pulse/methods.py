"""From the skin's colour to the pulse of the blood's volume: GREEN, CHROM and POS, detrending and band-pass.

Skin grows darker as blood comes: GREEN and POS are turned over, so that all three rise with the blood's volume.
"""

from typing import Any

import numpy as np
from scipy.linalg import solveh_banded
from scipy.signal import butter, sosfiltfilt

from lfnet.pulse.settings import PulseSettings

__all__ = ["band_pass", "blood_volume", "chrom", "detrend", "green", "pos"]


def blood_volume(rgb_NC: np.ndarray, settings: PulseSettings) -> np.ndarray:
    """The pulse before any filter of its own, float64 [N], of a colour relative to its mean [N, 3]."""
    if settings.method == "green":
        return green(rgb_NC)
    if settings.method == "chrom":
        return chrom(rgb_NC, settings.rate, settings.window, settings.band, settings.order)
    return pos(rgb_NC, settings.rate, settings.window)


def green(rgb_NC: np.ndarray) -> np.ndarray:
    """The green channel about its mean, as published (LightFusionNet; Verkruysse et al. 2008)."""
    channel = rgb_NC[:, 1]
    return -(channel / channel.mean() - 1)


def chrom(rgb_NC: np.ndarray, rate: float, window: float, band: tuple[float, float], order: int) -> np.ndarray:
    """CHROM (de Haan & Jeanne 2013, eq. 9–12): X = 3R − 2G, Y = 1.5R + G − 1.5B, S = X − α·Y, α = σ(X) / σ(Y).

    X and Y are band-passed once over the whole trace, then weighed in half overlapping Hann windows of `window`
    seconds, which are added up.
    """
    relative = rgb_NC / rgb_NC.mean(axis=0) - 1
    x = band_pass(relative @ np.array([3.0, -2.0, 0.0]), rate, band, order)
    y = band_pass(relative @ np.array([1.5, 1.0, -1.5]), rate, band, order)
    length = max(4, 2 * round(window * rate / 2))
    half = length // 2
    # Periodic, so that two halves that overlap add up to 1.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    out = np.zeros(len(x))
    total = np.zeros(len(x))
    for begin in range(-half, len(x), half):
        part = slice(max(begin, 0), min(begin + length, len(x)))
        weight = hann[part.start - begin : part.stop - begin]
        spread = float(y[part].std())
        alpha = float(x[part].std()) / spread if spread > 0 else 0.0
        out[part] += weight * (x[part] - alpha * y[part])
        total[part] += weight
    return out / np.maximum(total, 1e-9)


def pos(rgb_NC: np.ndarray, rate: float, window: float) -> np.ndarray:
    """POS (Wang, den Brinker, Stuijk & de Haan 2017, algorithm 1).

    In each window of `window` seconds, moved by one sample, colour is divided by its mean and projected to
    S₁ = G − B and S₂ = G + B − 2R; h = S₁ + σ(S₁)/σ(S₂)·S₂ without its mean is added up.
    """
    length = min(max(4, round(window * rate)), len(rgb_NC))
    windows = np.lib.stride_tricks.sliding_window_view(rgb_NC, length, axis=0)  # [W, 3, L]
    relative = windows / windows.mean(axis=2, keepdims=True)
    one = relative[:, 1] - relative[:, 2]
    two = relative[:, 1] + relative[:, 2] - 2 * relative[:, 0]
    spread = two.std(axis=1, keepdims=True)
    ratio = np.divide(one.std(axis=1, keepdims=True), spread, out=np.zeros_like(spread), where=spread > 0)
    h = one + ratio * two
    h -= h.mean(axis=1, keepdims=True)
    out = np.zeros(len(rgb_NC))
    count = np.zeros(len(rgb_NC))
    for k in range(length):
        out[k : k + len(h)] += h[:, k]
        count[k : k + len(h)] += 1
    # The published sum is `length` times larger in the middle than at the ends; the mean is even.
    return -out / count


def detrend(x_N: np.ndarray, strength: float) -> np.ndarray:
    """x without its trend by smoothness priors (Tarvainen et al. 2002): x − (I + λ²·D₂ᵀD₂)⁻¹ x.

    strength: λ; half of a wave is taken away at the frequency rate / (2π·√λ): .28 Hz for 300 at 30 Hz.
    """
    n = len(x_N)
    if n < 5:
        return x_N - x_N.mean()
    bands = np.zeros((3, n))  # upper form: second, first and main diagonal of D₂ᵀD₂
    bands[0, 2:] = 1
    bands[1, 1:] = -4
    bands[1, [1, -1]] = -2
    bands[2] = 6
    bands[2, [1, -2]] = 5
    bands[2, [0, -1]] = 1
    bands *= strength**2
    bands[2] += 1
    return x_N - solveh_banded(bands, x_N)


def band_pass(x_N: np.ndarray, rate: float, band: tuple[float, float], order: int) -> np.ndarray:
    """Butterworth band-pass of `order`, run forwards and backwards, so that no beat is shifted (zero phase)."""
    sections: Any = butter(order, band, "bandpass", fs=rate, output="sos")
    # Mirrored by a period of the lowest frequency, or as much as there is.
    padding = min(len(x_N) - 1, round(rate / band[0]))
    return sosfiltfilt(sections, x_N, padlen=padding)
