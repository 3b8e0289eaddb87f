"""The Bayes predictor of a recording's label from its features, by someone who knows how they were made.

With statistics D_i = (levels, order counts, event counts, lengths) of recording i and its severity u_i (normal scale)::

    p(D_i | u, o) = N(m_i; κ u + p o, V_i) · ∫ N(d; κ_T u, 1 − κ_T²) Π_blocks p(order | d) dd
                    · ∫ N(d; κ_B u, 1 − κ_B²) Bin(events; blocks, Φ(−1.6 + .7 d)) dd · Π_clips p(length | u)

with o ~ N(0, 1) the person's level offset (p² its variance), m_i the weighted mean of the clips' levels and V_i its
variance. `signal` knows the model and the recording alone::

    p(y | D) ∝ Σ_u p(y | u) N(u; 0, 1) ∫ N(o; 0, 1) p(D | u, o) do

`people` also knows, of the same person's *other* recordings in train, features and labels (T)::

    p(y | D, T) ∝ Σ_u p(y | u) Σ_{a,o} N(a) N(o) N(u; √w a, 1 − w) p(D | u, o)
                  Π_{i∈T} Σ_{u_i} N(u_i; √w a, 1 − w) p(D_i | u_i, o) p(y_i | u_i)

`pulse` knows the recording's pulse alone, q_i being the weighted mean over its clips (`lfnet.simulation.pulse`), W_i
its variance, s² the person's; and `both` all of the recording's features, frames and pulse::

    p(y | q) ∝ Σ_u p(y | u) N(u; 0, 1) N(q_i; κ_P u, W_i + s²) Π_clips p(number of segments | u)
    p(y | D, q) ∝ Σ_u p(y | u) N(u; 0, 1) N(q_i; κ_P u, W_i + s²) ∫ N(o; 0, 1) p(D | u, o) do

Neither looks people up: where people are shared, a model that does may do better than they.

A training recording's own label is never used for its own prediction. All sums run over fine, even grids, where they
are exact far beyond what a score shows (tests/simulation compares them with Monte Carlo integration).
The median of the posterior has the least expected absolute error, its mean the least expected squared error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtr, xlogy

from lfnet.simulation import pulse as pulses
from lfnet.simulation import signals
from lfnet.simulation.people import block_bounds, severity
from lfnet.simulation.pulse import PulseStatistics
from lfnet.simulation.settings import Settings
from lfnet.simulation.statistics import ClipStatistics

__all__ = ["MODELS", "PULSE_MODELS", "Oracle", "references"]

MODELS = ("oracle_signal_median", "oracle_signal_mean", "oracle_people_median", "oracle_people_mean")
PULSE_MODELS = ("oracle_pulse_median", "oracle_pulse_mean", "oracle_both_median", "oracle_both_mean")

_REACH = 5.0
_STEPS = 1001  # of u and of drives
_PERSON_STEPS = 101  # of the person's severity
_OFFSET_STEPS = 61  # of the person's level offset


def references(
    recordings: pd.DataFrame,
    recording_of_clip: np.ndarray,
    statistics: Sequence[ClipStatistics],
    settings: Settings,
    pulse: Sequence[PulseStatistics] | None = None,
) -> pd.DataFrame:
    """The oracles' answers: recording_id, model, score; a function of statistics and training labels.

    recordings: recording_id, person, split and label (read in train only). recording_of_clip: int [clips], row of each
    clip's recording. statistics: one a clip. pulse: likewise; None for the models of `MODELS` alone, else those of
    `PULSE_MODELS` follow.
    """
    oracle = Oracle(recordings, recording_of_clip, statistics, settings, pulse)
    posteriors = {"signal": oracle.signal(), "people": oracle.people()}
    if pulse is not None:
        posteriors |= {"pulse": oracle.of_pulse(), "both": oracle.both()}
    scores = []
    for knows, posterior in posteriors.items():
        median = oracle.labels[np.argmax(np.cumsum(posterior, axis=1) >= 0.5 - 1e-12, axis=1)]
        scores += [(f"oracle_{knows}_median", median), (f"oracle_{knows}_mean", posterior @ oracle.labels)]
    tables = [pd.DataFrame({"recording_id": recordings["recording_id"], "model": m, "score": s}) for m, s in scores]
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True, eq=False)
class Oracle:
    """Posteriors over the labels of all recordings. Arguments: as for `references`."""

    recordings: pd.DataFrame
    recording_of_clip: np.ndarray
    statistics: Sequence[ClipStatistics]
    settings: Settings
    pulse: Sequence[PulseStatistics] | None = None

    @cached_property
    def labels(self) -> np.ndarray:
        """float64 [K]: every label that the scale has."""
        return np.arange(self.settings.low, self.settings.high + 1.0)

    @cached_property
    def label_given_u(self) -> np.ndarray:
        """float64 [U, K]: p(y | u)."""
        return _label_given_severity(severity(_grid(_STEPS), self.settings), self.labels, self.settings.label_noise)

    def signal(self) -> np.ndarray:
        """float64 [recordings, K]: p(y | the recording's features)."""
        return self._labels_given(self._signal)

    def of_pulse(self) -> np.ndarray:
        """float64 [recordings, K]: p(y | the recording's pulse)."""
        return self._labels_given(self._pulse + self._segments)

    def both(self) -> np.ndarray:
        """float64 [recordings, K]: p(y | the recording's features and pulse)."""
        # The number of segments says no more about a clip's length than the number of its frames.
        return self._labels_given(self._signal + self._pulse)

    def _labels_given(self, log: np.ndarray) -> np.ndarray:
        """float64 [recordings, K]: p(y | what is seen), from log p(what is seen | u) [recordings, U]."""
        weights = _weights(_grid(_STEPS))
        return _normalised(np.exp(log - log.max(axis=1, keepdims=True)) * weights) @ self.label_given_u

    def people(self) -> np.ndarray:
        """float64 [recordings, K]: p(y | the recording's features, and the same person's other training recordings)."""
        posterior = self.signal()
        person, train = self.recordings["person"].to_numpy(), (self.recordings["split"] == "train").to_numpy()
        u, a, o = _grid(_STEPS), _grid(_PERSON_STEPS), _grid(_OFFSET_STEPS)
        within = self.settings.within_person
        u_given_a = _kernel(u, np.sqrt(within) * a, 1 - within)  # [A, U]
        prior = _weights(a)[:, None] * _weights(o)
        known: dict[int, np.ndarray] = {}
        for row in range(len(person)):
            others = np.flatnonzero(train & (person == person[row]))
            others = others[others != row]
            if not len(others):
                continue
            belief = np.log(prior)
            for other in others:
                if other not in known:
                    seen = self._given_offset(other, u, o) * self._label_likelihood(other)[:, None]
                    known[other] = np.log(np.maximum(u_given_a @ seen, 1e-300))
                belief = belief + known[other]
            belief = np.exp(belief - belief.max())  # [A, O]
            over_u = np.einsum("uo,uo->u", u_given_a.T @ belief, self._given_offset(row, u, o))
            posterior[row] = _normalised(over_u) @ self.label_given_u
        return posterior

    def _label_likelihood(self, row: int) -> np.ndarray:
        return self.label_given_u[:, int(self.recordings["label"].iloc[row]) - self.settings.low]

    def _given_offset(self, row: int, u: np.ndarray, o: np.ndarray) -> np.ndarray:
        """float64 [U, O]: p(D | u, o) up to a factor."""
        mean, variance, offset = (value[row] for value in self._level)
        coupling = self.settings.signal.coupling("level")
        log = self._others[row][:, None] + _log_normal(mean, coupling * u[:, None] + offset * o, variance)
        return np.exp(log - log.max())

    @cached_property
    def _signal(self) -> np.ndarray:
        """float64 [recordings, U]: log p(features | u) up to a number for each recording."""
        mean, variance, offset = self._level
        coupling = self.settings.signal.coupling("level")
        return self._others + _log_normal(mean[:, None], coupling * _grid(_STEPS), (variance + offset**2)[:, None])

    @cached_property
    def _pulse(self) -> np.ndarray:
        """float64 [recordings, U]: log p(pulse | u) up to a number for each recording, all of it but its length."""
        assert self.pulse is not None and self.settings.pulse is not None
        coupling = self.settings.pulse.coupling
        clips = [(clip.kept, clip.mean) for clip in self.pulse]
        shares = pulses.PERSON, pulses.SESSION, pulses.CLIP
        mean, variance, offset = self._drive(clips, coupling, shares, pulses.NOISE)
        return _log_normal(mean[:, None], coupling * _grid(_STEPS), (variance + offset**2)[:, None])

    @cached_property
    def _segments(self) -> np.ndarray:
        """float64 [recordings, U]: log p(number of segments | u)."""
        assert self.pulse is not None and self.settings.pulse is not None
        u = _grid(_STEPS)
        log = np.zeros((len(self.recordings), _STEPS))
        if self.settings.duration_leak:
            per_segment = self.settings.pulse.segment * self.settings.fps / self.settings.signal.block
            for row, clip in zip(self.recording_of_clip, self.pulse, strict=True):
                least = 0.0 if clip.segments == 1 else clip.segments * per_segment
                most = np.nextafter((clip.segments + 1) * per_segment, 0)
                log[row] += _log_length(math.ceil(least), math.floor(most), u, self.settings)
        return log

    @cached_property
    def _level(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        clips = [(clip.seen, clip.level) for clip in self.statistics]
        shares = signals.PERSON_SHARE, signals.SESSION_SHARE, signals.CLIP_SHARE
        return self._drive(clips, self.settings.signal.coupling("level"), shares, signals.LEVEL_NOISE**2)

    def _drive(
        self,
        clips: Sequence[tuple[int, float]],
        coupling: float,
        shares: tuple[float, float, float],
        noise: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """m, V and p of each recording: weighted mean of its clips' drives, its variance, SD of the person's offset.

        clips: how many frames (segments) show a clip's drive, and their mean. shares: of the drive's jitter, what
        belongs to the person, the session and the clip. noise: variance of one frame about the clip's drive.
        """
        spread = 1 - coupling**2
        of_person, of_session, of_clip = shares
        precision, weighted = np.zeros(len(self.recordings)), np.zeros(len(self.recordings))
        for row, (seen, mean) in zip(self.recording_of_clip, clips, strict=True):
            if seen:
                clip_precision = 1 / (spread * of_clip + noise / seen)
                precision[row] += clip_precision
                weighted[row] += clip_precision * mean
        # A recording of which nothing is seen says nothing: any mean with a vast variance.
        variance = np.where(precision > 0, 1 / np.maximum(precision, 1e-300), 1e12)
        offset = np.full(len(variance), np.sqrt(spread * of_person))
        return weighted / np.maximum(precision, 1e-300), variance + spread * of_session, offset

    @cached_property
    def _others(self) -> np.ndarray:
        """float64 [recordings, U]: log p(order, events, lengths | u) up to a number for each recording."""
        u = _grid(_STEPS)
        tempo, burst, length = (np.zeros((len(self.recordings), _STEPS)) for _ in range(3))
        for row, clip in zip(self.recording_of_clip, self.statistics, strict=True):
            tempo[row] += _log_order(clip, u)
            chance = signals.burst_probability(u)
            burst[row] += xlogy(clip.events, chance) + xlogy(clip.blocks - clip.events, 1 - chance)
            if self.settings.duration_leak:
                blocks = clip.frames // self.settings.signal.block
                length[row] += _log_length(blocks, blocks, u, self.settings)
        for name, drive in (("tempo", tempo), ("burst", burst)):
            coupling = self.settings.signal.coupling(name)
            drive -= drive.max(axis=1, keepdims=True)
            given_u = np.exp(drive) @ _kernel(u, coupling * u, 1 - coupling**2).T
            length += np.log(np.maximum(given_u, 1e-300))
        return length


def _log_order(clip: ClipStatistics, drive: np.ndarray) -> np.ndarray:
    """log p(order of the clip's blocks | drive): in place with π + (1 − π) chance, else (1 − π)(1 − chance)."""
    in_order = signals.tempo_probability(drive)
    chance, count = np.unique(clip.chance, return_counts=True)
    log = clip.disordered * log_ndtr(-drive)
    return log + np.log(in_order[:, None] + (1 - in_order[:, None]) * chance) @ count


def _log_length(fewest: int, largest: int, u: np.ndarray, settings: Settings) -> np.ndarray:
    """log p(fewest ≤ blocks ≤ largest | u), blocks rounded to whole ones and held between the least and the most."""
    least, most = block_bounds(settings)
    edges = np.array([-np.inf if fewest <= least else fewest - 0.5, np.inf if largest >= most else largest + 0.5])
    inner = np.isfinite(edges)
    if not inner.any():
        return np.zeros(len(u))  # any length at all
    edges[inner] = np.log(edges[inner] * settings.signal.block / settings.fps / settings.duration.median)
    spread = max(settings.duration.spread, 1e-9) * np.sqrt(1 - settings.duration_leak**2)
    low, high = ((edge - settings.duration.spread * settings.duration_leak * u) / spread for edge in edges)
    # Differences of the lower tail on both sides of the middle, so that none is lost to rounding.
    mirrored = low + high > 0
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    return np.log(np.maximum(ndtr(high) - ndtr(low), 1e-300))


def _label_given_severity(points: np.ndarray, labels: np.ndarray, noise: float) -> np.ndarray:
    """float64 [U, K]: p(clip(round(severity + noise · h)) = label)."""
    if noise == 0:
        nearest = np.clip(np.rint(points), labels[0], labels[-1])
        return (nearest[:, None] == labels).astype(float)
    upper = (labels[:-1] + 0.5 - points[:, None]) / noise
    below = np.concatenate([np.zeros((len(points), 1)), ndtr(upper), np.ones((len(points), 1))], axis=1)
    return np.diff(below, axis=1)


def _grid(steps: int) -> np.ndarray:
    return np.linspace(-_REACH, _REACH, steps)


def _weights(grid: np.ndarray) -> np.ndarray:
    """Standard normal weights on an even grid, of sum 1."""
    return _normalised(np.exp(-0.5 * grid**2))


def _kernel(points: np.ndarray, means: np.ndarray, variance: float) -> np.ndarray:
    """float64 [means, points]: N(points; mean, variance), each row of sum 1; a narrow one takes the nearest points."""
    spacing = points[1] - points[0]
    variance = max(variance, (0.4 * spacing) ** 2)
    return _normalised(np.exp(-0.5 * (points - means[:, None]) ** 2 / variance))


def _log_normal(value: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return -0.5 * (value - mean) ** 2 / variance


def _normalised(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=-1, keepdims=True)
