"""`lfnet.audit_cohort`: the same findings as the audit of a cohort, from a DataFrame; mistakes are named."""

import numpy as np
import pytest

import lfnet
from lfnet.audit.audit import find_leaks
from lfnet.cohorts.cohort import COLUMNS, Cohort
from lfnet.errors import LfnetError
from tests.audit.simulated import script, sessions

experiment = script()


@pytest.fixture
def frame():
    """40 people with two recordings each, in one split, with durations by chance."""
    table = sessions().rename(columns={"person_id": "person", "recording_id": "recording"})
    return table.assign(duration=np.random.default_rng(0).uniform(20, 90, len(table)))


def findings(report):
    return {finding.name: finding for finding in report.findings}


def test_a_manifests_clips_have_the_findings_of_the_cohort():
    cohort = experiment.clean(2, "cohort.duration_leak=0.5")
    clips = cohort.clips.assign(path="")
    wanted = findings(find_leaks(Cohort("cohort", clips[list(COLUMNS)], cohort.scale)))
    found = findings(lfnet.audit_cohort(clips, scale=cohort.scale))
    assert found["duration"].status == "leak"
    for name in ("people", "labels", "duration", "look_up"):
        assert found[name] == wanted[name]


def test_columns_are_found_by_their_names_or_named(frame):
    first = lfnet.audit_cohort(frame)
    other = frame.rename(columns={"person": "subject", "label": "bdi", "duration": "seconds"})
    second = lfnet.audit_cohort(other, person="subject", label="bdi", duration="seconds")
    assert first.to_json() == second.to_json() and not first.leaks
    assert first.people == 40 and first.recordings == 80


def test_durations_that_follow_the_label_are_a_leak(frame):
    report = lfnet.audit_cohort(frame.assign(duration=20 + frame["label"]))
    assert [finding.name for finding in report.leaks] == ["duration"]
    assert "LEAK         duration vs label" in repr(report) and "advice: Use masks" in repr(report)


def test_columns_of_filming_are_compared_with_the_label(frame):
    random = np.random.default_rng(0)
    filmed = frame.assign(Brightness=100 - frame["label"], noise=random.normal(size=len(frame)))
    report = lfnet.audit_cohort(filmed)
    assert [finding.name for finding in report.leaks] == ["filming"]
    text = report["filming"].text
    assert "brightness goes with the label" in text and "no visible association of noise" in text
    assert "frame rate" in text.partition("not checked")[2]  # durations were given, and no frame rate


def test_other_names_of_splits_are_known(frame):
    names = {"train": "Training", "dev": "validation", "test": "test"}
    assert lfnet.audit_cohort(frame.assign(split=frame["split"].map(names))).to_json() == (
        lfnet.audit_cohort(frame).to_json()
    )


def test_vectors_that_identify_people_leak_where_people_are_shared(frame):
    random = np.random.default_rng(0)
    _, person = np.unique(frame["person"], return_inverse=True)
    vectors = 3 * random.standard_normal((40, 16))[person] + random.standard_normal((80, 16))
    assert findings(lfnet.audit_cohort(frame, vectors=vectors))["names"].status == "not checked"
    known = findings(lfnet.audit_cohort(frame, vectors=vectors, same_person=0.999))
    assert known["identity"].status == known["names"].status == "clear"
    assert findings(lfnet.audit_cohort(frame, vectors=vectors, same_person=0.5))["names"].status == "warning"
    mixed = frame.assign(split=np.tile(["train", "test"], 40))
    found = findings(lfnet.audit_cohort(mixed, vectors=vectors))
    assert found["identity"].status == found["people"].status == "leak"
    twice = vectors.copy()
    twice[5] = twice[72]
    copies = findings(lfnet.audit_cohort(frame, vectors=twice))["copies"]
    assert copies.status == "leak" and copies.clips == ((frame["recording"][5], frame["recording"][72]),)


def test_what_is_not_given_is_not_checked(frame):
    found = findings(lfnet.audit_cohort(frame.drop(columns="duration")))
    statuses = {name: finding.status for name, finding in found.items()}
    assert statuses == {
        **dict.fromkeys(("people", "labels", "look_up"), "clear"),
        **dict.fromkeys(("copies", "duration", "coverage", "identity", "names"), "not checked"),
        **dict.fromkeys(("filming", "filming_splits", "demographics"), "not checked"),
    }
    assert found["coverage"].text == "no coverage is given" and found["identity"].text == "no vectors are given"
    assert found["duration"].text == "durations of 80 of 80 rows are not given"


def test_a_share_of_frames_that_follows_the_label_is_a_leak(frame):
    report = lfnet.audit_cohort(frame.assign(coverage=1 - frame["label"] / 100))
    assert [finding.name for finding in report.leaks] == ["coverage"]


def test_the_frame_has_one_row_per_finding_and_the_repr_no_ids(frame):
    report = lfnet.audit_cohort(frame.assign(split=np.tile(["train", "test"], 40)))
    table = report.to_frame().set_index("name")
    assert table.loc["people", "status"] == "leak" and len(table.loc["people", "people"]) == 40
    assert table.loc["duration", "p"] == min(test.adjusted for test in report["duration"].tests)
    assert not any(name in repr(report) for name in [*frame["person"], *frame["recording"]])
    assert "people: p00, p01" in report.text(ids=True)
    assert max(map(len, repr(report).splitlines())) <= 100


MISTAKES = {
    "no column person": (lambda t: t.drop(columns="person"), {}, "no column person: name it with person="),
    "named": (lambda t: t, {"person": "who"}, "no column who: name it with person="),
    "split": (lambda t: t.assign(split="fold1"), {}, "column split has fold1: the splits are train, dev, test"),
    "label": (lambda t: t.assign(label="x"), {}, "column label: row 0 is 'x', not a number"),
    "person": (lambda t: t.assign(person=[None] * 80), {}, "column person: row 0 is empty"),
    "recording": (lambda t: t.assign(recording="r", clip=range(80)), {}, "recording r has several values of person_id"),
    "clip": (lambda t: t.assign(clip="c"), {}, "clip c is in two rows"),
    "alpha": (lambda t: t, {"alpha": 2}, "alpha=2: give a number above 0 and below 1."),
    "vectors": (lambda t: t, {"vectors": np.zeros((3, 2))}, r"vectors have the shape \(3, 2\): give \[80, D\]"),
    "duration": (lambda t: t.assign(duration=-1), {}, "duration of row 0 is -1: give 0 or more"),
    "coverage": (lambda t: t.assign(coverage=95), {}, "coverage of row 0 is 95: give a share from 0 to 1"),
    "rows": (lambda t: t.iloc[:0], {}, "the frame has no rows"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(frame, name):
    change, options, message = MISTAKES[name]
    with pytest.raises(LfnetError, match=message):
        lfnet.audit_cohort(change(frame), **options)
