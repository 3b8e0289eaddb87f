"""People in several splits, labels known from the person, and identity in the features."""

import numpy as np
import pandas as pd
import pytest

from lfnet.audit.shared_people import look_up, recording_vectors, shared_people, two_names, verification
from lfnet.features.clip_summaries import summarise_clips
from tests.audit.simulated import sessions


def test_people_in_one_split_are_clear() -> None:
    finding = shared_people(sessions()).conclude((), 0.005)
    assert finding.status == "clear" and finding.recordings == ()
    assert finding.text == "each of 40 people is in one split only"


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
    assert finding.status == "clear" and "a wrong person_id cannot be detected" in finding.text


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


def vectors(table: pd.DataFrame, identity: float, seed: int = 0) -> np.ndarray:
    """A person's vector of length about `identity` plus a recording's own of length 1."""
    random = np.random.default_rng(seed)
    _, person = np.unique(table["person_id"], return_inverse=True)
    faces = random.standard_normal((person.max() + 1, 32))
    return identity * faces[person] + random.standard_normal((len(table), 32))


@pytest.mark.parametrize(("shared", "status"), [(True, "leak"), (False, "clear")])
def test_features_that_identify_people_leak_where_people_are_shared(shared: bool, status: str) -> None:
    table = sessions()
    finding = verification(vectors(table, 2.0), table, np.random.default_rng(0), shared).conclude((), 0.005)
    assert finding.status == status and "identify people: verification AUC" in finding.text
    assert finding.numbers == {"pairs_same": 40, "pairs_different": 80 * 79 // 2 - 40}
    blind = verification(vectors(table, 0.0), table, np.random.default_rng(0), shared).conclude((), 0.005)
    assert blind.status == "clear" and "do not visibly" in blind.text


def test_one_person_with_two_ids_is_suspected() -> None:
    table = sessions()
    x = vectors(table, 3.0)
    clear = two_names(x, table, np.random.default_rng(0)).conclude((), 0.005)
    assert clear.status == "clear"
    # Person 3 (train) has another recording as person 4 (dev).
    x[8] = x[6] + np.random.default_rng(1).standard_normal(32)
    finding = two_names(x, table, np.random.default_rng(0)).conclude((), 0.005)
    assert finding.status == "warning" and finding.people == ("p03", "p04") and "r04_0" in finding.recordings
    assert "p03" not in finding.text
    assert two_names(vectors(table, 0.3), table, np.random.default_rng(0)).conclude((), 0.005).status == "not checked"


def test_one_recording_per_person_cannot_be_verified() -> None:
    table = sessions(each=1)
    assert (
        verification(vectors(table, 2.0), table, np.random.default_rng(0), True).conclude((), 0.1).status
        == "not checked"
    )


def test_of_many_recordings_those_of_people_with_several_are_compared() -> None:
    table = pd.concat([sessions(500, 1), sessions(60, 2).assign(person_id=lambda t: "x" + t["person_id"])])
    table = table.assign(recording_id=[f"r{i}" for i in range(len(table))]).reset_index(drop=True)
    finding = verification(vectors(table, 2.0), table, np.random.default_rng(0), False).conclude((), 0.005)
    assert finding.numbers["pairs_same"] == 60


def test_a_recordings_vector_is_the_mean_of_its_known_clips() -> None:
    table = pd.DataFrame({"recording_id": ["a", "b"]})
    clips = pd.DataFrame({"recording_id": ["a", "a", "b"], "clip_id": ["a1", "a2", "b1"]})
    made = {"a1": 1.0, "a2": 3.0, "b1": np.nan}

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.full((4, 2), made[clip_id], np.float32), np.ones(4, bool), np.arange(4) / 30

    pooled = summarise_clips(read, ["a1", "a2", "b1"])
    np.testing.assert_allclose(recording_vectors(pooled, clips, table), [[2, 2], [np.nan, np.nan]])
    np.testing.assert_allclose(pooled.seconds_N, 4 / 30)
