"""What a simulated cohort can be told, checked, and what follows from it at once."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lfnet.errors import LfnetError

__all__ = ["MECHANISMS", "SIGNALS", "Duration", "Pulse", "Settings", "Signal"]

MECHANISMS = ("level", "tempo", "burst")
SIGNALS = ("none", *MECHANISMS, "mixture")
# AVEC2014: 84 people sat for 150 recordings.
_PEOPLE_PER_RECORDING = 84 / 150
_MOST_SESSIONS = 3
# Beyond it float32 would no longer tell neighbouring phases of a gesture apart without doubt.
_LONGEST_BLOCK = 256
_INVALID = ("missing", "noise")


@dataclass(frozen=True)
class Signal:
    """How severity shows in the features.

    name: none, level, tempo, burst, or mixture. strength: square root of the signal-to-noise ratio of all mechanisms
    together. block: frames of a block, the unit in which order and events are drawn. shares: of the mixture, what part
    of strength² each mechanism has (divided by their sum). amplitudes: how far one unit of a mechanism's coordinate
    moves a face vector of length 1; it changes how hard a signal is to learn, not what it says.
    """

    name: str
    strength: float
    block: int
    shares: Mapping[str, float]
    amplitudes: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.name not in SIGNALS:
            raise LfnetError(f"cohort.signal.name={self.name} is unknown. Choose one of {', '.join(SIGNALS)}.")
        _check(self.strength >= 0, f"cohort.signal.strength={self.strength} is negative. Give 0 or more.")
        _check(
            2 <= self.block <= _LONGEST_BLOCK and self.block == int(self.block),
            f"cohort.signal.block={self.block}: give a whole number of frames from 2 to {_LONGEST_BLOCK}.",
        )
        for what, values in (("shares", self.shares), ("amplitudes", self.amplitudes)):
            _check(
                set(values) == set(MECHANISMS),
                f"cohort.signal.{what} has the keys {', '.join(values)}. Give exactly {', '.join(MECHANISMS)}.",
            )
        _check(
            min(self.shares.values()) >= 0 and sum(self.shares.values()) > 0,
            f"cohort.signal.shares={dict(self.shares)}: give numbers from 0, at least one of them above 0.",
        )
        _check(
            min(self.amplitudes.values()) > 0,
            f"cohort.signal.amplitudes={dict(self.amplitudes)}: give numbers above 0 (strength=0 silences a signal).",
        )

    def coupling(self, mechanism: str) -> float:
        """κ: the correlation of a mechanism's drive with severity (on its normal scale), from 0 to below 1."""
        if self.name == "mixture":
            share = self.shares[mechanism] / sum(self.shares.values())
        else:
            share = float(self.name == mechanism)
        gain = self.strength * math.sqrt(share)
        return gain / math.hypot(1.0, gain)


