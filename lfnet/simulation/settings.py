"""Settings of a simulated cohort (conf/cohort/simulated.yaml) and the numbers that follow from them."""

import math
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lfnet.cohorts.scale import Scale
from lfnet.config import Count, NonNegative, Positive, Share, settings

__all__ = [
    "Amplitudes",
    "Audio",
    "Duration",
    "Filming",
    "Pulse",
    "Recordings",
    "Settings",
    "Shares",
    "Signal",
]

FilmingNumber = Literal[
    "face_x",
    "face_y",
    "face_size",
    "yaw",
    "pitch",
    "roll",
    "fps",
    "resolution",
    "codec",
    "bitrate",
    "brightness",
    "sharpness",
    "noise",
    "loudness",
    "folder",
    "date",
    "sex",
    "age",
    "sound_noise",
    "sound_length",
]

# AVEC2014: 84 people in 150 recordings, at most 3 a person.
_PEOPLE_PER_RECORDING = 84 / 150
_MAX_SESSIONS = 3


@settings
class Recordings:
    """Number of recordings in each split."""

    train: Count
    dev: Count
    test: Count

    @property
    def total(self) -> int:
        """Recordings of all splits."""
        return self.train + self.dev + self.test


@settings
class Shares:
    """Part of strength² that each mechanism has in a mixture, divided by their sum."""

    level: NonNegative
    tempo: NonNegative
    burst: NonNegative


@settings
class Amplitudes:
    """How far one unit of a mechanism's coordinate moves a face vector of length 1."""

    level: Positive
    tempo: Positive
    burst: Positive


@settings
class Signal:
    """How severity shows in the features.

    Parameters
    ----------
    name : str
        Mechanism, "mixture" of all three, or "none".
    strength : float
        Square root of the signal-to-noise ratio of all mechanisms together.
    block : int
        Frames of a block, the unit in which order and events are drawn. Above 256, float32 no longer separates
        neighbouring phases of a gesture.
    shares : Shares
        Weights of the mixture.
    amplitudes : Amplitudes
        They change how hard a signal is to learn, not how much it says about severity.
    """

    name: Literal["none", "level", "tempo", "burst", "mixture"]
    strength: NonNegative
    block: Annotated[int, Field(ge=2, le=256)]
    shares: Shares
    amplitudes: Amplitudes

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(asdict(self.shares).values()) == 0:
            raise ValueError(".shares: all are 0: give a number above 0 to at least one.")
        return self

    def coupling(self, mechanism: str) -> float:
        """Return κ, the correlation of a mechanism's drive with severity on its normal scale, from 0 to below 1.

        Examples
        --------
        >>> equal = {"level": 1, "tempo": 1, "burst": 1}
        >>> Signal(name="level", strength=1, block=32, shares=equal, amplitudes=equal).coupling("level")
        0.7071067811865475
        """
        if self.name == "mixture":
            shares = asdict(self.shares)
            share = shares[mechanism] / sum(shares.values())
        else:
            share = float(self.name == mechanism)
        gain = self.strength * math.sqrt(share)
        return gain / math.hypot(1.0, gain)


@settings
class Duration:
    """Length of clips in seconds: log-normal about `median` with log-SD `spread`, clipped to [min, max]."""

    min: Positive
    max: Positive
    median: Positive
    spread: NonNegative

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.min <= self.median <= self.max:
            raise ValueError(f".median={self.median:g}: give seconds from min={self.min:g} to max={self.max:g}.")
        return self


@settings
class Pulse:
    """The simulated pulse stream.

    Parameters
    ----------
    strength : float
        Square root of its signal-to-noise ratio for severity.
    segment : float
        Length of a segment in seconds.
    lost_segments, lost_clips : float
        Share of segments of too poor quality, and of clips without any usable segment.
    invalid : {"missing", "noise"}
        Value of features for which a segment is too short: missing, or numbers that say nothing about severity.
    min_seconds, min_intervals : dict
        Minimum length of a segment for each feature (`lfnet.pulse.validity`).
    """

    strength: NonNegative
    segment: Positive
    lost_segments: Share
    lost_clips: Share
    invalid: Literal["missing", "noise"]
    min_seconds: dict[str, Positive]
    min_intervals: dict[str, Count]

    @property
    def coupling(self) -> float:
        """κ, the correlation of the pulse's severity direction with severity on its normal scale."""
        return self.strength / math.hypot(1.0, self.strength)


