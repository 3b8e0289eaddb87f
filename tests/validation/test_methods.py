"""The interval methods that only the validation measures: compared with SciPy's and with closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lfnet.evaluation.metrics import METRICS
from tests.evaluation.cases import Case, quantity


@pytest.fixture(scope="module")
def methods(scripts):
    return scripts("methods").ALL_METHODS


@pytest.mark.parametrize("metric", ["mae", "rmse", "pcc", "ccc"])
def test_bca_agrees_with_scipy(methods, metric):
    """One recording a person, so that both resample the same things."""
    case = Case(3, people=60, recordings=60)
    score = case.scores(seeds=1)
    found = methods["BCa"](quantity(case, score, metric, 20000), 0.95)
    theirs = stats.bootstrap(
        (case.label, score[0]),
        lambda y, s, axis: METRICS[metric].function(np.moveaxis(y, axis, -1), np.moveaxis(s, axis, -1)),
        paired=True,
        vectorized=True,
        n_resamples=20000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    length = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.03 * length)
    assert found.high == pytest.approx(theirs.high, abs=0.03 * length)


def test_percentile_is_the_quantiles_of_the_resamples(methods):
    case = Case(4)
    drawn = quantity(case, case.scores(), "mae")
    found = methods["percentile"](drawn, 0.9)
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn.value_B, [0.05, 0.95]))


@pytest.mark.parametrize("method", ["studentised"])
def test_a_normal_difference_gets_nearly_students_interval(methods, method):
    """Differences in mean |error| that are normal, one recording a person: the t interval is exact."""
    case = Case(5, people=80, recordings=80)
    base = case.label[None] + 20.0
    shifted = base + case.random.normal(1.0, 2.0, (1, 80))
    found = methods[method](quantity(case, shifted, "mae", 20000, reference=base), 0.95)
    d = (shifted - base)[0]
    exact = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    length = exact.high - exact.low
    assert found.low == pytest.approx(exact.low, abs=0.08 * length)
    assert found.high == pytest.approx(exact.high, abs=0.08 * length)


def test_skewed_pivots_lean_the_studentised_interval_and_not_the_symmetric_one(methods):
    case = Case(8)
    drawn = quantity(case, case.scores(), "mae")
    skewed = replace(drawn, pivot_B=np.random.default_rng(0).exponential(1.0, 4000) - 1)
    one, other = methods["studentised"](skewed, 0.95), methods["symmetric studentised"](skewed, 0.95)
    down, up = (abs(np.log(end) - np.log(drawn.value)) for end in (one.low, one.high))
    assert down > 2 * up  # a long upper tail of t moves the lower end
    down, up = (abs(np.log(end) - np.log(drawn.value)) for end in (other.low, other.high))
    assert down == pytest.approx(up)


@pytest.mark.parametrize("method", ["percentile", "BCa", "studentised"])
def test_where_nothing_varies_there_is_no_interval(methods, method):
    case = Case(10)
    same = case.scores(seeds=1)
    assert methods[method](quantity(case, same, "mae", 500, reference=same), 0.95) is None
    assert methods[method](quantity(case, np.full((1, 50), 12.0), "pcc", 500), 0.95) is None
