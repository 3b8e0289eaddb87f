"""AVEC2014's layouts: whatever a copy looks like, the same cohort comes out, or a message that says why not."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from lfnet.cohorts.cohort import Cohort
from lfnet.config import check_target, instantiate, plain
from lfnet.errors import LfnetError

CONF = Path(__file__).resolve().parents[2] / "conf"
# (person, session, split, score): person 203 sits twice, in two splits, as in the official partitions.
SITTINGS = [
    ("203", "1", "train", 3),
    ("203", "2", "dev", 5),
    ("205", "1", "train", 22),
    ("206", "1", "dev", 41),
    ("207", "1", "test", 0),
    ("208", "3", "test", 17),
]
TASKS = ("Freeform", "Northwind")
OFFICIAL = {"train": "Training", "dev": "Development", "test": "Testing"}
Name = Callable[[str, str, str], str]


def touch(file: Path, text: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@cache
def settings(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose(overrides=["+paths=default", "+cohort=avec2014", *overrides]))["cohort"]


def load(root: Path, *overrides: str) -> Cohort:
    cohort = instantiate({**settings(*overrides), "root": str(root)}, "cohort")
    assert isinstance(cohort, Cohort)
    return cohort


def videos(
    root: Path, splits: dict[str, str], file: str = "{split}/{task}/{person}_{session}_{task}_video.mp4"
) -> None:
    for person, session, split, _ in SITTINGS:
        for task in TASKS:
            touch(root / file.format(split=splits[split], task=task, person=person, session=session))


def frames(root: Path, splits: dict[str, str], folder: str) -> None:
    for person, session, split, _ in SITTINGS:
        for task in TASKS:
            for number in (1, 2):
                name = folder.format(split=splits[split], task=task, person=person, session=session)
                touch(root / name / f"frame_{number:04}.png")


def label_files(root: Path, folder: str, without: tuple[str, ...] = ()) -> None:
    for person, session, split, score in SITTINGS:
        if split not in without:
            touch(root / folder.format(split=OFFICIAL[split]) / f"{person}_{session}_Depression.csv", f"{score}\n")


def label_table(file: Path, name: str, head: str = "file,label\n", separator: str = ",") -> None:
    rows = [
        name.format(person=person, session=session) + f"{separator}{score}" for person, session, _, score in SITTINGS
    ]
    touch(file, head + "\n".join(rows) + "\n")


def official(root: Path) -> None:
    videos(root, OFFICIAL)
    label_files(root, "{split}/DepressionLabels")


def archive_names(root: Path) -> None:
    videos(root, {split: f"AVEC2014_{name}" for split, name in OFFICIAL.items()})
    label_files(root, "AVEC2014_Labels_{split}/{split}/DepressionLabels")


def audiovisual(root: Path) -> None:
    videos(root, OFFICIAL, "AVEC2014_AudioVisual/Video/{split}/{task}/{person}_{session}_{task}_video.mp4")
    videos(root, OFFICIAL, "AVEC2014_AudioVisual/Audio/{split}/{task}/{person}_{session}_{task}_audio.wav")
    label_files(root, "Final_Labels/{split}_DepressionLabels")


def short_names(root: Path) -> None:
    videos(root, {"train": "train", "dev": "dev", "test": "test"}, "{split}/{task}/{person}_{session}.avi")
    label_files(root, "label/DepressionLabels")


def lower_case(root: Path) -> None:
    videos(root, {"train": "training", "dev": "validation", "test": "testset"})
    for path in sorted(root.rglob("*.mp4")):
        path.rename(path.with_name(path.name.lower()))
    label_table(root / "labels.csv", "{person}_{session}")


def flat_splits(root: Path) -> None:
    videos(root, {"train": "train", "dev": "val", "test": "test"}, "{split}/{person}_{session}_{task}_video.avi")
    label_table(root / "AVEC2014_labels_all.csv", "{person}_{session}_Freeform_video.mp4", "name;age;BDI\n", ";30;")


def headless_table(root: Path) -> None:
    videos(root, OFFICIAL)
    label_table(root / "label.csv", "{person}_{session}_Depression", "")


def aligned_folders(root: Path) -> None:
    frames(root, OFFICIAL, "{split}/{task}/{person}_{session}_{task}_video_aligned")
    label_files(root, "labels")


def folders_by_task(root: Path) -> None:
    frames(root, {"train": "train", "dev": "validate", "test": "test"}, "processed/{split}/{task}/{person}_{session}")
    label_files(root, "DepressionLabels")


def clip_in_its_own_folder(root: Path) -> None:
    videos(root, OFFICIAL, "{split}/{person}_{session}_{task}/{person}_{session}_{task}_video.mp4")
    label_files(root, "{split}")


VIDEO_LAYOUTS = [
    official,
    archive_names,
    audiovisual,
    short_names,
    lower_case,
    flat_splits,
    headless_table,
    clip_in_its_own_folder,
]
FRAME_LAYOUTS = [aligned_folders, folders_by_task]


@pytest.mark.parametrize("layout", [*VIDEO_LAYOUTS, *FRAME_LAYOUTS], ids=lambda layout: layout.__name__)
def test_layouts_give_the_same_cohort(tmp_path: Path, layout: Callable[[Path], None]) -> None:
    layout(tmp_path)
    cohort = load(tmp_path, "cohort.aligned=true" if layout is aligned_folders else "cohort.aligned=false")
    clips = cohort.clips
    wanted = {
        (f"{person}_{session}_{task}", f"{person}_{session}", person, split, task, float(score))
        for person, session, split, score in SITTINGS
        for task in TASKS
    }
    columns = ["clip_id", "recording_id", "person_id", "split", "task", "label"]
    assert set(clips[columns].itertuples(index=False, name=None)) == wanted
    assert len(clips) == 12
    assert cohort.name == "avec2014" and cohort.scale.name == "BDI-II" and cohort.own is None
    assert all(Path(path).exists() for path in clips["path"])
    assert (clips["fps"] == 30).all() if layout in FRAME_LAYOUTS else clips["fps"].isna().all()


def test_a_person_in_two_splits_and_a_partial_copy_are_warnings(tmp_path: Path) -> None:
    official(tmp_path)
    warnings = load(tmp_path).warnings
    assert any(text.startswith("people in more than one split: 1 of 5 people, 2 of 6 recordings") for text in warnings)
    assert any("2/2/2 recordings in train/dev/test instead of 50/50/50" in text for text in warnings)
    assert len(load(tmp_path, "cohort.expected=null").warnings) == 1


def test_test_labels_may_be_absent(tmp_path: Path) -> None:
    videos(tmp_path, OFFICIAL)
    label_files(tmp_path, "labels", without=("test",))
    cohort = load(tmp_path)
    assert cohort.in_split("test")["label"].isna().all() and len(cohort.in_split("test")) == 4
    assert cohort.in_split("train")["label"].notna().all()
    assert any("2 of 2 test recordings are scored but not measured" in text for text in cohort.warnings)


def test_matched_and_skipped_files_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    official(tmp_path)
    touch(tmp_path / "Training/Freeform/teaser.mp4")
    touch(tmp_path / "Training/Freeform/203_1_Freeform_audio.wav")
    touch(tmp_path / "labels/999_1_Depression.csv", "4")
    (tmp_path / "Testing/Northwind/208_3_Northwind_video.mp4").unlink()
    cohort = load(tmp_path)
    said = capsys.readouterr().err
    assert f"11 clips of 6 recordings of 5 people in {tmp_path}" in said
    assert "test: 3 clips (2 Freeform, 1 Northwind), 2 recordings, 2 labelled" in said
    assert "1 .wav files: Training/Freeform/203_1_Freeform_audio.wav" in said
    assert "1 labels of recordings without a clip: labels/999_1_Depression.csv" in said
    assert "1 videos whose name matches no pattern: Training/Freeform/teaser.mp4" in said
    assert "1 recordings that lack a task: 208_3" in said
    assert "1 videos whose name matches no pattern were left out." in cohort.warnings
    assert "1 of 6 recordings lack a task." in cohort.warnings, "warnings are handed on, and name no recording"
    load(tmp_path)
    assert capsys.readouterr().err == "", "the same report is printed once"


def test_names_of_aligned_frames_without_the_setting_are_a_warning(tmp_path: Path) -> None:
    aligned_folders(tmp_path)
    assert any("cohort.aligned=true" in text for text in load(tmp_path).warnings)
    cohort = load(tmp_path, "cohort.aligned=true", "cohort.fps=15")
    assert cohort.aligned and not any("cohort.aligned" in text for text in cohort.warnings)
    assert (cohort.clips["fps"] == 15).all()


def test_videos_and_frames_of_the_same_clips(tmp_path: Path) -> None:
    official(tmp_path)
    frames(tmp_path, OFFICIAL, "aligned/{split}/{task}/{person}_{session}_{task}_video_aligned")
    with pytest.raises(LfnetError, match=r"12 frame folders and 12 videos.*cohort\.media=videos"):
        load(tmp_path)
    assert all(path.endswith(".mp4") for path in load(tmp_path, "cohort.media=videos").clips["path"])
    chosen = load(tmp_path, "cohort.media=frames", "cohort.aligned=true").clips
    assert all(path.endswith("_aligned") for path in chosen["path"])
    assert len(load(tmp_path, "cohort.skip=['aligned/.*']").clips) == 12


def test_one_task_alone(tmp_path: Path) -> None:
    official(tmp_path)
    cohort = load(tmp_path, "cohort.tasks.Northwind=null", "cohort.expected=null")
    assert cohort.fingerprint() == load(tmp_path, "~cohort.tasks.Northwind").fingerprint()
    assert set(cohort.clips["task"]) == {"Freeform"} and len(cohort.clips) == 6


def test_labels_from_elsewhere(tmp_path: Path) -> None:
    videos(tmp_path / "clips", OFFICIAL)
    label_table(tmp_path / "elsewhere/scores.csv", "{person}_{session}", "who,bdi\n")
    label_files(tmp_path / "elsewhere2", "x")
    by_table = load(tmp_path / "clips", f"cohort.labels.source={tmp_path / 'elsewhere/scores.csv'}")
    by_files = load(tmp_path / "clips", f"cohort.labels.source={tmp_path / 'elsewhere2'}")
    assert by_table.fingerprint() == by_files.fingerprint()


def test_label_column_by_name(tmp_path: Path) -> None:
    videos(tmp_path, OFFICIAL)
    label_table(tmp_path / "labels.csv", "{person}_{session},40", "file,first,second\n")
    with pytest.raises(LfnetError, match=r"labels\.csv: which column holds the scores\? There are: first, second"):
        load(tmp_path)
    assert load(tmp_path, "cohort.labels.column=second").clips["label"].max() == 41


def _wrong(root: Path, what: str) -> None:
    official(root)
    label = root / "Training/DepressionLabels/203_1_Depression.csv"
    if what == "contradiction":
        touch(root / "more/203_1_Depression.csv", "9")
    elif what == "no number":
        label.write_text("none\n")
    elif what == "two numbers":
        label.write_text("3 4\n")
    elif what == "outside the scale":
        label.write_text("64")
    elif what == "missing":
        label.unlink()
    elif what == "twice":
        touch(root / "Training/copy/203_1_Freeform_video.avi")
    elif what == "no split":
        touch(root / "extra/299_1_Freeform_video.mp4")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("contradiction", r"recording 203_1 has label 3 in Training/Dep.*, but 9 in more/203_1_Depression\.csv"),
        ("no number", r"203_1_Depression\.csv holds no number"),
        ("two numbers", r"203_1_Depression\.csv holds 2 numbers"),
        (
            "outside the scale",
            r"file Training/Freeform/203_1_.*label 64 lies outside the scale: BDI-II runs from 0 to 63",
        ),
        ("missing", r"(?s)2 problems.*file Training/Freeform/203_1_Freeform_video\.mp4: no label, but split train"),
        ("twice", r"clip_id '203_1_Freeform' is in file Training/Freeform/203_1_Freeform_video\.mp4 too"),
        ("no split", r"file extra/299_1_Freeform_video\.mp4: no folder above it names a split \(train: "),
    ],
)
def test_mistakes_are_named(tmp_path: Path, what: str, said: str) -> None:
    _wrong(tmp_path, what)
    with pytest.raises(LfnetError, match=said):
        load(tmp_path)


def test_nothing_matched_shows_patterns_and_files(tmp_path: Path) -> None:
    touch(tmp_path / "a/holiday.mp4")
    touch(tmp_path / "notes.txt")
    with pytest.raises(LfnetError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert "first of 2 files seen" in message and "a/holiday.mp4" in message and r"(?P<person>\d+)" in message
    (tmp_path / "empty").mkdir()
    with pytest.raises(LfnetError, match="no file at all"):
        load(tmp_path / "empty")
    with pytest.raises(LfnetError, match=r"nowhere is not a folder.*cohort\.root"):
        load(tmp_path / "nowhere")


def test_no_labels_shows_patterns_and_files(tmp_path: Path) -> None:
    videos(tmp_path, OFFICIAL)
    touch(tmp_path / "scores_of_all.csv", "203_1,3\n")
    with pytest.raises(LfnetError, match=r"(?s)no train or dev recording has a label.*_Depression.*scores_of_all\.csv"):
        load(tmp_path)


def test_wrong_settings_are_all_named_without_reading_a_file() -> None:
    node = {
        **settings("cohort.fps=x", "cohort.clips=['(?P<person>']", "cohort.splits.train='(('", "cohort.media=sound"),
        "expected": {"train": -1},
    }
    with pytest.raises(LfnetError) as caught:
        check_target(node, "cohort")
    assert sorted(str(caught.value).splitlines()) == [
        "cohort.clips.0=(?P<person>: give a regular expression (missing ), unterminated subpattern at position 0).",
        "cohort.expected.train=-1: give a whole number of 0 or more.",
        "cohort.fps=x: give a number above 0.",
        "cohort.media=sound: give one of videos, frames, features, or null.",
        "cohort.splits.train=((: give a regular expression (missing ), unterminated subpattern at position 1).",
    ]


def test_wrong_label_patterns_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(LfnetError) as caught:
        load(tmp_path, "cohort.labels.recording='('", "cohort.labels.files=['[']", "+cohort.labels.folder=x")
    assert [line.split("=")[0] for line in sorted(str(caught.value).splitlines())] == [
        "cohort.labels.files.0",
        "cohort.labels.folder: there is no such setting; known: recording, source, files, tables, column.",
        "cohort.labels.recording",
    ]


def test_patterns_are_settings(tmp_path: Path) -> None:
    """An unforeseen layout needs no code."""
    for person, session, split, score in SITTINGS:
        touch(tmp_path / f"part-{split}/P{person}/S{session}/reading.mp4")
        touch(tmp_path / f"part-{split}/P{person}/S{session}/score-{person}-{session}.txt", f"BDI {score}\n")
    overrides: list[Any] = [
        *(f"cohort.splits.{split}=part-{split}" for split in OFFICIAL),
        r"cohort.clips=['P(?P<person>\d+)/S(?P<session>\d+)/(?P<task>[a-z]+)']",
        "cohort.tasks={Northwind: reading}",
        r"cohort.labels.files=['score-(?P<person>\d+)-(?P<session>\d+)\.txt']",
        "~cohort.tasks.Freeform",
    ]
    cohort = load(tmp_path, *overrides)
    assert list(cohort.clips["label"]) == [3, 5, 22, 41, 0, 17]
    assert set(cohort.clips["task"]) == {"Northwind"}


@pytest.mark.parametrize(
    "setting", ["clips=['clip(?P<session>1)']", "labels.files=['score.*csv']", "labels.recording=x"]
)
def test_a_pattern_must_name_the_person(setting: str) -> None:
    name = setting.partition("=")[0]
    with pytest.raises(LfnetError, match=rf"cohort\.{name}.*give a regular expression with a group \(\?P<person>"):
        check_target(settings(f"cohort.{setting}"), "cohort")
