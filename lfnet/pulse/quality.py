"""Power spectrum of a pulse, its heart rate and its signal quality."""

from typing import NamedTuple

import numpy as np
from scipy.signal import periodogram

__all__ = ["Spectrum", "heart_rate", "published_q", "snr", "spectrum"]

_RESOLUTION = 0.001  # Hz, by zero padding; .06 beats per minute


class Spectrum(NamedTuple):
    """Power spectrum of a trace.

    Attributes
    ----------
    hertz : float64 [F]
        Frequencies, increasing.
    power : float64 [F]
        Power density at each.

    Examples
    --------
    >>> found = Spectrum(hertz=np.array([0.0, 1.2, 2.4]), power=np.array([0.0, 3.0, 1.0]))
    >>> round(heart_rate(found, (0.6, 4.0)))
    72
    """

    hertz: np.ndarray
    power: np.ndarray


def spectrum(x_N: np.ndarray, rate: float) -> Spectrum:
    """Compute the periodogram of a trace minus its mean, with a Hann window and zero padding.

    Parameters
    ----------
    x_N : float64 [N]
        Trace.
    rate : float
        Hz.

    Returns
    -------
    Spectrum

    Examples
    --------
    >>> found = spectrum(np.sin(2 * np.pi * 1.25 * np.arange(600) / 30), 30.0)
    >>> float(found.hertz[found.power.argmax()].round(3))
    1.25
    """
    length = max(len(x_N), round(rate / _RESOLUTION))
    hertz, power = periodogram(x_N, rate, window="hann", nfft=length, detrend="constant")
    return Spectrum(hertz, power)


def heart_rate(found: Spectrum, band: tuple[float, float]) -> float:
    """Return the frequency of the highest peak in the band.

    Parameters
    ----------
    found : Spectrum
        Spectrum of a pulse.
    band : (float, float)
        Hz.

    Returns
    -------
    float
        Beats per minute; NaN where there is no power.

    Examples
    --------
    >>> pulse = np.sin(2 * np.pi * 1.25 * np.arange(600) / 30)
    >>> round(heart_rate(spectrum(pulse, 30.0), (0.6, 4.0)))
    75
    """
    inside = (found.hertz >= band[0]) & (found.hertz <= band[1])
    power = found.power[inside]
    return float(60 * found.hertz[inside][power.argmax()]) if power.size and power.max() > 0 else float("nan")


def published_q(found: Spectrum, band: tuple[float, float]) -> float:
    """Return Q = ΣP(band) / (ΣP(total) − ΣP(band)) of an unfiltered trace, as LightFusionNet does.

    Q measures whether power is in the band, not whether it is a pulse: white noise at 30 Hz has a Q of
    3.4 / 11.6 = .29. Of a filtered trace Q says nothing, since the denominator is what the filter left.

    Parameters
    ----------
    found : Spectrum
        Spectrum of an unfiltered trace minus its mean, from 0 Hz to half of the rate.
    band : (float, float)
        Hz, .6–4.

    Returns
    -------
    float
        NaN without power.

    Examples
    --------
    >>> flat = Spectrum(np.linspace(0, 15, 15001), np.ones(15001))
    >>> round(published_q(flat, (0.6, 4.0)), 2)
    0.29
    """
    inside = (found.hertz >= band[0]) & (found.hertz <= band[1])
    within, total = float(found.power[inside].sum()), float(found.power.sum())
    if total <= 0:
        return float("nan")
    return within / (total - within) if total > within else float("inf")


def snr(found: Spectrum, beats_per_minute: float, band: tuple[float, float]) -> float:
    """Return the SNR in dB: power within ±.1 Hz of f and ±.2 Hz of 2f over the rest of the band.

    Without a reference recording, f is the spectrum's own peak. This is optimistic, because the highest of many noise
    peaks stands out by itself; so thresholds are calibrated on noise of the same length (experiments/pulse).

    Parameters
    ----------
    found : Spectrum
        Spectrum of a pulse.
    beats_per_minute : float
        60 · f.
    band : (float, float)
        Hz.

    Returns
    -------
    float
        NaN where there is no power.

    References
    ----------
    de Haan & Jeanne 2013, "Robust pulse rate from chrominance-based rPPG", IEEE Transactions on Biomedical Engineering
    60(10).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=600)
    >>> pulse = np.sin(2 * np.pi * 1.25 * np.arange(600) / 30)
    >>> snr(spectrum(pulse, 30.0), 75.0, (0.6, 4.0)) > 20 > 0 > snr(spectrum(noise, 30.0), 75.0, (0.6, 4.0))
    True
    """
    f = beats_per_minute / 60
    inside = (found.hertz >= band[0]) & (found.hertz <= band[1])
    near = (np.abs(found.hertz - f) <= 0.1) | (np.abs(found.hertz - 2 * f) <= 0.2)
    pulse, rest = float(found.power[inside & near].sum()), float(found.power[inside & ~near].sum())
    if not np.isfinite(f) or pulse + rest <= 0:
        return float("nan")
    return 10 * float(np.log10(pulse / rest)) if pulse > 0 and rest > 0 else (100.0 if pulse > 0 else -100.0)
