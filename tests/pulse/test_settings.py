"""conf/pulse: the published constants are the defaults, and wrong values are refused."""

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


def test_nested_has_a_minimum_for_each_feature() -> None:
    nested = settings_of("nested")
    assert nested.measure == "snr" and nested.invalid == "missing" and nested.method == "pos"
    needs = {**nested.min_seconds, **nested.min_intervals}
    assert needs["LF"] == 120 and needs["HF"] == 60 and needs["VLF"] == 300
    # Shape and quality of the pulse are valid in every segment.
    assert set(NAMES) - set(needs) == {"Amplitude", "RiseTime", "Width", "Skew", "Kurtosis", "SpectralEntropy", "SNR"}


@pytest.mark.parametrize("name", names("pulse"))
def test_every_yaml_names_itself_and_has_a_recipe(name: str) -> None:
    import json

    settings = settings_of(name)
    assert settings.name == name
    assert json.loads(json.dumps(settings.recipe())) == settings.recipe()


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"method": "ica"}, "pulse.method=ica: give one of green, chrom, pos."),
        ({"measure": "psnr"}, "pulse.measure=psnr: give one of q, snr."),
        ({"invalid": "zero"}, "pulse.invalid=zero: give one of keep, missing."),
        ({"rate": 0}, "pulse.rate=0: give a number above 0."),
        ({"band": (4.0, 0.6)}, "pulse.band=[4, 0.6]: give two increasing frequencies below half of rate, 15 Hz."),
        ({"band": (0.6, 20.0)}, "pulse.band=[0.6, 20]: give two increasing frequencies below half of rate, 15 Hz."),
        ({"band": 4}, "pulse.band=4: give a list of a number above 0, a number above 0."),
        ({"min_fps": 5}, "pulse.min_fps=5: give a number above 8, twice the band's 4 Hz."),
        ({"segment": 3}, "pulse.segment=3: give 6.7 s or more, 4 periods of 0.6 Hz."),
        ({"detrend": -1}, "pulse.detrend=-1: give a number above 0, or null."),
        ({"correct": 2}, "pulse.correct=2: give a number above 0 and below 1, or null."),
        ({"min_coverage": 0}, "pulse.min_coverage=0: give a number above 0 and at most 1."),
        ({"context": -1}, "pulse.context=-1: give a number of 0 or more."),
        ({"min_regions": 4}, "pulse.min_regions=4: give a whole number from 0 to 3."),
        ({"min_seconds": {"RMSDD": 10}}, "pulse.min_seconds.RMSDD: there is no such feature; known: MeanHR, "),
        ({"min_intervals": {"SampEn": 0}}, "pulse.min_intervals.SampEn=0: give a whole number of 1 or more."),
        ({"agreeing": 2}, "pulse.agreeing: there is no such setting; known: name, method, rate, "),
    ],
)
def test_a_wrong_setting_gives_one_line(changed: dict[str, Any], line: str) -> None:
    with pytest.raises(LfnetError) as caught:
        settings_of("nested", **changed)
    (found,) = str(caught.value).splitlines()
    assert found.startswith(line)


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(LfnetError) as caught:
        settings_of("nested", rate="x", order=1.5, correct=2)
    assert [line.partition("=")[0] for line in str(caught.value).splitlines()] == [
        "pulse.rate",
        "pulse.order",
        "pulse.correct",
    ]
