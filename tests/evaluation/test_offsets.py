"""Offsets of people compared with closed forms and with the mixed model of statsmodels."""

import warnings

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.offsets import fit_offsets


def drawn(seed: int, counts: list[int], *, between: float = 9.0, within: float = 4.0, slope: float = 1.0):
    """label, score, person: labels about `3 + slope · score` with an offset a person."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(len(counts)), counts)
    score = rng.normal(15, 5, len(person))
    offset = rng.normal(0, np.sqrt(between), len(counts))
    return 3 + slope * score + offset[person] + rng.normal(0, np.sqrt(within), len(person)), score, person


@pytest.mark.parametrize("seed", range(4))
def test_a_balanced_design_has_the_closed_form_of_the_analysis_of_variance(seed):
    """Searle, Casella and McCulloch 1992, section 3.8: where it is positive, REML's τ² is (MSA − MSE) / n."""
    label, score, person = drawn(seed, [4] * 30)
    found = fit_offsets(label, score, person)
    error = (label - score).reshape(30, 4)
    within = error.var(axis=1, ddof=1).mean()
    between = error.mean(axis=1).var(ddof=1) - within / 4
    assert between > 0
    assert (found.general, found.within, found.between) == pytest.approx((error.mean(), within, between), rel=1e-6)
    ratio = between / within
    assert found.weight(3) == pytest.approx(3 * ratio / (1 + 3 * ratio), rel=1e-6)


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_an_unbalanced_design_agrees_with_statsmodels(seed, slope):
    from statsmodels.regression.mixed_linear_model import MixedLM

    counts = np.random.default_rng(seed).integers(1, 7, 40).tolist()
    label, score, person = drawn(seed, counts, slope=1.4 if slope else 1.0)
    found = fit_offsets(label, score, person, slope=slope)
    X = np.column_stack([np.ones_like(score), *[score] * slope])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = MixedLM(label if slope else label - score, X, groups=person).fit(reml=True, method=["bfgs"])
    assert found.within == pytest.approx(fitted.scale, rel=1e-3)
    assert found.between == pytest.approx(fitted.cov_re[0, 0] if hasattr(fitted.cov_re, "shape") else 0, rel=1e-3)
    assert found.general == pytest.approx(fitted.fe_params[0], rel=1e-3, abs=1e-3)
    assert found.slope == pytest.approx(fitted.fe_params[1] if slope else 1.0, rel=1e-3)
    for one, effect in fitted.random_effects.items():
        own = person == one
        assert found.person(label[own], score[own]) == pytest.approx(float(np.asarray(effect)[0]), rel=2e-3, abs=2e-3)


def test_people_who_do_not_differ_have_no_offsets():
    rng = np.random.default_rng(1)
    error = rng.normal(0, 2, (20, 3))
    error -= error.mean(axis=1, keepdims=True)
    found = fit_offsets(error.ravel() + 1.0, np.zeros(60), np.repeat(np.arange(20), 3))
    assert found.between == 0 and found.weight(5) == 0 and found.person([40.0], [0.0]) == 0
    assert found.general == pytest.approx(1.0)


def test_without_errors_one_recording_gives_the_whole_offset():
    person = np.repeat(np.arange(10), 3)
    label = person * 2.0
    found = fit_offsets(label, np.zeros(30), person)
    assert found.weight(1) == pytest.approx(1.0, abs=1e-6)
    assert found.person([11.0], [0.0]) == pytest.approx(11.0 - found.general, abs=1e-4)


def test_too_few_people_are_refused():
    label, score, person = drawn(0, [2, 2, 2, 2, 1, 1, 1])
    with pytest.raises(LfnetError, match=r"4 of 7 people have two labelled recordings or more"):
        fit_offsets(label, score, person)
