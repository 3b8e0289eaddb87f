"""One rule of identity: what is one person however it is spelled, and what never is."""

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from lfnet.audit.audit import find_leaks
from lfnet.cli.cohort_report import described
from lfnet.cohorts.cohort import Band, Cohort, Scale, validate
from lfnet.cohorts.identity import MAX_ID, clip_name, normal_id, normal_session, one_spelling, safe_name
from lfnet.cohorts.splits import fold_people, grouped, split_people, unshared

SCALE = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="all", low=0, high=63),))


@pytest.mark.parametrize(
    "one",
    [
        ("P01", "p01", "P1", "01", "1", "1.0", "sub-01", "sub-P01", "Subject 1", "participant_001", "1_P", "P-1"),
        ("Müller", unicodedata.normalize("NFD", "Müller"), "MÜLLER", "sub-Müller"),
        ("sub-01/ses-02/rest", "01_2_rest", "P1_s2_rest", "sub-01_ses-2_rest"),
        ("203", "203.0", "203_P", "２０３"),
        ("anna-maria", "Anna Maria", "anna_maria"),
    ],
)
def test_spellings_of_one_id(one: tuple[str, ...]) -> None:
    assert len(set(map(normal_id, one))) == 1
    assert set(one_spelling(one).values()) == {min(one)}


def test_different_ids_stay_apart() -> None:
    ids = [
        *("1", "10", "100", "11", "1_1", "1_2", "12", "C01", "C1a", "a", "P", "sub", "Müller", "Möller", "Muller"),
        *("张三", "李四", "पि", "पु", "★", "☆", "paul", "aul", "p_anna", "anna", "1.5", "203_Q", "s"),
    ]
    assert len(set(map(normal_id, ids))) == len(ids)


def test_sessions() -> None:
    assert len({normal_session(text) for text in ("1", "01", "ses-1", "session 1", "S01", "visit1", "1.0", "T1")}) == 1
    assert len({normal_session(text) for text in ("1", "2", "baseline", "2024-03-01", "2024-03-02")}) == 5


def test_names_keep_letters_of_all_scripts() -> None:
    assert safe_name("张三 1: Müller/पि") == "张三-1-Müller-पि" and safe_name("") == "cohort"
    long = [clip_name(Path("文" * 80) / f"{'x' * 100}{end}.mp4") for end in "ab"]
    assert len(set(long)) == 2 and all(len(name.encode()) <= MAX_ID and safe_name(name) == name for name in long)


def recordings() -> pd.DataFrame:
    """30 people with two recordings each, whose ids are spelled in two ways."""
    people = [text for number in range(1, 31) for text in (f"P{number:02}", f"p{number}")]
    names = [f"r{row:02}" for row in range(60)]
    return pd.DataFrame({"recording_id": names, "person_id": people, "label": [float(row // 2) for row in range(60)]})


def cohort(split: list[str]) -> Cohort:
    table = recordings().assign(
        clip_id=lambda t: t["recording_id"], split=split, task="", path="", fps=30, n_frames=900
    )
    return Cohort("two", validate(table, SCALE, "clips"), SCALE)


def test_no_split_parts_the_spellings_of_a_person() -> None:
    table = recordings()
    person = table["person_id"].map(normal_id).tolist()
    for part in (split_people(table), fold_people(table, 5)):
        assert (part.groupby(person).nunique() == 1).all() and part.nunique() in (3, 5)
    by_number = table.assign(person_id=[str(number) for number in range(30) for _ in range(2)])
    assert fold_people(by_number, 5).groupby(person).nunique().max() == 1
    clips = grouped(cohort((["train"] * 40) + (["dev"] * 10) + (["test"] * 10)), folds=5, fold=1, seed=0).clips
    assert (clips.groupby(clips["person_id"].map(normal_id))["split"].nunique() == 1).all()


def test_people_in_two_splits_by_another_spelling_are_found() -> None:
    split = (["train"] * 40) + (["dev"] * 10) + (["test"] * 10)
    clean = cohort(split)
    (warning,) = clean.warnings
    assert "30 people have several spellings" in warning and "P01" not in warning
    (finding,) = [f for f in find_leaks(clean).findings if f.name == "people"]
    assert finding.status == "warning" and "each of 30 person_ids is in one split only" in finding.text
    assert "30 people with an id in several spellings" in finding.text and "P01" not in finding.text
    shared = cohort(["test", *split[1:-1], "train"])
    assert "2 of 30 people, 4 of 60 recordings" in shared.warnings[0]
    report = find_leaks(shared)
    (finding,) = [f for f in report.findings if f.name == "people"]
    assert finding.status == "leak" and finding.numbers["people_shared"] == 2 and report.people == 30
    left = unshared(shared).clips
    assert (left.groupby(left["person_id"].map(normal_id))["split"].nunique() == 1).all()


def test_both_counts_of_people_are_said_where_ids_have_two_spellings() -> None:
    made = cohort((["train"] * 40) + (["dev"] * 10) + (["test"] * 10))
    (warning,) = made.warnings
    assert f"the audit, count {find_leaks(made).people} people; tables and intervals count 60 ids" in warning
    assert "60 people;" in described(made)[0] and "keep them together" not in warning
