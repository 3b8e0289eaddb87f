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
}


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
        if values.get("tasks") is not None:
            values["tasks"] = tuple(values["tasks"])
        protocol = cls(
            **{
                **values,
                "aggregate": Aggregate(**values.get("aggregate", {})),
                "select": Select(**values.get("select", {})),
                "health": Health(**values.get("health", {})),
            }
        )
        protocol._check()
        return protocol

    def _check(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise LfnetError(f"protocol.{name}={getattr(self, name)}: choose one of {', '.join(choices)}.")
        for level, how in (("clip", self.aggregate.clip), ("recording", self.aggregate.recording)):
            if how not in ("mean", "median"):
                raise LfnetError(f"protocol.aggregate.{level}={how}: choose mean or median.")
        if self.health.unusable not in ("refuse", "drop"):
            raise LfnetError(f"protocol.health.unusable={self.health.unusable}: choose refuse or drop.")
        if self.select.split not in ("dev", "test"):
            raise LfnetError(f"protocol.select.split={self.select.split}: choose dev (or test, which marks the row).")
        if self.select.level not in ("window", "clip", "recording"):
            raise LfnetError(f"protocol.select.level={self.select.level}: choose window, clip or recording.")
        for name in ("window", "hop"):
            if getattr(self, name) < 1:
                raise LfnetError(f"protocol.{name}={getattr(self, name)}: it must be at least one frame.")
        if self.length is not None and self.length < self.window:
            raise LfnetError(
                f"protocol.length={self.length} is shorter than protocol.window={self.window}: "
                "make the window shorter or the length longer."
            )
