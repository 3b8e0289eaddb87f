"""The shape of a pulse wave, as far as a camera shows it."""

import itertools

import numpy as np
from scipy.signal import find_peaks, peak_widths
from scipy.stats import kurtosis, skew

from lfnet.pulse.interbeat_intervals import FINER, finer
from lfnet.pulse.quality import Spectrum

__all__ = ["SHAPE", "shape"]

SHAPE = ("Amplitude", "RiseTime", "Width", "Skew", "Kurtosis", "SpectralEntropy", "SNR")


def shape(
    pulse_N: np.ndarray, rate: float, beats_S: np.ndarray, found: Spectrum, band: tuple[float, float], snr: float
) -> dict[str, float]:
    """The features `SHAPE` of a band-passed pulse; NaN where there are too few beats.

    beats_S: seconds of its peaks. Amplitude: median of foot to peak, in percent of the skin's mean colour for GREEN, in
    the method's own units for CHROM and POS. RiseTime: median of foot to peak, Width: of the peaks' width at half of
    their prominence, seconds. Skew, Kurtosis (0 for a normal): of all samples. SpectralEntropy: of the power in the
    band, 0 (one frequency) to 1 (all alike). snr: dB, as `lfnet.pulse.quality.snr`.
    """
    result = dict.fromkeys(SHAPE, float("nan")) | {"SNR": snr}
    if pulse_N.std() > 0:
        result |= {"Skew": float(skew(pulse_N)), "Kurtosis": float(kurtosis(pulse_N))}
    power = found.power[(found.hertz >= band[0]) & (found.hertz <= band[1])]
    if power.sum() > 0:
        share = power / power.sum()
        share = share[share > 0]
        result["SpectralEntropy"] = float(-(share * np.log(share)).sum() / np.log(len(power)))
    _, values = finer(pulse_N, rate)
    peaks = np.round(beats_S * FINER).astype(int)
    if len(peaks) < 3:
        return result
    feet = np.array([a + values[a:b].argmin() for a, b in itertools.pairwise(peaks)])
    tops = peaks[1:]
    result["Amplitude"] = 100 * float(np.median(values[tops] - values[feet]))
    result["RiseTime"] = float(np.median(tops - feet)) / FINER
    exact = np.intersect1d(peaks, find_peaks(values)[0])
    if len(exact):
        result["Width"] = float(np.median(peak_widths(values, exact, rel_height=0.5)[0])) / FINER
    return result
