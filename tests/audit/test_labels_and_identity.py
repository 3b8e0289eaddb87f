"""Labels by split, numbers that follow the label, and people in the features."""

import numpy as np
import pandas as pd
import pytest

from lfnet.audit.finding import Check, Finding
from lfnet.audit.identity import identity, recording_vectors, two_names
from lfnet.audit.labels import by_recording, distribution, label_balance, tells_the_label
from lfnet.audit.statistics import holm
from lfnet.cohorts.scale import Band, Scale
from lfnet.features.clip_summaries import pool
from tests.audit.simulated import sittings

SCALE = Scale(
    name="test",
    min=0,
    max=63,
    bands=(Band(name="low", low=0, high=13), Band(name="middle", low=14, high=28), Band(name="high", low=29, high=63)),
)


def concluded(check: Check, alpha: float = 0.005) -> Finding:
    adjusted = holm([test.p for test in check.tests])
    tests = [test.__class__(**{**test.__dict__, "adjusted": p}) for test, p in zip(check.tests, adjusted, strict=True)]
    return check.conclude(tests, alpha)


def balance(table: pd.DataFrame) -> Finding:
    return concluded(label_balance(table, SCALE, np.random.default_rng(0), 4999))


def test_the_distribution_counts_bands() -> None:
    table = sittings()
    rows = {row["split"]: row for row in distribution(table, SCALE)}
    own = table[table["split"] == "dev"]
    assert rows["dev"]["recordings"] == len(own) and rows["dev"]["people"] == own["person_id"].nunique()
    assert rows["dev"]["mean"] == own["label"].mean() and rows["dev"]["sd"] == own["label"].std(ddof=0)
    assert rows["dev"]["bands"]["middle"] == own["label"].between(14, 28).sum()
    table.loc[table["split"] == "test", "label"] = np.nan
    assert distribution(table, SCALE)[2] | {"bands": None} == {
        **{"split": "test", "recordings": 26, "people": 13, "labelled": 0, "mean": None, "sd": None, "bands": None}
    }


def test_splits_that_are_alike_are_clear_and_empty_bands_are_said() -> None:
    finding = balance(sittings())
    assert finding.status == "clear" and "alike: means train" in finding.text
    low = sittings()
    low["label"] = np.minimum(low["label"], 28)
    assert "no high recording in train" in balance(low).text


def test_a_split_of_higher_labels_is_a_warning() -> None:
    table = sittings()
    table["label"] += np.where(table["split"] == "test", 12, 0)
    finding = balance(table)
    assert finding.status == "warning" and finding.flagged and "differ in" in finding.text and finding.mend


