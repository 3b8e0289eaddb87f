"""Pulse from skin colour: extraction, quality, beats and variability features.

Skin colours of a video become a blood volume pulse, its beats, and features of pulse-rate variability (PRV; a camera
measures the pulse and not the heart's electrical activity, so the features are not HRV).

Shapes: N samples at a uniform rate, T frames, R = 3 regions of the face, C = 3 colour channels, S segments, K features.

Examples
--------
>>> import numpy as np
>>> from lfnet.pulse import PulseSettings, extract_pulse, heart_rate, spectrum
>>> settings = PulseSettings(method="pos")
>>> time_N = np.arange(600) / settings.rate
>>> rgb_NC = 1 - 0.01 * np.sin(2 * np.pi * 1.2 * time_N)[:, None] * [0.33, 0.77, 0.53]
>>> round(heart_rate(spectrum(extract_pulse(rgb_NC, settings), settings.rate), settings.band))
72
"""

from lfnet.pulse.beats import Beats, correct_artefacts, find_beats, waveform_features
from lfnet.pulse.methods import band_pass, chrom, detrend, extract_pulse, green, pos
from lfnet.pulse.quality import Spectrum, heart_rate, published_q, snr, spectrum
from lfnet.pulse.segments import Segment, SegmentFeatures, read_segments, segment_features
from lfnet.pulse.settings import PulseSettings
from lfnet.pulse.variability import variability

__all__ = [
    "Beats",
    "PulseSettings",
    "Segment",
    "SegmentFeatures",
    "Spectrum",
    "band_pass",
    "chrom",
    "correct_artefacts",
    "detrend",
    "extract_pulse",
    "find_beats",
    "green",
    "heart_rate",
    "pos",
    "published_q",
    "read_segments",
    "segment_features",
    "snr",
    "spectrum",
    "variability",
    "waveform_features",
]
