"""Simulated vectors of sound, drawn directly and not from a sound track.

One drive of unit variance for each clip, and vectors x_t about it along a direction e; p, r and n are standard normal
vectors of the person, the recording and the moment, each h a standard normal number::

    d_c = κ u_r + √(1 − κ²) (√.4 h_p + √.4 h_r + √.2 h_c),      κ = strength / √(1 + strength²)
    x_t = (d_c + 2 h_t) e + (1 − e eᵀ) (p + .5 r + n_t)

eᵀx_t recovers the drive with its noise, and the rest is independent of severity given the person, so that the mean of
eᵀx_t over a clip is sufficient (`oracle`). A voice comes and goes in stretches of about two seconds; vectors without
one are invalid. Clips without sound are drawn regardless of severity.
"""

from dataclasses import asdict
from functools import cached_property

import numpy as np

from lfnet.fingerprints import digest, source_digest
from lfnet.simulation.people import Truth, stream
from lfnet.simulation.settings import Audio, Settings

__all__ = ["CLIP", "NOISE", "PERSON", "SESSION", "SimulatedAudio", "read_audio"]

# Shares of the drive's variance at equal severity that belong to the person, the session and the clip.
PERSON, SESSION, CLIP = 0.4, 0.4, 0.2
# Variance of one vector about the clip's drive.
NOISE = 4.0
_STRETCH = 2.0  # seconds of speech, on average


class SimulatedAudio:
    """The stream "audio" of a simulated cohort; implements `lfnet.cohorts.cohort.OwnFeatures`.

    Parameters
    ----------
    settings : Settings
        Settings of the cohort, with `audio`.
    truth : Truth
        Its true severities and lengths.
    """

    stream = "audio"
    more: tuple["SimulatedAudio", ...] = ()
    meta = {"sound": "true"}  # noqa: RUF012  never changed

    def __init__(self, settings: Settings, truth: Truth) -> None:
        assert settings.audio is not None
        self.settings, self.audio, self.truth = settings, settings.audio, truth
        code = source_digest(["lfnet.simulation"])
        parts = {"settings": settings.drawn(), "audio": asdict(settings.audio), "code": code}
        self.recipe = digest({"stream": self.stream, **parts})
        self._row = {clip: row for row, clip in enumerate(truth.clips["clip_id"])}

    @cached_property
    def direction(self) -> np.ndarray:
        """e, the direction of the drive, float64 [D], of length 1."""
        drawn = stream(self.settings.seed, "audio", 0).standard_normal(self.audio.dim)
        return np.asarray(drawn / np.linalg.norm(drawn))

    def source(self, clip_id: str) -> str:
        """Return a digest of what determines the clip's vectors: the recipe, its drive and its length."""
        row = self._row[clip_id]
        frames = int(self.truth.clips["n_frames"].iloc[row])
        return digest({"recipe": self.recipe, "clip": clip_id, "frames": frames, "drive": float(self._drive[row])})

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Generate a clip.

        Parameters
        ----------
        clip_id : str
            Id of the clip.

        Returns
        -------
        features : float32 [T, D]
            NaN where there is no voice.
        valid : bool [T]
            Whether there is a voice.
        time : float64 [T]
            Seconds.

        Raises
        ------
        KeyError
            The clip is not in the cohort.
        """
        row, made = self._row[clip_id], self.audio
        recording = int(self.truth.clips["recording"].iloc[row])
        person = int(self.truth.recordings["person"].iloc[recording])
        seconds = int(self.truth.clips["n_frames"].iloc[row]) / self.settings.fps
        count = max(1, int(seconds * made.rate))
        random = stream(self.settings.seed, "audio", 1, row)
        along = self._drive[row] + np.sqrt(NOISE) * random.standard_normal(count)
        own, sitting = (
            stream(self.settings.seed, "audio", level, index).standard_normal(made.dim)
            for level, index in ((2, person), (3, recording))
        )
        rest_TD = own + 0.5 * sitting + random.standard_normal((count, made.dim))
        e = self.direction
        x_TD = (rest_TD + (along - rest_TD @ e)[:, None] * e).astype(np.float32)
        valid = _voice(count, made, random)
        if random.random() < made.lost_clips:
            valid[:] = False
        x_TD[~valid] = np.nan
        return x_TD, valid, (0.5 + np.arange(count)) / made.rate

    @cached_property
    def _drive(self) -> np.ndarray:
        """d_c, float64 [clips]."""
        recording = self.truth.clips["recording"].to_numpy()
        person = self.truth.recordings["person"].to_numpy()[recording]
        random = stream(self.settings.seed, "audio", 4)
        parts = (
            (PERSON, random.standard_normal(self.settings.n_people)[person]),
            (SESSION, random.standard_normal(self.settings.n_recordings)[recording]),
            (CLIP, random.standard_normal(len(recording))),
        )
        jitter = sum(np.sqrt(share) * drawn for share, drawn in parts)
        u = self.truth.recordings["u"].to_numpy(float)[recording]
        coupling = self.audio.coupling
        return np.asarray(coupling * u + np.sqrt(1 - coupling**2) * jitter)


def read_audio(x_TD: np.ndarray, valid_T: np.ndarray, direction_D: np.ndarray) -> tuple[int, float]:
    """Read a clip's number of vectors with a voice, and the mean of their drive; 0 for none."""
    if not valid_T.any():
        return 0, 0.0
    return int(valid_T.sum()), float((x_TD[valid_T].astype(np.float64) @ direction_D).mean())


def _voice(count: int, made: Audio, random: np.random.Generator) -> np.ndarray:
    """Draw stretches of voice and of silence, bool [T]; at least one vector has a voice."""
    if made.voice == 1:
        return np.ones(count, bool)
    spoken = max(1.0, _STRETCH * made.rate)
    silent = spoken * (1 - made.voice) / made.voice
    speaks = random.random() < made.voice
    valid = np.zeros(count, bool)
    place = 0
    while place < count:
        length = max(1, round(random.exponential(spoken if speaks else silent)))
        valid[place : place + length] = speaks
        place, speaks = place + length, not speaks
    valid[int(random.integers(count))] = True
    return valid
