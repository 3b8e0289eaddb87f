"""Calibration curves of normal errors with known coverage, and unreachable levels."""

import numpy as np
import pandas as pd
import pytest

from lfnet.evaluation.conformal import split_conformal
from lfnet.evaluation.coverage import LEVELS, Curve, conformal_curve, mean_curve, spread_curve


def rows(n, sd=5.0, seed=0, score=30.0):
    random = np.random.default_rng(seed)
    sd_N = np.full(n, sd) if np.isscalar(sd) else np.asarray(sd)
    return pd.DataFrame({"label": score + random.normal(0, sd_N), "score": score, "sd": sd_N})


def test_the_spread_of_normal_errors_has_nominal_coverage():
    curve = spread_curve("ensemble", rows(20_000), -1e9, 1e9)
    assert curve.coverage_L == pytest.approx(LEVELS, abs=0.012)
    assert curve.at(0.9)[1] == pytest.approx(2 * 1.6449 * 5, rel=1e-3)
    half = spread_curve("ensemble", rows(20_000).assign(sd=2.5), -1e9, 1e9)
    assert half.at(0.9)[0] == pytest.approx(0.589, abs=0.012)  # P(|z| < 1.6449 / 2)


def test_conformal_intervals_have_nominal_coverage_for_any_scores():
    data = rows(400).assign(score=0.0)  # a model that is 30 points off
    curve = conformal_curve(data, -1e9, 1e9)
    assert (curve.n, curve.calibrated) == (400, 200)
    assert (curve.coverage_L >= np.array(LEVELS) - 0.01).all()
    assert curve.coverage_L == pytest.approx(LEVELS, abs=0.02)


def test_coverage_is_that_of_split_conformal_on_the_halves():
    data, random = rows(30, seed=3), np.random.default_rng(9)
    error = (data["score"] - data["label"]).to_numpy()
    covered = []
    for _ in range(4000):
        order = random.permutation(30)
        made = split_conformal(error[order[:15]], 0.8)
        covered.append((np.abs(error[order[15:]]) <= made.half_width).mean())
    assert conformal_curve(data, -1e9, 1e9).at(0.8)[0] == pytest.approx(np.mean(covered), abs=0.01)


def test_intervals_that_follow_the_spread_are_narrower_where_errors_follow_it():
    sd = np.tile([0.5, 10.0], 300)
    data = rows(600, sd)
    plain = conformal_curve(data, -1e9, 1e9)
    follow = conformal_curve(data, -1e9, 1e9, typical=0.5)
    assert follow.kind == "conformal, by the spread"
    assert follow.at(0.9)[0] == pytest.approx(0.9, abs=0.02)
    assert follow.at(0.9)[1] < 0.85 * plain.at(0.9)[1]


def test_widths_are_clipped_to_the_scale():
    curve = spread_curve("ensemble", rows(50, sd=1000.0), 0, 63)
    assert curve.at(0.95)[1] == 63
    assert conformal_curve(rows(50, sd=1000.0), 0, 63).at(0.9)[1] <= 63


def test_an_unreachable_level_is_nan():
    curve = conformal_curve(rows(12), 0, 63)  # six people reach 6 / 7
    assert curve.reachable == pytest.approx(6 / 7)
    assert curve.at(0.85) is not None and curve.at(0.9) is None
    assert conformal_curve(rows(3), 0, 63) is None
    assert spread_curve("dropout", rows(3).assign(label=np.nan), 0, 63) is None


def test_the_mean_of_curves():
    made = [Curve("x", (0.5, 0.9), np.array(c), np.array([1.0, 3.0]), 7) for c in ([0.4, 0.8], [0.6, 1.0])]
    assert mean_curve(made).coverage_L == pytest.approx([0.5, 0.9])
    assert mean_curve([]) is None
