"""Summaries over runs and spreads of scores, against NumPy, SciPy and the closing line of the temporal ablation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.replicates import (
    COLUMNS,
    Summary,
    mean_scores,
    score_spread,
    spread_error_correlation,
    spread_of_runs,
    spread_summary,
    summarise,
)


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
    table = score_spread(rows(n), scores)
    assert tuple(table.columns) == COLUMNS and set(table["members"]) == {passes}
    np.testing.assert_allclose(table["score"], np.mean(scores, axis=0))
    np.testing.assert_allclose(table["sd"], np.std(scores, axis=0, ddof=1))


def test_members_of_an_ensemble_are_runs():
    scores = np.random.default_rng(0).normal(20, 5, (3, 4))
    members = [member(own) for own in scores]
    pd.testing.assert_frame_equal(spread_of_runs(members), score_spread(rows(4), scores))
    mean = mean_scores(members)
    assert mean.levels == ("window", "clip", "recording")
    np.testing.assert_allclose(mean.at("recording").frame["score"], scores.mean(axis=0))


def test_members_must_have_scored_the_same():
    one = member([1.0, 2.0])
    for other in (member([1.0, 2.0, 3.0]), member([1.0, 2.0], "test")):
        for joint in (spread_of_runs, mean_scores):
            with pytest.raises(ValueError, match="have not scored the same"):
                joint([one, other])
    with pytest.raises(ValueError, match="two members"):
        spread_of_runs([one])


@pytest.mark.parametrize("scores", [np.zeros((1, 2)), np.zeros((3, 4)), np.zeros(2), [[1.0, np.nan], [1.0, 2.0]]])
def test_wrong_shapes_and_values_are_refused(scores):
    with pytest.raises(ValueError):
        score_spread(rows(2), scores)


def test_the_correlation_of_spread_and_error_is_spearmans():
    rng = np.random.default_rng(1)
    table = rows(30).assign(score=rng.normal(15, 8, 30), sd=rng.integers(1, 9, 30).astype(float), members=5)
    error = (table["score"] - table["label"]).abs()
    assert spread_error_correlation(table) == pytest.approx(spearmanr(table["sd"], error).statistic)
    assert spread_error_correlation(table.assign(sd=error)) == pytest.approx(1)
    assert spread_error_correlation(table.assign(sd=2.0)) is None
    assert spread_error_correlation(table.assign(label=np.nan)) is None


def test_the_summary_is_by_split_and_only_of_known_labels():
    table = pd.concat(
        [score_spread(rows(3), [[1, 2, 3], [3, 2, 5.0]]), score_spread(rows(2, "unlabelled"), [[0, 0], [1, 1.0]])]
    )
    table.loc[table["split"] == "unlabelled", "label"] = np.nan
    found = spread_summary(table)
    assert list(found) == ["dev", "unlabelled"]
    assert found["dev"]["sd"] == pytest.approx(2 * 2**0.5 / 3)
    assert found["dev"]["mae"] == pytest.approx((2 + 1 + 2) / 3)
    assert found["unlabelled"]["mae"] is None and found["unlabelled"]["rank"] is None


def test_the_closing_line_of_the_temporal_ablation_with_one_ddof() -> None:
    error = summarise([10.426, 10.529, 10.428, 10.907])
    assert (error.mean, error.sd) == (pytest.approx(10.5725), pytest.approx(0.228126, abs=1e-6))
    assert (error.min, error.max) == (10.426, 10.907)
    correlation = summarise([0.101, 0.267, 0.186, 0.181])
    assert (correlation.mean, correlation.sd) == (pytest.approx(0.18375), pytest.approx(0.067801, abs=1e-6))


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12))
def test_agrees_with_numpy_in_any_order(values: list[float]) -> None:
    summary = summarise(values)
    assert summary.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert summary.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert (summary.n, summary.min, summary.max) == (len(values), min(values), max(values))
    assert summarise(reversed(values)) == summary


@given(st.floats(-1e6, 1e6), st.integers(2, 9))
def test_equal_values_have_zero_sd(value: float, n: int) -> None:
    summary = summarise([value] * n)
    assert (summary.mean, summary.sd) == (value, 0.0)


def test_undefined_values_are_counted_and_left_out() -> None:
    assert summarise([0.2, None, 0.4]) == Summary(
        2, 1, pytest.approx(0.3), pytest.approx(np.std([0.2, 0.4], ddof=1)), 0.2, 0.4
    )
    assert summarise([None, None]) == Summary(0, 2, None, None, None, None)
    assert summarise([5.0]) == Summary(1, 0, 5.0, None, 5.0, 5.0)
    assert summarise([]).n == 0


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="finite or None"):
        summarise([1.0, float("nan")])
