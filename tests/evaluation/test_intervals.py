"""Intervals compared with SciPy's and with closed forms, and on samples that allow none."""

import numpy as np
import pytest
from scipy import stats

from lfnet.evaluation.intervals import DIFFERENCES, METHODS, interval
from lfnet.evaluation.resample import people_weights, seed_shares
from lfnet.evaluation.sufficient_statistics import EVIDENCE_METRICS, SCALES
from tests.evaluation.cases import Case, quantity


@pytest.mark.parametrize("method", ["symmetric studentised", "jackknife t"])
def test_a_normal_difference_gets_nearly_students_interval(method):
    """Differences in mean |error| that are normal, one recording a person: the t interval is exact."""
    case = Case(5, people=80, recordings=80)
    base = case.label[None] + 20.0
    shifted = base + case.random.normal(1.0, 2.0, (1, 80))
    found = interval(quantity(case, shifted, "mae", 20000, reference=base), method, 0.95)
    d = (shifted - base)[0]
    exact = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    length = exact.high - exact.low
    assert found.low == pytest.approx(exact.low, abs=0.08 * length)
    assert found.high == pytest.approx(exact.high, abs=0.08 * length)


def test_jackknife_of_a_mean_difference_has_the_textbook_error():
    """Leaving one out gives s²/n for a mean; the degrees of freedom follow from the kurtosis."""
    case = Case(6, people=40, recordings=40)
    base = case.label[None] + 20.0
    d = np.tile([-1.0, 1.0], 20)  # kurtosis 1: its variance is known at once, so P − 1 degrees are the most
    found = interval(quantity(case, base + d, "mae", 200, reference=base), "jackknife t", 0.95)
    reach = stats.t.ppf(0.975, 39) * d.std(ddof=1) / np.sqrt(40)
    assert [found.low, found.high] == pytest.approx([-reach, reach])


def test_a_variance_due_to_one_person_has_few_degrees_of_freedom():
    case = Case(7, people=40, recordings=40)
    base = case.label[None] + 20.0
    d = np.zeros(40)
    d[3] = 8.0
    found = interval(quantity(case, base + d, "mae", 200, reference=base), "jackknife t", 0.95)
    error = d.std(ddof=1) / np.sqrt(40)
    assert (found.high - found.low) / 2 > 1.3 * stats.t.ppf(0.975, 39) * error


@pytest.mark.parametrize("metric", EVIDENCE_METRICS)
def test_every_metric_has_a_method_and_an_interval_around_its_value(metric):
    case = Case(9)
    drawn = quantity(case, case.scores(), metric, 1000)
    for methods in (METHODS, DIFFERENCES):
        found = interval(drawn, methods[metric], 0.95)
        assert found.method == methods[metric] and found.low < drawn.value < found.high


@pytest.mark.parametrize("method", sorted(set(METHODS.values())))
def test_where_nothing_varies_there_is_no_interval(method):
    case = Case(10)
    same = case.scores(seeds=1)
    assert interval(quantity(case, same, "mae", 500, reference=same), method, 0.95) is None
    assert interval(quantity(case, np.full((1, 50), 12.0), "pcc", 500), method, 0.95) is None


def test_redrawn_seeds_widen_an_interval():
    case = Case(11)
    score = case.scores(seeds=6) + np.array([0, 3, 6, 9, 12, 15])[:, None]
    alone, both = (quantity(case, score, "mae", 2000, joint=joint) for joint in (False, True))
    assert alone.seeds == 0
    values = np.abs(score - case.label).mean(axis=1)
    assert both.seeds == pytest.approx(values.var(ddof=1) / 6) and both.people == alone.people
    for method in ("symmetric studentised", "jackknife t"):
        narrow, wide = (interval(drawn, method, 0.95) for drawn in (alone, both))
        assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


def test_resamples_do_not_depend_on_what_else_is_drawn():
    weight = people_weights(12, 300, 4)
    assert (weight.sum(axis=1) == 12).all() and (weight == people_weights(12, 300, 4)).all()
    assert (weight != people_weights(12, 300, 5)).any()
    share = seed_shares("a", 5, 300, 4)
    np.testing.assert_allclose(share.sum(axis=1), 1)
    assert (share != seed_shares("b", 5, 300, 4)).any()


@pytest.mark.parametrize("name", SCALES)
def test_scales_are_increasing_and_inverted(name):
    scale = SCALES[name]
    x = np.linspace(0.05, 0.95, 40)
    y = scale.forward(x)
    assert (np.diff(y) > 0).all()
    np.testing.assert_allclose(scale.inverse(y), x)
    np.testing.assert_allclose(scale.slope(x), (scale.forward(x + 1e-6) - scale.forward(x - 1e-6)) / 2e-6, rtol=1e-5)
