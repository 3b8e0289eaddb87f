"""What adaptation to a person gains: which labels are used, and how it agrees with theory."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.evaluation.offsets import Offsets, fit_offsets
from lfnet.evaluation.personalisation import (
    AS_PREDICTED,
    adapted,
    compute_gain,
    labels_alone,
    usable_recordings,
    with_labels,
)
from tests.evaluation.test_offsets import drawn


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
