"""Metrics of groups compared with SciPy, MAPIE and the evidence on whole rows; error rates of their tests."""

import numpy as np
import pytest
from scipy import stats

from lfnet.evaluation import compare
from lfnet.evaluation.conformal import conformal_by_group, rank
from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.evaluation.evidence import RowScores, compute_evidence
from lfnet.evaluation.group_evidence import compute_group_evidence, two_groups
from lfnet.evaluation.groups import Grouping


def _cohort(seed=0, people=60, sessions=2, shift=0.0, seeds=2):
    """Scores of people of two groups, a third of them "m", with several recordings, and their grouping."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), random.integers(1, sessions + 1, people))
    ids = [f"r{i:03d}" for i in range(len(person))]
    label = random.integers(0, 40, len(person)).astype(float)
    own = random.normal(0, 2, people)[person]
    score = 8 + 0.6 * label + own + random.normal(0, 4, (seeds, len(person))) + shift * (person % 3 == 0)
    names = [f"p{i:02d}" for i in person]
    sex = Grouping("sex", {f"p{i:02d}": "m" if i % 3 == 0 else "f" for i in range(people)}, ("f", "m"))
    return RowScores("head", ids, names, label, score), sex


def _only(row, sex, group):
    inside = np.array([sex.group_of[person] == group for person in row.person_id])
    ids, people = np.array(row.recording_id)[inside], np.array(row.person_id)[inside]
    return RowScores(row.name, ids, people, row.label[inside], row.score[:, inside])


def test_an_mae_and_its_interval_are_those_of_the_group_alone():
    row, sex = _cohort()
    found = compute_group_evidence([row], [sex])
    for one in found.rows:
        alone = compute_evidence([_only(row, sex, one.group)], None, EvidenceSettings(estimand="trained"))
        theirs = alone.rows["head"].estimates["mae"]
        own = one.estimates["mae"]
        assert (one.people, one.recordings) == (alone.people, alone.recordings)
        assert own.value == pytest.approx(theirs.value, rel=1e-12)
        assert (own.interval.low, own.interval.high) == pytest.approx((theirs.interval.low, theirs.interval.high))


def test_bias_and_slope_are_the_mean_error_and_scipys_regression():
    row, sex = _cohort(sessions=3)
    for one in compute_group_evidence([row], [sex]).rows:
        part = _only(row, sex, one.group)
        slopes = [stats.linregress(score, part.label).slope for score in part.score]
        assert one.estimates["bias"].value == pytest.approx((part.score - part.label).mean())
        assert one.estimates["slope"].value == pytest.approx(np.mean(slopes))
        assert one.estimates["slope"].interval.low < np.mean(slopes) < one.estimates["slope"].interval.high


def test_the_interval_of_a_slope_is_that_of_people_left_out_one_by_one():
    row, sex = _cohort(people=30, seeds=1)
    one = compute_group_evidence([row], [sex]).rows[0]
    part = _only(row, sex, one.group)
    people = np.array(part.person_id)
    kept = [people != person for person in np.unique(people)]
    left = np.array([stats.linregress(part.score[0, rows], part.label[rows]).slope for rows in kept])
    count = len(left)
    assert one.estimates["slope"].var_people == pytest.approx((count - 1) / count * ((left - left.mean()) ** 2).sum())


def test_a_constant_score_has_no_slope():
    row, sex = _cohort(seeds=1)
    constant = RowScores("constant", row.recording_id, row.person_id, row.label, np.full_like(row.score, 12.0))
    assert compute_group_evidence([constant], [sex]).rows[0].estimates["slope"].value is None


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_the_p_value_is_that_of_scipys_permutation_test(shift):
    random = np.random.default_rng(3)
    # A small group of large spread: the plain difference has another p-value than the studentised one.
    one, other = random.normal(shift, 4, 8), random.normal(0, 1, 31)
    first = np.arange(39) < 8

    def welch(x, y, axis):
        error = np.sqrt(x.var(axis=axis, ddof=1) / x.shape[axis] + y.var(axis=axis, ddof=1) / y.shape[axis])
        return np.abs(x.mean(axis=axis) - y.mean(axis=axis)) / error

    count = 20_000
    theirs = stats.permutation_test(
        (one, other), welch, vectorized=True, n_resamples=count, alternative="greater", rng=random
    )
    (own,) = two_groups(np.r_[one, other][:, None], np.ones(39), first, count, seed=0)
    assert own.value / own.error == pytest.approx(stats.ttest_ind(one, other, equal_var=False).statistic)
    p = theirs.pvalue
    assert compare.pivot_p(own) == pytest.approx(p, abs=5 * np.sqrt(2 * p * (1 - p) / count))


def test_groups_in_the_other_order_differ_by_the_sign():
    row, sex = _cohort(shift=3.0)
    turned = Grouping("sex", sex.group_of, ("m", "f"))
    found, other = (compute_group_evidence([row], [grouping]) for grouping in (sex, turned))
    for one, opposite in zip(found.differences, other.differences, strict=True):
        assert one.difference.value == pytest.approx(-opposite.difference.value)
        # Permutations of the first group are others than those of the second.
        assert one.p == pytest.approx(opposite.p, abs=0.02)


def test_a_planted_bias_is_found_and_all_differences_are_one_family():
    row, sex = _cohort(shift=6.0)
    site = Grouping("site", {person: "ab"[int(person[1:]) % 2] for person in sex.group_of}, ("a", "b"))
    found = compute_group_evidence([row], [sex, site])
    verdicts = {(one.column, one.metric): one.verdict for one in found.differences}
    assert verdicts["sex", "bias"] == "better" and verdicts["site", "bias"] == "cannot tell"
    given = [one.p for one in found.differences]
    assert [one.p_holm for one in found.differences] == pytest.approx(compare.holm(given)) and len(given) == 4


def test_a_group_of_too_few_people_is_not_shown_and_not_named():
    row, sex = _cohort(people=30)  # 10 of 30 are m
    found = compute_group_evidence([row], [sex], EvidenceSettings(min_people=11))
    assert [one.group for one in found.rows] == ["f"] and not found.differences
    assert found.notes == ("sex: 1 group of fewer than 11 people not shown.",)
    assert len(compute_group_evidence([row], [sex], EvidenceSettings(min_people=10)).rows) == 2


@pytest.mark.filterwarnings("ignore")
def test_half_widths_of_groups_agree_with_mapie_on_each_group():
    regression = pytest.importorskip("mapie.regression")
    from sklearn.base import BaseEstimator, RegressorMixin

    class Given(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict(self, X):
            return np.asarray(X)[:, 0]

    random = np.random.default_rng(5)
    group = np.array(["f"] * 31 + ["m"] * 19 + ["x"] * 5 + [""] * 20)
    score, label = random.normal(20, 8, 75), random.normal(20, 9, 75)
    found = conformal_by_group(score - label, group, 0.9)
    assert [*found] == ["f", "m"]  # 5 people cannot reach .9
    for name in found:
        theirs = regression.SplitConformalRegressor(Given(), confidence_level=0.9, prefit=True)
        theirs.conformalize(score[group == name, None], label[group == name])
        _, bounds = theirs.predict_interval(np.array([[10.0]]))
        assert found[name].interval(10.0) == pytest.approx(tuple(bounds[0, :, 0]))


def test_coverage_of_a_group_is_that_of_intervals_calibrated_on_all_others():
    row, sex = _cohort(people=40, sessions=1, seeds=1)
    found = compute_group_evidence([row], [sex], coverage=0.8)
    error = np.abs(row.score[0] - row.label)
    k = rank(39, 0.8)
    inside = [own <= np.sort(np.delete(error, place))[k - 1] for place, own in enumerate(error)]
    for one in found.rows:
        members = [sex.group_of[person] == one.group for person in row.person_id]
        assert one.estimates["coverage"].value == pytest.approx(np.mean(np.array(inside)[members]))
        assert 0 <= one.estimates["coverage"].interval.low < one.estimates["coverage"].interval.high <= 1


def test_people_of_another_split_calibrate_no_interval():
    row, sex = _cohort(people=40, seeds=1)
    some = frozenset(f"p{i:02d}" for i in range(32))
    old = RowScores(row.name, row.recording_id, row.person_id, row.label, row.score, some)
    found = compute_group_evidence([old], [sex])
    assert not found.half_widths and all("coverage" not in one.estimates for one in found.rows)
    assert compute_group_evidence([row], [sex]).half_widths["head"] > 0


@pytest.mark.long
@pytest.mark.parametrize("sizes", [(12, 12), (12, 60), (60, 12)])
def test_false_alarms_stay_below_the_level_with_unequal_variances_and_several_recordings(sizes):
    random = np.random.default_rng(11)
    rounds, alarms = 2000, 0
    first = np.arange(sum(sizes)) < sizes[0]
    for number in range(rounds):
        count = random.integers(1, 4, len(first)).astype(float)
        spread = np.where(first, 6.0, 2.0)
        sums = count * random.normal(0, spread) + np.sqrt(count) * random.normal(0, 3, len(first))
        (found,) = two_groups(sums[:, None], count, first, 400, seed=number)
        alarms += compare.pivot_p(found) <= 0.05
    rate = alarms / rounds
    assert rate <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / rounds), rate
