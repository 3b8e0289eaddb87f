"""How clips become windows and windows become scores: `conf/protocol/*.yaml` as a checked value."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from lfnet.errors import LfnetError

How = Literal["mean", "median"]

__all__ = ["Aggregate", "Health", "Protocol", "Select"]

_CHOICES = {
    "tail": ("cover", "drop"),
    "missing": ("zero", "random"),
    "frames": ("in_order", "shuffled", "reversed"),
    "test_frames": (None, "in_order", "shuffled", "reversed"),
    "labels": ("given", "permuted"),
}

_NUMBERS: dict[str, tuple[Any, int]] = {"window": (int, 1), "hop": (int, 1), "length": (int, 1), "segment": (int, 1)}


@dataclass(frozen=True)
class Aggregate:
    """How windows become a clip's score, and clips a recording's: mean or median."""

    clip: How = "mean"
    recording: How = "mean"


@dataclass(frozen=True)
class Select:
    """Where the best epoch is chosen: a split, a metric, a level (window, clip or recording)."""

    split: str = "dev"
    metric: str = "mae"
    level: str = "recording"


@dataclass(frozen=True)
class Health:
    """Which clips are unusable, and whether that stops the job (refuse) or only them (drop)."""

    min_coverage: float = 0.05
    unusable: str = "refuse"


@dataclass(frozen=True)
class Protocol:
    """The settings of one protocol; `conf/protocol/masked.yaml` says what each means. Lengths are in frames."""

    name: str
    window: int
    hop: int
    length: int | None = None
    tail: str = "cover"
    mask: bool = True
    missing: str = "zero"
    min_valid: float = 0.0
    tasks: tuple[str, ...] | None = None
    frames: str = "in_order"
    test_frames: str | None = None
    labels: str = "given"
    segment: int = 500
    aggregate: Aggregate = field(default_factory=Aggregate)
    select: Select = field(default_factory=Select)
    health: Health = field(default_factory=Health)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Protocol":
        """Build from the resolved `protocol` node. Raises `LfnetError` naming the setting that is wrong."""
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(config) - known):
            names = ", ".join(sorted(known))
            raise LfnetError(f"protocol.{unknown[0]} is not a setting of a protocol. Known: {names}.")
        values = dict(config)
        for name, (kind, least) in _NUMBERS.items():
            value = values.get(name)
            if (value is None and name == "length") or (name == "segment" and name not in values):
                continue
            if not isinstance(value, kind) or isinstance(value, bool) or value < least:
                raise LfnetError(f"protocol.{name}={value}: give a number of {least} or more.")
        if not isinstance(values.get("mask", True), bool):
            raise LfnetError(f"protocol.mask={values['mask']}: give true or false.")
        if isinstance(values.get("tasks"), str):
            values["tasks"] = [values["tasks"]]
        if values.get("tasks") is not None:
            values["tasks"] = tuple(values["tasks"])
        protocol = cls(
            **{
                **values,
                **{
                    name: _part(kind, name, values.get(name) or {})
                    for name, kind in (("aggregate", Aggregate), ("select", Select), ("health", Health))
                },
            }
        )
        protocol._check()
        return protocol

    def frames_in(self, split: str) -> str:
        """The order in which the frames of a split's clips are served."""
        return self.test_frames if split == "test" and self.test_frames is not None else self.frames

    def _check(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                known = ", ".join("null" if choice is None else choice for choice in choices)
                raise LfnetError(f"protocol.{name}={getattr(self, name)}: choose one of {known}.")
        for level, how in (("clip", self.aggregate.clip), ("recording", self.aggregate.recording)):
            if how not in ("mean", "median"):
                raise LfnetError(f"protocol.aggregate.{level}={how}: choose mean or median.")
        if self.health.unusable not in ("refuse", "drop"):
            raise LfnetError(f"protocol.health.unusable={self.health.unusable}: choose refuse or drop.")
        if self.select.split not in ("dev", "test"):
            raise LfnetError(f"protocol.select.split={self.select.split}: choose dev (or test, which marks the row).")
        if self.select.level not in ("window", "clip", "recording"):
            raise LfnetError(f"protocol.select.level={self.select.level}: choose window, clip or recording.")
        if self.hop > self.window:
            raise LfnetError(
                f"protocol.hop={self.hop} is longer than protocol.window={self.window}: frames between windows would "
                "never be read."
            )
        if not 0 <= self.min_valid <= 1:
            raise LfnetError(f"protocol.min_valid={self.min_valid}: give a share from 0 to 1.")
        if not isinstance(self.health.min_coverage, int | float) or not 0 <= self.health.min_coverage <= 1:
            raise LfnetError(f"protocol.health.min_coverage={self.health.min_coverage}: give a share from 0 to 1.")
        if self.length is not None and self.length < self.window:
            raise LfnetError(
                f"protocol.length={self.length} is shorter than protocol.window={self.window}: "
                "make the window shorter or the length longer."
            )


def _part(kind: Any, name: str, values: Any) -> Any:
    known = {item.name for item in fields(kind)}
    if not isinstance(values, dict) or (unknown := sorted(set(values) - known)):
        wrong = f".{unknown[0]}" if isinstance(values, dict) else f"={values}"
        raise LfnetError(f"protocol.{name}{wrong} is not a setting. Known: {', '.join(sorted(known))}.")
    return kind(**values)