def test_splits_of_equal_mean_and_other_bands_are_a_warning() -> None:
    table = sittings(people=90)
    random = np.random.default_rng(0)
    at = table["split"] == "test"
    table["label"] = np.rint(20 + random.uniform(-5, 5, len(table)))
    table.loc[at, "label"] = np.where(np.arange(at.sum()) // 2 % 2, 5, 35)
    finding = balance(table)
    assert finding.status == "warning" and "severity bands" in finding.text


def told(x: np.ndarray, table: pd.DataFrame, **more: np.ndarray) -> Finding:
    values = {"": x, **more}
    return concluded(tells_the_label("duration", "duration", values, table, "mend", np.random.default_rng(0), 4999))


def test_a_number_that_follows_the_label_in_one_split_is_a_leak_there() -> None:
    table = sittings(people=90)
    x = np.random.default_rng(1).standard_normal(len(table))
    at = (table["split"] == "test").to_numpy()
    x[at] = table["label"].to_numpy()[at] + x[at]
    finding = told(x, table)
    assert finding.status == "leak" and "seen in" in finding.text and "test" in finding.text.split("seen in")[1]
    assert "train" not in finding.text.split("seen in")[1]


def test_a_number_that_follows_the_label_in_one_task_is_a_leak() -> None:
    table = sittings(people=90)
    random = np.random.default_rng(2)
    read, free = table["label"].to_numpy() + 3 * random.standard_normal(180), 200 * random.standard_normal(180)
    finding = told((read + free) / 2, table, read=read, free=free)
    assert finding.status == "leak" and finding.text.endswith("seen in task read")


def test_a_number_of_chance_is_clear_and_a_constant_one_too() -> None:
    table = sittings()
    assert told(np.random.default_rng(3).standard_normal(len(table)), table).status == "clear"
    assert told(np.ones(len(table)), table).status == "clear"
    assert told(np.full(len(table), np.nan), table).status == "not checked"
    assert told(np.arange(80.0), table.assign(label=np.nan)).status == "not checked"


def test_numbers_of_clips_are_means_of_recordings_in_all_and_in_each_task() -> None:
    clips = pd.DataFrame({"recording_id": ["b", "a", "a"], "task": ["x", "x", "y"]})
    values = by_recording(np.array([5.0, 1.0, 3.0]), clips, pd.DataFrame({"recording_id": ["a", "b", "c"]}))
    np.testing.assert_array_equal(values[""], [2, 5, np.nan])
    np.testing.assert_array_equal(values["x"], [1, 5, np.nan])
    np.testing.assert_array_equal(values["y"], [3, np.nan, np.nan])


def vectors(table: pd.DataFrame, knows: float, seed: int = 0) -> np.ndarray:
    """A person's vector of length about `knows` beside a recording's own of length 1."""
    random = np.random.default_rng(seed)
    _, person = np.unique(table["person_id"], return_inverse=True)
    faces = random.standard_normal((person.max() + 1, 32))
    return knows * faces[person] + random.standard_normal((len(table), 32))


@pytest.mark.parametrize(("shared", "status"), [(True, "leak"), (False, "clear")])
def test_features_that_know_people_leak_where_people_are_shared(shared: bool, status: str) -> None:
    table = sittings()
    finding = identity(vectors(table, 2.0), table, np.random.default_rng(0), shared).conclude((), 0.005)
    assert finding.status == status and "tell people apart: verification AUC" in finding.text
    assert finding.numbers == {"pairs_same": 40, "pairs_different": 80 * 79 // 2 - 40}
    blind = identity(vectors(table, 0.0), table, np.random.default_rng(0), shared).conclude((), 0.005)
    assert blind.status == "clear" and "do not visibly" in blind.text


def test_one_person_under_two_names_is_suspected() -> None:
    table = sittings()
    x = vectors(table, 3.0)
    clear = two_names(x, table, np.random.default_rng(0)).conclude((), 0.005)
    assert clear.status == "clear"
    # Person 3 (train) sat once more as person 4 (dev).
    x[8] = x[6] + np.random.default_rng(1).standard_normal(32)
    finding = two_names(x, table, np.random.default_rng(0)).conclude((), 0.005)
    assert finding.status == "warning" and finding.people == ("p03", "p04") and "r04_0" in finding.recordings
    assert "p03" not in finding.text
    assert two_names(vectors(table, 0.3), table, np.random.default_rng(0)).conclude((), 0.005).status == "not checked"


def test_nobody_twice_cannot_be_verified() -> None:
    table = sittings(each=1)
    assert (
        identity(vectors(table, 2.0), table, np.random.default_rng(0), True).conclude((), 0.1).status == "not checked"
    )


def test_many_recordings_are_compared_in_part_those_of_one_person_first() -> None:
    table = pd.concat([sittings(500, 1), sittings(60, 2).assign(person_id=lambda t: "x" + t["person_id"])])
    table = table.assign(recording_id=[f"r{i}" for i in range(len(table))]).reset_index(drop=True)
    finding = identity(vectors(table, 2.0), table, np.random.default_rng(0), False).conclude((), 0.005)
    assert finding.numbers["pairs_same"] == 60


def test_a_recording_has_the_mean_of_its_clips_that_are_known() -> None:
    table = pd.DataFrame({"recording_id": ["a", "b"]})
    clips = pd.DataFrame({"recording_id": ["a", "a", "b"], "clip_id": ["a1", "a2", "b1"]})
    made = {"a1": 1.0, "a2": 3.0, "b1": np.nan}

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.full((4, 2), made[clip_id], np.float32), np.ones(4, bool), np.arange(4) / 30

    pooled = pool(read, ["a1", "a2", "b1"])
    np.testing.assert_allclose(recording_vectors(pooled, clips, table), [[2, 2], [np.nan, np.nan]])
    np.testing.assert_allclose(pooled.seconds_N, 4 / 30)
