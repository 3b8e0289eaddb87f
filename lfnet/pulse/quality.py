"""Power spectra, the rate they show, and how far a pulse can be believed."""

from typing import NamedTuple

import numpy as np
from scipy.signal import periodogram

__all__ = ["Spectrum", "heart_rate", "published_q", "snr", "spectrum"]

_RESOLUTION = 0.001  # Hz, by zero padding; .06 beats a minute


class Spectrum(NamedTuple):
    """hertz: float64 [F]; power: float64 [F], density."""

    hertz: np.ndarray
    power: np.ndarray


def spectrum(x_N: np.ndarray, rate: float) -> Spectrum:
    """Periodogram of a trace without its mean, Hann window, zero-padded."""
    length = max(len(x_N), round(rate / _RESOLUTION))
    hertz, power = periodogram(x_N, rate, window="hann", nfft=length, detrend="constant")
    return Spectrum(hertz, power)


def heart_rate(found: Spectrum, band: tuple[float, float]) -> float:
    """Beats a minute of the highest peak in the band; NaN where there is no power."""
    inside = (found.hertz >= band[0]) & (found.hertz <= band[1])
    power = found.power[inside]
    return float(60 * found.hertz[inside][power.argmax()]) if power.size and power.max() > 0 else float("nan")


def published_q(found: Spectrum, band: tuple[float, float]) -> float:
    """Q = ΣP(band) / (ΣP(total) − ΣP(band)) (LightFusionNet), of a trace that was NOT filtered.

    Band: the band-pass's, .6–4 Hz; total: 0 Hz to half of the rate, the mean taken off. On a filtered trace the
    denominator is what the filter left over, and Q says nothing. It asks whether power lies in the band, not whether it
    is a pulse: of white noise at 30 Hz, Q is 3.4 / 11.6 = .29. NaN without power.
    """
    inside = (found.hertz >= band[0]) & (found.hertz <= band[1])
    within, total = float(found.power[inside].sum()), float(found.power.sum())
    if total <= 0:
        return float("nan")
    return within / (total - within) if total > within else float("inf")


def snr(found: Spectrum, beats_per_minute: float, band: tuple[float, float]) -> float:
    """SNR in dB of de Haan & Jeanne (2013): power within ±.1 Hz of f and ±.2 Hz of 2f over the rest of the band.

    f: the pulse's frequency. Where no reference was recorded the spectrum's own peak serves, which is generous: the
    highest of many peaks of noise stands out by itself, so thresholds are calibrated on noise of the same length
    (experiments/pulse). NaN where there is no power.
    """
    f = beats_per_minute / 60
    inside = (found.hertz >= band[0]) & (found.hertz <= band[1])
    near = (np.abs(found.hertz - f) <= 0.1) | (np.abs(found.hertz - 2 * f) <= 0.2)
    pulse, rest = float(found.power[inside & near].sum()), float(found.power[inside & ~near].sum())
    if not np.isfinite(f) or pulse + rest <= 0:
        return float("nan")
    return 10 * float(np.log10(pulse / rest)) if pulse > 0 and rest > 0 else (100.0 if pulse > 0 else -100.0)
