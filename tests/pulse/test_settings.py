"""conf/pulse: the published constants are its defaults, and what cannot be is refused."""

from dataclasses import asdict
from typing import Any

import pytest

from lfnet.cli.configs import names
from lfnet.errors import LfnetError
from lfnet.pulse.settings import PulseSettings
from lfnet.pulse.variability import NAMES
from tests.pulse.settings import settings_of


def test_the_published_constants_are_the_defaults() -> None:
    published = settings_of("published")
    assert published.method == "green" and published.band == (0.6, 4.0) and published.segment == 17
    assert published.measure == "q" and published.invalid == "keep"
    assert asdict(published) == asdict(PulseSettings()), "the class and its yaml say the same"


def test_nested_says_what_each_feature_needs() -> None:
    nested = settings_of("nested")
    assert nested.measure == "snr" and nested.invalid == "missing" and nested.method == "pos"
    needs = {**nested.least_seconds, **nested.least_beats}
    assert needs["LF"] == 120 and needs["HF"] == 60 and needs["VLF"] == 300
    # Of the pulse's own shape and quality every segment tells.
    assert set(NAMES) - set(needs) == {"Amplitude", "RiseTime", "Width", "Skew", "Kurtosis", "SpectralEntropy", "SNR"}


@pytest.mark.parametrize("name", names("pulse"))
def test_every_yaml_names_itself_and_has_a_recipe(name: str) -> None:
    import json

    settings = settings_of(name)
    assert settings.name == name
    assert json.loads(json.dumps(settings.recipe())) == settings.recipe()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": "ica"}, "green, chrom, pos"),
        ({"measure": "psnr"}, "q, snr"),
        ({"invalid": "zero"}, "keep, missing"),
        ({"rate": 0}, r"pulse\.rate"),
        ({"band": (4.0, 0.6)}, r"pulse\.band"),
        ({"band": (0.6, 20.0)}, "half of pulse.rate"),
        ({"min_fps": 5}, "cannot show the band's 4 Hz"),
        ({"segment": 3}, "fewer than four beats"),
        ({"detrend": -1}, r"pulse\.detrend"),
        ({"correct": 2}, r"pulse\.correct"),
        ({"min_coverage": 0}, r"pulse\.min_coverage"),
        ({"context": -1}, r"pulse\.context"),
        ({"least_seconds": {"RMSDD": 10}}, "RMSDD, which is no feature"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(LfnetError, match=said):
        settings_of("nested", **changed)
