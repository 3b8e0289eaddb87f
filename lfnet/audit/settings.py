"""How strictly a cohort is audited."""

from dataclasses import dataclass

from lfnet.errors import LfnetError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The keys of conf/audit/default.yaml.

    alpha: chance of one false alarm or more among all tests of one audit. resamples: permutations of a test. seed: of
    these. copy: correlation over time from which two clips' features count as those of one film, 0 to 1. overlap: the
    share of the shorter clip that must lie over the other.
    """

    alpha: float = 0.005
    resamples: int = 19999
    seed: int = 0
    copy: float = 0.8
    overlap: float = 0.5

    def __post_init__(self) -> None:
        _check(0 < self.alpha < 1, f"audit.alpha={self.alpha}: give a chance between 0 and 1.")
        _check(self.resamples >= 99, f"audit.resamples={self.resamples}: give 99 or more.")
        _check(self.seed >= 0, f"audit.seed={self.seed}: give a whole number from 0.")
        for name in ("copy", "overlap"):
            value = getattr(self, name)
            _check(0 < value <= 1, f"audit.{name}={value}: give a number above 0, at most 1.")


def _check(sound: bool, message: str) -> None:
    if not sound:
        raise LfnetError(message)
