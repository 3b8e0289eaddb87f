"""Calibration curves of normal errors with known coverage, and unreachable levels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from lfnet.evaluation.conformal import conformal_quantiles, split_conformal
from lfnet.evaluation.coverage import (
    LEVELS,
    Curve,
    conformal_curve,
    mean_curve,
    quantile_conformal_curve,
    quantile_curve,
    spread_curve,
)
from lfnet.evaluation.quantiles import COLUMNS, central, quantiles_of
from lfnet.evaluation.quantiles import LEVELS as QUANTILE_LEVELS


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


def with_quantiles(data, sd):
    quantile_NL = data["score"].to_numpy()[:, None] + np.asarray(sd)[:, None] * norm.ppf(QUANTILE_LEVELS)
    made = data.assign(person_id=[f"p{place}" for place in range(len(data))])
    return made.assign(**dict(zip(COLUMNS, quantile_NL.T, strict=True)))


def test_true_quantiles_have_nominal_coverage():
    data = with_quantiles(rows(10_000), np.full(10_000, 5.0))
    curve = quantile_curve(data, -1e9, 1e9)
    inner = slice(0, LEVELS.index(0.95))  # beyond the outermost quantiles intervals are those of .9
    assert curve.coverage_L[inner] == pytest.approx(LEVELS[inner], abs=0.015)
    assert curve.at(0.95)[0] == pytest.approx(0.9, abs=0.01)
    assert curve.at(0.8)[1] == pytest.approx(2 * norm.ppf(0.9) * 5, rel=1e-6)
    assert quantile_curve(data[:3].assign(label=np.nan), 0, 63) is None


def test_a_person_with_many_recordings_counts_once():
    data = with_quantiles(rows(40, seed=1), np.full(40, 5.0))
    often = pd.concat([data, *[data[:1]] * 200])
    assert quantile_curve(often, 0, 63).at(0.8) == pytest.approx(quantile_curve(data, 0, 63).at(0.8), abs=2)
    assert quantile_curve(often, 0, 63).at(0.8)[0] == pytest.approx(quantile_curve(data, 0, 63).at(0.8)[0])


def test_conformal_quantiles_cover_whatever_the_quantiles_are():
    sd = np.tile([1.0, 10.0], 300)
    data = with_quantiles(rows(600, sd), sd / 3)  # a third of the true width
    raw, made = quantile_curve(data, -1e9, 1e9), quantile_conformal_curve(data, -1e9, 1e9)
    assert raw.at(0.9)[0] < 0.5
    assert made.coverage_L == pytest.approx(LEVELS, abs=0.02) and (made.coverage_L >= np.array(LEVELS) - 0.01).all()
    assert (made.kind, made.n, made.calibrated) == ("conformal, by the quantiles", 600, 300)
    assert (
        quantile_conformal_curve(data[:3], 0, 63) is None and quantile_conformal_curve(data[:12], 0, 63).at(0.9) is None
    )


def test_its_coverage_is_that_of_conformal_quantiles_on_the_halves():
    data, random = with_quantiles(rows(30, seed=3), np.full(30, 2.0)), np.random.default_rng(9)
    label, (low, high) = data["label"].to_numpy(), central(quantiles_of(data), 0.8)
    found = []
    for _ in range(4000):
        order = random.permutation(30)
        one, other = order[:15], order[15:]
        lower, upper = conformal_quantiles(label[one], low[one], high[one], 0.8).around(low[other], high[other])
        found.append((((lower <= label[other]) & (label[other] <= upper)).mean(), (upper - lower).mean()))
    assert quantile_conformal_curve(data, -1e9, 1e9).at(0.8) == pytest.approx(np.mean(found, axis=0), abs=0.15)
    assert quantile_conformal_curve(data, -1e9, 1e9).at(0.8)[0] == pytest.approx(np.mean(found, axis=0)[0], abs=0.01)
