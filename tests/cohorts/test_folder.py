"""A folder with a manifest becomes a cohort, or a message that names file, row and how to fix it."""

import shutil
from pathlib import Path

import pytest

from lfnet.cohorts.cohort import Band, Cohort, Scale
from lfnet.cohorts.folder import load
from lfnet.errors import LfnetError

SCALE = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="all", low=0, high=63),))
MINIMAL = "path,person_id,split,label\na.mp4,p1,train,3\nsub/b.mp4,p2,dev,20\nc.mp4,p3,test,41\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "my data"
    for name in ("a.mp4", "sub/b.mp4", "c.mp4", "d.mp4"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"never opened here")
    return folder


def written(root: Path, text: str, name: str = "manifest.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root


def test_minimal_manifest(root: Path) -> None:
    cohort = load(written(root, MINIMAL), SCALE)
    assert isinstance(cohort, Cohort) and cohort.name == "my-data" and cohort.own is None and not cohort.aligned
    assert cohort.clips["clip_id"].tolist() == ["a", "c", "sub_b"]
    assert cohort.clips["recording_id"].tolist() == ["a", "c", "sub_b"]
    assert cohort.clips["path"].tolist() == [str(root / name) for name in ("a.mp4", "c.mp4", "sub/b.mp4")]
    assert cohort.clips["task"].tolist() == ["", "", ""] and cohort.clips["fps"].isna().all()
    assert cohort.warnings == ()


def test_all_columns(root: Path) -> None:
    text = (
        "clip_id,recording_id,person_id,split,task,label,path,fps,n_frames,remark\n"
        "one,r1,p1,train,read,3,a.mp4,30,100,x\n"
        "two,r1,p1,train,talk,3,d.mp4,25.5,90,y\n"
        "three,,p2,dev,,20,sub\\b.mp4,,,\n"
        "four,,p3,unlabelled,,,c.mp4,,,\n"
    )
    cohort = load(written(root, text, "other.csv"), SCALE, manifest="other.csv", name="named", aligned=True)
    assert cohort.name == "named" and cohort.aligned
    by_id = cohort.clips.set_index("clip_id")
    assert by_id.loc["two", ["recording_id", "task", "fps", "n_frames"]].tolist() == ["r1", "talk", 25.5, 90]
    assert by_id.loc["three", "recording_id"] == "three" and by_id.loc["three", "path"] == str(root / "sub/b.mp4")


def test_spreadsheet_manifest(root: Path) -> None:
    text = "\ufeff" + MINIMAL.replace(",", ";").replace(";3\n", ";3,5\n").replace("\n", "\r\n")
    assert load(written(root, text), SCALE).clips["label"].tolist() == [3.5, 41, 20]


def test_a_moved_folder_is_the_same_cohort(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(written(root, MINIMAL), SCALE)
    shutil.move(root, tmp_path / "moved")
    after = load(tmp_path / "moved", SCALE)
    assert before.fingerprint() == after.fingerprint()
    monkeypatch.chdir(tmp_path)
    relative = load("moved", SCALE)
    assert relative.clips["path"].tolist() == after.clips["path"].tolist(), "paths do not depend on the current folder"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL.replace("sub/b.mp4", "sub/x.mp4"), r"row 3: .*sub/x\.mp4 does not exist\. Correct the path or remove"),
        (MINIMAL.replace("sub/b.mp4", ""), r"row 3: path is missing"),
        (MINIMAL.replace("sub/b.mp4", "a.mp4"), r"row 3: clip_id 'a' is in row 2 too"),
        (MINIMAL.replace("sub/b.mp4", "../b.mp4"), r"row 3: .*lies outside .*cohort\.allow_outside=true"),
        (MINIMAL.replace("sub/b.mp4", "/etc/hostname"), r"row 3: /etc/hostname lies outside"),
        (MINIMAL.replace("dev", "validation"), r"row 3: unknown split 'validation'.*Did you mean dev\?"),
        (
            MINIMAL.replace("p2,dev,20", "p2,dev,200"),
            r"row 3: label 200 lies outside the scale: BDI-II runs from 0 to 63",
        ),
        (MINIMAL.replace("p2,dev,20", "p2,dev,"), r"row 3: no label, but split dev needs one"),
        (MINIMAL.replace("person_id", "person"), r"missing column person_id\..*Rename 'person' to 'person_id'"),
        (MINIMAL.replace("person_id", "persn_id"), r"missing column person_id\..*Is it persn_id\?"),
        ("path,person_id,split,label\n", "no clips"),
        ("", "is empty"),
    ],
)
def test_mistakes_are_named(root: Path, text: str, said: str) -> None:
    with pytest.raises(LfnetError, match=said) as caught:
        load(written(root, text), SCALE)
    assert str(root / "manifest.csv") in str(caught.value)


