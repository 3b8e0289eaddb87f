"""The mean error and its interval over people: Student's t, clusters, and the interval of MAE that tables have."""

import numpy as np
import pytest
from scipy import stats

from lfnet.evaluation.aligned_scores import RowScores
from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.evaluation.evidence import compute_evidence
from lfnet.evaluation.mean_error import mean_error


def test_one_recording_a_person_gives_the_standard_error_of_a_mean() -> None:
    error = np.random.default_rng(0).normal(1, 3, 40)
    found = mean_error(error, np.arange(40))
    half = (found.interval.high - found.interval.low) / 2
    assert found.value == pytest.approx(error.mean()) == pytest.approx((found.interval.low + found.interval.high) / 2)
    # Few influential people lower the degrees of freedom, so that the interval is not shorter than with 39.
    assert half >= stats.t.ppf(0.975, 39) * stats.sem(error) * (1 - 1e-12)
    assert half < 1.1 * stats.t.ppf(0.975, 39) * stats.sem(error)


def test_copies_of_recordings_add_no_certainty() -> None:
    error = np.random.default_rng(1).normal(0, 2, 30)
    once, thrice = mean_error(error, np.arange(30)), mean_error(np.repeat(error, 3), np.repeat(np.arange(30), 3))
    assert (thrice.interval.low, thrice.interval.high) == pytest.approx((once.interval.low, once.interval.high))


def test_the_interval_of_absolute_errors_is_that_of_mae_in_tables() -> None:
    random = np.random.default_rng(2)
    person, label = np.arange(60) % 35, random.uniform(0, 50, 60)
    score = label + random.normal(1, 6, 60)
    row = RowScores("a", [str(n) for n in range(60)], [str(n) for n in person], label, [score])
    expected = compute_evidence([row], None, EvidenceSettings(resamples=200)).rows["a"].estimates["mae"]
    found = mean_error(score - label, person, absolute=True)
    assert found.value == pytest.approx(expected.value)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.interval.low, expected.interval.high))


def test_too_few_people_have_no_interval() -> None:
    assert mean_error(np.arange(20.0), np.arange(20) % 9).interval is None
    assert mean_error(np.arange(20.0), np.arange(20) % 10).interval is not None
    assert mean_error([], []).value is None
