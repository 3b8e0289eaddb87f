"""Pooled effects against a closed form, statsmodels and cohorts whose variance is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.evaluation.evidence import RowScores, compute_evidence
from lfnet.evaluation.meta_analysis import pool_effects, restricted_tau2

EFFECTS = np.array([-1.2, 0.3, -0.6, -0.9, 0.1, -2.0])
ERRORS = np.array([0.3, 0.5, 0.2, 0.6, 0.4, 0.7])


def test_equal_errors_give_the_closed_form() -> None:
    error = 0.3
    found = pool_effects(EFFECTS, np.full(6, error))
    spread = EFFECTS.var(ddof=1)
    assert found.tau2 == pytest.approx(spread - error**2, abs=1e-6)
    assert found.effect == pytest.approx(EFFECTS.mean())
    low, high = stats.t.interval(0.95, 5, EFFECTS.mean(), np.sqrt(spread / 6))
    assert (found.low, found.high) == pytest.approx((low, high))
    reach = stats.t.ppf(0.975, 4) * np.sqrt(spread - error**2 + spread / 6)
    assert found.predicted_high == pytest.approx(EFFECTS.mean() + reach, abs=1e-6)
    assert found.i2 == pytest.approx(1 - error**2 / spread, abs=1e-6)


def test_given_tau2_the_numbers_are_those_of_statsmodels() -> None:
    found = pool_effects(EFFECTS, ERRORS)
    # With τ² moved into the variances, the fixed effect of statsmodels is the random effect at this τ².
    theirs = combine_effects(EFFECTS, ERRORS**2 + found.tau2, method_re="dl")
    assert found.effect == pytest.approx(theirs.mean_effect_fe)
    assert np.array(found.weights) == pytest.approx(theirs.weights_fe / theirs.weights_fe.sum())
    error = theirs.sd_eff_w_fe_hksj
    reach = stats.t.ppf(0.975, 5) * error
    assert (found.low, found.high) == pytest.approx((found.effect - reach, found.effect + reach))
    plain = combine_effects(EFFECTS, ERRORS**2, method_re="dl")
    assert found.q == pytest.approx(plain.q)
    assert found.p == pytest.approx(stats.chi2.sf(plain.q, 5))


def test_tau2_is_where_the_restricted_likelihood_is_flat() -> None:
    tau2 = restricted_tau2(EFFECTS, ERRORS**2)
    weight = 1 / (ERRORS**2 + tau2)
    apart = EFFECTS - weight @ EFFECTS / weight.sum()
    slope = -weight.sum() + (weight**2).sum() / weight.sum() + (weight**2) @ apart**2  # Viechtbauer (2005)
    assert tau2 > 0 and slope == pytest.approx(0, abs=1e-4)


def test_equal_effects_have_no_variance_between_cohorts() -> None:
    found = pool_effects(np.full(4, -0.5), [0.2, 0.3, 0.4, 0.5])
    assert found.tau2 == 0 and found.i2 == 0 and found.p == pytest.approx(1)
    assert (found.low, found.effect, found.high) == pytest.approx((-0.5,) * 3)


def test_estimates_agree_where_the_interval_is_shorter_than_their_errors_alone_make_it() -> None:
    lengths = []
    for apart in (0.1, 0.3, 0.45, 0.5, 0.6):
        found = pool_effects([-apart, 0.0, apart, 0.0, 0.0], [0.5] * 5)
        lengths.append((found.high - found.low) / (2 * stats.norm.ppf(0.975) * 0.5 / np.sqrt(5)))
        assert found.agree == (lengths[-1] < 1)
    assert min(lengths) < 1 < max(lengths)


@given(arrays(float, st.integers(3, 8), elements=st.floats(-5, 5)), st.integers(0, 2**20), st.floats(0.1, 10))
def test_another_unit_or_order_or_sign_changes_nothing_else(effects: np.ndarray, seed: int, unit: float) -> None:
    random = np.random.default_rng(seed)
    errors = random.uniform(0.2, 1, len(effects))
    order = random.permutation(len(effects))
    one, other = pool_effects(effects, errors), pool_effects(-unit * effects[order], unit * errors[order])
    assert other.effect == pytest.approx(-unit * one.effect, abs=1e-5 * unit)
    assert (-other.high, -other.low) == pytest.approx((unit * one.low, unit * one.high), abs=1e-4 * unit)
    assert other.i2 == pytest.approx(one.i2, abs=1e-4)


@pytest.mark.parametrize(("effects", "errors"), [([1.0, 2.0], [1.0, 1.0]), ([1.0, 2.0, 3.0], [1.0, 0.0, 1.0])])
def test_too_few_cohorts_and_errors_of_zero_are_refused(effects: list[float], errors: list[float]) -> None:
    with pytest.raises(ValueError, match="cohort"):
        pool_effects(effects, errors)


def cohort(random: np.random.Generator, people: int, difference: float) -> tuple[float, float]:
    """The estimate and its error in one simulated cohort in which one head errs by `difference` more than the other."""
    names = [f"p{number}" for number in range(people)]
    label = random.integers(0, 40, people).astype(float)
    own = random.normal(difference, 3.0, people)  # of each person: |error| of one head − that of the other
    common = 20 + random.normal(0, 1, people)  # large, so that no error changes its sign
    sign = random.choice([-1, 1], people)
    rows = [
        RowScores(name, names, names, label, [label + sign * (common + half * own)])
        for name, half in (("one", 0.5), ("other", -0.5))
    ]
    settings = EvidenceSettings(resamples=200, flips=200)
    found = compute_evidence(rows, "other", settings).rows["one"].comparison.differences["mae"]
    return found.value, found.error


def test_the_error_of_a_difference_is_its_standard_error() -> None:
    found = np.array([cohort(np.random.default_rng(seed), 40, 1.0) for seed in range(60)])
    assert found[:, 1].mean() == pytest.approx(3 / np.sqrt(40), rel=0.05)
    assert found[:, 0].std(ddof=1) == pytest.approx(3 / np.sqrt(40), rel=0.25)


@pytest.mark.long
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("cohorts", [4, 8])
def test_intervals_contain_the_mean_difference_of_simulated_cohorts(cohorts: int, tau: float) -> None:
    """People are drawn in each cohort, whose true difference is drawn from N(1, τ²): 95 % of 300 pooled intervals."""
    random = np.random.default_rng([cohorts, int(10 * tau)])
    repeats, inside, spread = 300, 0, []
    for _ in range(repeats):
        truth = random.normal(1.0, tau, cohorts)
        made = [cohort(random, int(random.integers(25, 80)), own) for own in truth]
        pooled = pool_effects(*np.array(made).T)
        inside += pooled.low <= 1.0 <= pooled.high
        spread.append(pooled.tau2)
    # Three standard errors of a share of 300; conservative where cohorts do not differ, since τ² is never below 0.
    assert 0.95 - 0.038 <= inside / repeats <= (0.95 + 0.038 if tau else 1.0)
    assert np.mean(spread) == pytest.approx(tau**2, abs=0.15 + 0.2 * tau**2)
