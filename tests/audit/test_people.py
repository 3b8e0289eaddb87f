"""People in several splits, and what knowing them is worth."""

import numpy as np
import pandas as pd
import pytest

from lfnet.audit.people import look_up, shared_people
from tests.audit.simulated import sittings


def test_nobody_in_two_splits_is_clear() -> None:
    finding = shared_people(sittings()).conclude((), 0.005)
    assert finding.status == "clear" and finding.recordings == ()
    assert finding.text == "each of 40 people is in one split only"


def test_a_person_in_two_splits_is_a_leak_with_all_their_recordings() -> None:
    table = sittings(each=3)
    table.loc[table["recording_id"] == "r00_1", "split"] = "test"
    finding = shared_people(table).conclude((), 0.005)
    assert finding.status == "leak" and finding.people == ("p00",)
    assert finding.recordings == ("r00_0", "r00_1", "r00_2")
    assert "1 of 40 people are in more than one split and touch 3 of 120 recordings" in finding.text
    assert finding.numbers["test_known_from_train"] == 1 and "p00" not in finding.text


def test_a_table_in_which_everybody_sits_once_says_that_it_could_not_know() -> None:
    finding = shared_people(sittings(each=1)).conclude((), 0.005)
    assert finding.status == "clear" and "a wrong person_id would not be seen" in finding.text


def test_one_split_cannot_share() -> None:
    assert shared_people(sittings().assign(split="train")).conclude((), 0.005).status == "not checked"


def shared(seed: int, within: float) -> pd.DataFrame:
    """Everybody once in train and once in test; `within`: the correlation of a person's two labels."""
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
    looked = other["person_id"].map(train.set_index("person_id")["label"]).to_numpy()
    y = other["label"].to_numpy()
    wanted = 1 - ((looked - y) ** 2).sum() / ((train["label"].mean() - y) ** 2).sum()
    assert test.estimate == pytest.approx(wanted) and test.low < wanted < test.high and test.p < 0.005
    finding = check.conclude([test.__class__(**{**test.__dict__, "adjusted": test.p})], 0.005)
    assert finding.status == "leak" and "50 recordings of 50 people" in finding.text
    assert finding.numbers["icc"] == pytest.approx(0.8, abs=0.15)


def test_scores_that_do_not_repeat_give_nothing_away() -> None:
    p = [look_up(shared(seed, 0.0), np.random.default_rng(seed), 499).tests[0].p for seed in range(40)]
    assert np.mean(np.array(p) <= 0.05) <= 0.15


def test_nobody_known_from_train_is_clear_and_says_how_scores_repeat() -> None:
    finding = look_up(sittings(), np.random.default_rng(0), 99).conclude((), 0.005)
    assert finding.status == "clear" and "intraclass correlation of 0." in finding.text
