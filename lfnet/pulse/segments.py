"""Pulse, quality and features of each segment of a clip, or the reason why it was dropped."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from lfnet.extras import require
from lfnet.pulse.beats import Beats, find_beats, waveform_features
from lfnet.pulse.errors import MEASURED, feature_errors, follows
from lfnet.pulse.methods import band_pass, detrend, extract_pulse
from lfnet.pulse.quality import Spectrum, heart_rate, published_q, snr, spectrum
from lfnet.pulse.settings import PulseSettings
from lfnet.pulse.trace import Traces, mean_colour, uniform_traces
from lfnet.pulse.validity import is_long_enough
from lfnet.pulse.variability import NAMES, variability

__all__ = ["KEPT", "OUTCOMES", "Segment", "SegmentFeatures", "read_segments", "segment_features"]

KEPT = "kept"
# Outcomes of a segment, and their meaning for the video.
OUTCOMES = {
    KEPT: "a pulse was found",
    "face lost": "no face for longer than max_gap, or in too many frames",
    "no skin": "a face, but too few skin pixels that are neither saturated nor dark nor turned away",
    "too few frames": "fewer frames per second than min_fps",
    "no colour": "greyscale: CHROM and POS need colour",
    "still": "all frames are equal: a still image",
    "no pulse": "the quality is below the threshold, or the regions of the face disagree about the rate",
    "few beats": "fewer beats than min_beats",
}


@dataclass(frozen=True)
class Segment:
    """One segment; fields that were not computed for its outcome are empty or NaN.

    Attributes
    ----------
    start, seconds : float
        Start and length in seconds.
    outcome : str
        One of `OUTCOMES`.
    rate : float
        Hz of the traces.
    green_N, pulse_N : float64 [N]
        Inverted unfiltered green channel minus its mean, and band-passed pulse.
    green, pulse : Spectrum
        Spectra of both.
    q, snr : float
        Signal quality (`lfnet.pulse.quality`).
    heart_rate : float
        Beats per minute of the pulse's spectrum.
    region_rates : tuple of float
        The same of each region by itself; NaN where it is not visible.
    beats : Beats or None
        Beats.
    values, valid : dict
        Features by name, and whether each is valid: the segment is long enough for it, and it is not withheld. Empty
        where the segment was dropped.
    errors : dict of str to float
        Errors of the features for which one is known (`lfnet.pulse.errors`), in their own units.
    withheld : frozenset of str
        Features for which the segment is long enough, but whose error is too large (`PulseSettings.max_error`).

    Examples
    --------
    >>> dropped = Segment(start=17.0, seconds=17.0, outcome="face lost", rate=30.0)
    >>> dropped.kept, dropped.heart_rate, dropped.values
    (False, nan, {})
    """

    start: float
    seconds: float
    outcome: str
    rate: float
    green_N: np.ndarray = field(default_factory=lambda: np.empty(0))
    pulse_N: np.ndarray = field(default_factory=lambda: np.empty(0))
    green: Spectrum | None = None
    pulse: Spectrum | None = None
    q: float = float("nan")
    snr: float = float("nan")
    heart_rate: float = float("nan")
    region_rates: tuple[float, ...] = ()
    beats: Beats | None = None
    values: dict[str, float] = field(default_factory=dict)
    valid: dict[str, bool] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()

    @property
    def kept(self) -> bool:
        return self.outcome == KEPT


class SegmentFeatures(NamedTuple):
    """Features of the S segments of a clip; S is 0 where the clip is shorter than a segment.

    Attributes
    ----------
    X : float64 [S, K]
        NaN where a feature is invalid (with `invalid="missing"`) or the segment was dropped.
    names : tuple of str
        K names, the same for all settings.
    valid_SK : bool [S, K]
        Whether the segment is long enough for the feature, and the feature is not withheld.
    withheld : dict of str to int
        Number of segments whose RMSSD and SDNN are withheld because their error is too large.
    start_S, quality_S, snr_S, heart_rate_S : float64 [S]
        Seconds, Q, dB, and beats per minute of the spectrum, also of segments dropped for their quality.
    kept_S : bool [S]
        Whether the segment was kept.
    outcome_S : tuple of str
        Outcomes (`OUTCOMES`).
    dropped : dict of str to int
        Number of dropped segments by outcome.

    Examples
    --------
    >>> skin, time = np.full((600, 3, 4), [120, 90, 80, 900]), np.arange(600) / 30
    >>> found = segment_features(skin, time, np.zeros(600, bool), PulseSettings())
    >>> found.kept_S, found.dropped
    (array([False]), {'face lost': 1})
    >>> found.X.shape == (1, len(found.names))
    True
    """

    X: np.ndarray
    names: tuple[str, ...]
    valid_SK: np.ndarray
    withheld: dict[str, int]
    start_S: np.ndarray
    quality_S: np.ndarray
    snr_S: np.ndarray
    heart_rate_S: np.ndarray
    kept_S: np.ndarray
    outcome_S: tuple[str, ...]
    dropped: dict[str, int]


def segment_features(
    skin_TRC: np.ndarray, time_T: np.ndarray, valid_T: np.ndarray, settings: PulseSettings
) -> SegmentFeatures:
    """Compute the pulse features of a clip's segments.

    Parameters
    ----------
    skin_TRC, time_T, valid_T, settings
        See `read_segments`.

    Returns
    -------
    SegmentFeatures

    Examples
    --------
    >>> time = np.arange(600) / 30
    >>> colour = 1 - 0.01 * np.sin(2 * np.pi * 1.2 * time)[:, None, None] * [0.33, 0.77, 0.53]
    >>> skin = np.concatenate([[120, 90, 80] * colour.repeat(3, axis=1), np.full((600, 3, 1), 900)], axis=2)
    >>> found = segment_features(skin, time, np.ones(600, bool), PulseSettings(method="pos"))
    >>> found.outcome_S, found.heart_rate_S.round()
    (('kept',), array([72.]))
    """
    segments = read_segments(skin_TRC, time_T, valid_T, settings)
    X = np.full((len(segments), len(NAMES)), np.nan)
    valid = np.zeros(X.shape, bool)
    for row, segment in enumerate(segments):
        if segment.kept:
            X[row] = [segment.values[name] for name in NAMES]
            valid[row] = [segment.valid[name] for name in NAMES]
    if settings.invalid == "missing":
        X[~valid] = np.nan
    outcomes = tuple(segment.outcome for segment in segments)

    def column(name: str) -> np.ndarray:
        return np.array([getattr(segment, name) for segment in segments], np.float64)

    return SegmentFeatures(
        X=X,
        names=NAMES,
        valid_SK=valid,
        withheld={name: sum(name in segment.withheld for segment in segments) for name in MEASURED},
        start_S=column("start"),
        quality_S=column("q"),
        snr_S=column("snr"),
        heart_rate_S=column("heart_rate"),
        kept_S=np.array([segment.kept for segment in segments], bool),
        outcome_S=outcomes,
        dropped=dict(Counter(outcome for outcome in outcomes if outcome != KEPT)),
    )


def read_segments(
    skin_TRC: np.ndarray, time_T: np.ndarray, valid_T: np.ndarray, settings: PulseSettings
) -> list[Segment]:
    """Read the segments of a clip in order; a remainder shorter than a segment is ignored.

    Parameters
    ----------
    skin_TRC : [T, 3, 4] or [T, 12]
        The stream `skin`: red, green, blue and number of pixels of three regions.
    time_T : float [T]
        Seconds, increasing.
    valid_T : bool [T]
        Whether there is a face.
    settings : PulseSettings
        How segments are read and which are kept.

    Returns
    -------
    list of Segment

    Examples
    --------
    >>> time = np.arange(600) / 30
    >>> colour = 1 - 0.01 * np.sin(2 * np.pi * 1.2 * time)[:, None, None] * [0.33, 0.77, 0.53]
    >>> skin = np.concatenate([[120, 90, 80] * colour.repeat(3, axis=1), np.full((600, 3, 1), 900)], axis=2)
    >>> [segment] = read_segments(skin, time, np.ones(600, bool), PulseSettings())
    >>> segment.outcome, round(segment.heart_rate), len(segment.beats.intervals)
    ('kept', 72, 19)
    """
    require("video", "neurokit2", use="reading the pulse")
    traces = uniform_traces(skin_TRC, time_T, valid_T, settings)
    length, hop = round(settings.segment * settings.rate), round(settings.hop * settings.rate)
    begins = range(0, len(traces.rgb_NRC) - length + 1, hop)
    return [_read(traces, begin, length, settings) for begin in begins]


def _read(traces: Traces, begin: int, length: int, settings: PulseSettings) -> Segment:
    start, rate = traces.start + begin / settings.rate, settings.rate
    seconds = length / rate
    frames = (traces.frame_T >= start) & (traces.frame_T < start + seconds)
    known = traces.known_NR[begin : begin + length].all(axis=0)
    coverage = traces.seen_TR[frames].mean(axis=0) if frames.any() else np.zeros(3)
    regions = known & (coverage >= settings.min_coverage)

    def dropped(outcome: str) -> Segment:
        return Segment(start, seconds, outcome, rate)

    if frames.sum() < settings.min_fps * seconds:
        return dropped("too few frames")
    if not regions.any():
        face = traces.valid_T[frames]
        return dropped("no skin" if face.mean() >= settings.min_coverage and face.any() else "face lost")
    before, after = _context(traces.known_NR, regions, begin, length, round(settings.context * rate))
    inner = slice(before, before + length)
    rgb, coloured = mean_colour(traces.rgb_NRC[begin - before : begin + length + after], regions, traces.pixels_R)
    if np.ptp(rgb[inner], axis=0).max() < 1e-9:
        return dropped("still")
    if not coloured and settings.method != "green":
        return dropped("no colour")

    green = -(rgb[inner, 1] / rgb[inner, 1].mean() - 1)
    pulse = _pulse(rgb, settings)[inner]
    green_spectrum, pulse_spectrum = spectrum(green, rate), spectrum(pulse, rate)
    beats_per_minute = heart_rate(pulse_spectrum, settings.band)
    q = published_q(green_spectrum, settings.band)
    decibels = snr(pulse_spectrum, beats_per_minute, settings.band)
    rates = []
    for region in range(3):
        one = np.arange(3) == region
        part = traces.rgb_NRC[begin - before : begin + length + after]
        alone = _pulse(mean_colour(part, one, traces.pixels_R)[0], settings)[inner] if regions[region] else None
        rates.append(float("nan") if alone is None else heart_rate(spectrum(alone, rate), settings.band))
    seen = Segment(
        start,
        seconds,
        "no pulse",
        rate,
        green_N=green,
        pulse_N=pulse,
        green=green_spectrum,
        pulse=pulse_spectrum,
        q=q,
        snr=decibels,
        heart_rate=beats_per_minute,
        region_rates=tuple(rates),
    )
    quality = q if settings.measure == "q" else decibels
    agree = int((np.abs(np.array(rates) - beats_per_minute) <= settings.max_rate_difference).sum())
    needed = min(settings.min_regions, int(regions.sum()))
    if not quality >= settings.threshold or agree < needed:
        return seen
    found = find_beats(pulse, rate, beats_per_minute, max_deviation=settings.correct)
    if len(found.peaks) < settings.min_beats:
        return replace(seen, outcome="few beats", beats=found)
    values = variability(found.intervals)
    values |= waveform_features(pulse, rate, found.peaks, pulse_spectrum, settings.band, decibels)
    errors = feature_errors(values, decibels)
    long_enough = {
        name
        for name, value in values.items()
        if np.isfinite(value)
        and is_long_enough(name, seconds, len(found.intervals), settings.min_seconds, settings.min_intervals)
    }
    too_wrong = {
        name
        for name in MEASURED
        if settings.max_error is not None and not errors[name] <= settings.max_error * values[name]
    }
    withheld = frozenset(name for name in long_enough if follows(name) in too_wrong)
    valid = {name: name in long_enough and name not in withheld for name in values}
    return replace(seen, outcome=KEPT, beats=found, values=values, valid=valid, errors=errors, withheld=withheld)


def _pulse(rgb_NC: np.ndarray, settings: PulseSettings) -> np.ndarray:
    raw = extract_pulse(rgb_NC, settings)
    if settings.detrend is not None:
        raw = detrend(raw, settings.detrend)
    return band_pass(raw, settings.rate, settings.band, settings.order)


def _context(known_NR: np.ndarray, regions_R: np.ndarray, begin: int, length: int, limit: int) -> tuple[int, int]:
    """Return the number of samples, up to `limit`, before and after a segment in which its regions are known."""
    known = np.asarray(known_NR[:, regions_R].all(axis=1))
    before = after = 0
    while before < limit and begin - before > 0 and known[begin - before - 1]:
        before += 1
    while after < limit and begin + length + after < len(known) and known[begin + length + after]:
        after += 1
    return before, after
