"""The cohort's table: what `validate` refuses and with which message; warnings, fingerprint and scale of a cohort."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.cohorts.cohort import COLUMNS, SPLITS, Band, Cohort, Scale, validate
from lfnet.config import read
from lfnet.errors import LfnetError

BDI = Scale(
    name="BDI-II",
    min=0,
    max=63,
    bands=(
        Band(name="minimal", low=0, high=13),
        Band(name="mild", low=14, high=19),
        Band(name="moderate", low=20, high=28),
        Band(name="severe", low=29, high=63),
    ),
)


def table(**columns: object) -> pd.DataFrame:
    """Three recordings of three people, two clips each; any column may be replaced."""
    given: dict[str, object] = {
        "clip_id": [f"c{number}" for number in range(6)],
        "recording_id": [f"r{number // 2}" for number in range(6)],
        "person_id": [f"p{number // 2}" for number in range(6)],
        "split": ["train", "train", "dev", "dev", "test", "test"],
        "task": ["a", "b"] * 3,
        "label": [3, 3, 20, 20, 41, 41],
        "path": [""] * 6,
        "fps": [30.0] * 6,
        "n_frames": [100] * 6,
    }
    return pd.DataFrame({**given, **columns})


def changed(column: str, row: int, value: object) -> pd.DataFrame:
    frame = table().astype(object)
    frame.loc[row, column] = value
    return frame


def test_sound_table_is_typed_and_sorted() -> None:
    shuffled = table(extra=1).sample(frac=1, random_state=3)
    clips = validate(shuffled, BDI, "m.csv")
    assert list(clips.columns) == list(COLUMNS)
    assert list(clips["clip_id"]) == [f"c{number}" for number in range(6)]
    assert isinstance(clips.index, pd.RangeIndex) and clips.index.start == 0
    assert {clips[name].dtype for name in ("label", "fps", "n_frames")} == {np.dtype("float64")}
    again = validate(clips, BDI, "m.csv")
    pd.testing.assert_frame_equal(again, clips)


def test_text_is_stripped_and_numbers_are_read() -> None:
    frame = table(clip_id=[f" c{number} " for number in range(6)], label=["3", " 3", "20", "20.0", "41", "41"])
    clips = validate(frame, BDI, "m.csv")
    assert next(iter(clips["clip_id"])) == "c0" and list(clips["label"]) == [3, 3, 20, 20, 41, 41]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (changed("clip_id", 1, ""), r"row 3: clip_id is missing"),
        (changed("clip_id", 1, None), r"row 3: clip_id is missing"),
        (changed("clip_id", 1, "c0"), r"row 3: clip_id 'c0' is in row 2 too"),
        (changed("clip_id", 1, "C0"), r"row 3: clip_id 'C0' differs only in case from 'c0', which is in row 2 too"),
        (changed("clip_id", 1, "c 1/ä"), r"row 3: clip_id 'c 1/ä' holds ' /'\. Use only letters"),
        (changed("clip_id", 1, "c" * 201), r"row 3: .* has 201 bytes"),
        (changed("person_id", 1, " "), r"row 3: person_id is missing"),
        (changed("recording_id", 0, None), r"row 2: recording_id is missing"),
        (changed("label", 1, 64), r"row 3: label 64 lies outside the scale: BDI-II runs from 0 to 63"),
        (changed("label", 1, -1), r"row 3: label -1 lies outside"),
        (changed("label", 1, "inf"), r"row 3: label inf lies outside"),
        (changed("label", 1, "many"), r"row 3: label 'many' is not a number"),
        (changed("label", 1, float("nan")), r"row 3: no label, but split train needs one.*unlabelled"),
        (changed("label", 3, ""), r"row 5: no label, but split dev needs one"),
        (changed("label", 1, 4), r"row 3: recording 'r0' has label 4, but 3 in row 2\. A recording has one label"),
        (changed("label", 5, None), r"row 7: recording 'r2' has label none, but 41 in row 6"),
        (changed("person_id", 1, "p9"), r"row 3: recording 'r0' has person_id 'p9', but 'p0' in row 2"),
        (changed("split", 1, "dev"), r"row 3: recording 'r0' has split 'dev', but 'train' in row 2"),
        (
            changed("split", 1, "trian"),
            r"row 3: unknown split 'trian'\. Known: train, dev, test, unlabelled\. Did .* train",
        ),
        (changed("split", 1, "Validation"), r"unknown split 'Validation'.*Did you mean dev\?"),
        (changed("split", 1, "unlabeled"), r"Did you mean unlabelled\?"),
        (changed("fps", 1, 0), r"row 3: fps 0 is not a positive number"),
        (changed("fps", 1, -25), r"row 3: fps -25 is not"),
        (changed("fps", 1, "fast"), r"row 3: fps fast is not"),
        (changed("n_frames", 1, 0), r"row 3: n_frames 0 is not a count"),
        (changed("n_frames", 1, 10.5), r"row 3: n_frames 10\.5 is not a count"),
        (changed("path", 1, "/nowhere/a.mp4"), r"row 3: /nowhere/a\.mp4 does not exist\. Correct the path"),
        (table(split=["dev"] * 4 + ["test"] * 2), "no clip has split train"),
        (table(split=["train"] * 4 + ["test"] * 2), "no clip has split dev"),
        (table(split=["train"] * 4 + ["dev"] * 2), "no clip has split test"),
    ],
)
def test_a_problem_is_named_with_file_row_and_remedy(frame: pd.DataFrame, said: str) -> None:
    with pytest.raises(LfnetError, match=said) as caught:
        validate(frame, BDI, Path("data/manifest.csv"))
    assert str(caught.value).startswith("data/manifest.csv: ")


@pytest.mark.parametrize("split", [["test"] * 6, ["test"] * 4 + ["unlabelled"] * 2, ["unlabelled"] * 6])
def test_a_cohort_that_nothing_is_trained_on_needs_no_train_and_dev(split: list[str]) -> None:
    assert validate(table(split=split), BDI, "m.csv")["split"].tolist() == split


def test_media_in_two_rows(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    frame = table(path=[str(tmp_path / "a.mp4")] * 2 + [""] * 4)
    with pytest.raises(LfnetError, match=r"row 3: .*a\.mp4 is the clip of row 2 too"):
        validate(frame, BDI, "m.csv")


def test_all_problems_come_at_once() -> None:
    frame = table(fps=[-1] * 6, clip_id=["a b"] * 6)
    with pytest.raises(LfnetError) as caught:
        validate(frame, BDI, "m.csv", ["row 1: something else"])
    lines = str(caught.value).splitlines()
    assert lines[0] == "m.csv: 13 problems" and lines[1].strip() == "row 1: something else"
    assert len(lines) == 12 and lines[-1].strip() == "… and 3 more"


def test_missing_columns_and_rows() -> None:
    with pytest.raises(LfnetError, match=r"m\.csv: missing column person_id, label\. Found: clip_id, "):
        validate(table().drop(columns=["person_id", "label"]), BDI, "m.csv")
    with pytest.raises(LfnetError, match="no clips"):
        validate(table().iloc[:0], BDI, "m.csv")


def test_a_named_index_identifies_the_row() -> None:
    frame = changed("fps", 1, 0)
    frame.index = pd.Index([f"x/{number}.mp4" for number in range(6)], name="file")
    with pytest.raises(LfnetError, match=r"file x/1\.mp4: fps"):
        validate(frame, BDI, "root")


def test_which_splits_may_be_empty() -> None:
    """test may be empty if there are unlabelled clips; a table of unlabelled clips alone can be predicted."""
    beside = table(split=["train"] * 2 + ["dev"] * 2 + ["unlabelled"] * 2, label=[3, 3, 5, 5, None, None])
    assert validate(beside, BDI, "m.csv")["label"].isna().sum() == 2
    alone = table(split="unlabelled", label=None)
    assert len(validate(alone, BDI, "m.csv")) == 6


def test_absent_test_labels_are_a_warning() -> None:
    frame = table(label=[3, 3, 20, 20, None, None])
    cohort = Cohort("mine", validate(frame, BDI, "m.csv"), BDI)
    assert cohort.warnings == ("test labels are absent: 1 of 1 test recordings are scored but not measured.",)


def test_a_person_in_two_splits_is_a_warning_with_counts() -> None:
    frame = table(person_id=["p0", "p0", "p1", "p1", "p0", "p0"])
    cohort = Cohort("mine", validate(frame, BDI, "m.csv"), BDI, warnings=("something",))
    assert cohort.warnings[0] == "something"
    assert cohort.warnings[1].startswith("people in more than one split: 1 of 2 people, 2 of 3 recordings.")
    assert dataclasses.replace(cohort, name="other").warnings == cohort.warnings, "one warning, also in a copy"
    apart = dataclasses.replace(cohort, clips=validate(table(), BDI, "m.csv"))
    assert apart.warnings == ("something",)


def test_unlabelled_clips_of_a_trained_person_are_no_leak() -> None:
    frame = pd.concat([table(), table().iloc[:1].assign(clip_id="z", recording_id="z", split="unlabelled", label=None)])
    assert Cohort("mine", validate(frame.reset_index(drop=True), BDI, "m.csv"), BDI).warnings == ()


def test_splits_and_recordings() -> None:
    cohort = Cohort("mine", validate(table(), BDI, "m.csv"), BDI)
    assert list(cohort.in_split("dev")["clip_id"]) == ["c2", "c3"] and list(cohort.in_split("dev").index) == [0, 1]
    assert cohort.in_split("unlabelled").empty
    with pytest.raises(ValueError, match="unknown split"):
        cohort.in_split("val")
    recordings = cohort.recordings()
    assert list(recordings.columns) == ["recording_id", "person_id", "split", "label"]
    assert list(recordings.itertuples(index=False, name=None))[1] == ("r1", "p1", "dev", 20.0)


def test_cohort_refuses_a_table_that_was_not_validated() -> None:
    with pytest.raises(ValueError, match="validate"):
        Cohort("mine", table().drop(columns="task"), BDI)


def test_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    def fingerprint(frame: pd.DataFrame, scale: Scale = BDI) -> str:
        return Cohort("any", validate(frame, scale, "m.csv"), scale).fingerprint()

    base = fingerprint(table())
    (tmp_path / "a.mp4").touch()
    assert fingerprint(table(path=[str(tmp_path / "a.mp4"), "", "", "", "", ""])) == base
    assert fingerprint(table().sample(frac=1, random_state=1)) == base
    others = [
        table(clip_id=[f"d{number}" for number in range(6)]),
        table(person_id=[f"q{number // 2}" for number in range(6)]),
        table(task=["a", "c"] * 3),
        table(label=[4, 4, 20, 20, 41, 41]),
        table(split=["dev", "dev", "train", "train", "test", "test"]),
    ]
    prints = [
        base,
        *map(fingerprint, others),
        fingerprint(table(), Scale(name="X", min=0, max=63, bands=(Band(name="all", low=0, high=63),))),
    ]
    assert len(set(prints)) == len(prints)


@given(st.floats(0, 63))
def test_band_holds_its_scores(score: float) -> None:
    band = BDI.band(score)
    assert band.low <= score < band.high + 1


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (0, "minimal"),
        (13, "minimal"),
        (13.99, "minimal"),
        (14, "mild"),
        (19.5, "mild"),
        (20, "moderate"),
        (28, "moderate"),
        (29, "severe"),
        (63, "severe"),
        (-4.2, "minimal"),
        (80, "severe"),
    ],
)
def test_bands_of_beck_1996(score: float, name: str) -> None:
    assert BDI.band(score).name == name


def test_nan_has_no_band() -> None:
    with pytest.raises(ValueError, match="NaN"):
        BDI.band(float("nan"))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"bands": []}, "cohort.scale.bands=[]: give one band or more, from 0 to 10."),
        (
            {"bands": [("a", 0, 5), ("b", 7, 10)]},
            "cohort.scale.bands: band b starts at 7, but a ends at 5. "
            "Each band starts one point above the end of the one before.",
        ),
        (
            {"bands": [("a", 0, 5), ("b", 5, 10)]},
            "cohort.scale.bands: band b starts at 5, but a ends at 5. "
            "Each band starts one point above the end of the one before.",
        ),
        ({"bands": [("a", 0, 9)]}, "cohort.scale.bands: the bands must reach from min=0 to max=10."),
        ({"bands": [("a", 5, 0)]}, "cohort.scale.bands.0.high=0: give at least low=5."),
        ({"bands": [("a", 0)]}, "cohort.scale.bands.0.high is missing: give a number."),
        ({"min": 10, "max": 0}, "cohort.scale.max=0: give a number above min=10."),
        ({"max": "x"}, "cohort.scale.max=x: give a number."),
        ({"max": float("inf")}, "cohort.scale.max=inf: give a number."),
    ],
)
def test_unsound_scales(changes: dict[str, object], line: str) -> None:
    node = {"name": "X", "min": 0, "max": 10, "bands": [("a", 0, 10)], **changes}
    node["bands"] = [dict(zip(("name", "low", "high"), band, strict=False)) for band in node["bands"]]
    with pytest.raises(LfnetError) as caught:
        read(Scale, node, "cohort.scale")
    assert str(caught.value) == line


def test_names_of_splits() -> None:
    assert SPLITS == ("train", "dev", "test", "unlabelled")
