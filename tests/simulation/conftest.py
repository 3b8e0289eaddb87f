"""Simulated cohorts for tests: the shipped yaml with short clips and few features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate, plain

CONF = Path(__file__).resolve().parents[2] / "conf"
# Two to eight seconds at 30 fps, 32 numbers a frame: a cohort in a tenth of a second.
SMALL = ["cohort.dim=32", "cohort.duration={min:2,max:8,median:4}"]


@pytest.fixture(scope="session")
def simulated_node() -> Callable[..., dict[str, Any]]:
    """Return a function that composes the small cohort's node, with these overrides; in full size with small=False."""

    def make(*overrides: str, small: bool = True) -> dict[str, Any]:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("cohort/simulated", overrides=[*(SMALL if small else []), *overrides])
        return plain(config.cohort)

    return make


@pytest.fixture(scope="session")
def simulated(simulated_node) -> Callable[..., Cohort]:
    """Return a function that draws the small cohort: simulated("cohort.seed=3", …, small=False for the full size)."""

    def make(*overrides: str, small: bool = True) -> Cohort:
        return instantiate(simulated_node(*overrides, small=small), "cohort")

    return make
