"""Streams, splits, aggregation and folds of a fusion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.fusion.modality_data import AGGREGATES, Split, Stream, aggregate, balanced_folds, engineered_columns, folds
from tests.fusion.simulated_splits import arrays


def test_the_visual_stream_is_found_or_must_be_set():
    given = arrays("train")
    assert Split.from_arrays(given, None, "pulse").visual.names[0] == "face_0"
    skin = given._replace(streams={**given.streams, "skin": given.streams["face"]})
    assert Split.from_arrays(skin, None, "pulse").visual.names[0] == "face_0"
    two = given._replace(streams={**given.streams, "other": given.streams["face"]})
    with pytest.raises(LfnetError, match=r"face, other.*fusion.visual.stream"):
        Split.from_arrays(two, None, "pulse")
    assert Split.from_arrays(two, "other", "pulse").visual is not None
    with pytest.raises(LfnetError, match=r"fusion.visual.stream=no.*face, pulse"):
        Split.from_arrays(given, "no", "pulse")
    assert (
        Split.from_arrays(given._replace(streams={"face": given.streams["face"]}), None, "pulse").physiological is None
    )


def test_rows_follow_their_clips():
    stream = Stream(np.arange(12.0).reshape(6, 2), np.array([0, 0, 2, 3, 3, 3]), ("a", "b"))
    assert stream.missing(5).tolist() == [1, 4]
    some = stream.take(np.array([3, 1, 0]))
    assert some.clip.tolist() == [2, 2, 0, 0, 0] and some.X[:, 0].tolist() == [0, 2, 6, 8, 10]
    assert stream.reduce("first").X[:, 0].tolist() == [0, 4, 6]
    assert stream.reduce("mean").X[:, 0].tolist() == [1, 4, 8]
    whole = stream.padded(5)
    assert len(whole.X) == 8 and np.isnan(whole.X[6:]).all() and sorted(set(whole.clip)) == [0, 1, 2, 3, 4]
    holes = Stream(np.array([[1.0, np.nan], [3.0, np.nan]]), np.array([0, 0]), ("a", "b")).reduce("mean").X
    assert holes[0, 0] == 2 and np.isnan(holes[0, 1])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_segments_are_aggregated_as_published(values):
    scores, clip = np.array(values), np.zeros(len(values), int)
    joined = {how: aggregate(scores, clip, 1, how)[0] for how in AGGREGATES}
    assert joined["mean"] == pytest.approx(np.mean(values), abs=1e-9)
    assert joined["median"] == pytest.approx(np.median(values), abs=1e-9)
    inner = sorted(values)[1:-1] or values  # without the smallest and the largest, where a third remains
    assert joined["trimmed_mean"] == pytest.approx(np.mean(inner), abs=1e-9)
    assert joined["mean_median"] == pytest.approx(0.7 * np.mean(values) + 0.3 * np.median(values), abs=1e-9)


def test_each_clip_is_aggregated_by_itself():
    joined = aggregate(np.array([1.0, 5.0, 3.0]), np.array([0, 2, 0]), 3, "mean")
    assert joined[0] == 2 and np.isnan(joined[1]) and joined[2] == 5
    with pytest.raises(ValueError, match="mode"):
        aggregate(np.ones(1), np.zeros(1, int), 1, "mode")


@given(st.lists(st.integers(0, 6), min_size=4, max_size=40).filter(lambda g: len(set(g)) > 1), st.integers(2, 8))
def test_no_group_is_in_training_and_held_out_rows(groups, count):
    groups = np.array(groups)
    labels = (groups * 7 % 5).astype(float)
    for made in (folds(groups, count, "person"), balanced_folds(groups, labels, count)):
        rows = []
        for kept, out in made:
            assert not set(groups[kept]) & set(groups[out])
            rows += out.tolist()
        assert sorted(rows) == list(range(len(groups)))


def test_balanced_folds_have_similar_labels_and_less_negative_correlation_of_a_constant_model():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(1, 5, 40))
    labels = rng.gamma(1.4, 11, 40)[groups]
    found = {}
    for name, made in (("plain", folds(groups, 5, "person")), ("balanced", balanced_folds(groups, labels, 5))):
        scores, means = np.empty(len(labels)), []
        for kept, held_out in made:
            scores[held_out] = labels[kept].mean()
            means.append(labels[held_out].mean())
        found[name] = (np.std(means), np.corrcoef(scores, labels)[0, 1])
    assert found["balanced"][0] < found["plain"][0] / 2
    assert found["plain"][1] < found["balanced"][1] < 0


@pytest.mark.parametrize("spelling", ["{}", "HRV_{}", "prv_{}", "{} (ms)"])
def test_engineered_features_are_found_by_name(spelling):
    names = [spelling.format(name) for name in ("SDNN", "DFA_alpha1", "RMSSD")]
    ratios, distances, made = engineered_columns(
        names, {"r": ["rmssd", "sdnn"], "none": ["lf", "hf"]}, {"d": ["dfa_alpha1", 1]}
    )
    assert (ratios, distances, made) == ([(2, 0)], [(1, 1.0)], ["r", "d"])