def test_problems_of_both_kinds_come_together(root: Path) -> None:
    text = MINIMAL.replace("sub/b.mp4", "/etc/hostname").replace("p1,train,3", "p1,train,99")
    with pytest.raises(LfnetError, match=r"(?s)2 problems.*lies outside /.*label 99 lies outside the scale"):
        load(written(root, text), SCALE)


def test_outside_can_be_allowed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "b.mp4").touch()
    written(root, MINIMAL.replace("sub/b.mp4", "../b.mp4"))
    assert len(load(root, SCALE, allow_outside=True).clips) == 3


def test_links_inside_the_folder_may_lead_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.mp4").touch()
    (root / "sub/b.mp4").unlink()
    (root / "sub/b.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    assert len(load(written(root, MINIMAL), SCALE).clips) == 3


def test_missing_folder_and_manifest(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match=r"cohort\.root: .*none is not a folder"):
        load(tmp_path / "none", SCALE)
    with pytest.raises(LfnetError, match=r"manifest\.csv does not exist\. `lfnet cohort init .*` drafts one"):
        load(tmp_path, SCALE)


def frame_folder(root: Path, name: str) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "1.png").touch()


def test_frame_folders_need_fps(root: Path) -> None:
    for name in ("x", "y.2", "z"):
        frame_folder(root, f"frames/{name}")
    text = "path,person_id,split,label,fps\nframes/x,p1,train,3,30\nframes/y.2,p2,dev,20,30\nframes/z,p3,test,41,{}\n"
    clips = load(written(root, text.format(15)), SCALE).clips
    assert clips["clip_id"].tolist() == ["frames_x", "frames_y.2", "frames_z"] and clips["fps"].tolist() == [30, 30, 15]
    with pytest.raises(LfnetError, match=r"row 4: fps is missing\. A folder of frames has no frame rate of its own"):
        load(written(root, text.format("")), SCALE)


def test_person_in_two_splits_is_a_warning(root: Path) -> None:
    cohort = load(written(root, MINIMAL.replace("p3", "p1")), SCALE)
    assert cohort.warnings[0].startswith("people in more than one split: 1 of 2 people, 2 of 3 recordings")


@pytest.mark.parametrize(("column", "count"), [("yes,yes,no", 2), ("no,no,no", 0), (",,", 0), ("TRUE,1,Yes", 3)])
def test_guessed_people_are_a_warning(root: Path, column: str, count: int) -> None:
    lines = MINIMAL.splitlines()
    text = "\n".join(
        f"{line},{value}" for line, value in zip(lines, ["person_guessed", *column.split(",")], strict=True)
    )
    warnings = load(written(root, text), SCALE).warnings
    assert len(warnings) == (1 if count else 0)
    assert not count or f"guessed from file names for {count} of 3 clips" in warnings[0]


FOLDS = "path,person_id,split,label,fold\na.mp4,p1,train,3,1\nsub/b.mp4,p2,train,20,2\nc.mp4,p3,dev,41,3\nd.mp4,p4,{}\n"


@pytest.mark.parametrize(
    ("fold", "splits"),
    [
        (None, ["train", "dev", "unlabelled", "train"]),
        (1, ["test", "train", "unlabelled", "dev"]),
        (2, ["train", "dev", "unlabelled", "test"]),
        (3, ["dev", "test", "unlabelled", "train"]),
    ],
)
def test_folds_become_splits(root: Path, fold: int | None, splits: list[str]) -> None:
    written(root, FOLDS.format("unlabelled,,"))
    assert load(root, SCALE, fold=fold).clips["split"].tolist() == splits


@pytest.mark.parametrize(
    ("last", "fold", "said"),
    [
        ("unlabelled,,", 4, r"cohort\.fold=4, but the folds are 1, 2, 3"),
        ("train,1,", 1, r"row 5: fold is missing"),
        ("train,1,one", 1, r"row 5: fold 'one' is not a whole number"),
    ],
)
def test_unsound_folds(root: Path, last: str, fold: int, said: str) -> None:
    with pytest.raises(LfnetError, match=said):
        load(written(root, FOLDS.format(last)), SCALE, fold=fold)


def test_no_fold_column(root: Path) -> None:
    with pytest.raises(LfnetError, match=r"no column fold, which cohort\.fold=1 needs"):
        load(written(root, MINIMAL), SCALE, fold=1)


def test_a_name_that_no_file_can_have_does_not_exist(root: Path) -> None:
    for name in ("x" * 300 + ".mp4", "~nobody_of_this_name/a.mp4"):
        written(root, MINIMAL + f"{name},p4,test,5\n")
        with pytest.raises(LfnetError, match=r"row 5: .* does not exist"):
            load(root, SCALE)
