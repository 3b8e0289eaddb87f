"""Beats of a pulse wave, the intervals between them with artefacts corrected, and the shape of the wave."""

import itertools
import warnings
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import find_peaks, peak_widths
from scipy.stats import kurtosis, skew

from lfnet.pulse.quality import Spectrum

__all__ = ["FINE_RATE", "WAVEFORM", "Beats", "correct_artefacts", "find_beats", "upsample", "waveform_features"]

WAVEFORM = ("Amplitude", "RiseTime", "Width", "Skew", "Kurtosis", "SpectralEntropy", "SNR")
FINE_RATE = 250.0  # Hz; at 30 Hz a beat is located to 33 ms, which is more than the RMSSD of many people
# Beats closer than this share of the spectral rate's period are one beat and its dicrotic wave.
_MIN_DISTANCE = 0.6
_PROMINENCE = 0.4  # standard deviations of the pulse
_STEEP = 0.4  # share of a wave's highest slope
_MILLISECOND = 1000


class Beats(NamedTuple):
    """Beats of a pulse.

    Attributes
    ----------
    seconds : float64 [B]
        Steepest upstrokes as detected, from the start of the trace.
    peaks : float64 [P]
        Peaks of the waves, from the start of the trace; a wave that begins before the trace has no upstroke.
    intervals : float64 [I]
        Interbeat intervals in ms, from upstroke to upstroke, after correction.
    corrected : float
        Number of beats that the correction moved, added or removed.

    Examples
    --------
    >>> at = np.array([0.2, 1.0, 1.8])
    >>> beats = Beats(seconds=at, peaks=at + 0.15, intervals=np.array([800.0, 800.0]), corrected=0.0)
    >>> float(60_000 / beats.intervals.mean())  # beats per minute
    75.0
    """

    seconds: np.ndarray
    peaks: np.ndarray
    intervals: np.ndarray
    corrected: float


