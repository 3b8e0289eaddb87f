"""Tests of differences compared with SciPy, statsmodels and counting by hand, and verdicts."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from lfnet.evaluation.compare import (
    VERDICTS,
    effect_size,
    equivalence_p,
    holm,
    pivot_p,
    probability_of_improvement,
    sign_flip_p,
    verdict,
)
from lfnet.evaluation.resample import measure, people_weights
from lfnet.evaluation.sufficient_statistics import label_sums, score_sums
from tests.evaluation.cases import Case


def scipys(d, resamples):
    return stats.permutation_test(
        (d, np.zeros_like(d)),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(2),
    ).pvalue


def test_few_people_get_the_exact_sign_flip_test():
    d = np.random.default_rng(0).normal(0.5, 1, 11)
    assert sign_flip_p(d, 10_000, 0) == pytest.approx(scipys(d, 10_000), abs=1e-12)
    assert sign_flip_p([1.0, 2.0, 3.0], 10_000, 0) == 2 / 8
    assert sign_flip_p([1.0, 1.0, -1.0, 1.0], 10_000, 0) == 10 / 16


def test_many_people_get_random_sign_flips():
    d = np.random.default_rng(1).normal(0.35, 1, 36)
    ours, theirs = sign_flip_p(d, 50_000, 0), scipys(d, 50_000)
    error = np.sqrt(2 * theirs * (1 - theirs) / 50_000)
    assert 0.01 < ours < 0.2 and ours == pytest.approx(theirs, abs=4 * error)


def test_no_difference_has_p_1():
    assert sign_flip_p(np.zeros(5), 1000, 0) == 1
    assert sign_flip_p(np.zeros(50), 1000, 0) == 1
    with pytest.raises(ValueError, match="finite"):
        sign_flip_p([1.0, np.nan], 1000, 0)


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03, 0.005], [0.5, 0.6], [0.02], [0.04, 0.04, 0.9, 0.9]])
def test_holm_agrees_with_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_equals_the_closed_bonferroni_test(p):
    """A hypothesis is rejected where Bonferroni rejects every set that it belongs to (Marcus et al. 1976)."""
    sets = [chosen for k in range(1, len(p) + 1) for chosen in combinations(range(len(p)), k)]
    wanted = [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in range(len(p))]
    np.testing.assert_allclose(holm(p), wanted, atol=1e-12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_only_tests_that_were_made():
    assert holm([None, 0.03, None]) == [None, 0.03, None]
    assert holm([]) == [] and holm([None]) == [None]


def drawn(shift, seed=0, people=120, sd=2.0, resamples=20_000):
    """Differences in |error| that are N(shift, sd), one recording a person; and the differences themselves."""
    case = Case(seed, people=people, recordings=people)
    base = case.label[None] + 30.0
    d = np.random.default_rng(seed).normal(shift, sd, people)
    rows = [score_sums(case.person, case.label, base + d), score_sums(case.person, case.label, base)]
    labels = label_sums(case.person, case.label, None)
    weight = people_weights(people, resamples, seed)
    return measure("mae", labels, rows, weight_BP=weight, reference=1)[1][0], d


@pytest.mark.parametrize("shift", [-0.7, -0.4, 0.0, 0.6])
def test_equivalence_agrees_with_the_tost_of_statsmodels(shift):
    quantity, d = drawn(shift)
    theirs = ttost_paired(d, np.zeros_like(d), -1.0, 1.0)[0]
    assert equivalence_p(quantity, 1.0) == pytest.approx(theirs, abs=0.012)


def test_equivalence_agrees_with_the_90_percent_interval():
    from lfnet.evaluation.intervals import symmetric

    for seed in range(12):
        quantity, _ = drawn(0.55, seed, resamples=2000)
        inside = symmetric(quantity, 0.9)
        within = inside.low > -1 and inside.high < 1
        p = equivalence_p(quantity, 1.0)
        assert within == (p <= 0.05) or abs(p - 0.05) < 0.001


def test_p_of_resamples_is_close_to_students():
    quantity, d = drawn(0.4)
    assert pivot_p(quantity) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.012)


def test_a_constant_difference_is_classified_by_its_size():
    quantity, _ = drawn(0.0, sd=0.0)
    assert pivot_p(quantity) == 1 and equivalence_p(quantity, 1.0) == 0
    quantity, _ = drawn(3.0, sd=0.0)
    assert pivot_p(quantity) == 0 and equivalence_p(quantity, 1.0) == 1


def test_effect_and_probability():
    d = np.array([-1.0, -3.0, 0.0, 1.0])
    assert effect_size(d) == pytest.approx(0.75 / d.std(ddof=1))
    assert probability_of_improvement(d) == 0.625
    assert effect_size(np.ones(4)) is None and effect_size([1.0]) is None


@pytest.mark.parametrize(
    ("difference", "p", "p_equivalent", "expected"),
    [
        (-2.0, 0.01, 0.9, "better"),
        (-0.4, 0.01, 0.02, "better but inside the margin"),
        (-0.1, 0.6, 0.02, "equivalent"),
        (-2.0, 0.06, 0.9, "cannot tell"),
        (0.3, 0.05, 0.05, "worse but inside the margin"),
        (3.0, 0.05, 0.06, "worse"),
        (0.0, None, None, "cannot tell"),
        (-3.0, None, 0.01, "equivalent"),
    ],
)
def test_verdicts(difference, p, p_equivalent, expected):
    assert verdict(difference, p, p_equivalent, 0.05) == expected
    assert expected in VERDICTS


def test_a_difference_of_rounding_is_no_difference():
    # A head that ignores the order of frames, on shuffled ones: the same small difference for every person.
    assert verdict(1e-5, p=0.001, p_equivalent=0.001, alpha=0.05) == "equivalent"
    assert verdict(1e-5, p=0.001, p_equivalent=None, alpha=0.05) == "cannot tell"
