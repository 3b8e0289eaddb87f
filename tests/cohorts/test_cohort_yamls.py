"""Every yaml of a cohort or scale has a description, composes, and names an existing target."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object
from omegaconf import OmegaConf

from lfnet.cohorts.cohort import Scale
from lfnet.config import instantiate

CONF = Path(__file__).resolve().parents[2] / "conf"
COHORTS = sorted(path.stem for path in (CONF / "cohort").glob("*.yaml"))
SCALES = sorted(path.stem for path in (CONF / "scale").glob("*.yaml"))


def test_there_are_some() -> None:
    assert {"folder", "avec2014"} <= set(COHORTS) and {"bdi_ii", "phq8", "phq9", "hamd"} <= set(SCALES)


@pytest.mark.parametrize("name", COHORTS)
def test_cohort_yaml(name: str) -> None:
    first = (CONF / "cohort" / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# ") and len(first) > 20
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=["+paths=default", f"+cohort={name}"]).cohort
        other = compose(overrides=["+paths=default", f"+cohort={name}", "scale@cohort.scale=phq8"]).cohort
    OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    assert callable(get_object(node["_target_"]))
    assert isinstance(instantiate(node.scale), Scale)
    assert instantiate(other.scale).name == "PHQ-8"


@pytest.mark.parametrize("name", SCALES)
def test_scale_yaml(name: str) -> None:
    path = CONF / "scale" / f"{name}.yaml"
    assert path.read_text().startswith("# ") and "Bands: " in path.read_text().splitlines()[0]
    scale = instantiate(OmegaConf.load(path))
    assert isinstance(scale, Scale)
    for band in scale.bands:
        assert scale.band(band.low) == scale.band(band.high) == band


@pytest.mark.parametrize(
    ("name", "top", "bounds"),
    [
        ("bdi_ii", 63, [0, 14, 20, 29]),
        ("phq8", 24, [0, 5, 10, 15, 20]),
        ("phq9", 27, [0, 5, 10, 15, 20]),
        ("hamd", 52, [0, 8, 17, 24]),
    ],
)
def test_published_bands(name: str, top: int, bounds: list[int]) -> None:
    scale = instantiate(OmegaConf.load(CONF / "scale" / f"{name}.yaml"))
    assert (scale.min, scale.max) == (0, top)
    assert [band.low for band in scale.bands] == bounds
