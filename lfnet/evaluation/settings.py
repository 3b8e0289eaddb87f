"""The settings of evidence, as a table's yaml gives them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from lfnet.errors import LfnetError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How evidence is made.

    level: of intervals, and 1 − α of tests. margin: points of MAE that do not matter. estimand: trained, architecture,
    or auto (architecture where the seeds allow it). resamples, flips: how many. fewest_people: below it there are no
    intervals; fewest_seeds: below it there is no statement about an architecture. seed: of the resamples.
    """

    level: float = 0.95
    margin: float = 1.0
    estimand: Literal["auto", "trained", "architecture"] = "auto"
    resamples: int = 10_000
    flips: int = 10_000
    fewest_people: int = 10
    fewest_seeds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, whole = getattr(self, field.name), field.type is int
            if field.name != "estimand":
                number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
                kind = "whole number" if whole else "number"
                _check(number, f"evidence.{field.name}={value!r}: give a {kind}.")
        _check(0.5 < self.level < 1, f"evidence.level={self.level}: give a share above 0.5 and below 1, such as 0.95.")
        _check(self.margin > 0, f"evidence.margin={self.margin}: give points of the scale, above 0.")
        choices = ("auto", "trained", "architecture")
        _check(self.estimand in choices, f"evidence.estimand={self.estimand}: choose one of {', '.join(choices)}.")
        _check(self.resamples >= 200, f"evidence.resamples={self.resamples}: give 200 or more.")
        _check(self.flips >= 200, f"evidence.flips={self.flips}: give 200 or more.")
        _check(self.fewest_people >= 3, f"evidence.fewest_people={self.fewest_people}: give 3 or more.")
        _check(self.fewest_seeds >= 3, f"evidence.fewest_seeds={self.fewest_seeds}: give 3 or more.")

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "Settings":
        """From a config node. Raises `LfnetError` for a key that there is not and a value out of range."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(node) - set(known))
        _check(not unknown, f"evidence has no setting {', '.join(unknown)}. There are {', '.join(known)}.")
        return cls(**dict(node))

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 12)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise LfnetError(message)
