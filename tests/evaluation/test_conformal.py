"""Conformal intervals compared with MAPIE and with the theorem; what is refused."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import calibrate, calibration_rows, conformal_quantiles, reachable, split_conformal


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n", "level"), [(19, 0.9), (20, 0.95), (40, 0.8), (57, 0.9), (100, 0.33)])
def test_half_widths_agree_with_mapie(n, level):
    regression = pytest.importorskip("mapie.regression")
    from sklearn.base import BaseEstimator, RegressorMixin

    class Given(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict(self, X):
            return np.asarray(X)[:, 0]

    random = np.random.default_rng(n)
    score, label = random.normal(20, 8, n), random.normal(20, 9, n)
    theirs = regression.SplitConformalRegressor(Given(), confidence_level=level, prefit=True)
    theirs.conformalize(score[:, None], label)
    _, bounds = theirs.predict_interval(np.array([[10.0]]))
    low, high = split_conformal(score - label, level).interval(10.0)
    assert (low, high) == pytest.approx(tuple(bounds[0, :, 0]))


@pytest.mark.parametrize(("n", "level"), [(9, 0.9), (24, 0.8), (39, 0.5)])
def test_coverage_agrees_with_the_theorem(n, level):
    # Errors of any continuous distribution: coverage over draws is Beta distributed with mean k / (n + 1).
    random = np.random.default_rng(1)
    draws = np.abs(random.standard_t(2, (20_000, n + 1)))
    made = [split_conformal(errors[:-1], level) for errors in draws[:4000]]
    covered = np.mean([errors[-1] <= one.half_width for errors, one in zip(draws, made, strict=False)])
    assert covered == pytest.approx(made[0].coverage, abs=4 * math.sqrt(level * (1 - level) / 4000))
    assert made[0].coverage >= level


@given(st.lists(st.floats(0, 60), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_the_interval_is_the_smallest_error_that_reaches_the_level(errors, level):
    n = len(errors)
    if level > reachable(n) + 1e-9:
        with pytest.raises(LfnetError, match="the highest level"):
            split_conformal(np.array(errors), level)
        return
    made = split_conformal(np.array(errors), level)
    assert made.coverage >= level - 1e-9
    assert made.half_width in errors
    below = sum(error < made.half_width for error in errors)
    assert below / (n + 1) < level


def test_an_unreachable_level_names_the_number_needed():
    with pytest.raises(LfnetError, match=r"needs 19 recordings .* there are 18: .* reach is 0\.947"):
        split_conformal(np.ones(18), 0.95)
    assert split_conformal(np.ones(19), 0.95).coverage == pytest.approx(0.95)
    with pytest.raises(LfnetError, match="share between 0 and 1"):
        split_conformal(np.ones(18), 90)


def test_calibration_uses_one_recording_of_each_covered_out_person():
    rows = pd.DataFrame(
        {
            "recording_id": ["a1", "a2", "b1", "c1", "d1", "a3"],
            "person_id": ["a", "a", "b", "c", "d", "a"],
            "label": [1.0, 2.0, 3.0, np.nan, 5.0, 6.0],
            "score": [1.5, 2.5, 4.0, 5.0, 5.0, 6.5],
        }
    )
    chosen = calibration_rows(rows, {"b"})
    assert chosen["person_id"].tolist() == ["a", "d"]
    assert calibration_rows(rows.sample(frac=1, random_state=3), {"b"})["recording_id"].tolist() == (
        chosen["recording_id"].tolist()
    )
    assert calibrate(rows, {"b"}, 0.5).n == 2


def test_an_interval_is_clipped_to_the_scale():
    made = split_conformal(np.array([4.0, 5.0, 6.0]), 0.7)
    assert made.interval(2.0, 0, 63) == (0, 8.0)
    assert made.interval(-20.0, 0, 63) == (0, 0)
    assert made.interval(62.0, 0, 63) == (56.0, 63)


def test_intervals_that_follow_the_spread_keep_their_coverage_and_are_narrower():
    random = np.random.default_rng(2)
    spread = random.uniform(0.2, 3.0, 4000)
    errors = random.normal(0, spread)
    made = split_conformal(errors[:199], 0.9, spread[:199], typical=1.0)
    assert made.typical == 1.0 and made.n == 199
    low, high = np.array([made.interval(0.0, spread=each) for each in spread]).T
    assert low == pytest.approx(-high)
    covered = np.abs(errors[:199]) <= high[:199] + 1e-12
    assert covered.sum() == round(made.coverage * 200)  # of those that calibrated, k
    new = np.abs(errors[199:]) <= high[199:]
    assert new.mean() == pytest.approx(0.9, abs=0.04)
    assert made.interval(0.0, spread=1.0)[1] == made.half_width
    # Where members agree an interval of one width holds too often, where they do not too seldom.
    one = split_conformal(errors[:199], 0.9).half_width
    sure = spread[199:] < 1
    assert (np.abs(errors[199:][sure]) <= one).mean() > 0.99
    assert new[~sure].mean() - (np.abs(errors[199:][~sure]) <= one).mean() > 0.02
    for wrong in ({"typical": 1.0}, {"spread_N": spread[:199], "typical": 0.0}):
        with pytest.raises(ValueError, match="needs each error's spread"):
            split_conformal(errors[:199], 0.9, **wrong)
    with pytest.raises(ValueError, match="needs the spread"):
        made.interval(0.0)


def predicted(random, n, z=0.64):
    """Labels whose SD depends on x, and an interval of ± z SD."""
    x = random.uniform(0, 1, n)
    sd = 1 + 9 * x
    return x, 10 + random.normal(0, sd), 10 - z * sd, 10 + z * sd


@pytest.mark.parametrize(("n", "level"), [(19, 0.9), (24, 0.8)])
def test_conformalised_quantiles_cover_as_the_theorem_says(n, level):
    random, inside, made = np.random.default_rng(4), [], None
    for _ in range(4000):
        _, label, low, high = predicted(random, n + 1)
        made = conformal_quantiles(label[:-1], low[:-1], high[:-1], level)
        lower, upper = made.around(low[-1:], high[-1:])
        inside.append(lower[0] <= label[-1] <= upper[0])
    assert made.coverage >= level and made.coverage == pytest.approx(math.ceil((n + 1) * level - 1e-9) / (n + 1))
    assert np.mean(inside) == pytest.approx(made.coverage, abs=4 * math.sqrt(level * (1 - level) / 4000))


def test_conformalised_quantiles_are_even_where_a_half_width_is_not():
    random = np.random.default_rng(5)
    x, label, low, high = predicted(random, 4000, z=1.5)
    first, rest = slice(0, 2000), slice(2000, None)
    lower, upper = conformal_quantiles(label[first], low[first], high[first], 0.9).around(low[rest], high[rest])
    quantiles = (lower <= label[rest]) & (label[rest] <= upper)
    half = np.abs(label[rest] - 10) <= split_conformal(label[first] - 10, 0.9).half_width
    certain = x[rest] < 0.3
    assert quantiles.mean() == pytest.approx(0.9, abs=0.03) and half.mean() == pytest.approx(0.9, abs=0.03)
    assert quantiles[certain].mean() == pytest.approx(0.9, abs=0.05)
    assert quantiles[~certain].mean() == pytest.approx(0.9, abs=0.03)
    assert half[certain].mean() > 0.99 and half[~certain].mean() < 0.87
    assert (upper - lower)[certain].mean() < 0.6 * (upper - lower)[~certain].mean()


@given(st.lists(st.floats(0, 60), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_conformalised_scores_are_split_conformal(labels, level):
    label, score = np.array(labels), np.full(len(labels), 20.0)
    if level > reachable(len(label)) + 1e-9:
        with pytest.raises(LfnetError, match="the highest level"):
            conformal_quantiles(label, score, score, level)
        return
    assert conformal_quantiles(label, score, score, level) == split_conformal(label - score, level)


def test_intervals_that_are_too_wide_become_narrower_and_end_at_their_middle():
    label = np.full(19, 10.0)
    made = conformal_quantiles(label, label - 8, label + 8, 0.9)
    assert made.half_width == -8
    lower, upper = made.around(np.array([0.0, 0.0]), np.array([20.0, 6.0]))
    assert (lower.tolist(), upper.tolist()) == ([8.0, 3.0], [12.0, 3.0])
