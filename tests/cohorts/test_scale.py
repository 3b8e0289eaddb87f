"""Kinds of labels: their scales, cut-offs, and labels made of a cut-off."""

import re

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from lfnet.cohorts.binary import binarised
from lfnet.cohorts.cohort import Band, Cohort, Scale, validate
from lfnet.cohorts.scale import doubt_scale
from lfnet.config import conf_dir, instantiate, read
from lfnet.errors import LfnetError

TEN = {"name": "X", "min": 0, "max": 10, "bands": [{"name": "all", "low": 0, "high": 10}]}


def scale_of(name: str, **changes: object) -> Scale:
    return instantiate(OmegaConf.merge(OmegaConf.load(conf_dir() / "scale" / f"{name}.yaml"), changes))


def clips(labels: list[object]) -> pd.DataFrame:
    names = [f"c{number}" for number in range(len(labels))]
    table = pd.DataFrame({"clip_id": names, "recording_id": names, "person_id": names, "label": labels})
    return table.assign(split=["train", "dev", "test"], task="", path="", fps=30, n_frames=90)


@pytest.mark.parametrize(
    ("name", "scores"), [("bdi_ii", [14, 20]), ("phq8", [10]), ("phq9", [10]), ("hamd", [8, 17]), ("psm25", [])]
)
def test_published_cutoffs_have_a_source_and_start_a_band(name: str, scores: list[float]) -> None:
    scale = scale_of(name)
    assert scale.kind == "interval" and [cutoff.score for cutoff in scale.cutoffs] == scores
    assert set(scores) <= {band.low for band in scale.bands}
    assert all("(" in cutoff.source and ":" in cutoff.source for cutoff in scale.cutoffs)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"cutoffs": [{"score": 0, "source": "s"}]},
            "scale.cutoffs.0.score=0: give a number above 0, 10 or less.",
        ),
        ({"cutoffs": [{"score": 5}]}, "scale.cutoffs.0.source is missing: give a text."),
        (
            {"cutoffs": [{"score": 5, "source": "a"}, {"score": 5, "source": "b"}]},
            "scale.cutoffs: two cut-offs have the same score; give each once.",
        ),
        ({"binary_at": 11}, "scale.binary_at=11: give a number above 0, 10 or less."),
        ({"kind": "binary"}, "scale.kind=binary: a binary scale runs from min=0 to max=1 and has no cut-offs."),
        (
            {"kind": "ordinal"},
            "scale.kind=ordinal: give each class a band of its own, of one whole number (low = high).",
        ),
    ],
)
def test_unsound_kinds(changes: dict[str, object], line: str) -> None:
    with pytest.raises(LfnetError) as caught:
        read(Scale, {**TEN, **changes}, "scale")
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("name", "label", "allowed"), [("binary", 0.5, "0 or 1"), ("ordinal3", 1.2, "a whole number from 0 to 2")]
)
def test_a_class_is_a_whole_number(name: str, label: float, allowed: str) -> None:
    with pytest.raises(LfnetError, match=f"label {label} is no class of the .*: give {allowed}"):
        validate(clips([0, 1, label]), scale_of(name), "clips")


def test_labels_of_a_cutoff() -> None:
    scale = scale_of("phq8", binary_at=10)
    cohort = Cohort("three", validate(clips([9, 10, ""]), scale, "clips"), scale)
    made = binarised(cohort)
    assert (made.scale.name, made.scale.kind, made.scale.min, made.scale.max) == ("PHQ-8 ≥ 10", "binary", 0, 1)
    assert made.clips["label"].tolist()[:2] == [0, 1] and made.clips["label"].isna().tolist() == [False, False, True]
    assert made.fingerprint() != cohort.fingerprint()
    assert binarised(Cohort("three", cohort.clips, scale_of("phq8"))).scale.kind == "interval"


def test_a_corrected_source_makes_no_new_features() -> None:
    """Simulated features depend on the range of the scale, not on its bands, cut-offs and sources."""
    from lfnet.cli.configs import compose

    plain, other = (
        instantiate(compose(None, ["+paths=default", "+cohort=simulated", *more]).cohort, "cohort").own
        for more in ([], ["cohort.scale.cutoffs=[]"])
    )
    assert plain.recipe == other.recipe and plain.more[0].recipe == other.more[0].recipe


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (np.arange(40) % 2, r"Labels are all 0 or 1, and the scale is BDI-II, 0 to 63: add scale@cohort.scale=binary"),
        (np.arange(40) % 28, r"The highest of 40 labels is 27, and the scale is BDI-II, 0 to 63"),
        (np.arange(40), None),
        (np.arange(40)[:20] % 12, None),
    ],
)
def test_labels_of_another_scale_are_doubted(label, said) -> None:
    scale = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="all", low=0, high=63),))
    found = doubt_scale(label.tolist(), scale)
    assert not found if said is None else re.search(said, found[0])
