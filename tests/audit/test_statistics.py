"""Statistics of the audit compared with other implementations, closed forms and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from lfnet.audit import statistics
from lfnet.audit.statistics import (
    association,
    auc,
    auc_test,
    intraclass,
    permutation_p,
    spearman_interval,
    split_difference,
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(0, 1000))
def test_auc_agrees_with_sklearn_including_ties(seed: int) -> None:
    random = generator(seed)
    same, different = random.integers(2, 9, 7) / 8, random.integers(0, 8, 30) / 8
    labels = np.r_[np.ones(7), np.zeros(30)]
    assert auc(same, different) == pytest.approx(roc_auc_score(labels, np.r_[same, different]))


def test_association_of_one_recording_each_agrees_with_spearman() -> None:
    random = generator(4)
    x = random.standard_normal(30)
    y = 0.4 * x + random.standard_normal(30)
    people, splits = np.arange(30).astype(str), np.full(30, "train")
    test = association("x", x, y, people, splits, generator(1), 19999)
    wanted = stats.spearmanr(x, y)
    assert test is not None and test.estimate == pytest.approx(wanted.statistic)
    ranks = stats.rankdata(y) - 15.5
    exact = stats.permutation_test(
        (stats.rankdata(x) - 15.5,),
        lambda a, axis: (a * ranks).sum(axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=19999,
        rng=generator(2),
    )
    assert 0.001 < test.p < 0.2 and test.p == pytest.approx(exact.pvalue, rel=0.2)


def test_differences_between_splits_are_no_association() -> None:
    """Longer and more severe in train than in test, and nothing else: a difference of splits, not a leak within."""
    random = generator(3)
    splits = np.repeat(["train", "test"], 40)
    shift = np.repeat([10.0, 0.0], 40)
    x, y = shift + random.standard_normal(80), shift + random.standard_normal(80)
    assert abs(stats.spearmanr(x, y).statistic) > 0.5
    test = association("x", x, y, np.arange(80).astype(str), splits, generator(), 999)
    assert test is not None and abs(test.estimate) < 0.3 and test.p > 0.02


def test_recordings_of_one_person_are_one_observation() -> None:
    """Ten people with twenty recordings each, x and y constant in a person: p is that of ten, not of 200."""
    random = generator(5)
    person = np.repeat(np.arange(10), 20)
    x, y = random.standard_normal(10), random.standard_normal(10)
    one = association("x", x, y, np.arange(10).astype(str), np.full(10, "train"), generator(), 9999)
    many = association("x", x[person], y[person], person.astype(str), np.full(200, "train"), generator(), 9999)
    assert one is not None and many is not None
    assert many.estimate == pytest.approx(one.estimate) and many.p == pytest.approx(one.p, abs=0.05)


@pytest.mark.parametrize("why", ["few", "constant", "unknown"])
def test_untestable_data_give_none(why: str) -> None:
    n = 5 if why == "few" else 20
    x = np.full(n, 1.0) if why == "constant" else np.full(n, np.nan) if why == "unknown" else np.arange(n, dtype=float)
    assert association("x", x, np.arange(n) * 1.0, np.arange(n).astype(str), np.full(n, "a"), generator(), 99) is None


def test_the_intervals_of_a_rank_correlation_cover() -> None:
    random, hits = generator(7), 0
    rho = 0.5
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of a bivariate normal
    for _ in range(400):
        x = random.standard_normal(60)
        y = rho * x + np.sqrt(1 - rho**2) * random.standard_normal(60)
        low, high = spearman_interval(float(stats.spearmanr(x, y).statistic), 60)
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_split_difference_agrees_with_kruskal_for_one_recording_each() -> None:
    random = generator(9)
    y = random.standard_normal(60)
    y[:20] += 0.6
    splits = np.repeat(["train", "dev", "test"], 20)
    test = split_difference("y", stats.rankdata(y)[:, None], np.arange(60).astype(str), splits, generator(1), 19999)
    h = stats.kruskal(y[:20], y[20:40], y[40:])
    assert test is not None and test.p == pytest.approx(h.pvalue, rel=0.2)


@pytest.mark.parametrize("shared", [False, True])
def test_split_difference_keeps_its_level_with_several_recordings_per_person(shared: bool) -> None:
    """p-values are uniform although one person's labels are nearly the same and people have one to three recordings."""
    p = []
    for seed in range(300):
        random = generator(seed)
        person = np.repeat(np.arange(45), np.tile([1, 2, 3], 15))
        y = random.standard_normal(45)[person] + 0.2 * random.standard_normal(len(person))
        names = np.array(["train", "dev", "test"])
        split = names[random.integers(0, 3, len(person))] if shared else names[random.integers(0, 3, 45)][person]
        test = split_difference("y", stats.rankdata(y)[:, None], person.astype(str), split, random, 199)
        assert test is not None
        p.append(test.p)
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.09
    naive = np.mean(np.array(p) <= 0.5)
    assert 0.42 <= naive <= 0.58