@dataclass(frozen=True)
class Duration:
    """How long clips are, in seconds: log-normal about `median` with log-SD `spread`, held between min and max."""

    min: float
    max: float
    median: float
    spread: float

    def __post_init__(self) -> None:
        _check(
            0 < self.min <= self.median <= self.max and self.spread >= 0,
            f"cohort.duration={asdict(self)}: give 0 < min ≤ median ≤ max and a spread from 0.",
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """The shortest and the longest clip, in seconds."""
        return self.min, self.max


@dataclass(frozen=True)
class Pulse:
    """The physiological side; conf/cohort/simulated.yaml says what each setting means. segment: seconds."""

    strength: float
    segment: float
    lost: float
    missing: float
    invalid: str

    def __post_init__(self) -> None:
        _check(self.strength >= 0, f"cohort.pulse.strength={self.strength} is negative. Give 0 or more.")
        _check(self.segment > 0, f"cohort.pulse.segment={self.segment}: give seconds, above 0.")
        for name, value in (("lost", self.lost), ("missing", self.missing)):
            _check(0 <= value <= 1, f"cohort.pulse.{name}={value}: give a share from 0 to 1.")
        _check(self.invalid in _INVALID, f"cohort.pulse.invalid={self.invalid}: choose one of {', '.join(_INVALID)}.")

    @property
    def coupling(self) -> float:
        """κ: the correlation of what shows severity in the pulse with severity (on its normal scale)."""
        return self.strength / math.hypot(1.0, self.strength)


@dataclass(frozen=True)
class Settings:
    """All settings of a simulated cohort; conf/cohort/simulated.yaml says what each means.

    recordings: how many in each of train, dev, test. people: None stands for AVEC2014's 84 of 150. pulse: None for no
    physiological side.
    low and high: the label's scale. Raises `LfnetError` naming the setting that cannot be.
    """

    seed: int
    recordings: Mapping[str, int]
    people: int | None
    people_shared: float
    label_mean: float
    label_sd: float
    within_person: float
    label_noise: float
    signal: Signal
    identity: float
    duration: Duration
    duration_leak: float
    missing: float
    fps: float
    dim: int
    low: int
    high: int
    pulse: Pulse | None = None

    def __post_init__(self) -> None:
        splits = ("train", "dev", "test")
        _check(
            set(self.recordings) == set(splits) and min(self.recordings.values()) >= 1,
            f"cohort.recordings={dict(self.recordings)}: give each of {', '.join(splits)} at least one recording.",
        )
        _check(self.seed >= 0, f"cohort.seed={self.seed} is negative. Give a whole number from 0.")
        _check(
            1 <= self.n_people <= self.n_recordings,
            f"cohort.people={self.people}: give from 1 to {self.n_recordings}, the number of recordings, or null.",
        )
        between = {
            "people_shared": (self.people_shared, 0.0, 1.0),
            "within_person": (self.within_person, 0.0, 0.98),
            "missing": (self.missing, 0.0, 0.9),
            "duration_leak": (self.duration_leak, -0.99, 0.99),
        }
        for name, (value, least, most) in between.items():
            _check(least <= value <= most, f"cohort.{name}={value}: give a number from {least:g} to {most:g}.")
        _check(self.label_noise >= 0, f"cohort.label_noise={self.label_noise} is negative. Give 0 or more points.")
        _check(self.identity >= 0, f"cohort.identity={self.identity} is negative. Give 0 or more.")
        _check(self.fps > 0, f"cohort.fps={self.fps}: give frames per second, above 0.")
        _check(self.dim >= 16, f"cohort.dim={self.dim} leaves no room for signal and noise. Give 16 or more.")
        span, mean = self.high - self.low, self.label_mean - self.low
        _check(
            0 < mean < span and 0 < self.label_sd < math.sqrt(mean * (span - mean)),
            f"cohort.label_mean={self.label_mean} and label_sd={self.label_sd} fit no distribution on the scale from "
            f"{self.low} to {self.high}. Move the mean inside it or lower the SD.",
        )

    @property
    def n_recordings(self) -> int:
        """Recordings of all splits."""
        return sum(self.recordings.values())

    @property
    def n_people(self) -> int:
        """People of the whole cohort."""
        return max(1, round(_PEOPLE_PER_RECORDING * self.n_recordings)) if self.people is None else self.people

    @property
    def most_sessions(self) -> int:
        """The most recordings that one person may have: 3 as in AVEC2014, more where people are too few for that."""
        return max(_MOST_SESSIONS, math.ceil(self.n_recordings / self.n_people))

    @property
    def beta(self) -> tuple[float, float]:
        """The two parameters of the beta distribution of severity, on the scale moved to [0, 1]."""
        mean = (self.label_mean - self.low) / (self.high - self.low)
        total = mean * (1 - mean) / (self.label_sd / (self.high - self.low)) ** 2 - 1
        return mean * total, (1 - mean) * total

    def plain(self) -> dict[str, Any]:
        """All settings as JSON-like values, for fingerprints."""
        return asdict(self)


def _check(sound: bool, message: str) -> None:
    if not sound:
        raise LfnetError(message)
