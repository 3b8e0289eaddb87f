"""The spread of several scores of a recording, against NumPy and SciPy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lfnet.evaluation.ensemble_spread import COLUMNS, error_rank, mean_of, spread, spread_of, summary
from lfnet.evaluation.predictions import Predictions


def rows(n, split="dev"):
    return pd.DataFrame(
        {
            "recording_id": [f"{split}{i}" for i in range(n)],
            "person_id": [f"p{split}{i // 2}" for i in range(n)],
            "split": split,
            "label": np.arange(n, dtype=float),
        }
    )


def member(scores, split="dev"):
    clips = rows(len(scores), split).assign(clip_id=lambda r: r["recording_id"] + "a", window=0, score=scores)
    return Predictions.from_frame(clips, "window").all_levels()


@given(n=st.integers(1, 6), passes=st.integers(2, 5), seed=st.integers(0, 999))
def test_a_spread_is_the_sd_of_the_sample(n, passes, seed):
    scores = np.random.default_rng(seed).normal(20, 5, (passes, n))
    table = spread(rows(n), scores)
    assert tuple(table.columns) == COLUMNS and set(table["members"]) == {passes}
    np.testing.assert_allclose(table["score"], np.mean(scores, axis=0))
    np.testing.assert_allclose(table["sd"], np.std(scores, axis=0, ddof=1))


def test_members_of_an_ensemble_are_runs():
    scores = np.random.default_rng(0).normal(20, 5, (3, 4))
    members = [member(own) for own in scores]
    pd.testing.assert_frame_equal(spread_of(members), spread(rows(4), scores))
    mean = mean_of(members)
    assert mean.levels == ("window", "clip", "recording")
    np.testing.assert_allclose(mean.at("recording").frame["score"], scores.mean(axis=0))


def test_members_must_have_scored_the_same():
    one = member([1.0, 2.0])
    for other in (member([1.0, 2.0, 3.0]), member([1.0, 2.0], "test")):
        for joint in (spread_of, mean_of):
            with pytest.raises(ValueError, match="have not scored the same"):
                joint([one, other])
    with pytest.raises(ValueError, match="two members"):
        spread_of([one])


@pytest.mark.parametrize("scores", [np.zeros((1, 2)), np.zeros((3, 4)), np.zeros(2), [[1.0, np.nan], [1.0, 2.0]]])
def test_what_is_no_spread_is_refused(scores):
    with pytest.raises(ValueError):
        spread(rows(2), scores)


def test_the_rank_is_spearmans():
    rng = np.random.default_rng(1)
    table = rows(30).assign(score=rng.normal(15, 8, 30), sd=rng.integers(1, 9, 30).astype(float), members=5)
    error = (table["score"] - table["label"]).abs()
    assert error_rank(table) == pytest.approx(spearmanr(table["sd"], error).statistic)
    assert error_rank(table.assign(sd=error)) == pytest.approx(1)
    assert error_rank(table.assign(sd=2.0)) is None
    assert error_rank(table.assign(label=np.nan)) is None


def test_the_summary_is_by_split_and_only_of_known_labels():
    table = pd.concat([spread(rows(3), [[1, 2, 3], [3, 2, 5.0]]), spread(rows(2, "unlabelled"), [[0, 0], [1, 1.0]])])
    table.loc[table["split"] == "unlabelled", "label"] = np.nan
    found = summary(table)
    assert list(found) == ["dev", "unlabelled"]
    assert found["dev"]["sd"] == pytest.approx(2 * 2**0.5 / 3)
    assert found["dev"]["mae"] == pytest.approx((2 + 1 + 2) / 3)
    assert found["unlabelled"]["mae"] is None and found["unlabelled"]["rank"] is None
