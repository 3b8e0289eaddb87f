"""Simulated cohorts for tests: the yaml that everybody uses, with short clips of few numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate

CONF = Path(__file__).resolve().parents[2] / "conf"
# Two to eight seconds at 30 fps, 32 numbers a frame: a cohort in a tenth of a second.
SMALL = ["cohort.dim=32", "cohort.duration={min:2,max:8,median:4}"]


@pytest.fixture(scope="session")
def simulated() -> Callable[..., Cohort]:
    """simulated("cohort.seed=3", …): the small cohort with these overrides; simulated(…, small=False): in full size."""

    def make(*overrides: str, small: bool = True) -> Cohort:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("cohort/simulated", overrides=[*(SMALL if small else []), *overrides])
        return instantiate(config.cohort)

    return make
