"""Offsets of people compared with closed forms and with the mixed model of statsmodels."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.evaluation.personalisation import (
    AS_PREDICTED,
    Offsets,
    adapted,
    compute_gain,
    fit_offsets,
    labels_alone,
    usable_recordings,
    with_labels,
)


def drawn(seed: int, counts: list[int], *, between: float = 9.0, within: float = 4.0, slope: float = 1.0):
    """label, score, person: labels about `3 + slope · score` with an offset a person."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(len(counts)), counts)
    score = rng.normal(15, 5, len(person))
    offset = rng.normal(0, np.sqrt(between), len(counts))
    return 3 + slope * score + offset[person] + rng.normal(0, np.sqrt(within), len(person)), score, person


@pytest.mark.parametrize("seed", range(4))
def test_a_balanced_design_has_the_closed_form_of_the_analysis_of_variance(seed):
    """Searle, Casella and McCulloch 1992, section 3.8: where it is positive, REML's τ² is (MSA − MSE) / n."""
    label, score, person = drawn(seed, [4] * 30)
    found = fit_offsets(label, score, person)
    error = (label - score).reshape(30, 4)
    within = error.var(axis=1, ddof=1).mean()
    between = error.mean(axis=1).var(ddof=1) - within / 4
    assert between > 0
    assert (found.general, found.within, found.between) == pytest.approx((error.mean(), within, between), rel=1e-6)
    ratio = between / within
    assert found.weight(3) == pytest.approx(3 * ratio / (1 + 3 * ratio), rel=1e-6)


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_an_unbalanced_design_agrees_with_statsmodels(seed, slope):
    from statsmodels.regression.mixed_linear_model import MixedLM

    counts = np.random.default_rng(seed).integers(1, 7, 40).tolist()
    label, score, person = drawn(seed, counts, slope=1.4 if slope else 1.0)
    found = fit_offsets(label, score, person, slope=slope)
    X = np.column_stack([np.ones_like(score), *[score] * slope])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = MixedLM(label if slope else label - score, X, groups=person).fit(reml=True, method=["bfgs"])
    assert found.within == pytest.approx(fitted.scale, rel=1e-3)
    assert found.between == pytest.approx(fitted.cov_re[0, 0] if hasattr(fitted.cov_re, "shape") else 0, rel=1e-3)
    assert found.general == pytest.approx(fitted.fe_params[0], rel=1e-3, abs=1e-3)
    assert found.slope == pytest.approx(fitted.fe_params[1] if slope else 1.0, rel=1e-3)
    for one, effect in fitted.random_effects.items():
        own = person == one
        assert found.person(label[own], score[own]) == pytest.approx(float(np.asarray(effect)[0]), rel=2e-3, abs=2e-3)


def test_people_who_do_not_differ_have_no_offsets():
    rng = np.random.default_rng(1)
    error = rng.normal(0, 2, (20, 3))
    error -= error.mean(axis=1, keepdims=True)
    found = fit_offsets(error.ravel() + 1.0, np.zeros(60), np.repeat(np.arange(20), 3))
    assert found.between == 0 and found.weight(5) == 0 and found.person([40.0], [0.0]) == 0
    assert found.general == pytest.approx(1.0)


def test_without_errors_one_recording_gives_the_whole_offset():
    person = np.repeat(np.arange(10), 3)
    label = person * 2.0
    found = fit_offsets(label, np.zeros(30), person)
    assert found.weight(1) == pytest.approx(1.0, abs=1e-6)
    assert found.person([11.0], [0.0]) == pytest.approx(11.0 - found.general, abs=1e-4)


def test_too_few_people_are_refused():
    label, score, person = drawn(0, [2, 2, 2, 2, 1, 1, 1])
    with pytest.raises(LfnetError, match=r"4 of 7 people have two labelled recordings or more"):
        fit_offsets(label, score, person)


def frame(seed: int = 0, people: int = 40, each: int = 5, split: str = "test", **kinds) -> pd.DataFrame:
    label, score, person = drawn(seed, [each] * people, **kinds)
    number = np.tile(np.arange(each), people)
    names = [f"{split}{one}" for one in person]
    recordings = [f"{name}_{n + 1}" for name, n in zip(names, number, strict=True)]
    return pd.DataFrame(
        {"recording_id": recordings, "person_id": names, "split": split, "label": label, "score": score}
    )


OFFSETS = Offsets(general=2.0, slope=1.0, between=9.0, within=4.0, people=30, recordings=90)


