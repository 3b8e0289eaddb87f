"""Sums per person give the metrics that metrics.py gives, and their influence is the derivative."""

import tracemalloc

import numpy as np
import pytest

from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.resample import measure, people_weights
from lfnet.evaluation.sufficient_statistics import (
    EVIDENCE_METRICS,
    influence,
    label_sums,
    means,
    means_without_each,
    score_sums,
    value,
)
from tests.evaluation.cases import Case

CONSTANT = 12.0


def plain(metric, label, score):
    if metric in METRICS:
        return METRICS[metric].function(label, score)
    return 1 - np.abs(label - score).mean(axis=-1) / np.abs(label - CONSTANT).mean()


@pytest.fixture
def case():
    return Case(1)


def sums(case, score):
    return label_sums(case.person, case.label, CONSTANT), score_sums(case.person, case.label, score)


@pytest.mark.parametrize("metric", EVIDENCE_METRICS)
def test_a_resample_of_people_is_their_recordings_repeated(case, metric):
    score = case.scores(seeds=2)
    labels, rows = sums(case, score)
    weight = case.random.multinomial(30, np.full(30, 1 / 30), size=5).astype(float)
    measured = value(metric, means(weight, labels, rows))
    for number, times in enumerate(weight.astype(int)):
        taken = np.repeat(np.arange(len(case.label)), times[case.person])
        np.testing.assert_allclose(measured[number], plain(metric, case.label[taken], score[:, taken]), rtol=1e-9)


@pytest.mark.parametrize("metric", EVIDENCE_METRICS)
def test_leaving_one_person_out_is_a_weight_of_zero(case, metric):
    labels, rows = sums(case, case.scores(seeds=2))
    plain = value(metric, means(1.0 - np.eye(30), labels, rows))
    np.testing.assert_allclose(value(metric, means_without_each(labels, rows)), plain, rtol=1e-12)


def test_the_memory_of_evidence_is_linear_in_people():
    people = 3000
    case = Case(3, people=people, recordings=people)
    score = case.scores(seeds=1)
    tracemalloc.start()
    try:
        labels, rows = sums(case, score)
        measure("ccc", labels, [rows], weight_BP=people_weights(people, 20, 0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < people * people  # bytes; a matrix of people by people has eight times as many


@pytest.mark.parametrize("metric", EVIDENCE_METRICS)
def test_influence_is_the_derivative_by_each_persons_weight(case, metric):
    labels, rows = sums(case, case.scores(seeds=3))
    weight = case.random.uniform(0.5, 2.0, 30)
    share = np.array([[0.2, 0.5, 0.3]])
    pulls = influence(metric, means(weight[None], labels, rows), labels, rows, share)[0]
    step = 1e-5 * np.eye(30)
    up, down = (value(metric, means(weight + change, labels, rows)) @ share[0] for change in (step, -step))
    np.testing.assert_allclose(pulls, (up - down) / 2e-5, rtol=1e-5, atol=1e-9)
    assert abs(weight @ pulls) < 1e-9


def test_variance_of_the_mean_error_is_the_textbook_one(case):
    """One recording a person: s²/n."""
    case = Case(2, people=40, recordings=40)
    score = case.scores(seeds=1)
    labels, rows = sums(case, score)
    pulls = influence("mae", means(np.ones((1, 40)), labels, rows), labels, rows, np.ones((1, 1)))[0]
    error = np.abs(score[0] - case.label)[np.argsort(case.person)]
    assert np.square(pulls).sum() * 40 / 39 == pytest.approx(error.var(ddof=1) / 40)


def test_undefined_metrics_are_nan(case):
    labels, rows = sums(case, np.full((1, 50), 12.0))
    at = means(np.ones((1, 30)), labels, rows)
    assert np.isnan(value("pcc", at)).all() and np.isnan(value("sigma_ratio", at)).all()
    assert value("ccc", at)[0, 0] == 0
    no_constant = label_sums(case.person, case.label, None)
    assert np.isnan(value("skill", means(np.ones((1, 30)), no_constant, rows))).all()


def test_unknown_metrics_are_refused(case):
    labels, rows = sums(case, case.scores())
    with pytest.raises(ValueError, match="unknown metric 'mse'"):
        value("mse", means(np.ones((1, 30)), labels, rows))
