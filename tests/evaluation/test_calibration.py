"""Calibration bins: SciPy's Wilson interval over people, and no bin of few people."""

import numpy as np
import pytest
from scipy.stats import binomtest

from lfnet.evaluation.calibration import calibration_bins


def test_intervals_are_those_of_wilson_with_people_as_n() -> None:
    random = np.random.default_rng(0)
    probability = random.uniform(size=173)
    positive = random.uniform(size=173) < probability
    found = calibration_bins(positive, probability, np.arange(173))
    assert len(found) == 5 and sum(one.recordings for one in found) == 173
    for one in found:
        assert one.people == one.recordings
        wilson = binomtest(round(one.observed * one.people), one.people).proportion_ci(0.95, "wilson")
        assert (one.low, one.high) == pytest.approx((wilson.low, wilson.high))
    predicted = [one.predicted for one in found]
    assert predicted == sorted(predicted)


def test_recordings_of_a_person_do_not_shorten_an_interval() -> None:
    probability = np.linspace(0, 1, 60)
    positive = probability > 0.5
    once = calibration_bins(positive, probability, np.arange(60))
    twice = calibration_bins(np.tile(positive, 2), np.tile(probability, 2), np.tile(np.arange(60), 2))
    assert [one[:4] for one in once] == [pytest.approx(one[:4]) for one in twice]
    assert [one.people * 2 for one in once] == [one.recordings for one in twice]


@pytest.mark.parametrize(("people", "bins"), [(19, 0), (20, 2), (49, 4), (400, 5)])
def test_each_bin_has_ten_people(people: int, bins: int) -> None:
    random = np.random.default_rng(people)
    probability = random.uniform(size=people)
    assert len(calibration_bins(random.uniform(size=people) < 0.5, probability, np.arange(people))) == bins
    assert calibration_bins(probability < 0.5, np.full(people, 0.3), np.arange(people)) == ()
