"""Power compared with statsmodels and simulated tests, and from models with known errors."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import align
from lfnet.evaluation.compare import sign_flip_p
from lfnet.evaluation.power import (
    Errors,
    correlation_difference_variance,
    detectable,
    needed,
    needed_for_equivalence,
    noncentrality,
    pair_errors,
)
from tests.evaluation.cases import Case


@pytest.mark.parametrize("people", [8, 28, 150, 900])
def test_noncentrality_agrees_with_statsmodels(people):
    effect = TTestPower().solve_power(nobs=people, alpha=0.05, power=0.8)
    assert noncentrality(people - 1, 0.05, 0.8) == pytest.approx(effect * np.sqrt(people), rel=1e-4)


def test_many_degrees_of_freedom_are_normal():
    assert noncentrality(1001, 0.05, 0.8) == pytest.approx(noncentrality(999, 0.05, 0.8), rel=2e-3)
    assert noncentrality(5000, 0.05, 0.8) == pytest.approx(1.959964 + 0.841621, abs=1e-5)


def test_a_sign_flip_test_finds_the_detectable_difference_in_four_of_five_samples():
    random = np.random.default_rng(0)
    people, sd = 40, 3.0
    shift = detectable(sd**2, people, 1.0)
    found = [sign_flip_p(random.normal(shift, sd, people), 500, seed) <= 0.05 for seed in range(600)]
    assert np.mean(found) == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 600))


def test_equal_heads_are_shown_to_be_equivalent_in_four_of_five_samples():
    from scipy import stats

    random = np.random.default_rng(1)
    n = needed_for_equivalence(1.0, 9.0, 1.0)
    d = random.normal(0, 3.0, (4000, n))
    reach = stats.t.isf(0.05, n - 1) * d.std(axis=1, ddof=1) / np.sqrt(n)
    shown = np.abs(d.mean(axis=1)) + reach < 1.0
    assert shown.mean() == pytest.approx(0.8, abs=0.03)


def test_the_needed_number_detects_the_difference():
    n = needed(0.5, 20.0, 0.56)
    assert detectable(20.0, n, 0.56) <= 0.5 < detectable(20.0, n - 1, 0.56)
    assert needed(0.25, 20.0, 0.56) == pytest.approx(4 * n, rel=0.02)
    assert needed(0.0, 20.0, 0.56) is None and needed(50.0, 20.0, 0.56) == 6


@pytest.mark.parametrize(("first", "second", "between"), [(0.3, 0.1, 0.6), (0.7, 0.6, 0.8), (0.0, 0.0, 0.0)])
def test_variance_of_a_difference_of_correlations_is_that_of_normal_samples(first, second, between):
    random = np.random.default_rng(2)
    covariance = np.array([[1, first, second], [first, 1, between], [second, between, 1]])
    drawn = random.multivariate_normal(np.zeros(3), covariance, size=(4000, 400))
    unit = (drawn - drawn.mean(axis=1, keepdims=True)) / drawn.std(axis=1, keepdims=True)
    gaps = (unit[..., 0] * unit[..., 1]).mean(axis=1) - (unit[..., 0] * unit[..., 2]).mean(axis=1)
    assert correlation_difference_variance(first, second, between) == pytest.approx(400 * gaps.var(), rel=0.09)


@pytest.fixture
def aligned():
    """Two heads that share most of their errors, three seeds each; one recording a person."""
    case = Case(3, people=400, recordings=400)
    common = case.random.normal(0, 6, 400)
    rows = []
    for name in ("a", "b"):
        own = case.random.normal(0, 2, (3, 400))
        rows.append(case.row(name, 15 + 0.5 * (case.label - 15) + common + own))
    return align(rows)


def test_each_seeds_model_is_paired_with_each(aligned):
    pairs = pair_errors(aligned, [(0, 1)])
    assert len(pairs) == 9 and {pair.names for pair in pairs} == {("a", "b")}
    for pair in pairs:
        assert 0.8 < pair.error < 0.98 and 0.7 < pair.absolute < 0.98 and 0.8 < pair.score < 0.99
    first, second = (np.abs(aligned.score_RSN[row][0] - aligned.label_N) for row in (0, 1))
    assert pairs[0].unit_mae == pytest.approx((first - second).var(ddof=1))
    assert pairs[0].unit_mae_apart == pytest.approx(first.var(ddof=1) + second.var(ddof=1), rel=1e-9)
    assert pairs[0].absolute == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_errors_scale_with_mae_and_correlations_with_the_closed_form(aligned):
    errors = Errors(pair_errors(aligned, [(0, 1)]), 1.0)
    mae, pcc = errors.pairs[0].mae, errors.pairs[0].pcc
    assert errors.unit_mae_at((2 * mae[0], 2 * mae[1])) == pytest.approx(4 * errors.unit_mae_at(mae))
    assert errors.unit_mae_at(mae) == pytest.approx(errors.median("unit_mae"), rel=0.25)
    assert errors.unit_pcc_at(pcc) == pytest.approx(errors.median("unit_pcc"), rel=0.25)
    assert errors.unit_mae_at(mae, apart=True) > 3 * errors.unit_mae_at(mae)
    assert errors.unit_pcc_at(pcc, apart=True) > 2 * errors.unit_pcc_at(pcc)


def test_models_without_a_correlation_are_left_out_and_few_people_refused():
    case = Case(4)
    score = case.scores(seeds=2)
    score[1] = 12.0
    aligned = align([case.row("a", score), case.row("b", case.scores(seeds=2))])
    assert len(pair_errors(aligned, [(0, 1)])) == 2
    few = align([Case(0, people=2, recordings=4).row("a"), Case(0, people=2, recordings=4).row("b")])
    with pytest.raises(LfnetError, match="2 people are too few"):
        pair_errors(few, [(0, 1)])
