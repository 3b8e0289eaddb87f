"""Blood volume pulse from skin colour: GREEN, CHROM and POS, detrending and band-pass.

Skin is darker with more blood, so GREEN and POS are inverted: all three signals rise with the blood volume.
"""

from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import solveh_banded
from scipy.signal import butter, sosfiltfilt

from lfnet.pulse.settings import PulseSettings

__all__ = ["band_pass", "chrom", "detrend", "extract_pulse", "green", "pos"]


def extract_pulse(rgb_NC: np.ndarray, settings: PulseSettings) -> np.ndarray:
    """Extract the unfiltered pulse by `settings.method`.

    Parameters
    ----------
    rgb_NC : float64 [N, 3]
        Skin colour relative to its mean, at `settings.rate`.
    settings : PulseSettings
        Method and its parameters.

    Returns
    -------
    float64 [N]

    Examples
    --------
    >>> extract_pulse(np.array([[1.0, 0.9, 1.0], [1.0, 1.1, 1.0]]), PulseSettings(method="green")).round(3)
    array([ 0.1, -0.1])
    """
    if settings.method == "green":
        return green(rgb_NC)
    if settings.method == "chrom":
        return chrom(rgb_NC, settings.rate, settings.window, settings.band, settings.order)
    return pos(rgb_NC, settings.rate, settings.window)


def green(rgb_NC: np.ndarray) -> np.ndarray:
    """Extract the pulse from the green channel, as LightFusionNet does.

    Parameters
    ----------
    rgb_NC : float64 [N, 3]
        Skin colour.

    Returns
    -------
    float64 [N]
        1 minus the green channel divided by its mean.

    References
    ----------
    Verkruysse, Svaasand & Nelson 2008, "Remote plethysmographic imaging using ambient light", Optics Express 16(26).

    Examples
    --------
    >>> green(np.array([[1.0, 0.9, 1.0], [1.0, 1.1, 1.0]])).round(3)
    array([ 0.1, -0.1])
    """
    channel = rgb_NC[:, 1]
    return -(channel / channel.mean() - 1)


def chrom(rgb_NC: np.ndarray, rate: float, window: float, band: tuple[float, float], order: int) -> np.ndarray:
    """Extract the pulse by CHROM: X = 3R − 2G, Y = 1.5R + G − 1.5B, S = X − α·Y, α = σ(X) / σ(Y).

    X and Y are band-passed once over the whole trace, then weighted in half-overlapping Hann windows and added up.

    Parameters
    ----------
    rgb_NC : float64 [N, 3]
        Skin colour.
    rate : float
        Hz.
    window : float
        Seconds of a window.
    band : (float, float)
        Pass band in Hz.
    order : int
        Order of the band-pass.

    Returns
    -------
    float64 [N]

    References
    ----------
    de Haan & Jeanne 2013, "Robust pulse rate from chrominance-based rPPG", IEEE Transactions on Biomedical Engineering
    60(10), equations 9–12.

    Examples
    --------
    >>> time = np.arange(600) / 30
    >>> rgb = 1 - 0.01 * np.sin(2 * np.pi * 1.2 * time)[:, None] * [0.33, 0.77, 0.53]
    >>> pulse = chrom(rgb, 30.0, 1.6, (0.6, 4.0), 3)
    >>> float(np.corrcoef(pulse[60:-60], np.sin(2 * np.pi * 1.2 * time[60:-60]))[0, 1]) > 0.99
    True
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
    """Extract the pulse by POS, plane orthogonal to skin.

    In each window, moved by one sample, colour is divided by its mean and projected to S₁ = G − B and
    S₂ = G + B − 2R; h = S₁ + σ(S₁)/σ(S₂)·S₂ minus its mean is added up.

    Parameters
    ----------
    rgb_NC : float64 [N, 3]
        Skin colour.
    rate : float
        Hz.
    window : float
        Seconds of a window; published 1.6.

    Returns
    -------
    float64 [N]

    References
    ----------
    Wang, den Brinker, Stuijk & de Haan 2017, "Algorithmic principles of remote PPG", IEEE Transactions on Biomedical
    Engineering 64(7), algorithm 1.

    Examples
    --------
    >>> time = np.arange(600) / 30
    >>> rgb = 1 - 0.01 * np.sin(2 * np.pi * 1.2 * time)[:, None] * [0.33, 0.77, 0.53]
    >>> float(np.corrcoef(pos(rgb, 30.0, 1.6), np.sin(2 * np.pi * 1.2 * time))[0, 1]) > 0.99
    True
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
    # The published sum is `length` times larger in the middle than at the ends; the mean is not.
    return -out / count


def detrend(x_N: np.ndarray, strength: float) -> np.ndarray:
    """Remove the trend by smoothness priors: x − (I + λ²·D₂ᵀD₂)⁻¹ x.

    Parameters
    ----------
    x_N : float64 [N]
        Signal.
    strength : float
        λ. Amplitudes are halved at the frequency rate / (2π·√λ): .28 Hz for 300 at 30 Hz.

    Returns
    -------
    float64 [N]

    References
    ----------
    Tarvainen, Ranta-aho & Karjalainen 2002, "An advanced detrending method with application to HRV analysis", IEEE
    Transactions on Biomedical Engineering 49(2).

    Examples
    --------
    >>> bool(np.abs(detrend(np.linspace(0, 9, 100), 300)).max() < 1e-9)
    True
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
    """Apply a Butterworth band-pass forwards and backwards (zero phase: beats are not shifted).

    Parameters
    ----------
    x_N : float64 [N]
        Signal.
    rate : float
        Hz.
    band : (float, float)
        Pass band in Hz.
    order : int
        Order of the filter.

    Returns
    -------
    float64 [N]

    Examples
    --------
    >>> time = np.arange(600) / 30
    >>> slow, pulse = np.sin(2 * np.pi * 0.05 * time), np.sin(2 * np.pi * 1.2 * time)
    >>> float(np.corrcoef(band_pass(slow + pulse, 30.0, (0.6, 4.0), 3), pulse)[0, 1]) > 0.99
    True
    """
    sections = _sections(order, *band, rate)
    # Padded by a period of the lowest frequency, or by as much as there is.
    padding = min(len(x_N) - 1, round(rate / band[0]))
    return sosfiltfilt(sections, x_N, padlen=padding)


@cache
def _sections(order: int, low: float, high: float, rate: float) -> Any:
    return butter(order, (low, high), "bandpass", fs=rate, output="sos")
