"""Evidence on classification: leaving people out, intervals, verdicts, and what too few people allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from lfnet.evaluation import classes
from lfnet.evaluation.aligned_scores import RowScores
from lfnet.evaluation.class_evidence import compute_class_evidence
from lfnet.evaluation.classes import Cut
from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.evaluation.left_out import Question, class_interval, leave_out

CUT = Cut("10", 10.0, 10.0)
EDGES = np.array([10.0, 15.0, 20.0])


def cohort(seed: int = 0, people: int = 60, each: int = 2, rounded: bool = True) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), each)
    label = np.clip(np.rint(random.normal(10, 6, people)[person] + random.normal(0, 2, len(person))), 0, 24)
    score = 0.6 * label + 4 + random.normal(0, 3, (2, len(person)))
    return person, label, np.round(score) if rounded else score


def row(name: str, person: np.ndarray, label: np.ndarray, score: np.ndarray) -> RowScores:
    ids = [f"r{number:03}" for number in range(len(person))]
    return RowScores(name, ids, [f"p{one:03}" for one in person], label, np.atleast_2d(score))


def question(person: np.ndarray, label: np.ndarray, edges: np.ndarray) -> Question:
    return Question(classes.class_numbers(edges, label), person, edges)


def measured(metric: str, label: np.ndarray, score: np.ndarray) -> float:
    """The metric by scikit-learn."""
    y, hit = label >= 10, score >= 10
    number = np.digitize(label, EDGES), np.digitize(score, EDGES)
    return {
        "auroc": lambda: metrics.roc_auc_score(y, score),
        "auprc": lambda: metrics.average_precision_score(y, score),
        "brier": lambda: metrics.brier_score_loss(y, np.clip(score / 24, 0, 1)),
        "sensitivity": lambda: metrics.recall_score(y, hit),
        "specificity": lambda: metrics.recall_score(y, hit, pos_label=0),
        "balanced_accuracy": lambda: metrics.balanced_accuracy_score(y, hit),
        "macro_f1": lambda: metrics.f1_score(y, hit, average="macro"),
        "kappa": lambda: metrics.cohen_kappa_score(y, hit),
        "quadratic_kappa": lambda: metrics.cohen_kappa_score(*number, weights="quadratic"),
    }[metric]()


METRICS = ("auroc", "auprc", "brier", "sensitivity", "specificity", "balanced_accuracy", "macro_f1", "kappa")


@pytest.mark.parametrize("metric", [*METRICS, "quadratic_kappa"])
def test_leaving_a_person_out_is_measuring_without_the_person(metric: str) -> None:
    person, label, score_SN = cohort(people=30)
    bands = metric == "quadratic_kappa"
    scored = np.clip(score_SN / 24, 0, 1) if metric == "brier" else score_SN
    found = leave_out(
        metric, question(person, label, EDGES if bands else EDGES[:1]), scored, None if bands else [10, 10]
    )
    assert found.value_S == pytest.approx([measured(metric, label, one) for one in score_SN], rel=1e-12)
    expected = [[measured(metric, label[person != p], one[person != p]) for p in range(30)] for one in score_SN]
    np.testing.assert_allclose(found.left_SP, expected, rtol=1e-9)


def test_the_variance_of_an_auroc_is_delongs_where_people_have_one_recording() -> None:
    person, label, score_SN = cohort(3, people=400, each=1, rounded=False)
    score, y = score_SN[0], label >= 10
    quantity = leave_out("auroc", question(person, label, EDGES[:1]), score[None], None).quantity(False)
    wins = (score[y][:, None] > score[~y]).astype(float)
    delong = wins.mean(axis=1).var(ddof=1) / y.sum() + wins.mean(axis=0).var(ddof=1) / (~y).sum()
    assert quantity.people == pytest.approx(delong, rel=0.01)


def test_recordings_of_one_person_do_not_count_as_people() -> None:
    """Each recording four times, of the same person: as wide as once, not half as wide."""
    person, label, score_SN = cohort(each=1)
    once, four = (
        compute_class_evidence([row("a", *(np.repeat(part, times) for part in (person, label, score_SN[0])))], CUT)
        for times in (1, 4)
    )
    for metric in ("auroc", "sensitivity", "kappa"):
        one, other = (found.rows["a"].estimates[metric].interval for found in (once, four))
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-9)


def test_a_constant_gets_half_and_no_interval() -> None:
    person, label, _ = cohort()
    found = compute_class_evidence([row("constant", person, label, np.full(len(label), 12.0))], CUT).rows["constant"]
    assert found.estimates["auroc"].value == 0.5 and found.estimates["auroc"].interval is None
    assert found.estimates["sensitivity"].value == 1.0


def test_verdicts_are_about_auroc() -> None:
    person, label, score_SN = cohort()
    rows = [row(name, person, label, score) for name, score in (("model", score_SN[0]), ("twin", score_SN[0] + 90))]
    rows += [row("backwards", person, label, -score_SN[0]), row("constant", person, label, np.zeros(len(label)))]
    found = compute_class_evidence(rows, CUT, "constant").rows
    verdicts = {name: one.comparison.verdict for name, one in found.items() if one.comparison}
    assert verdicts == {"model": "better", "twin": "better", "backwards": "worse"}
    own = found["model"]
    assert own.comparison.differences["auroc"].value == pytest.approx(own.estimates["auroc"].value - 0.5)
    assert found["constant"].comparison is None
    same = compute_class_evidence(rows[:2], CUT, "model").rows["twin"].comparison
    assert same.verdict == "equivalent" and same.p == 1.0


@pytest.mark.parametrize("positive", [9, 10])
def test_too_few_people_of_a_kind_have_no_interval_and_no_verdict(positive: int) -> None:
    people = np.arange(40)
    label = np.where(people < positive, 20.0, 3.0)
    score = label + np.random.default_rng(0).normal(0, 12, 40)
    rows = [row("a", people, label, score), row("b", people, label, np.zeros(40))]
    found = compute_class_evidence(rows, CUT, "b", EvidenceSettings())
    assert (found.positive, found.negative, found.enough) == (positive, 40 - positive, positive >= 10)
    assert (found.rows["a"].estimates["auroc"].interval is not None) == found.enough
    assert (found.rows["a"].comparison.p is not None) == found.enough


def test_seeds_widen_statements_about_an_architecture() -> None:
    person, label, _ = cohort()
    random = np.random.default_rng(1)
    score = 0.3 * label + random.normal(0, 4, (5, len(label)))
    widths = []
    for joint in (False, True):
        ends = compute_class_evidence([row("a", person, label, score)], CUT, joint=joint).rows["a"].estimates
        widths.append(ends["auroc"].interval.high - ends["auroc"].interval.low)
    assert widths[0] < widths[1]


def test_thresholds_of_seeds_are_used() -> None:
    person, label, score_SN = cohort()
    found = compute_class_evidence(
        [row("a", person, label, score_SN)], Cut("10", 10.0, None), thresholds={"a": [8.0, 12.0]}
    ).rows["a"]
    expected = [metrics.recall_score(label >= 10, score >= t) for score, t in zip(score_SN, (8, 12), strict=True)]
    assert found.estimates["sensitivity"].value == pytest.approx(np.mean(expected))
    assert (
        "sensitivity"
        not in compute_class_evidence([row("a", person, label, score_SN)], Cut("10", 10.0, None)).rows["a"].estimates
    )


@given(st.integers(10, 60), st.integers(0, 1))
def test_a_share_at_its_limit_has_wilsons_interval_of_the_people(people: int, value: int) -> None:
    person, label = np.arange(people), np.full(people, 20.0)
    found = leave_out("sensitivity", question(person, label, EDGES[:1]), np.full((1, people), 20.0 * value), [10.0])
    ends = class_interval(found, False, 0.95)
    square = stats.t.ppf(0.975, people - 1) ** 2
    reach = square / (people + square)
    expected = (1 - reach, 1) if value else (0, reach)
    assert (ends.low, ends.high) == pytest.approx(expected, abs=1e-12)


def test_independent_recordings_of_a_person_make_a_share_surer() -> None:
    random = np.random.default_rng(0)
    person, label = np.repeat(np.arange(60), 4), np.full(240, 20.0)
    score = np.where(random.random(240) < 0.6, 20.0, 0.0)
    widths = []
    for rows in (slice(None), slice(None, None, 4)):
        found = leave_out("sensitivity", question(person[rows], label[rows], EDGES[:1]), score[None, rows], [10.0])
        ends = class_interval(found, False, 0.95)
        widths.append(ends.high - ends.low)
    assert widths[0] == pytest.approx(widths[1] / 2, rel=0.15)


def test_classes_are_compared_by_quadratic_kappa() -> None:
    person, label, score_SN = cohort()
    rows = [row("a", person, label, score_SN[0]), row("b", person, label, np.full(len(label), 12.0))]
    found = compute_class_evidence(rows, EDGES, "b")
    assert found.tested == "quadratic_kappa" and found.rows["a"].comparison.verdict == "better"
    assert set(found.rows["a"].estimates) == {"balanced_accuracy", "macro_f1", "kappa", "quadratic_kappa"}