def test_scores_move_by_the_shrunken_mean_error_of_the_first_recordings():
    rows = usable_recordings(frame(people=3, each=4))
    made = adapted(rows, OFFSETS, 2, 3)
    assert made["recording_id"].tolist() == ["test0_4", "test1_4", "test2_4"]
    for _, row in made.iterrows():
        own = rows[rows["person_id"] == row["person_id"]]
        error = (own["label"] - own["score"] - 2.0).iloc[:2].mean()
        wanted = own["score"].iloc[3] + 2.0 + (2 * 9 / 4) / (1 + 2 * 9 / 4) * error
        assert row["score"] == pytest.approx(wanted)


@given(k=st.integers(0, 3), seed=st.integers(0, 50))
def test_scored_recordings_are_never_used_to_adapt(k, seed):
    rows = usable_recordings(frame(seed, people=6, each=5))
    before = adapted(rows, OFFSETS, k, 3)
    place = rows.groupby("person_id").cumcount()
    changed = rows.assign(label=rows["label"].where(place < k, rows["label"] + 1000.0))
    after = adapted(changed, OFFSETS, k, 3)
    np.testing.assert_array_equal(after["score"], before["score"])
    assert before["recording_id"].tolist() == rows.loc[place >= 3, "recording_id"].tolist()


def test_names_are_in_natural_order():
    rows = pd.DataFrame(
        {
            "recording_id": ["p1_10", "p1_9", "p1_2", "p2_1", "p3_1"],
            "person_id": ["p1", "p1", "p1", "p2", "p3"],
            "label": [1.0, 2.0, 3.0, np.nan, 5.0],
            "score": 0.0,
        }
    )
    assert usable_recordings(rows, {"p3"})["recording_id"].tolist() == ["p1_2", "p1_9", "p1_10"]


def test_the_gain_agrees_with_theory():
    """The expected squared error after k labelled recordings is σ² + τ² / (1 + kθ)."""
    dev, test = usable_recordings(frame(1, people=4000, each=4)), usable_recordings(frame(2, people=4000, each=4))
    offsets = fit_offsets(dev["label"], dev["score"], dev["person_id"])
    assert (offsets.general, offsets.between, offsets.within) == pytest.approx((3, 9, 4), rel=0.05)
    for k in range(4):
        made = adapted(test, offsets, k, 3)
        squared = (made["score"] - made["label"]) ** 2
        wanted = 4 + 9 / (1 + k * 9 / 4)
        # Squares of normal errors have a standard deviation of √2 times their mean.
        assert abs(squared.mean() - wanted) < 4 * wanted * np.sqrt(2 / len(made))


def test_a_general_offset_is_removed_without_a_label():
    gain = compute_gain([pd.concat([frame(1, people=60, split="dev"), frame(2, people=60)])], set(), max_labels=1)
    rows = gain.evidence.rows
    assert rows[AS_PREDICTED].estimates["rmse"].value > rows[with_labels(0)].estimates["rmse"].value
    assert gain.offsets[0].general == pytest.approx(3.0, abs=1.2)
    assert rows[AS_PREDICTED].comparison is not None and rows[with_labels(0)].comparison is None


def test_labels_alone_do_not_depend_on_the_scores():
    both = pd.concat([frame(1, split="dev"), frame(2)])
    blind = both.assign(score=np.random.default_rng(0).normal(size=len(both)))
    first, second = (compute_gain([rows], set(), max_labels=2) for rows in (both, blind))
    for k in range(3):
        one, other = (gain.evidence.rows[labels_alone(k)].estimates["mae"].value for gain in (first, second))
        assert one == other
    assert first.evidence.rows[with_labels(2)].estimates["mae"].value < one


def test_several_seeds_are_averaged_each_with_its_own_offsets():
    first = pd.concat([frame(1, split="dev"), frame(2)])
    second = first.assign(score=first["score"] + 5.0)
    alone, both = compute_gain([first], set()), compute_gain([first, second], set())
    # The general offset removes a constant added to all scores.
    for k in range(4):
        one, two = (gain.evidence.rows[with_labels(k)].estimates["mae"].value for gain in (alone, both))
        assert two == pytest.approx(one)
    assert both.offsets[0].general - both.offsets[1].general == pytest.approx(5.0)
    assert both.evidence.rows[AS_PREDICTED].seeds == 2


def test_people_of_other_splits_are_left_out():
    rows = pd.concat([frame(1, split="dev", people=12), frame(2, people=12)])
    trained = {f"test{number}" for number in range(4)} | {"dev0"}
    gain = compute_gain([rows], trained)
    assert gain.evidence.people == 8 and gain.offsets[0].people == 11
    with pytest.raises(LfnetError, match=r"more than 5 labelled recordings.* the largest number is 5"):
        compute_gain([rows], set(), max_labels=5)
    with pytest.raises(LfnetError, match=r"dev people who are in neither train nor test: 3 of 3 people"):
        compute_gain([rows], {f"dev{number}" for number in range(9)})
    with pytest.raises(LfnetError, match="--max 0"):
        compute_gain([rows], set(), max_labels=0)