def test_permutation_p_counts_the_observed_arrangement() -> None:
    assert permutation_p(lambda n: np.zeros(n), 1.0, 99, 1) == pytest.approx(1 / 100)
    assert permutation_p(lambda n: np.ones(n), 1.0, 99, 1) == 1.0


def test_intraclass_is_the_anova_estimate_and_its_interval_covers() -> None:
    random, hits = generator(11), 0
    for _ in range(300):
        group = np.repeat(np.arange(50), 2)
        y = np.sqrt(0.6) * random.standard_normal(50)[group] + np.sqrt(0.4) * random.standard_normal(100)
        found = intraclass(y, group)
        assert found is not None
        estimate, low, high = found
        hits += low <= 0.6 <= high
    # Shrout & Fleiss (1979), table 3: ICC(1,1) = (BMS − WMS) / (BMS + (k − 1) WMS)
    pairs = y.reshape(50, 2)
    between, within = 2 * pairs.mean(axis=1).var(ddof=1), pairs.var(axis=1, ddof=1).mean()
    assert estimate == pytest.approx((between - within) / (between + within))
    assert 0.91 <= hits / 300 <= 0.985
    assert intraclass(np.arange(5.0), np.arange(5)) is None


def test_verification_intervals_cover() -> None:
    random = generator(13)
    people = np.repeat(np.arange(30), 2).astype(str)
    own, nothing = random.standard_normal((30, 4)).repeat(2, axis=0), random.standard_normal((60, 4))
    found = {}
    for name, x in (("weak", own + 2 * nothing), ("none", nothing), ("sure", own + 1e-3 * nothing)):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        test = auc_test(name, x @ x.T, people)
        assert test is not None and 0 <= test.low <= test.estimate <= test.high <= 1
        found[name] = test
    assert found["none"].low < 0.5 < found["none"].high and found["none"].p > 0.01
    assert found["sure"].estimate == 1 and found["sure"].low > 0.8 and found["sure"].p < 1e-3
    assert found["weak"].estimate < found["sure"].estimate
    assert auc_test("x", np.eye(4), np.arange(4).astype(str)) is None


def test_a_large_cohort_takes_fewer_permutations_and_a_fitted_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_WORK", 2_000_000)
    random, drawn = generator(3), []

    def draw(size: int) -> np.ndarray:
        drawn.append(size)
        return np.abs(random.standard_normal(size))

    for z in (2.0, 3.0, 3.5):
        drawn.clear()
        p = permutation_p(draw, z, 19999, width=1000, power=2)
        assert sum(drawn) == 2000
        assert p == pytest.approx(2 * stats.norm.sf(z), rel=0.35)
    assert permutation_p(draw, 9.0, 19999, width=1000, power=2) == 1 / 20000
    drawn.clear()
    permutation_p(draw, 3.0, 19999, width=100, power=2)
    assert sum(drawn) == 19999


def test_the_fitted_tail_of_differences_between_splits_agrees_with_kruskal_wallis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = generator(5)
    people, splits = np.arange(600), np.repeat(["train", "dev", "test"], 200)
    y = random.standard_normal(600) + 0.2 * (splits == "test")
    wanted = stats.kruskal(*(y[splits == split] for split in ("train", "dev", "test"))).pvalue
    monkeypatch.setattr(statistics, "_WORK", 600_000)
    test = split_difference("location", stats.rankdata(y)[:, None], people, splits, generator(6), 19999)
    assert test is not None and 0.001 < wanted < 0.05
    assert test.p == pytest.approx(wanted, rel=0.35)
