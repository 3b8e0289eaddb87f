"""Labels by split, and nuisance variables that are associated with the label."""

import numpy as np
import pandas as pd

from lfnet.audit.finding import Check, Finding
from lfnet.audit.label_checks import by_recording, distribution, label_association, label_balance
from lfnet.cohorts.scale import Band, Scale
from lfnet.evaluation.compare import holm
from tests.audit.simulated import sessions

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
    table = sessions()
    rows = {row["split"]: row for row in distribution(table, SCALE)}
    own = table[table["split"] == "dev"]
    assert rows["dev"]["recordings"] == len(own) and rows["dev"]["people"] == own["person_id"].nunique()
    assert rows["dev"]["mean"] == own["label"].mean() and rows["dev"]["sd"] == own["label"].std(ddof=0)
    assert rows["dev"]["bands"]["middle"] == own["label"].between(14, 28).sum()
    table.loc[table["split"] == "test", "label"] = np.nan
    assert distribution(table, SCALE)[2] | {"bands": None} == {
        **{"split": "test", "recordings": 26, "people": 13, "labelled": 0, "mean": None, "sd": None, "bands": None}
    }


def test_similar_splits_are_clear_and_empty_bands_are_named() -> None:
    finding = balance(sessions())
    assert finding.status == "clear" and "do not visibly differ: means train" in finding.text
    low = sessions()
    low["label"] = np.minimum(low["label"], 28)
    assert "no high recording in train" in balance(low).text


def test_few_people_are_too_few_to_tell() -> None:
    """Three groups of three people with means of 28.6, 35.6 and 35.7 are not said to be alike."""
    few = sessions(people=9, each=1)
    finding = balance(few)
    assert finding.status == "not checked" and finding.text.startswith("9 people with a label are too few to tell")
    assert "p =" not in finding.text
    small = sessions(people=40)
    small.loc[(small["split"] == "test") & (small["person_id"] > "p08"), "split"] = "train"
    assert balance(small).text.startswith("3 people in test are too few to tell")
    finding = associated(np.random.default_rng(5).standard_normal(9), few)
    assert finding.status == "not checked" and finding.text.startswith("9 people with a label are too few to tell")


def test_a_split_of_higher_labels_is_a_warning() -> None:
    table = sessions()
    table["label"] += np.where(table["split"] == "test", 12, 0)
    finding = balance(table)
    assert finding.status == "warning" and finding.flagged and "differ in" in finding.text and finding.advice


def test_splits_of_equal_mean_and_other_bands_are_a_warning() -> None:
    table = sessions(people=90)
    random = np.random.default_rng(0)
    at = table["split"] == "test"
    table["label"] = np.rint(20 + random.uniform(-5, 5, len(table)))
    table.loc[at, "label"] = np.where(np.arange(at.sum()) // 2 % 2, 5, 35)
    finding = balance(table)
    assert finding.status == "warning" and "severity bands" in finding.text


def associated(x: np.ndarray, table: pd.DataFrame, **more: np.ndarray) -> Finding:
    values = {"": x, **more}
    return concluded(label_association("duration", "duration", values, table, "advice", np.random.default_rng(0), 4999))


def test_an_association_in_one_split_is_a_leak_there() -> None:
    table = sessions(people=90)
    x = np.random.default_rng(1).standard_normal(len(table))
    at = (table["split"] == "test").to_numpy()
    x[at] = table["label"].to_numpy()[at] + x[at]
    finding = associated(x, table)
    assert (
        finding.status == "leak"
        and "significant in" in finding.text
        and "test" in finding.text.split("significant in")[1]
    )
    assert "train" not in finding.text.split("significant in")[1]


def test_an_association_in_one_task_is_a_leak() -> None:
    table = sessions(people=90)
    random = np.random.default_rng(2)
    read, free = table["label"].to_numpy() + 3 * random.standard_normal(180), 200 * random.standard_normal(180)
    finding = associated((read + free) / 2, table, read=read, free=free)
    assert finding.status == "leak" and finding.text.endswith("significant in task read")


def test_chance_and_constants_are_clear() -> None:
    table = sessions()
    assert associated(np.random.default_rng(3).standard_normal(len(table)), table).status == "clear"
    assert associated(np.ones(len(table)), table).status == "clear"
    assert associated(np.full(len(table), np.nan), table).status == "not checked"
    assert associated(np.arange(80.0), table.assign(label=np.nan)).status == "not checked"


def test_numbers_of_clips_are_averaged_over_recordings_and_tasks() -> None:
    clips = pd.DataFrame({"recording_id": ["b", "a", "a"], "task": ["x", "x", "y"]})
    values = by_recording(np.array([5.0, 1.0, 3.0]), clips, pd.DataFrame({"recording_id": ["a", "b", "c"]}))
    np.testing.assert_array_equal(values[""], [2, 5, np.nan])
    np.testing.assert_array_equal(values["x"], [1, 5, np.nan])
    np.testing.assert_array_equal(values["y"], [3, np.nan, np.nan])