def upsample(pulse_N: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upsample a pulse to `FINE_RATE` by cubic spline, which loses nothing of a band below 4 Hz.

    Parameters
    ----------
    pulse_N : float64 [N]
        Pulse.
    rate : float
        Its rate in Hz.

    Returns
    -------
    seconds, values, slopes : float64 [M]
        The slope is per second.
    """
    time = np.arange(len(pulse_N)) / rate
    fine = np.arange(0, time[-1] + 1e-9, 1 / FINE_RATE)
    spline = CubicSpline(time, pulse_N)
    return fine, spline(fine), spline(fine, 1)


def find_beats(pulse_N: np.ndarray, rate: float, beats_per_minute: float, *, max_deviation: float | None) -> Beats:
    """Detect the waves of a band-passed pulse and place each beat at its steepest upstroke.

    Peaks are at least .6 of the spectral rate's period apart. A beat is where the slope is highest between a wave's
    foot and its peak, interpolated between samples by a parabola. Light and motion that change slowly shift a broad
    peak more than a steep edge (experiments/pulse).

    Parameters
    ----------
    pulse_N : float64 [N]
        Band-passed pulse.
    rate : float
        Its rate in Hz.
    beats_per_minute : float
        Rate of the spectrum's peak (`lfnet.pulse.quality.heart_rate`).
    max_deviation : float or None
        As for `correct_artefacts`; None for no correction.

    Returns
    -------
    Beats

    References
    ----------
    Peralta, Lázaro, Bailón, Marozas & Gil 2019, "Optimal fiducial points for pulse rate variability analysis from
    forehead and finger photoplethysmographic signals", Physiological Measurement 40(2).

    Examples
    --------
    >>> time = np.arange(600) / 30
    >>> beats = find_beats(np.sin(2 * np.pi * 1.25 * time), 30.0, 75.0, max_deviation=0.2)
    >>> len(beats.peaks), float(beats.intervals.mean().round())
    (25, 800.0)
    """
    seconds, values, slopes = upsample(pulse_N, rate)
    distance = max(1, round(_MIN_DISTANCE * 60 / beats_per_minute * FINE_RATE))
    peaks, _ = find_peaks(values, distance=distance, prominence=_PROMINENCE * values.std())
    found = _steepest(values, slopes, peaks, distance) / FINE_RATE
    if max_deviation is not None and len(found) >= 5:
        return Beats(found, seconds[peaks], *correct_artefacts(found, max_deviation))
    return Beats(found, seconds[peaks], np.diff(found) * _MILLISECOND, 0.0)


def _steepest(values_M: np.ndarray, slopes_M: np.ndarray, peaks_P: np.ndarray, distance: int) -> np.ndarray:
    """Return the samples, with fractions, of the highest slope before each peak whose foot is in the trace.

    Where a wave rises in steps, as after a dicrotic wave or a weak beat, the last steep one leads to the peak.
    """
    places = []
    for before, peak in itertools.pairwise([0, *peaks_P]):
        start = max(before, peak - distance)
        foot = start + int(values_M[start:peak].argmin())
        if foot == 0:  # the wave began before the trace
            continue
        rise = slopes_M[foot : peak + 1]
        steep, _ = find_peaks(rise, height=_STEEP * rise.max())
        top = foot + int(steep[-1] if len(steep) else rise.argmax())
        left, middle, right = slopes_M[top - 1 : top + 2]
        bend = left - 2 * middle + right
        places.append(top + (0.5 * (left - right) / bend if bend < 0 else 0.0))
    return np.array(places, np.float64)


def correct_artefacts(seconds: np.ndarray, max_deviation: float) -> tuple[np.ndarray, float]:
    """Correct ectopic, missed, extra and misplaced beats.

    The method is NeuroKit2's (method "Kubios"), applied only where an interval deviates from the median of the five
    around it by more than `max_deviation`. Without this condition the method takes jitter for ectopic beats: of 60
    independent normal intervals without artefacts, 850 ± 20 ms, it moved up to five and reduced their SD by up to 14 %.

    Parameters
    ----------
    seconds : float64 [B]
        Times of beats, 5 or more.
    max_deviation : float
        Relative deviation, such as 0.2.

    Returns
    -------
    intervals : float64 [I]
        Interbeat intervals in ms.
    corrected : float
        Number of beats concerned.

    References
    ----------
    Lipponen & Tarvainen 2019, "A robust algorithm for heart rate variability time series artefact correction using
    novel beat classification", Journal of Medical Engineering & Technology 43(3).

    Examples
    --------
    >>> intervals, corrected = correct_artefacts(np.arange(10) * 0.8, 0.2)
    >>> float(intervals.mean().round()), corrected
    (800.0, 0.0)
    """
    intervals = np.diff(seconds) * _MILLISECOND
    around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(intervals, 2, mode="reflect"), 5), axis=1)
    if (np.abs(intervals / around - 1) <= max_deviation).all():
        return intervals, 0.0
    import neurokit2

    samples = np.round(seconds * _MILLISECOND).astype(int)
    offset = samples[0] - _MILLISECOND  # NeuroKit2 takes the time of the first beat for an interval
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The first round names the artefacts; further iterations fix those that a correction uncovers.
        artefacts, _ = neurokit2.signal_fixpeaks(samples - offset, sampling_rate=_MILLISECOND, iterative=False)
        _, fixed = neurokit2.signal_fixpeaks(samples - offset, sampling_rate=_MILLISECOND, iterative=True)
    corrected = sum(len(artefacts[kind]) for kind in ("ectopic", "missed", "extra", "longshort"))
    if not corrected:
        return intervals, 0.0
    return np.diff(np.asarray(fixed, np.float64)), float(corrected)


def waveform_features(
    pulse_N: np.ndarray, rate: float, peaks_P: np.ndarray, found: Spectrum, band: tuple[float, float], snr: float
) -> dict[str, float]:
    """Compute the features `WAVEFORM` of a band-passed pulse.

    Parameters
    ----------
    pulse_N : float64 [N]
        Band-passed pulse.
    rate : float
        Its rate in Hz.
    peaks_P : float64 [P]
        Seconds of its peaks.
    found : Spectrum
        Its spectrum.
    band : (float, float)
        Band in Hz.
    snr : float
        dB, of `lfnet.pulse.quality.snr`.

    Returns
    -------
    dict of str to float
        NaN where there are too few beats. Amplitude: median from foot to peak, in percent of the skin's mean colour for
        GREEN, in the method's own units for CHROM and POS. RiseTime: median from foot to peak in seconds. Width: median
        width of peaks at half of their prominence in seconds. Skew, Kurtosis (0 for a normal distribution): of all
        samples. SpectralEntropy: of the power in the band, from 0 (one frequency) to 1 (uniform).

    Examples
    --------
    >>> from lfnet.pulse import spectrum
    >>> pulse = 0.01 * np.sin(2 * np.pi * 1.25 * np.arange(600) / 30)
    >>> beats = find_beats(pulse, 30.0, 75.0, max_deviation=None)
    >>> found = waveform_features(pulse, 30.0, beats.peaks, spectrum(pulse, 30.0), (0.6, 4.0), snr=20.0)
    >>> round(found["Amplitude"], 3), round(found["RiseTime"], 3)
    (2.0, 0.4)
    """
    result = dict.fromkeys(WAVEFORM, float("nan")) | {"SNR": snr}
    if pulse_N.std() > 0:
        result |= {"Skew": float(skew(pulse_N)), "Kurtosis": float(kurtosis(pulse_N))}
    power = found.power[(found.hertz >= band[0]) & (found.hertz <= band[1])]
    if power.sum() > 0:
        share = power / power.sum()
        share = share[share > 0]
        result["SpectralEntropy"] = float(-(share * np.log(share)).sum() / np.log(len(power)))
    _, values, _ = upsample(pulse_N, rate)
    peaks = np.round(peaks_P * FINE_RATE).astype(int)
    if len(peaks) < 3:
        return result
    feet = np.array([a + values[a:b].argmin() for a, b in itertools.pairwise(peaks)])
    tops = peaks[1:]
    result["Amplitude"] = 100 * float(np.median(values[tops] - values[feet]))
    result["RiseTime"] = float(np.median(tops - feet)) / FINE_RATE
    exact = np.intersect1d(peaks, find_peaks(values)[0])
    if len(exact):
        result["Width"] = float(np.median(peak_widths(values, exact, rel_height=0.5)[0])) / FINE_RATE
    return result
