"""Segments of a clip: each one's pulse, quality and features, or the reason why it has none."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from lfnet.pulse.interbeat_intervals import Beats, beats
from lfnet.pulse.methods import band_pass, blood_volume, detrend
from lfnet.pulse.quality import Spectrum, heart_rate, published_q, snr, spectrum
from lfnet.pulse.settings import PulseSettings
from lfnet.pulse.shape import shape
from lfnet.pulse.trace import Traces, colour, uniform
from lfnet.pulse.variability import NAMES, variability

__all__ = ["KEPT", "OUTCOMES", "Segment", "SegmentFeatures", "read_segments", "segment_features"]

KEPT = "kept"
# What may become of a segment, and what that says of the video.
OUTCOMES = {
    KEPT: "a pulse was found",
    "face lost": "no face for longer than is bridged, or in too many frames",
    "no skin": "a face, but too few pixels of skin that are neither saturated nor dark nor turned away",
    "too few frames": "fewer frames a second than the band needs",
    "no colour": "greyscale: CHROM and POS compare colours",
    "still": "nothing moves: a still picture",
    "no pulse": "the quality is below the threshold, or the regions of the face disagree about the rate",
    "few beats": "fewer beats than are asked for",
}


@dataclass(frozen=True)
class Segment:
    """One segment. start, seconds: its place in the clip. outcome: one of `OUTCOMES`.

    rate: Hz of the traces. green_N: the green channel about its mean, turned over, unfiltered. pulse_N: band-passed.
    green: the spectrum of green_N; pulse: of pulse_N. q, snr: see `lfnet.pulse.quality`; heart_rate: beats a minute of
    the pulse's spectrum. region_rates: of each region by itself, NaN where it is not seen.
    values, valid: features by name, and whether the signal is long enough for each; empty where not kept.
    What was not reached is empty or NaN.
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

    @property
    def kept(self) -> bool:
        return self.outcome == KEPT


class SegmentFeatures(NamedTuple):
    """The segments of a clip, S of them; none where the clip is shorter than one.

    X: float64 [S, K], NaN where a feature is invalid (for settings that say so) or the segment was dropped.
    names: K, the same for all settings. valid_SK: whether the signal is long enough for the feature.
    start_S: seconds. quality_S: Q; snr_S: dB; heart_rate_S: beats a minute of the spectrum; also of segments that were
    dropped for quality. kept_S: bool. outcome_S: see `OUTCOMES`. dropped: how many, by reason.
    """

    X: np.ndarray
    names: tuple[str, ...]
    valid_SK: np.ndarray
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
    """The pulse features of a clip's segments.

    skin_TRC: [T, 3, 4] or [T, 12], the stream `skin`. time_T: seconds, increasing. valid_T: whether a face is seen.
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
    """The segments of a clip in order, as `segment_features`; what is left at the end is no segment."""
    traces = uniform(skin_TRC, time_T, valid_T, settings)
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

    def refused(outcome: str) -> Segment:
        return Segment(start, seconds, outcome, rate)

    if frames.sum() < settings.min_fps * seconds:
        return refused("too few frames")
    if not regions.any():
        held = traces.valid_T[frames]
        return refused("no skin" if held.mean() >= settings.min_coverage and held.any() else "face lost")
    before, after = _context(traces.known_NR, regions, begin, length, round(settings.context * rate))
    inner = slice(before, before + length)
    rgb, coloured = colour(traces.rgb_NRC[begin - before : begin + length + after], regions, traces.pixels_R)
    if np.ptp(rgb[inner], axis=0).max() < 1e-9:
        return refused("still")
    if not coloured and settings.method != "green":
        return refused("no colour")

    green = -(rgb[inner, 1] / rgb[inner, 1].mean() - 1)
    pulse = _pulse(rgb, settings)[inner]
    green_spectrum, pulse_spectrum = spectrum(green, rate), spectrum(pulse, rate)
    beats_a_minute = heart_rate(pulse_spectrum, settings.band)
    q = published_q(green_spectrum, settings.band)
    decibels = snr(pulse_spectrum, beats_a_minute, settings.band)
    rates = []
    for region in range(3):
        one = np.arange(3) == region
        part = traces.rgb_NRC[begin - before : begin + length + after]
        alone = _pulse(colour(part, one, traces.pixels_R)[0], settings)[inner] if regions[region] else None
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
        heart_rate=beats_a_minute,
        region_rates=tuple(rates),
    )
    quality = q if settings.measure == "q" else decibels
    agree = int((np.abs(np.array(rates) - beats_a_minute) <= settings.agreement).sum())
    wanted = min(settings.agreeing, int(regions.sum()))
    if not quality >= settings.threshold or agree < wanted:
        return seen
    found = beats(pulse, rate, beats_a_minute, suspicious=settings.correct)
    if len(found.seconds) < settings.min_beats:
        return replace(seen, outcome="few beats", beats=found)
    values = variability(found.intervals)
    values |= shape(pulse, rate, found.seconds, pulse_spectrum, settings.band, decibels)
    valid = {
        name: bool(np.isfinite(value))
        and seconds >= settings.least_seconds.get(name, 0)
        and len(found.intervals) >= settings.least_beats.get(name, 0)
        for name, value in values.items()
    }
    return replace(seen, outcome=KEPT, beats=found, values=values, valid=valid)


def _pulse(rgb_NC: np.ndarray, settings: PulseSettings) -> np.ndarray:
    raw = blood_volume(rgb_NC, settings)
    if settings.detrend is not None:
        raw = detrend(raw, settings.detrend)
    return band_pass(raw, settings.rate, settings.band, settings.order)


def _context(known_NR: np.ndarray, regions_R: np.ndarray, begin: int, length: int, most: int) -> tuple[int, int]:
    """How many samples before and after a segment its regions are known, up to `most`."""
    known = np.asarray(known_NR[:, regions_R].all(axis=1))
    before = after = 0
    while before < most and begin - before > 0 and known[begin - before - 1]:
        before += 1
    while after < most and begin + length + after < len(known) and known[begin + length + after]:
        after += 1
    return before, after
