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


def test_the_error_of_new_training_sets_is_the_mean_over_folds(cohort):
    random, label, sets, score = cohort
    constant = row("constant", np.full((3, 40), 15.0), label, sets, deterministic=True)
    found = compute_evidence([row("a", score, label, sets), constant], "constant", QUICK, constant=15.0)
    assert found.estimand == "training_sets"
    own = found.rows["a"].estimates["mae"]
    errors = np.abs(score - label)
    names = np.unique(sets)
    by_fold = np.array([errors[sets == name].mean() for name in names])
    expected = corrected_resampled(by_fold, np.full(15, 8), 1 / 3)
    assert own.value == pytest.approx(errors.mean()) == pytest.approx(expected.value)
    assert own.interval == expected.interval(0.95)
    gap = np.array([(errors - np.abs(15.0 - label))[sets == name].mean() for name in names])
    compared = found.rows["a"].comparison
    assert compared.p == pytest.approx(corrected_resampled(gap, np.full(15, 8), 1 / 3).p())
    assert found.rows["a"].estimates["pcc"].interval is None and found.rows["a"].estimates["pcc"].value > 0.8
    # The order of recordings changes nothing.
    order = random.permutation(40)
    ids = [f"r{number:02}" for number in order]
    turned = RowScores("a", ids, ids, label[order], score[:, order], training=TrainingSets(sets[:, order], 1 / 3))
    assert compute_evidence([turned], settings=QUICK).rows["a"].estimates["mae"].interval == own.interval


def test_too_few_or_other_training_sets_are_said(cohort):
    _, label, sets, score = cohort
    asked = EvidenceSettings(resamples=400, estimand="training_sets")
    single = row("a", score[:1], label, sets[:1])
    assert compute_evidence([single], settings=QUICK).estimand == "trained"
    others = row("b", score, label, np.char.replace(sets, "2/", "7/"))
    for rows in ([single], [row("a", score, label, sets), others], [row("a", score, label, None)]):
        with pytest.raises(LfnetError, match="needs 10 training sets or more, the same ones for every row"):
            compute_evidence(rows, settings=asked)
    forced = compute_evidence(
        [row("a", score, label, sets)], settings=EvidenceSettings(resamples=400, estimand="trained")
    )
    assert forced.estimand == "trained" and forced.rows["a"].estimates["pcc"].interval is not None
