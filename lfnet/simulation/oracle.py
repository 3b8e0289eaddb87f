"""Bayes predictors of a recording's label under the generative model of `lfnet.simulation`.

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

`audio` knows the recording's sound alone, and `all` its frames, pulse and sound; the mean of a clip's sound is a drive
as the level is (`lfnet.simulation.audio`).

These four ignore the person. `both_people` uses the person as `people` does, with p(D, q | u, o, o') for p(D | u, o),
where o' ~ N(0, 1) is the person's offset in the pulse. Where people are shared between splits, a fusion may do better
than `both`, and not better than `both_people`.

A training recording's own label is never used for its own prediction. All sums run over fine, even grids, where they
are exact far beyond the precision of a score (tests/simulation compares them with Monte Carlo integration).
The median of the posterior minimises the expected absolute error, its mean the expected squared error.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import xlogy

from lfnet.simulation import audio as sounds
from lfnet.simulation import pulse as pulses
from lfnet.simulation import signals
from lfnet.simulation.grids import (
    grid,
    kernel,
    label_given_severity,
    log_length,
    log_normal,
    log_order,
    normal_weights,
    normalised,
)
from lfnet.simulation.people import severity
from lfnet.simulation.pulse import PulseStatistics
from lfnet.simulation.settings import Settings
from lfnet.simulation.signals import ClipStatistics

__all__ = ["Oracle", "references"]

_STEPS = 1001  # of u and of drives
_PERSON_STEPS = 101  # of the person's severity
_OFFSET_STEPS = 61  # of the person's level offset
# With two offsets; sums of functions this smooth need no finer grid.
_PERSON_STEPS_OF_BOTH, _OFFSET_STEPS_OF_BOTH = 51, 31


def references(
    recordings: pd.DataFrame,
    recording_of_clip: np.ndarray,
    statistics: Sequence[ClipStatistics],
    settings: Settings,
    pulse: Sequence[PulseStatistics] | None = None,
    audio: Sequence[tuple[int, float]] | None = None,
) -> pd.DataFrame:
    """Score all recordings with the oracles, from sufficient statistics and training labels.

    Parameters
    ----------
    recordings : DataFrame
        recording_id, person, split and label (used in train only).
    recording_of_clip : int [clips]
        Row of each clip's recording.
    statistics : sequence of ClipStatistics
        One a clip.
    settings : Settings
        Settings of the cohort.
    pulse : sequence of PulseStatistics, optional
        One a clip; adds the models that know the pulse.
    audio : sequence of (int, float), optional
        Number of vectors with a voice of each clip, and the mean of their drive; adds the models that know the sound.

    Returns
    -------
    DataFrame
        Columns recording_id, model, score.
    """
    oracle = Oracle(recordings, recording_of_clip, statistics, settings, pulse, audio)
    posteriors = {"signal": oracle.signal(), "people": oracle.people()}
    if pulse is not None:
        posteriors |= {"pulse": oracle.pulse_only(), "both": oracle.both(), "both_people": oracle.both_people()}
    if audio is not None:
        posteriors |= {"audio": oracle.audio_only()} | ({} if pulse is None else {"all": oracle.all()})
    scores = []
    for knows, posterior in posteriors.items():
        median = oracle.labels[np.argmax(np.cumsum(posterior, axis=1) >= 0.5 - 1e-12, axis=1)]
        scores += [(f"oracle_{knows}_median", median), (f"oracle_{knows}_mean", posterior @ oracle.labels)]
    tables = [pd.DataFrame({"recording_id": recordings["recording_id"], "model": m, "score": s}) for m, s in scores]
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True, eq=False)
class Oracle:
    """Posteriors over the labels of all recordings; parameters as for `references`."""

    recordings: pd.DataFrame
    recording_of_clip: np.ndarray
    statistics: Sequence[ClipStatistics]
    settings: Settings
    pulse: Sequence[PulseStatistics] | None = None
    audio: Sequence[tuple[int, float]] | None = None

    @cached_property
    def labels(self) -> np.ndarray:
        """Every label of the scale, float64 [K]."""
        return np.arange(self.settings.low, self.settings.high + 1.0)

    @cached_property
    def label_given_u(self) -> np.ndarray:
        """p(y | u), float64 [U, K]."""
        return label_given_severity(severity(grid(_STEPS), self.settings), self.labels, self.settings.label_noise)

    def signal(self) -> np.ndarray:
        """Return p(y | the recording's features), float64 [recordings, K]."""
        return self._labels_given(self._signal)

    def pulse_only(self) -> np.ndarray:
        """Return p(y | the recording's pulse), float64 [recordings, K]."""
        return self._labels_given(self._pulse + self._segments)

    def both(self) -> np.ndarray:
        """Return p(y | the recording's features and pulse), float64 [recordings, K]."""
        # The number of segments adds nothing about a clip's length to the number of its frames.
        return self._labels_given(self._signal + self._pulse)

    def audio_only(self) -> np.ndarray:
        """Return p(y | the recording's sound), float64 [recordings, K]."""
        return self._labels_given(self._audio)

    def all(self) -> np.ndarray:
        """Return p(y | the recording's features, pulse and sound), float64 [recordings, K]."""
        return self._labels_given(self._signal + self._pulse + self._audio)

    def _labels_given(self, log: np.ndarray) -> np.ndarray:
        """Return p(y | data), float64 [recordings, K], from log p(data | u) [recordings, U]."""
        weights = normal_weights(grid(_STEPS))
        return normalised(np.exp(log - log.max(axis=1, keepdims=True)) * weights) @ self.label_given_u

    def people(self) -> np.ndarray:
        """Return p(y | features, other training recordings of the same person), float64 [recordings, K]."""
        o = grid(_OFFSET_STEPS)
        return self._knowing_people(
            self.signal(), _PERSON_STEPS, normal_weights(o), lambda row: self._given_offset(row, o)
        )

    def both_people(self) -> np.ndarray:
        """Return the same as `people` from features and pulse, float64 [recordings, K]."""
        o = grid(_OFFSET_STEPS_OF_BOTH)
        weights = normal_weights(o)

        def given(row: int) -> np.ndarray:
            pairs = self._given_offset(row, o)[:, :, None] * self._pulse_given_offset(row, o)[:, None, :]
            return pairs.reshape(_STEPS, -1)

        pairs = (weights[:, None] * weights).ravel()
        return self._knowing_people(self.both(), _PERSON_STEPS_OF_BOTH, pairs, given)

    def _knowing_people(
        self, posterior: np.ndarray, steps: int, weights: np.ndarray, given: Callable[[int], np.ndarray]
    ) -> np.ndarray:
        """Update `posterior` with the training recordings of the same person.

        steps: grid of the person's severity. weights: [O], of the person's offsets. given(row): p(data | u, offsets) up
        to a factor, float64 [U, O].
        """
        person, train = self.recordings["person"].to_numpy(), (self.recordings["split"] == "train").to_numpy()
        u, a = grid(_STEPS), grid(steps)
        within = self.settings.within_person
        u_given_a = kernel(u, np.sqrt(within) * a, 1 - within)  # [A, U]
        prior = normal_weights(a)[:, None] * weights
        known: dict[int, np.ndarray] = {}
        for row in range(len(person)):
            others = np.flatnonzero(train & (person == person[row]))
            others = others[others != row]
            if not len(others):
                continue
            belief = np.log(prior)
            for other in others:
                if other not in known:
                    seen = given(other) * self._label_likelihood(other)[:, None]
                    known[other] = np.log(np.maximum(u_given_a @ seen, 1e-300))
                belief = belief + known[other]
            belief = np.exp(belief - belief.max())  # [A, O]
            over_u = np.einsum("uo,uo->u", u_given_a.T @ belief, given(row))
            posterior[row] = normalised(over_u) @ self.label_given_u
        return posterior

    def _label_likelihood(self, row: int) -> np.ndarray:
        return self.label_given_u[:, int(self.recordings["label"].iloc[row]) - self.settings.low]

    def _given_offset(self, row: int, o: np.ndarray) -> np.ndarray:
        """Return p(D | u, o) up to a factor, float64 [U, O]."""
        log = self._others[row][:, None] + self._offset(self._level, self.settings.signal.coupling("level"), row, o)
        return np.exp(log - log.max())

    def _pulse_given_offset(self, row: int, o: np.ndarray) -> np.ndarray:
        """Return p(q | u, o) up to a factor, float64 [U, O]."""
        assert self.settings.pulse is not None
        log = self._offset(self._pulse_drive, self.settings.pulse.coupling, row, o)
        return np.exp(log - log.max())

    def _offset(
        self, drive: tuple[np.ndarray, np.ndarray, np.ndarray], coupling: float, row: int, o: np.ndarray
    ) -> np.ndarray:
        mean, variance, offset = (value[row] for value in drive)
        return log_normal(mean, coupling * grid(_STEPS)[:, None] + offset * o, variance)

    @cached_property
    def _signal(self) -> np.ndarray:
        """log p(features | u) up to a number for each recording, float64 [recordings, U]."""
        return self._others + _log_drive(self._level, self.settings.signal.coupling("level"))

    @cached_property
    def _pulse(self) -> np.ndarray:
        """log p(pulse without its length | u) up to a number for each recording, float64 [recordings, U]."""
        assert self.settings.pulse is not None
        return _log_drive(self._pulse_drive, self.settings.pulse.coupling)

    @cached_property
    def _pulse_drive(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert self.pulse is not None and self.settings.pulse is not None
        clips = [(clip.kept, clip.mean) for clip in self.pulse]
        shares = pulses.PERSON, pulses.SESSION, pulses.CLIP
        return self._drive(clips, self.settings.pulse.coupling, shares, pulses.NOISE)

    @cached_property
    def _audio(self) -> np.ndarray:
        """log p(sound without its length | u) up to a number for each recording, float64 [recordings, U]."""
        assert self.audio is not None and self.settings.audio is not None
        coupling, shares = self.settings.audio.coupling, (sounds.PERSON, sounds.SESSION, sounds.CLIP)
        return _log_drive(self._drive(self.audio, coupling, shares, sounds.NOISE), coupling)

    @cached_property
    def _segments(self) -> np.ndarray:
        """log p(number of segments | u), float64 [recordings, U]."""
        assert self.pulse is not None and self.settings.pulse is not None
        u = grid(_STEPS)
        log = np.zeros((len(self.recordings), _STEPS))
        if self.settings.duration_leak:
            per_segment = self.settings.pulse.segment * self.settings.fps / self.settings.signal.block
            for row, clip in zip(self.recording_of_clip, self.pulse, strict=True):
                low = clip.segments * per_segment
                high = np.nextafter((clip.segments + 1) * per_segment, 0)
                log[row] += log_length(math.ceil(low), math.floor(high), u, self.settings)
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
        """Return m, V and p of each recording: mean of its clips' drives, its variance, SD of the person's offset.

        clips: number of frames (segments) that show a clip's drive, and their mean. shares: parts of the drive's jitter
        that belong to the person, the session and the clip. noise: variance of one frame about the clip's drive.
        """
        spread = 1 - coupling**2
        of_person, of_session, of_clip = shares
        precision, weighted = np.zeros(len(self.recordings)), np.zeros(len(self.recordings))
        for row, (seen, mean) in zip(self.recording_of_clip, clips, strict=True):
            if seen:
                clip_precision = 1 / (spread * of_clip + noise / seen)
                precision[row] += clip_precision
                weighted[row] += clip_precision * mean
        # A recording without valid frames says nothing: any mean with a vast variance.
        variance = np.where(precision > 0, 1 / np.maximum(precision, 1e-300), 1e12)
        offset = np.full(len(variance), np.sqrt(spread * of_person))
        return weighted / np.maximum(precision, 1e-300), variance + spread * of_session, offset

    @cached_property
    def _others(self) -> np.ndarray:
        """log p(order, events, lengths | u) up to a number for each recording, float64 [recordings, U]."""
        u = grid(_STEPS)
        tempo, burst, length = (np.zeros((len(self.recordings), _STEPS)) for _ in range(3))
        for row, clip in zip(self.recording_of_clip, self.statistics, strict=True):
            tempo[row] += log_order(clip, u)
            chance = signals.burst_probability(u)
            burst[row] += xlogy(clip.events, chance) + xlogy(clip.blocks - clip.events, 1 - chance)
            if self.settings.duration_leak:
                blocks = clip.frames // self.settings.signal.block
                length[row] += log_length(blocks, blocks, u, self.settings)
        for name, drive in (("tempo", tempo), ("burst", burst)):
            coupling = self.settings.signal.coupling(name)
            drive -= drive.max(axis=1, keepdims=True)
            given_u = np.exp(drive) @ kernel(u, coupling * u, 1 - coupling**2).T
            length += np.log(np.maximum(given_u, 1e-300))
        return length


def _log_drive(drive: tuple[np.ndarray, np.ndarray, np.ndarray], coupling: float) -> np.ndarray:
    """log p(mean of a drive | u) up to a number, over the person's offset, float64 [recordings, U]."""
    mean, variance, offset = drive
    return log_normal(mean[:, None], coupling * grid(_STEPS), (variance + offset**2)[:, None])
