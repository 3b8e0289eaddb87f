"""Quick check of what `make validate` measures in full: coverage and false alarms, within wide Monte Carlo bounds."""

import numpy as np
import pytest

from lfnet.evaluation.compare import sign_flip_p
from lfnet.evaluation.intervals import interval
from lfnet.evaluation.resample import measure, people_weights
from lfnet.evaluation.sufficient_statistics import label_sums, score_sums

COHORTS = 300
# Four standard errors of a rate of .95 (.05) over 300 cohorts are .05.
LOW, HIGH = 0.895, 0.995
MAX_ALARM_RATE = 0.105


@pytest.mark.slow
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("head", ["weak", "strong"])
def test_intervals_contain_the_truth(measures, head, joint):
    for row in measures.coverage(head, 50, COHORTS, joint=joint, methods=(), first=100_000):
        assert LOW <= row["coverage"] <= HIGH, row


@pytest.mark.slow
def test_intervals_of_differences_contain_the_truth(measures):
    rows = measures.difference_coverage(
        "equal MAE, unequal spread", 50, COHORTS, joint=False, methods=(), first=100_000
    )
    for row in rows:
        assert LOW <= row["coverage"] <= HIGH, row


@pytest.mark.slow
def test_false_alarms_are_rare(measures):
    rows = measures.alarms(50, COHORTS, first=100_000)
    for row in rows:
        if "were seeds ignored" not in row["case"]:
            assert row["rate"] <= MAX_ALARM_RATE, row
    assert {row["estimand"] for row in rows} == {"trained", "architecture"}
    assert {row["says"] for row in rows} == {"different", "equivalent"}


def test_real_differences_are_found(measures, population):
    """Half the error is detected nearly always."""
    random = np.random.default_rng(5)
    found = []
    for seed in range(60):
        who = population.people(random, 50)
        errors = [
            np.abs(population.scores(random, population.HEADS[name], who, 1)[0][0] - who.label)
            for name in ("weak", "strong")
        ]
        found.append(sign_flip_p(np.bincount(who.person, errors[1] - errors[0]), 1000, seed) <= 0.05)
    assert np.mean(found) > 0.8


def test_resampling_recordings_instead_of_people_does_not_cover(population):
    """Where errors are mostly the person's own, intervals over recordings are far too short."""
    from dataclasses import replace

    head = replace(population.HEADS["fair"], own=0.95, growth=0.0, seed_bias=0.0, seed_slope=0.0, seed_noise=0.1)
    head = replace(head, follows=0.1, spread=3.0)
    true = population.truth(head)["mae"]
    covered = {"people": [], "recordings": []}
    for seed in range(200):
        random = np.random.default_rng([seed, 6])
        count = 40
        person = np.repeat(np.arange(count), 4)
        u = random.standard_normal(count)[person]
        label = np.clip(np.rint(population.severity(u)), 0, 63)
        who = population.People(person, u, label)
        score = population.scores(random, head, who, 1)[0]
        for unit, groups in (("people", person), ("recordings", np.arange(160))):
            labels, rows = label_sums(groups, label, None), [score_sums(groups, label, score)]
            weight = people_weights(labels.people, 400, seed)
            found = interval(measure("mae", labels, rows, weight_BP=weight)[0][0], "symmetric studentised", 0.95)
            covered[unit].append(found.low <= true <= found.high)
    assert np.mean(covered["people"]) > 0.88
    assert np.mean(covered["recordings"]) < 0.8
