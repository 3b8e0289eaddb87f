"""Scores of predicted quantiles against scikit-learn and closed forms; coverage where people have unequal sittings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss

from lfnet.evaluation.quantiles import (
    COLUMNS,
    LEVELS,
    central,
    covered_by_person,
    crps,
    pinball,
    quantiles_of,
    summarise_quantiles,
)


def test_the_pinball_loss_is_scikit_learns():
    random = np.random.default_rng(0)
    label_N, quantile_NL = random.normal(20, 9, 50), random.normal(20, 9, (50, len(LEVELS)))
    found = pinball(label_N, quantile_NL).mean(axis=0)
    expected = [mean_pinball_loss(label_N, quantile_NL[:, i], alpha=level) for i, level in enumerate(LEVELS)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_crps_is_near_the_closed_form_of_a_normal_distribution():
    mu, sigma, label_N = 3.0, 2.0, np.linspace(-4, 9, 27)
    z = (label_N - mu) / sigma
    expected = sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))  # Gneiting and Raftery 2007
    quantile_NL = np.tile(mu + sigma * norm.ppf(LEVELS), (len(label_N), 1))
    # Beyond .05 and .95 the quantile function is constant: far labels are up to 3.6 % of σ off, near ones 0.4 %.
    np.testing.assert_allclose(crps(label_N, quantile_NL), expected, atol=0.036 * sigma)
    near = np.abs(z) < 1
    np.testing.assert_allclose(crps(label_N, quantile_NL)[near], expected[near], atol=0.004 * sigma)
    even = (np.arange(2000) + 0.5) / 2000
    exact = 2 * pinball(label_N, np.tile(mu + sigma * norm.ppf(even), (len(label_N), 1)), list(even)).mean(axis=1)
    np.testing.assert_allclose(exact, expected, atol=1e-3)


@given(score=st.floats(0, 63), label=st.floats(0, 63))
def test_the_crps_of_a_score_is_its_absolute_error(score, label):
    found = crps([label], np.full((1, len(LEVELS)), score))[0]
    assert found == pytest.approx(abs(score - label), abs=1e-9)


def test_central_intervals_lie_between_the_quantiles_of_their_level():
    quantile_NL = norm.ppf(LEVELS)[None] * 4 + 10
    for level in (0.9, 0.8, 0.5):
        low, high = central(quantile_NL, level)
        assert (low[0], high[0]) == pytest.approx(tuple(10 + 4 * norm.ppf([(1 - level) / 2, (1 + level) / 2])))
    low, high = central(quantile_NL, 0.99)  # beyond the outermost quantiles
    assert (low[0], high[0]) == (quantile_NL[0, 0], quantile_NL[0, -1])


def test_each_person_counts_once_in_coverage():
    inside = [True] * 30 + [False, False, True]
    person = ["often"] * 30 + ["one", "two", "two"]
    assert covered_by_person(inside, person) == pytest.approx((1 + 0 + 0.5) / 3)
    assert np.mean(inside) > 0.9  # by recordings it would look well covered


def test_coverage_by_person_does_not_depend_on_the_number_of_sittings():
    # A third of the people is hard and comes ten times as often: coverage is .375 by recordings and .6 by person.
    random, shares = np.random.default_rng(1), []
    for _ in range(400):
        hard = np.arange(60) < 20
        person = np.repeat(np.arange(60), np.where(hard, 10, 1))
        inside = random.random(len(person)) < np.where(hard[person], 0.3, 0.75)
        shares.append((covered_by_person(inside, person), inside.mean()))
    by_person, by_recording = np.mean(shares, axis=0)
    assert by_person == pytest.approx(0.6, abs=0.01) and by_recording == pytest.approx(0.375, abs=0.01)


def test_the_summary_of_a_split():
    table = pd.DataFrame({"person_id": ["a", "a", "b", "c"], "split": ["test"] * 3 + ["dev"]})
    table["label"] = [10.0, 14.0, 30.0, np.nan]
    table[list(COLUMNS)] = np.tile(10 + 5 * norm.ppf(LEVELS), (4, 1))
    assert quantiles_of(table).shape == (4, 19)
    found = summarise_quantiles(table, 0, 63)
    assert list(found) == ["test"]  # dev has no label
    assert (found["test"]["n"], found["test"]["people"]) == (3, 2)
    assert found["test"]["coverage_90"] == 0.5
    assert found["test"]["width_80"] == pytest.approx(2 * 5 * norm.ppf(0.9))
    assert found["test"]["crps"] == pytest.approx(crps(table["label"][:3], quantiles_of(table)[:3]).mean())
    low = summarise_quantiles(table, 8, 12)["test"]
    assert low["width_90"] == pytest.approx(4)  # clipped to the scale
