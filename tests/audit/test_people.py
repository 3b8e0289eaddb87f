"""People in several splits, and labels known from the person."""

import numpy as np
import pandas as pd
import pytest

from lfnet.audit.shared_people import look_up, shared_people
from tests.audit.simulated import sessions


def test_people_in_one_split_are_clear() -> None:
    finding = shared_people(sessions()).conclude((), 0.005)
    assert finding.status == "clear" and finding.recordings == ()
    assert finding.text == "each of 40 person_ids is in one split only"


def test_a_person_in_two_splits_is_a_leak_with_all_their_recordings() -> None:
    table = sessions(each=3)
    table.loc[table["recording_id"] == "r00_1", "split"] = "test"
    finding = shared_people(table).conclude((), 0.005)
    assert finding.status == "leak" and finding.people == ("p00",)
    assert finding.recordings == ("r00_0", "r00_1", "r00_2")
    assert "1 of 40 people are in more than one split, with 3 of 120 recordings" in finding.text
    assert finding.numbers["test_known_from_train"] == 1 and "p00" not in finding.text


def test_one_recording_per_person_is_clear_with_a_caveat() -> None:
    finding = shared_people(sessions(each=1)).conclude((), 0.005)
    assert finding.status == "clear" and "whether two ids are one person is the last check" in finding.text


def test_one_split_is_not_checked() -> None:
    assert shared_people(sessions().assign(split="train")).conclude((), 0.005).status == "not checked"


def shared(seed: int, within: float) -> pd.DataFrame:
    """Each person once in train and once in test; `within`: the correlation of a person's two labels."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(50), 2)
    label = np.sqrt(within) * random.standard_normal(50)[person] + np.sqrt(1 - within) * random.standard_normal(100)
    return pd.DataFrame(
        {
            "recording_id": [f"r{i}" for i in range(100)],
            "person_id": [f"p{p}" for p in person],
            "split": np.tile(["train", "test"], 50),
            "label": 20 + 5 * label,
        }
    )


def test_a_look_up_that_explains_the_label_is_a_leak() -> None:
    table = shared(0, 0.8)
    check = look_up(table, np.random.default_rng(0), 9999)
    (test,) = check.tests
    train, other = table[table["split"] == "train"], table[table["split"] == "test"]
    known = other["person_id"].map(train.set_index("person_id")["label"]).to_numpy()
    y = other["label"].to_numpy()
    wanted = 1 - ((known - y) ** 2).sum() / ((train["label"].mean() - y) ** 2).sum()
    assert test.estimate == pytest.approx(wanted) and test.low < wanted < test.high and test.p < 0.005
    finding = check.conclude([test.__class__(**{**test.__dict__, "adjusted": test.p})], 0.005)
    assert finding.status == "leak" and "50 recordings of 50 people" in finding.text
    assert finding.numbers["icc"] == pytest.approx(0.8, abs=0.15)


def test_labels_that_do_not_repeat_are_rarely_flagged() -> None:
    p = [look_up(shared(seed, 0.0), np.random.default_rng(seed), 499).tests[0].p for seed in range(40)]
    assert np.mean(np.array(p) <= 0.05) <= 0.15


def test_people_unknown_from_train_are_clear_with_the_correlation_of_labels() -> None:
    finding = look_up(sessions(), np.random.default_rng(0), 99).conclude((), 0.005)
    assert finding.status == "clear" and "intraclass correlation of 0." in finding.text


@pytest.mark.parametrize("splits", [["train"], ["dev", "test"], ["train", "dev", "test"]])
def test_without_labels_on_both_sides_nothing_is_looked_up(splits: list[str]) -> None:
    table = sessions()
    table["label"] = table["label"].mask(table["split"].isin(splits))
    finding = look_up(table, np.random.default_rng(0), 99).conclude((), 0.005)
    assert finding.status == "not checked"
    assert finding.text.startswith(f"there is no label in {'train' if 'train' in splits else 'dev or test'}; ")


def test_few_people_known_from_train_are_too_few_to_tell() -> None:
    table = shared(0, 0.0).head(18)
    check = look_up(table, np.random.default_rng(0), 499)
    finding = check.conclude([check.tests[0].__class__(**{**check.tests[0].__dict__, "adjusted": 1.0})], 0.005)
    assert finding.status == "not checked" and "9 people of dev and test known from train are too few" in finding.text
