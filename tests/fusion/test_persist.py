"""Saved systems give the same scores, and files run no code."""

import io
import zipfile

import numpy as np
import pytest
import skops.io

from lfnet.errors import LfnetError
from lfnet.fusion import persist
from lfnet.fusion.modalities import Memo
from lfnet.fusion.system import fuse
from tests.fusion.simulated_splits import PUBLISHED_MODELS, SMALL, settings, split

TRAIN, TEST, SHARE = split("train", clips=30, people=10), split("test"), Memo()


@pytest.mark.parametrize("model", PUBLISHED_MODELS)
def test_a_loaded_system_gives_the_same_scores(tmp_path, model):
    chosen = settings(*SMALL, f"fusion.model={model}", fusion="published")
    found = fuse(TRAIN, {"test": TEST}, chosen, seed=0, share=SHARE)
    size = persist.save(found.system, tmp_path / "model.skops")
    assert size == (tmp_path / "model.skops").stat().st_size
    again = persist.load(tmp_path / "model.skops").scores(TEST)
    for name, scores in found.scores["test"].items():
        np.testing.assert_array_equal(again[name], scores)


def test_systems_that_were_fitted_alike_give_the_same_file():
    # Members named after addresses (arrays) and at random (bytes); the two systems share no object.
    chosen = settings(*SMALL, fusion="published")
    one, other = (fuse(TRAIN, {"test": TEST}, chosen, seed=0).system for _ in range(2))
    assert persist.dumps(one) == persist.dumps(other)
    with zipfile.ZipFile(io.BytesIO(persist.dumps(one))) as file:
        assert {member.date_time for member in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


class Evil:
    """Set `ran` when it is made or its state is set."""

    ran = False

    def __setstate__(self, state):
        type(self).ran = True

    def __reduce__(self):
        return (_set_ran, ())


def _set_ran():
    Evil.ran = True
    return Evil()


def test_a_file_with_an_untrusted_type_is_refused_and_runs_no_code(tmp_path):
    path = tmp_path / "evil.skops"
    for content in (Evil(), {"system": [Evil()]}, _set_ran):
        path.write_bytes(skops.io.dumps(content))
        Evil.ran = False
        with pytest.raises(
            LfnetError, match=r"evil.skops was not opened: it contains tests.fusion.test_persist"
        ) as caught:
            persist.load(path)
        assert not Evil.ran
        assert "\n" not in str(caught.value) and "No code from it was run" in str(caught.value)


def test_a_system_with_something_untrusted_inside_is_refused(tmp_path):
    found = fuse(TRAIN, {"test": TEST}, settings(*SMALL, "fusion.model=visual", fusion="published"), seed=0)
    found.system.modalities["visual"].pipeline.steps.append(("evil", Evil()))
    path = tmp_path / "model.skops"
    persist.save(found.system, path)
    Evil.ran = False
    with pytest.raises(LfnetError, match="was not opened"):
        persist.load(path)
    assert not Evil.ran


def test_a_file_that_is_no_system_gives_one_line(tmp_path):
    path = tmp_path / "model.skops"
    with pytest.raises(LfnetError, match="does not exist"):
        persist.load(path)
    path.write_bytes(b"torn")
    with pytest.raises(LfnetError, match="no skops file, or is truncated"):
        persist.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(LfnetError, match="cannot be read"):
        persist.load(path)
    path.write_bytes(skops.io.dumps({"a": 1}))
    with pytest.raises(LfnetError, match="contains dict, not a fusion"):
        persist.load(path)


@pytest.mark.parametrize("what", ["children_left", "feature"])
def test_a_forest_with_wrong_indices_is_refused(tmp_path, what):
    found = fuse(TRAIN, {"test": TEST}, settings(*SMALL, "fusion.model=visual", fusion="published"), seed=0)
    forest = found.system.modalities["visual"].pipeline[-1].estimators_[1].estimator
    getattr(forest.estimators_[0].tree_, what)[0] = 999
    persist.save(found.system, tmp_path / "model.skops")
    with pytest.raises(LfnetError, match="is damaged"):
        persist.load(tmp_path / "model.skops")
