"""Beats of a pulse and the intervals between them, with artefacts corrected."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import find_peaks

__all__ = ["FINER", "Beats", "beats", "correct", "finer"]

FINER = 250.0  # Hz: at 30 Hz a beat's place is known to 33 ms, which is more than many people's RMSSD
# Beats closer than this share of the spectral rate's period are one beat and its echo (the dicrotic wave).
_CLOSEST = 0.6
_PROMINENCE = 0.4  # standard deviations of the pulse
_MILLISECOND = 1000


class Beats(NamedTuple):
    """seconds: float64 [B], the peaks as found, from the trace's start. intervals: float64 [I], ms between beats, after
    correction. corrected: how many beats the correction moved, put in or took out; NaN where it could not run."""

    seconds: np.ndarray
    intervals: np.ndarray
    corrected: float


def finer(pulse_N: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and values of a pulse at `FINER` Hz by cubic spline, which a band below 4 Hz allows without loss."""
    time = np.arange(len(pulse_N)) / rate
    fine = np.arange(0, time[-1] + 1e-9, 1 / FINER)
    return fine, CubicSpline(time, pulse_N)(fine)


def beats(pulse_N: np.ndarray, rate: float, beats_per_minute: float, *, suspicious: float | None) -> Beats:
    """The peaks of a band-passed pulse, not closer than .6 of the period of the rate that its spectrum shows.

    beats_per_minute: that rate. suspicious: see `correct`; None for no correction.
    """
    seconds, values = finer(pulse_N, rate)
    distance = max(1, round(_CLOSEST * 60 / beats_per_minute * FINER))
    peaks, _ = find_peaks(values, distance=distance, prominence=_PROMINENCE * values.std())
    found = seconds[peaks]
    if suspicious is not None and len(found) >= 5:
        return Beats(found, *correct(found, suspicious))
    return Beats(found, np.diff(found) * _MILLISECOND, 0.0)


def correct(seconds: np.ndarray, suspicious: float) -> tuple[np.ndarray, float]:
    """Intervals in ms with ectopic, missed, extra and misplaced beats corrected, and how many beats that concerns.

    Lipponen & Tarvainen (2019) as NeuroKit2 has it (method "Kubios"), but only where an interval differs by more than
    the share `suspicious` from the median of the five about it. For the method takes beats that merely jitter for
    ectopic ones: of 60 independent normal intervals without a fault, 850 ± 20 ms, it moved up to five, and took up to
    14 % off their SD.
    """
    intervals = np.diff(seconds) * _MILLISECOND
    around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(intervals, 2, mode="reflect"), 5), axis=1)
    if (np.abs(intervals / around - 1) <= suspicious).all():
        return intervals, 0.0
    import neurokit2

    samples = np.round(seconds * _MILLISECOND).astype(int)
    offset = samples[0] - _MILLISECOND  # NeuroKit2 takes the first beat's time for an interval
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The first round tells what is wrong; iterations that follow mend what mending laid bare.
        artefacts, _ = neurokit2.signal_fixpeaks(samples - offset, sampling_rate=_MILLISECOND, iterative=False)
        _, mended = neurokit2.signal_fixpeaks(samples - offset, sampling_rate=_MILLISECOND, iterative=True)
    concerned = sum(len(artefacts[kind]) for kind in ("ectopic", "missed", "extra", "longshort"))
    if not concerned:
        return intervals, 0.0
    return np.diff(np.asarray(mended, np.float64)), float(concerned)
