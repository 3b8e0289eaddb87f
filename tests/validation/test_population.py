"""The truth that intervals are compared with agrees with a very large sample."""

from dataclasses import replace

import numpy as np
import pytest

from lfnet.evaluation.metrics import METRICS

MANY = 300_000


@pytest.fixture(scope="module")
def crowd(population):
    return population.people(np.random.default_rng(0), MANY)


@pytest.mark.parametrize("name", ["weak", "fair", "strong"])
def test_the_truth_agrees_with_a_very_large_sample(population, crowd, name):
    head = replace(population.HEADS[name], bias=1.0, seed_bias=0.0, seed_slope=0.0)
    score = population.scores(np.random.default_rng(1), head, crowd, 1)[0][0]
    true = population.truth(head)
    for metric, tolerance in (("mae", 0.05), ("rmse", 0.07), ("pcc", 0.006), ("ccc", 0.006), ("sigma_ratio", 0.006)):
        assert METRICS[metric].function(crowd.label, score) == pytest.approx(true[metric], abs=tolerance)
    constant = np.abs(crowd.label - population.CONSTANT).mean()
    assert 1 - METRICS["mae"].function(crowd.label, score) / constant == pytest.approx(true["skill"], abs=0.006)


def test_labels_are_skewed_and_correlate_within_people(population, crowd):
    centred = crowd.label - crowd.label.mean()
    assert crowd.label.mean() == pytest.approx(15, abs=0.3) and crowd.label.std() == pytest.approx(12.1, abs=0.3)
    assert (centred**3).mean() / crowd.label.std() ** 3 > 0.7
    assert np.bincount(crowd.person).max() <= population.MAX_SESSIONS
    order = np.argsort(crowd.person, kind="stable")
    twice = np.flatnonzero(np.diff(crowd.person[order]) == 0)
    pairs = crowd.u[order][twice], crowd.u[order][twice + 1]
    assert np.corrcoef(*pairs)[0, 1] == pytest.approx(population.WITHIN_PERSON, abs=0.02)


def test_errors_grow_with_severity_and_correlate_within_people(population, crowd):
    head = replace(population.HEADS["fair"], seed_bias=0.0, seed_slope=0.0, seed_noise=0.0)
    score = population.scores(np.random.default_rng(2), head, crowd, 1)[0][0]
    noise = score - head.centre(crowd.u, 0.0, 1.0)
    severe, well = noise[crowd.u > 1].std(), noise[crowd.u < -1].std()
    assert severe > 1.5 * well
    order = np.argsort(crowd.person, kind="stable")
    twice = np.flatnonzero(np.diff(crowd.person[order]) == 0)
    relative = (noise / head.noise_sd(crowd.u, 1.0))[order]
    assert np.corrcoef(relative[twice], relative[twice + 1])[0, 1] == pytest.approx(head.own, abs=0.02)


def test_a_head_of_equal_mae_has_it(population):
    fair, strong = population.HEADS["fair"], population.HEADS["strong"]
    for over in (0.0, 1.0):
        found = population.over_seeds(population.with_mae_of(strong, fair, over))
        assert found["mae"] == pytest.approx(population.over_seeds(fair)["mae"] + over, abs=1e-9)
    assert found["pcc"] > population.over_seeds(fair)["pcc"] + 0.1


def test_an_architecture_scores_the_mean_of_its_seeds(population):
    head = population.HEADS["fair"]
    random = np.random.default_rng(3)
    drawn = [
        population.truth(
            head, head.seed_bias * random.standard_normal(), 1 + head.seed_slope * random.standard_normal()
        )
        for _ in range(3000)
    ]
    expected = population.over_seeds(head)
    for metric in ("mae", "pcc", "sigma_ratio"):
        values = np.array([one[metric] for one in drawn])
        assert values.mean() == pytest.approx(expected[metric], abs=4 * values.std() / np.sqrt(3000))
