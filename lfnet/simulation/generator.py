"""Feature vectors of a simulated cohort, generated clip by clip on demand and independent of the order of calls."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from lfnet.fingerprints import digest, source_digest
from lfnet.simulation import oracle, signals
from lfnet.simulation.audio import SimulatedAudio, read_audio
from lfnet.simulation.filming import MOVED
from lfnet.simulation.people import Truth, stream
from lfnet.simulation.pulse import Planted, SimulatedPulse, read_pulse
from lfnet.simulation.settings import Settings
from lfnet.simulation.signals import ClipStatistics, read_statistics

__all__ = ["SimulatedFeatures"]

# Parts of a face vector without signal, in shares of its squared length: common to all faces, the person, the session,
# a slow drift (pose, light), and noise. Frames of one person on two days have cosine .6 (plus the signal that they
# share), frames of two people .1.
_COMMON, _PERSON, _SESSION, _DRIFT, _NOISE = 0.1, 0.5, 0.12, 0.05, 0.23
# Correlation of the drift from one block to the next, for blocks of 32 frames.
_DRIFT_MEMORY, _DRIFT_FRAMES = 0.9, 32
# Mean length of a run of frames in which the face is lost.
_LOST_RUN = 15


class SimulatedFeatures:
    """Features of a simulated cohort with their ground truth; implements `lfnet.cohorts.cohort.OwnFeatures`.

    Parameters
    ----------
    settings : Settings
        Settings of the cohort.
    truth : Truth
        Its true severities, drives and lengths.

    Attributes
    ----------
    more : tuple
        The streams of pulse and sound, where the cohort has them.
    """

    stream = "simulated"

    def __init__(self, settings: Settings, truth: Truth) -> None:
        self.settings = settings
        self.truth = truth
        # Frames do not depend on the pulse: other pulse settings need no new frames.
        drawn = {name: value for name, value in settings.drawn().items() if name != "pulse"}
        self.recipe = digest({"settings": drawn, "code": source_digest(["lfnet.simulation"])})
        self.more: tuple[SimulatedPulse | SimulatedAudio, ...] = ()
        if settings.pulse is not None:
            self.more += (SimulatedPulse(settings, truth),)
        if settings.audio is not None:
            self.more += (SimulatedAudio(settings, truth),)
        self._row = {clip: row for row, clip in enumerate(truth.clips["clip_id"])}
        self._statistics: dict[str, ClipStatistics] = {}

    def resplit(self, split_of: Mapping[str, str]) -> "SimulatedFeatures":
        """Return the vectors of these recordings (recording_id → split); oracles then know the new training split."""
        recordings = self.truth.recordings
        splits = [split_of.get(name, "left out") for name in recordings["recording_id"]]
        other = copy(self)
        other.truth = replace(self.truth, recordings=recordings.assign(split=splits))
        owner = recordings["recording_id"].to_numpy()[self.truth.clips["recording"]]
        other._row = {clip: row for clip, row in self._row.items() if owner[row] in split_of}
        return other

    @cached_property
    def basis(self) -> np.ndarray:
        """The orthonormal signal directions S, float64 [D, 6]."""
        random = stream(self.settings.seed, "space", 0)
        basis, _ = np.linalg.qr(random.standard_normal((self.settings.dim, signals.DIRECTIONS)))
        return np.ascontiguousarray(basis)

    @cached_property
    def _filming_directions(self) -> np.ndarray:
        """The orthonormal directions in which place and size of the face move a vector, float64 [D, 3]."""
        random = stream(self.settings.seed, "space", 2)
        return np.asarray(np.linalg.qr(random.standard_normal((self.settings.dim, len(MOVED))))[0])

    def source(self, clip_id: str) -> str:
        """Return a digest of what determines the clip's vectors: the recipe and the clip's true drives and length."""
        clip, recording = self._of(clip_id)
        drives = [float(clip["level"]), float(recording["tempo"]), float(recording["burst"])]
        return digest({"recipe": self.recipe, "clip": clip_id, "frames": int(clip["n_frames"]), "drives": drives})

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Generate a clip.

        Parameters
        ----------
        clip_id : str
            Id of the clip.

        Returns
        -------
        features : float32 [T, D]
            Vectors of unit length; NaN where the face is lost.
        valid : bool [T]
            Whether the face is seen.
        time : float64 [T]
            Seconds.

        Raises
        ------
        KeyError
            The clip is not in the cohort.
        """
        row = self._row[clip_id]
        clip, recording = self._of(clip_id)
        frames, block = int(clip["n_frames"]), self.settings.signal.block
        random = stream(self.settings.seed, "clip", row, 0)
        raw = np.empty((frames, signals.DIRECTIONS))
        raw[:, signals.LEVEL] = clip["level"] + signals.LEVEL_NOISE * random.standard_normal(frames)
        chance = float(signals.burst_probability(recording["burst"]))
        raw[:, signals.BURST] = signals.burst_coordinate(frames, block, chance, random)
        raw[:, signals.TEMPO] = signals.tempo_coordinates(frames, block, random)
        chance = float(signals.tempo_probability(recording["tempo"]))
        order = signals.playing_order(frames, block, chance, random)
        features = self._vectors(raw, row, int(recording["person"]), int(clip["recording"]))[order]
        valid = self._valid(frames, row)
        features[~valid] = np.nan
        if clip_id not in self._statistics:
            self._statistics[clip_id] = read_statistics(features, valid, self.basis, self.settings.signal)
        return features, valid, np.arange(frames) / self.settings.fps

    def statistics(
        self, read: Callable[[str], tuple[np.ndarray, np.ndarray]] | None = None
    ) -> dict[str, ClipStatistics]:
        """Return the sufficient statistics of each clip; `read` is as for `references`."""
        if read is not None:
            return {clip: read_statistics(*read(clip), self.basis, self.settings.signal) for clip in self._row}
        for clip in self._row:
            if clip not in self._statistics:
                self.clip(clip)
        return {clip: self._statistics[clip] for clip in self._row}

    def references(
        self,
        read: Callable[[str], tuple[np.ndarray, np.ndarray]] | None = None,
        read_segments: Callable[[str], tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> pd.DataFrame:
        """Return the oracles' scores of all recordings.

        Parameters
        ----------
        read : callable, optional
            clip_id → (features, valid), for features that are on disk already. By default features are generated, once.
        read_segments : callable, optional
            The same for the pulse. Without it the models that see the pulse are left out.

        Returns
        -------
        DataFrame
            Columns recording_id, model, score (points of the scale). Models: oracle_signal_median, oracle_signal_mean,
            oracle_people_median, oracle_people_mean, and with `read_segments` the same of oracle_pulse, oracle_both
            and oracle_both_people; with sound, of oracle_audio and, with both, oracle_all (`lfnet.simulation.oracle`).
        """
        statistics = list(self.statistics(read).values())
        pulse = None
        if read_segments is not None and self.settings.pulse is not None:
            planted = Planted(self.settings.pulse)
            pulse = [read_pulse(*read_segments(clip), planted) for clip in self._row]
        recording_of_clip = self.truth.clips["recording"].to_numpy()[list(self._row.values())]
        heard = None
        for own in self.more:
            if isinstance(own, SimulatedAudio):
                heard = [read_audio(*own.clip(clip)[:2], own.direction) for clip in self._row]
        return oracle.references(self.truth.recordings, recording_of_clip, statistics, self.settings, pulse, heard)

    def _of(self, clip_id: str) -> tuple[pd.Series, pd.Series]:
        clip = self.truth.clips.iloc[self._row[clip_id]]
        return clip, self.truth.recordings.iloc[clip["recording"]]

    def _vectors(self, raw: np.ndarray, row: int, person: int, recording: int) -> np.ndarray:
        """Return unit vectors [T, D] with raw coordinates [T, 6] along the signal directions and noise elsewhere."""
        settings, dim = self.settings, self.settings.dim
        frames, block = len(raw), settings.signal.block
        blocks = frames // block
        random = stream(settings.seed, "clip", row, 1)
        # The expected squared length of each part is its share; identity scales the person's part.
        common, own, sitting = (
            stream(settings.seed, *key).standard_normal(dim) / np.sqrt(dim)
            for key in (("space", 1), ("person", person), ("session", recording))
        )
        fixed = np.sqrt(_COMMON) * common + settings.identity * np.sqrt(_PERSON) * own + np.sqrt(_SESSION) * sitting
        if self.truth.filming is not None and settings.filming is not None and settings.filming.moves:
            z = self.truth.filming.loc[recording, [f"moved_{name}" for name in MOVED]].to_numpy(float)
            fixed = fixed + settings.filming.moves * self._filming_directions @ z
        slow = fixed + np.sqrt(_DRIFT / dim) * _drift(blocks, dim, _DRIFT_MEMORY ** (block / _DRIFT_FRAMES), random)
        noise = random.standard_normal((blocks, block, dim), dtype=np.float32)
        noise *= np.float32(np.sqrt(_NOISE / dim))
        noise += slow[:, None].astype(np.float32)
        vectors = noise.reshape(frames, dim)
        # x = (n + A S r) / √(1 + |A r|²), n = (1 − SSᵀ) noise / |…|, in one pass over the large array.
        basis = self.basis.astype(np.float32)
        moved = raw * signals.amplitudes(settings.signal.amplitudes)
        inside = vectors @ basis
        length = np.sqrt(np.einsum("td,td->t", vectors, vectors) - np.einsum("tk,tk->t", inside, inside))
        whole = np.sqrt(1 + np.sum(moved**2, axis=1))
        scale = (1 / (length * whole)).astype(np.float32)
        vectors *= scale[:, None]
        vectors += ((moved / whole[:, None]).astype(np.float32) - inside * scale[:, None]) @ basis.T
        return vectors

    def _valid(self, frames: int, row: int) -> np.ndarray:
        """Draw runs of lost frames, on average the share `lost_frames`, bool [T]; at least one frame stays valid."""
        share = self.settings.lost_frames
        if share == 0:
            return np.ones(frames, bool)
        random = stream(self.settings.seed, "lost", row)
        lost = np.zeros(frames, bool)
        # A two-state Markov chain in its stationary state; the face is lost again with this probability a frame.
        again = min(1.0, share / (1 - share) / _LOST_RUN)
        position = 0 if random.random() < share else random.geometric(again)
        while position < frames:
            run = random.geometric(1 / _LOST_RUN)
            lost[position : position + run] = True
            position += run + random.geometric(again)
        return ~lost if not lost.all() else np.ones(frames, bool)


def _drift(blocks: int, dim: int, memory: float, random: np.random.Generator) -> np.ndarray:
    """Draw a stationary autoregression of unit variance, one step a block, float64 [blocks, D]."""
    steps = random.standard_normal((blocks, dim))
    for block in range(1, blocks):
        steps[block] = memory * steps[block - 1] + np.sqrt(1 - memory**2) * steps[block]
    return steps
