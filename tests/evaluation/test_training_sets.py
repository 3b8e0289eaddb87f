"""The corrected resampled t against closed forms, and evidence over training sets."""

import numpy as np
import pytest
from scipy import stats

from lfnet.errors import LfnetError
from lfnet.evaluation.evidence import EvidenceSettings, RowScores, compute_evidence
from lfnet.evaluation.training_sets import TrainingSets, corrected_resampled

RANDOM = np.random.default_rng(3)
VALUES = RANDOM.normal(1.0, 2.0, 15)
QUICK = EvidenceSettings(resamples=400, flips=1000)


def test_without_correction_it_is_students_t():
    found = corrected_resampled(VALUES, np.full(15, 7), ratio=0.0)
    assert found.p() == pytest.approx(stats.ttest_1samp(VALUES, 0).pvalue)
    low, high = stats.ttest_1samp(VALUES, 0).confidence_interval(0.95)
    interval = found.interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((low, high))
    above, below = (stats.ttest_1samp(VALUES, 3 * s, alternative=a).pvalue for s, a in ((1, "less"), (-1, "greater")))
    assert found.equivalence_p(3.0) == pytest.approx(max(above, below))


def test_the_correction_multiplies_the_standard_error():
    """Nadeau and Bengio's (1 / K + n_test / n_train) s², for 15 folds of which three quarters as many train."""
    plain, corrected = (corrected_resampled(VALUES, np.ones(15), ratio=ratio) for ratio in (0.0, 1 / 3))
    assert corrected.error / plain.error == pytest.approx(np.sqrt(1 + 15 / 3))
    assert corrected.value == plain.value and corrected.freedom == 14


def test_folds_count_by_their_recordings():
    found = corrected_resampled([1.0, 4.0], [30, 10], ratio=0.0)
    assert found.value == pytest.approx(1.75)
    with pytest.raises(ValueError, match="two or more"):
        corrected_resampled([1.0], [10], ratio=0.3)
    same = corrected_resampled([2.0, 2.0, 2.0], [1, 1, 1], ratio=0.3)
    assert (same.interval(0.95), same.p(), same.equivalence_p(3.0), same.equivalence_p(1.0)) == (None, None, 0.0, 1.0)


def row(name, score_SN, label, sets, **more):
    ids = [f"r{number:02}" for number in range(len(label))]
    training = None if sets is None else TrainingSets(sets, 1 / 3)
    return RowScores(name, ids, ids, label, score_SN, training=training, **more)


@pytest.fixture
def cohort():
    """Forty recordings, three repeats of five folds, and scores of which each fold's model has a bias of its own."""
    random = np.random.default_rng(5)
    label = random.uniform(0, 40, 40)
    fold = np.stack([random.permutation(40) % 5 for _ in range(3)])
    sets = np.array([[f"{repeat}/{number}" for number in own] for repeat, own in enumerate(fold)])
    bias = random.normal(0, 3, (3, 5))
    score = label + np.take_along_axis(bias, fold, axis=1) + random.normal(0, 4, (3, 40))
    return random, label, sets, score


def test_a_difference_over_training_sets_is_the_mean_over_folds(cohort):
    random, label, sets, score = cohort
    constant = row("constant", np.full((3, 40), 15.0), label, sets, deterministic=True)
    found = compute_evidence([row("a", score, label, sets), constant], "constant", QUICK, constant=15.0)
    assert found.estimand == "training_sets"
    apart_SN = np.abs(score - label) - np.abs(15.0 - label)
    gap = [apart_SN[sets == name].mean() for name in np.unique(sets)]
    over_folds = corrected_resampled(gap, np.full(15, 8), 1 / 3)
    of_people = apart_SN.mean(axis=0)
    error = stats.sem(of_people)  # each person has one recording
    compared = found.rows["a"].comparison
    own = compared.differences["mae"]
    assert own.value == pytest.approx(apart_SN.mean()) == pytest.approx(over_folds.value)
    assert own.interval.method == "corrected resampled t"
    larger, freedom = max((over_folds.error, 14), (error, 39))
    reach = stats.t.ppf(0.975, freedom) * larger
    assert (own.interval.low, own.interval.high) == pytest.approx((own.value - reach, own.value + reach))
    assert compared.p == pytest.approx(2 * stats.t.sf(abs(own.value) / larger, freedom))
    assert "pcc" not in compared.differences  # a constant has none
    # A row's own intervals are over people, as without repeats.
    trained = EvidenceSettings(resamples=400, flips=1000, estimand="trained")
    alone = compute_evidence([row("a", score, label, sets), constant], "constant", trained, constant=15.0)
    assert found.rows["a"].estimates == alone.rows["a"].estimates
    assert compute_evidence([row("a", score, label, sets)], settings=QUICK).estimand == "trained"
    # The order of recordings changes nothing.
    order = random.permutation(40)
    ids = [f"r{number:02}" for number in order]
    turned = [
        RowScores(name, ids, ids, label[order], own[:, order], training=TrainingSets(sets[:, order], 1 / 3))
        for name, own in (("a", score), ("constant", np.full((3, 40), 15.0)))
    ]
    again = compute_evidence(turned, "constant", QUICK).rows["a"].comparison.differences["mae"].interval
    assert (again.low, again.high) == pytest.approx((own.interval.low, own.interval.high))


def test_neither_folds_nor_people_alone_set_the_error():
    """Folds that differ more than people do, and people who differ more than folds do: the larger error counts."""
    label = np.repeat([10.0, 30.0], 20)
    fold = np.stack([np.arange(40) % 5, np.arange(40) // 2 % 5])
    sets = np.array([[f"{repeat}/{number}" for number in own] for repeat, own in enumerate(fold)])
    folds_apart = label + 1 + 3.0 * fold
    people_apart = label + np.tile(np.where(np.arange(40) % 20 < 10, 1.0, 13.0), (2, 1))
    widths = []
    for score in (folds_apart, people_apart):
        rows = [row("a", score, label, sets), row("b", np.tile(label, (2, 1)), label, sets)]
        interval = compute_evidence(rows, "b", QUICK).rows["a"].comparison.differences["mae"].interval
        apart_SN = np.abs(score - label)
        folds = corrected_resampled([apart_SN[sets == name].mean() for name in np.unique(sets)], np.full(10, 8), 1 / 3)
        people = stats.sem(apart_SN.mean(axis=0))
        widths.append((folds.error > people, interval.high - interval.low))
        error, freedom = max((folds.error, 9), (people, 39))
        assert interval.high - interval.low == pytest.approx(2 * stats.t.ppf(0.975, freedom) * error)
    assert [folds for folds, _ in widths] == [True, False]


def test_too_few_or_other_training_sets_are_said(cohort):
    _, label, sets, score = cohort
    asked = EvidenceSettings(resamples=400, estimand="training_sets")
    single = row("a", score[:1], label, sets[:1])
    others = row("b", score, label, np.char.replace(sets, "2/", "7/"))
    for rows in ([single], [row("a", score, label, sets), others], [row("a", score, label, None)]):
        with pytest.raises(LfnetError, match="needs 10 training sets or more, the same ones for every row"):
            compute_evidence(rows, settings=asked)
    forced = compute_evidence(
        [row("a", score, label, sets)], settings=EvidenceSettings(resamples=400, estimand="trained")
    )
    assert forced.estimand == "trained" and forced.rows["a"].estimates["pcc"].interval is not None