@settings
class Audio:
    """The simulated stream of sound.

    Parameters
    ----------
    strength : float
        Square root of its signal-to-noise ratio for severity.
    rate : float
        Vectors a second.
    dim : int
        Numbers of a vector.
    voice : float
        Share of the time in which there is a voice; other vectors are invalid.
    lost_clips : float
        Share of clips without sound.
    """

    strength: NonNegative
    rate: Positive
    dim: Annotated[int, Field(ge=2)]
    voice: Annotated[float, Field(gt=0, le=1)]
    lost_clips: Share

    @property
    def coupling(self) -> float:
        """κ, the correlation of the sound's drive with severity on its normal scale."""
        return self.strength / math.hypot(1.0, self.strength)


@settings
class Filming:
    """How people were filmed: numbers of place, size and pose of the face, light, camera, folder, date, sex and age.

    Parameters
    ----------
    leak : dict
        Correlation of a number with severity on its normal scale, by the number's name; others have none.
    moves : float
        How far one SD of the face's place and size moves a vector of length 1, in a direction of its own for each.
    sex_shift : float
        Points by which people of sex f score higher than their severity, which no feature shows. The bias of a model
        that cannot tell sex is then smaller by as much for f than for m.
    """

    leak: dict[FilmingNumber, Annotated[float, Field(ge=-0.99, le=0.99)]]
    moves: NonNegative
    sex_shift: float = 0.0


@settings
class Settings:
    """All settings of a simulated cohort."""

    scale: Scale
    seed: Annotated[int, Field(ge=0)]
    recordings: Recordings
    people: Count | Literal["one_each"] | None  # one_each: one recording a person
    people_shared: Share
    label_mean: float
    label_sd: Positive
    within_person: Annotated[float, Field(ge=0, le=0.98)]
    label_noise: NonNegative
    signal: Signal
    identity: NonNegative
    duration: Duration
    duration_leak: Annotated[float, Field(ge=-0.99, le=0.99)]
    lost_frames: Annotated[float, Field(ge=0, le=0.9)]
    fps: Positive
    dim: Annotated[int, Field(ge=16)]  # 6 signal directions, and room for noise
    pulse: Pulse | None = None
    audio: Audio | None = None
    filming: Filming | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_people > self.n_recordings:
            raise ValueError(
                f".people={self.people}: give a whole number from 1 to {self.n_recordings}, the number of "
                "recordings, one_each or null."
            )
        span, mean = self.high - self.low, self.label_mean - self.low
        if not 0 < mean < span:
            raise ValueError(f".label_mean={self.label_mean:g}: give points between {self.low} and {self.high}.")
        if self.label_sd >= (largest := math.sqrt(mean * (span - mean))):
            raise ValueError(
                f".label_sd={self.label_sd:g}: give points below {largest:.4g}, the largest SD of a "
                f"distribution from {self.low} to {self.high} with mean {self.label_mean:g}."
            )
        return self

    def drawn(self) -> dict[str, Any]:
        """The settings that change what is drawn: of the scale, its range and not its bands, cut-offs and sources."""
        drawn = {**asdict(self), "scale": [self.scale.min, self.scale.max]}
        if self.filming is not None and not self.filming.sex_shift:
            del drawn["filming"]["sex_shift"]  # as before there was one: the same features
        return {name: value for name, value in drawn.items() if name != "audio"}  # no other stream depends on it

    @property
    def low(self) -> int:
        """The lowest label."""
        return int(self.scale.min)

    @property
    def high(self) -> int:
        """The highest label."""
        return int(self.scale.max)

    @property
    def n_recordings(self) -> int:
        """Recordings of all splits."""
        return self.recordings.total

    @property
    def n_people(self) -> int:
        """People of the whole cohort."""
        if self.people == "one_each":
            return self.n_recordings
        return max(1, round(_PEOPLE_PER_RECORDING * self.n_recordings)) if self.people is None else self.people

    @property
    def max_sessions(self) -> int:
        """Maximum number of recordings of one person: 3 as in AVEC2014, more where people are too few for that."""
        return max(_MAX_SESSIONS, math.ceil(self.n_recordings / self.n_people))

    @property
    def beta(self) -> tuple[float, float]:
        """Parameters of the beta distribution of severity, on the scale moved to [0, 1]."""
        mean = (self.label_mean - self.low) / (self.high - self.low)
        total = mean * (1 - mean) / (self.label_sd / (self.high - self.low)) ** 2 - 1
        return mean * total, (1 - mean) * total
