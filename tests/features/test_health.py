"""Dead features of every kind are found, named and refused; live ones are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.features import health
from lfnet.features.health import Problem, problems_of
from lfnet.features.store import ClipFeatures, FeatureStore


def live(frames: int = 40, dim: int = 8, faceless: int = 0, unit: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Features that move, NaN in the first `faceless` frames."""
    features = np.random.default_rng(frames).normal(size=(frames, dim)).astype(np.float32)
    if unit:
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    valid = np.arange(frames) >= faceless
    features[~valid] = np.nan
    return features, valid


def found(
    features: np.ndarray, valid: np.ndarray, unit: bool = False, least: float = 0.0, sparse: bool = False
) -> list[str]:
    meta = {"unit_norm": "true" if unit else "false", "sparse": "true" if sparse else "false"}
    clip = ClipFeatures(features, valid, np.arange(len(valid)) / 30, meta)
    return [what for what, _ in problems_of(clip, least)]


@given(frames=st.integers(1, 60), share=st.floats(0, 0.9), unit=st.booleans())
def test_live_features_have_no_problem(frames, share, unit):
    assert found(*live(frames, faceless=int(share * frames), unit=unit), unit=unit) == []


def test_no_frame_and_no_face():
    assert found(*live(0)) == ["no frame"]
    assert found(*live(40, faceless=40)) == ["no face in any of 40 frames"]


def test_coverage():
    features, valid = live(40, faceless=30)
    assert found(features, valid, least=0.25) == []
    assert found(features, valid, least=0.3) == ["a face in 10 of 40 frames, coverage 0.25 < 0.3"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_broken_numbers_count_in_valid_frames_only(value):
    features, valid = live(40, faceless=5)
    features[2] = value
    assert found(features, valid) == []
    features[[10, 20], 3] = value
    assert found(features, valid) == ["NaN or infinite numbers in 2 of 35 frames with a face"]


def test_zeros():
    features, valid = live(40, faceless=4)
    assert found(np.zeros_like(features), valid) == ["all-zero vectors in 36 of 36 frames with a face"]
    features[7] = 0
    assert found(features, valid) == ["all-zero vectors in 1 of 36 frames with a face"]
    features, valid = live(40)
    features[:, 3] = 0  # a column that never moves is no dead vector
    assert found(features, valid) == []


def test_the_same_vector_all_the_time():
    features, valid = live(40, faceless=4)
    still = np.repeat(features[5:6], 40, axis=0)
    assert found(still, valid) == ["the same vector in all 36 frames with a face"]
    rounded = still * (1 + 1e-7 * np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32))
    assert found(rounded, valid) == ["the same vector in all 36 frames with a face"]
    still[30, 2] += 0.01
    assert found(still, valid) == []
    assert found(*live(1)) == []


def test_zero_and_constant_vectors_are_values_of_a_sparse_stream():
    features, valid = live(40, faceless=4)
    assert found(np.zeros_like(features), valid, sparse=True) == []
    assert found(np.repeat(features[5:6], 40, axis=0), valid, sparse=True) == []
    features[7] = np.nan
    assert found(features, valid, sparse=True) == ["NaN or infinite numbers in 1 of 36 frames with a face"]
    assert found(*live(40, faceless=40), sparse=True) == ["no face in any of 40 frames"]


def test_a_sparse_stream_without_any_value_is_dead(tmp_path):
    store = FeatureStore(tmp_path, "s", "r" * 64)
    zeros, valid = np.zeros((40, 3), np.float32), np.ones(40, bool)
    for name, features in (("a", zeros), ("b", zeros), ("events", np.eye(40, 3, dtype=np.float32))):
        store.write(name, ClipFeatures(features, valid, np.arange(40) / 30, {"sparse": "true"}), "source")
    assert health.check(store, ["a", "b", "events"]) == []
    problems = health.check(store, ["a", "b"])
    assert [(one.clip_id, one.what) for one in problems] == [(name, "all-zero vectors in every clip") for name in "ab"]


def test_length():
    features, valid = live(40, faceless=4, unit=True)
    assert found(features, valid, unit=True) == []
    features[9] *= 1.5
    assert found(features, valid, unit=True) == ["length 1.5 instead of 1 in 1 of 36 frames with a face"]
    assert found(features, valid, unit=False) == []


def test_no_columns():
    assert found(np.zeros((3, 0), np.float32), np.ones(3, bool)) == ["vectors without a single number"]


def test_a_store_is_checked_clip_by_clip(tmp_path):
    store = FeatureStore(tmp_path, "s", "r" * 64)
    features, valid = live(unit=True)
    for name, scale, unit in (
        ("good", 1.0, "true"),
        ("long", 2.0, "true"),
        ("free", 2.0, "false"),
        ("dead", 0.0, "false"),
    ):
        clip = ClipFeatures(features * np.float32(scale), valid, np.arange(40) / 30, {"unit_norm": unit})
        store.write(name, clip, "source")
    problems = health.check(store, ["dead", "free", "good", "long"], min_coverage=0.5)
    assert [problem.clip_id for problem in problems] == ["dead", "long"]
    assert health.check(store, ["good"]) == []
    with pytest.raises(LfnetError, match="does not exist"):
        health.check(store, ["gone"])


def test_refusal_lists_clips_reasons_and_mends():
    health.refuse([])
    problems = [Problem(f"clip_{number:02d}", "all-zero vectors", "mend it") for number in range(14)]
    with pytest.raises(LfnetError) as error:
        health.refuse(problems)
    lines = str(error.value).splitlines()
    assert lines[0] == "the features of 14 clips are dead and are not trained on:"
    assert lines[1] == "  clip_00: all-zero vectors (mend it)" and lines[-1] == "  and 4 more" and len(lines) == 12
