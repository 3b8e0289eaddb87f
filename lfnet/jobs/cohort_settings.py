"""Settings of how much of a cohort is used, and of another cohort that a head is tested on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from lfnet.config import Count, read, settings
from lfnet.errors import LfnetError
from lfnet.evaluation.conversion import Conversion

__all__ = ["Amount", "OtherCohort", "Tested", "read_amount", "read_tested"]


@settings
class Amount:
    """`conf/amount`: how much of the data is used."""

    clip_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    train_people: Count | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def active(self) -> bool:
        """Whether anything is left out."""
        return self.clip_share < 1 or self.train_people is not None


@dataclass(frozen=True)
class OtherCohort:
    """The cohort that a trained model is tested on: its node, and which of its recordings."""

    cohort: Mapping[str, Any]
    split: Literal["test", "all"]


@settings
class Tested:
    """The settings of conf/train.yaml about another cohort, next to its node `test_cohort`."""

    test_split: Literal["test", "all"] = "test"
    conversions: tuple[Conversion, ...] = ()


def read_amount(config: Mapping[str, Any]) -> Amount | None:
    """Read `amount`, if it leaves anything out. Raises `LfnetError` for parts of clips in a fusion."""
    if not config.get("amount"):
        return None
    found = read(Amount, config["amount"], "amount")
    if found.clip_share < 1 and (config.get("fusion") or {}).get("name"):
        raise LfnetError("amount.clip_share shortens the frames of a head, and a fusion has none: set it to 1.")
    return found if found.active else None


def read_tested(config: Mapping[str, Any]) -> Tested:
    """Read what is asked of `test_cohort`.

    Raises `LfnetError` for two conversions of one kind, for a fusion, and for settings of a cohort that is not given.
    """
    made = read(Tested, {name: config[name] for name in Tested.__annotations__ if name in config}, "")
    known = [(one.of, one.to) for one in made.conversions]
    if twice := next((pair for pair in known if known.count(pair) > 1), None):
        raise LfnetError(f"conversions: two convert {twice[0]} to {twice[1]}; give one.")
    if not config.get("test_cohort"):
        given = "test_split" if made.test_split != "test" else "conversions" if made.conversions else None
        if given:
            raise LfnetError(f"{given} is about a cohort to test on: give cohort@test_cohort=NAME, or leave it out.")
    if config.get("test_cohort") and (config.get("fusion") or {}).get("name"):
        raise LfnetError(
            "test_cohort tests a head on another cohort, and no fusion: give fusion=none, or no test_cohort."
        )
    return made
