"""The maximum over one permutation: SciPy's p-value, the level over many numbers, and people as the unit."""

import numpy as np
from scipy import stats

from lfnet.audit.max_t import centred, one_hot, step_down

Pair = tuple[str, str]


def test_one_number_has_the_p_value_of_scipys_permutation_test() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, 25))
    y += 0.4 * x
    found = step_down({"x": centred(x)}, {"y": centred(y)}, np.arange(25), random, 19_999)["x", "y"]
    expected = stats.permutation_test(
        (x,), lambda moved: abs(stats.spearmanr(moved, y).statistic), permutation_type="pairings", n_resamples=1999,
        alternative="greater", vectorized=False, rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    # Two Monte Carlo errors of a p-value near .06.
    assert abs(found[0] - expected) < 4 * np.sqrt(0.06 * 0.94 / 1999) and found[0] == found[1]


def test_categories_have_the_p_value_of_a_kruskal_wallis_permutation() -> None:
    random = np.random.default_rng(5)
    group = np.array(["a", "b", "c"])[np.arange(30) % 3]
    y = random.normal(size=30) + (group == "c")
    found = step_down({"g": one_hot(group)}, {"y": centred(y)}, np.arange(30), random, 9999)["g", "y"][0]
    observed = stats.kruskal(*(y[group == g] for g in "abc")).statistic
    drawn = [
        stats.kruskal(*(moved[group == g] for g in "abc")).statistic
        for moved in random.permuted(np.tile(y, (1000, 1)), axis=1)
    ]
    assert abs(found - np.mean(np.array(drawn) >= observed - 1e-9)) < 0.03


def clean(seed: int, people: int, each: int, own: float) -> dict[Pair, tuple[float, float]]:
    """Twelve numbers and a category that say nothing; `own` is the part of variance that a person keeps."""
    random = np.random.default_rng([7, seed])
    person = np.repeat(np.arange(people), each)

    def noise() -> np.ndarray:
        of_person, rest = random.normal(size=people)[person], random.normal(size=len(person))
        return np.sqrt(own) * of_person + np.sqrt(1 - own) * rest

    numbers = {f"n{i}": centred(noise()) for i in range(12)} | {"c": one_hot((noise() > 0).astype(str).astype(object))}
    split = np.array(["train", "dev", "test"], object)[person % 3]
    return step_down(numbers, {"label": centred(noise()), "split": one_hot(split)}, person, random, 99)


def test_clean_cohorts_are_flagged_in_five_of_a_hundred_although_26_tests_are_done() -> None:
    """Of 120, 6 are expected at 5 %; 14 or more would happen once in 300 times. People keep most of their values."""
    found = [clean(seed, 24, 2, 0.8).values() for seed in range(120)]
    assert 1 <= sum(min(together for _, together in one) <= 0.05 for one in found) <= 13
    assert sum(min(alone for alone, _ in one) <= 0.05 for one in found) >= 45  # without the maximum, most would be


def test_recordings_of_one_person_do_not_count_as_people() -> None:
    """Ten people of 20 alike recordings each: over recordings, nearly every cohort would be flagged."""
    flagged = [min(together for _, together in clean(seed, 10, 20, 0.99).values()) <= 0.05 for seed in range(40)]
    assert sum(flagged) <= 7


def test_an_order_of_sessions_is_found_within_people() -> None:
    random = np.random.default_rng(1)
    person, session = np.repeat(np.arange(20), 2), np.tile([1.0, 2.0], 20)
    y = 10 * random.normal(size=20)[person] + 4 * session + random.normal(size=40)
    found = step_down({"session": centred(session)}, {"label": centred(y)}, person, random, 999)
    assert found["session", "label"][1] <= 0.002
    assert stats.spearmanr(session, y).pvalue > 0.05  # among recordings, it drowns in differences between people


def test_step_down_orders_the_adjusted_values_and_never_lowers_a_p_value() -> None:
    random = np.random.default_rng(2)
    y = random.normal(size=40)
    numbers = {f"n{i}": centred(random.normal(size=40) + strength * y) for i, strength in enumerate((2, 1, 0.5, 0))}
    found = step_down(numbers, {"y": centred(y)}, np.arange(40), random, 999)
    alone, together = np.array([*found.values()]).T
    assert (together >= alone).all() and (np.diff(together[np.argsort(alone, kind="stable")]) >= 0).all()
    assert together[0] == 0.001 and together[3] == alone[3]  # the last step is alone
    copies = {f"c{i}": numbers["n2"] for i in range(5)}
    same = step_down(copies, {"y": centred(y)}, np.arange(40), random, 999)
    assert all(abs(p - adjusted) < 1e-12 for p, adjusted in same.values())  # five copies are one test


def test_what_does_not_vary_is_not_tested() -> None:
    constant = {"same": centred(np.full(20, 3.0)), "n": centred(np.arange(20.0))}
    found = step_down(
        constant,
        {"y": centred(np.arange(20.0)), "s": one_hot(np.full(20, "a", object))},
        np.arange(20),
        np.random.default_rng(0),
        99,
    )
    assert [*found] == [("n", "y")]
