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

A training recording's own label is never used for its own prediction. All sums run over fine, even grids, where they
are exact far beyond what a score shows (tests/simulation compares them with Monte Carlo integration).
The median of the posterior has the least expected absolute error, its mean the least expected squared error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtr, xlogy

from lfnet.simulation import signals
from lfnet.simulation.people import block_bounds, severity
from lfnet.simulation.settings import Settings
from lfnet.simulation.statistics import ClipStatistics

__all__ = ["MODELS", "Oracle", "references"]

MODELS = ("oracle_signal_median", "oracle_signal_mean", "oracle_people_median", "oracle_people_mean")

_REACH = 5.0
_STEPS = 1001  # of u and of drives
_PERSON_STEPS = 101  # of the person's severity
_OFFSET_STEPS = 61  # of the person's level offset


def references(
    recordings: pd.DataFrame, recording_of_clip: np.ndarray, statistics: Sequence[ClipStatistics], settings: Settings
) -> pd.DataFrame:
    """The oracles' answers: recording_id, model (one of `MODELS`), score; a function of statistics and training labels.

    recordings: recording_id, person, split and label (read in train only). recording_of_clip: int [clips], row of each
    clip's recording. statistics: one a clip.
    """
    oracle = Oracle(recordings, recording_of_clip, statistics, settings)
    scores = []
    for knows, posterior in (("signal", oracle.signal()), ("people", oracle.people())):
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
        u = _grid(_STEPS)
        mean, variance, offset = self._level
        coupling = self.settings.signal.coupling("level")
        log = self._others + _log_normal(mean[:, None], coupling * u, (variance + offset**2)[:, None])
        return _normalised(np.exp(log - log.max(axis=1, keepdims=True)) * _weights(u)) @ self.label_given_u

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
    def _level(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """m, V and p of each recording: weighted mean of its clips' levels, its variance, SD of the person's offset."""
        spread = 1 - self.settings.signal.coupling("level") ** 2
        precision, weighted = np.zeros(len(self.recordings)), np.zeros(len(self.recordings))
        for row, clip in zip(self.recording_of_clip, self.statistics, strict=True):
            if clip.seen:
                clip_precision = 1 / (spread * signals.CLIP_SHARE + signals.LEVEL_NOISE**2 / clip.seen)
                precision[row] += clip_precision
                weighted[row] += clip_precision * clip.level
        # A recording without a face says nothing: any mean with a vast variance.
        variance = np.where(precision > 0, 1 / np.maximum(precision, 1e-300), 1e12)
        offset = np.full(len(variance), np.sqrt(spread * signals.PERSON_SHARE))
        return weighted / np.maximum(precision, 1e-300), variance + spread * signals.SESSION_SHARE, offset

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
                length[row] += _log_length(clip.frames, u, self.settings)
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


def _log_length(frames: int, u: np.ndarray, settings: Settings) -> np.ndarray:
    """log p(frames | u), frames rounded to whole blocks and held between the least and the most."""
    blocks, (least, most) = frames // settings.signal.block, block_bounds(settings)
    edges = np.array([-np.inf if blocks <= least else blocks - 0.5, np.inf if blocks >= most else blocks + 0.5])
    inner = np.isfinite(edges)
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
