"""Pulse-rate variability of interbeat intervals: time, frequency, geometric and non-linear features, in ms and Hz.

Features are those that the Task Force (1996), NeuroKit2 and pyHRV share; names are NeuroKit2's without `HRV_`.
"""

import warnings

import numpy as np
from scipy.integrate import trapezoid
from scipy.interpolate import CubicSpline
from scipy.signal import welch

from lfnet.pulse.beats import WAVEFORM

__all__ = ["BANDS", "NAMES", "VARIABILITY", "nn_spectrum", "variability"]

_RATE = ("MeanHR", "SDHR", "MinHR", "MaxHR")
_TIME = ("MeanNN", "MedianNN", "SDNN", "SDSD", "RMSSD", "CVNN", "CVSD", "MadNN", "IQRNN", "HTI", "TINN")
_COUNTED = {"pNN20": 20.0, "pNN50": 50.0}
_FREQUENCY = ("VLF", "LF", "HF", "LFHF", "LFn", "HFn", "TP")
_NONLINEAR = ("SD1", "SD2", "SD1SD2", "SampEn", "ApEn", "DFA_alpha1", "HFD", "KFD")
VARIABILITY = (*_RATE, *_TIME, *_COUNTED, *_FREQUENCY, *_NONLINEAR)
NAMES = (*VARIABILITY, *WAVEFORM)

# Task Force (1996), Hz.
BANDS = {"VLF": (0.0033, 0.04), "LF": (0.04, 0.15), "HF": (0.15, 0.4)}
_EVEN = 4.0  # Hz, of the evenly spaced series
_WELCH = 300.0  # seconds of a Welch window
_MIN_INTERVALS = 5
_MIN_POWER = 1e-9  # ms²; less is rounding error
_HIGUCHI = 5  # largest step; a segment of 17 s holds 15 to 40 intervals
_ALPHA1 = np.arange(4, 17)  # beats a box (Peng et al. 1995)


def variability(intervals_ms: np.ndarray) -> dict[str, float]:
    """Compute the features `VARIABILITY` of interbeat intervals.

    Parameters
    ----------
    intervals_ms : float64 [I]
        Interbeat intervals in ms.

    Returns
    -------
    dict of str to float
        NaN where a feature cannot be computed. SDNN, SDSD: ddof 1. pNN20, pNN50: percent of successive differences
        above 20, 50 ms (NeuroKit2 0.2.13 divides by the number of intervals, which is one too many). SD1 = SDSD / √2,
        SD2² = 2·SDNN² − SD1². VLF, LF, HF and their sum TP: ms². LFn, HFn: shares of LF + HF. MadNN: scaled to the SD
        of a normal distribution. SampEn, ApEn: m = 2, r = .2·SDNN. DFA_alpha1: 4 to 16 beats.

    References
    ----------
    Task Force of the ESC and NASPE 1996, "Heart rate variability: standards of measurement, physiological
    interpretation, and clinical use", Circulation 93(5).
    Brennan, Palaniswami & Kamen 2001, "Do existing measures of Poincaré plot geometry reflect nonlinear features of
    heart rate variability?", IEEE Transactions on Biomedical Engineering 48(11).

    Examples
    --------
    >>> found = variability(np.array([800.0, 840.0, 790.0, 830.0, 810.0, 820.0]))
    >>> round(found["MeanNN"]), round(found["RMSSD"], 1)
    (815, 35.2)
    """
    nn = np.asarray(intervals_ms, np.float64)
    found = dict.fromkeys(VARIABILITY, float("nan"))
    if len(nn) < _MIN_INTERVALS or not np.isfinite(nn).all() or nn.min() <= 0:
        return found
    rate = 60_000 / nn
    found |= {"MeanHR": rate.mean(), "SDHR": rate.std(ddof=1), "MinHR": rate.min(), "MaxHR": rate.max()}
    steps = np.diff(nn)
    found |= {name: 100 * float((np.abs(steps) > limit).mean()) for name, limit in _COUNTED.items()}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found |= _time(nn) | _frequency(nn) | _nonlinear(nn)
    return {name: float(value) if np.isfinite(value) else float("nan") for name, value in found.items()}


def nn_spectrum(intervals_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the spectrum of interbeat intervals: cubic spline at 4 Hz, then Welch with windows of up to 300 s.

    Parameters
    ----------
    intervals_ms : float64 [I]
        Interbeat intervals in ms.

    Returns
    -------
    hertz, power : float64 [F]
        Frequencies, and power density in ms² / Hz.
    """
    at = np.cumsum(intervals_ms) / 1000
    even = np.arange(at[0], at[-1], 1 / _EVEN)
    series = CubicSpline(at, intervals_ms)(even)
    length = min(len(series), round(_WELCH * _EVEN))
    # Zero-padded, since in a short signal a band may contain fewer than two frequencies.
    hertz, power = welch(series, _EVEN, nperseg=length, nfft=max(4096, length), detrend="linear", window="hann")
    return hertz, power


def _time(nn: np.ndarray) -> dict[str, float]:
    import neurokit2

    table = neurokit2.hrv_time({"RRI": nn, "RRI_Time": np.cumsum(nn) / 1000}, sampling_rate=1000)
    return {name: float(table[f"HRV_{name}"].iloc[0]) for name in _TIME}


def _frequency(nn: np.ndarray) -> dict[str, float]:
    import neurokit2

    given = {"RRI": nn, "RRI_Time": np.cumsum(nn) / 1000}
    table = neurokit2.hrv_frequency(given, sampling_rate=1000, normalize=False)
    hertz, power = nn_spectrum(nn)
    found = {}
    for name, (low, high) in BANDS.items():
        value = float(table[f"HRV_{name}"].iloc[0])
        if not np.isfinite(value):
            # NeuroKit2 returns NaN where the signal has fewer than two periods of a band's lowest frequency. The
            # published features have a number there, so these do too; validity flags mark them.
            inside = (hertz >= low) & (hertz < high)
            value = float(trapezoid(power[inside], hertz[inside]))
        found[name] = value
    both = found["LF"] + found["HF"]
    found["LFHF"] = found["LF"] / found["HF"] if found["HF"] > _MIN_POWER else float("nan")
    found["LFn"], found["HFn"] = (found[name] / both if both > _MIN_POWER else float("nan") for name in ("LF", "HF"))
    found["TP"] = found["VLF"] + both
    return found


def _nonlinear(nn: np.ndarray) -> dict[str, float]:
    import neurokit2

    spread = float(nn.std(ddof=1))
    sd1 = float(np.diff(nn).std(ddof=1)) / np.sqrt(2)
    sd2 = float(np.sqrt(max(2 * spread**2 - sd1**2, 0)))
    found = {"SD1": sd1, "SD2": sd2, "SD1SD2": sd1 / sd2 if sd2 > 0 else float("nan")}
    if spread > 0:
        found["SampEn"] = neurokit2.entropy_sample(nn, dimension=2, tolerance=0.2 * spread)[0]
        found["ApEn"] = neurokit2.entropy_approximate(nn, dimension=2, tolerance=0.2 * spread)[0]
        found["KFD"] = neurokit2.fractal_katz(nn)[0]
        if len(nn) > 2 * _HIGUCHI:
            found["HFD"] = neurokit2.fractal_higuchi(nn, k_max=_HIGUCHI)[0]
        if len(nn) > _ALPHA1[-1]:
            found["DFA_alpha1"] = neurokit2.fractal_dfa(nn, scale=_ALPHA1)[0]
    return found
