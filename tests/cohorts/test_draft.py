"""Drafts of manifests: clips, guessed people, labels and splits."""

from pathlib import Path

import pytest

from lfnet.cohorts.cohort import Band, Scale
from lfnet.cohorts.draft import add_splits, draft, manifest_text, resplit_manifest
from lfnet.cohorts.guess import BIDS, Guess, guess_people
from lfnet.cohorts.media import find, kind
from lfnet.cohorts.merge_labels import add_labels
from lfnet.errors import LfnetError

SCALE = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="all", low=0, high=63),))
SITTINGS = "names of the form PERSON_SESSION"
FOLDERS = "one folder a person"
WORD = "the first word of each name"
OWN = "each clip a person of its own"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("names", "persons", "rule"),
    [
        (["203_1_Freeform_video", "203_2_Northwind_video", "205_1_Freeform_video"], ["203", "203", "205"], SITTINGS),
        (["P01_1", "P01_2"], ["P01", "P01"], SITTINGS),
        (["clip_07_1", "clip_07_2", "clip_08_1"], ["07", "07", "08"], SITTINGS),
        (["sub-01_ses-2_rest", "sub-02_ses-1_rest"], ["sub-01", "sub-02"], BIDS),
        (["P01/a", "P01/b", "P02/a"], ["P01", "P01", "P02"], FOLDERS),
        (["anna-morning", "anna-evening", "ben-morning"], ["anna", "anna", "ben"], WORD),
        (["clip_001", "clip_002", "clip_003"], ["001", "002", "003"], WORD),
        (["anna/talk", "ben/talk"], ["anna_talk", "ben_talk"], OWN),
        (["only"], ["only"], OWN),
        (
            ["sub-01_ses-1", "sub-02_ses-1", "sub-03_ses-1", "sub-03_ses-2", "calibration"],
            ["sub-01", "sub-02", "sub-03", "sub-03", "calibration"],
            f"{BIDS}; 1 clip of another name each a person of its own",
        ),
        (
            ["203_1", "203_2", "205_1", "206_1", "test film"],
            ["203", "203", "205", "206", "test-film"],
            f"{SITTINGS}; 1 clip of another name each a person of its own",
        ),
        (["203_1", "205_1", "test-film"], ["203", "205", "test"], WORD),
    ],
)
def test_guess(names: list[str], persons: list[str], rule: str) -> None:
    guesses, said = guess_people([Path(name) for name in names])
    assert [one.person for one in guesses] == persons and said == rule


def test_guess_session_and_task() -> None:
    names = ["203_1_Freeform_video", "203_1_Northwind_video", "7-02_video", "P8_s3_talk"]
    assert guess_people([Path(name) for name in names])[0] == [
        Guess("203", "1", "Freeform"),
        Guess("203", "1", "Northwind"),
        Guess("7", "02", ""),
        Guess("P8", "3", "talk"),
    ]


def test_find(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *("a.MP4", "sub/b.avi", "poster.png", "notes.txt", "x.npy", ".hidden.mp4", "__MACOSX/a.mp4"),
        *(
            "frames/1.jpg",
            "frames/2.jpg",
            "frames/deep/3.mp4",
            "mixed/1.png",
            "mixed/2.png",
            "mixed/c.mov",
            "one/1.png",
        ),
    )
    (tmp_path / "sub/loop").symlink_to(tmp_path)
    found = [(what, path.relative_to(tmp_path).as_posix()) for what, path in find(tmp_path)]
    assert [path for what, path in found if what == "videos"] == ["a.MP4", "mixed/c.mov", "sub/b.avi"]
    assert [path for what, path in found if what == "frames"] == ["frames"]
    assert [path for what, path in found if what == "features"] == ["x.npy"]
    assert "notes.txt" in [path for what, path in found if what == "other"]
    assert kind(tmp_path / "frames") == "frames" and kind(Path("x.NPZ")) == "features" and kind(Path("x")) == "videos"


def test_draft_of_videos(tmp_path: Path) -> None:
    touch(tmp_path, "v/203_1_Freeform_video.mp4", "v/203_1_Northwind_video.mp4", "v/204_2_Freeform_video.mp4")
    table, rule = draft(tmp_path)
    assert rule == SITTINGS
    assert table["clip_id"].tolist()[0] == "v_203_1_Freeform_video"
    assert table["recording_id"].tolist() == ["203_1", "203_1", "204_2"]
    assert table["person_id"].tolist() == ["203", "203", "204"] and set(table["person_guessed"]) == {"yes"}
    assert table["path"].tolist()[0] == "v/203_1_Freeform_video.mp4"


def test_one_name_in_two_folders_is_two_recordings(tmp_path: Path) -> None:
    touch(tmp_path, "x/203_1.mp4", "y/203_1.mp4", "y/204_1.mp4")
    assert draft(tmp_path)[0]["recording_id"].tolist() == ["x_203_1", "y_203_1", "204_1"]


def test_kinds(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", "c.npy", "f/1.png", "f/2.png")
    with pytest.raises(LfnetError, match=r"2 videos and 1 frame folders and 1 feature files\. Choose one with --kind"):
        draft(tmp_path)
    assert draft(tmp_path, "features")[0]["path"].tolist() == ["c.npy"]
    assert draft(tmp_path, "frames")[0]["path"].tolist() == ["f"]


def test_nothing_to_draft(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match=r"nowhere is not a folder"):
        draft(tmp_path / "nowhere")
    touch(tmp_path, "notes.txt")
    with pytest.raises(LfnetError, match=r"holds no clip\. Clips are videos \(\.mp4"):
        draft(tmp_path)
    with pytest.raises(LfnetError, match="holds no frame folders"):
        draft(touch(tmp_path, "a.mp4"), "frames")
    with pytest.raises(LfnetError, match=r"a\.avi, a\.mp4 would all be clip 'a'"):
        draft(touch(tmp_path, "a.avi"))


LABELS = {
    "clip": "name,label\n01_1_talk.mp4,3\n01_2_talk.mp4,4\n02_1_talk.mp4,20\n",
    "clip by path": "video;bdi\nsub\\01_1_talk.mp4;3\nsub\\01_2_talk.mp4;4\nsub\\02_1_talk.mp4;20\n",
    "recording": "who,when,bdi\n01_1,5,3\n01_2,6,4\n02_1,7,20\n",
    "recording, no header of scores": "who,points\n01_1,3\n01_2,4\n02_1,20\n",
}


@pytest.mark.parametrize("text", LABELS.values(), ids=LABELS)
def test_labels_by_clip_and_recording(tmp_path: Path, text: str) -> None:
    touch(tmp_path, "sub/01_1_talk.mp4", "sub/01_2_talk.mp4", "sub/02_1_talk.mp4", "sub/02_2_talk.mp4")
    (tmp_path / "l.csv").write_text(text)
    table, _ = draft(tmp_path)
    merged = add_labels(table, tmp_path / "l.csv", SCALE)
    assert table["label"].tolist()[:3] == [3, 4, 20] and table["label"].isna().tolist() == [False, False, False, True]
    assert merged.labelled == 3 and merged.unused == () and set(table["person_guessed"]) == {"yes"}


def test_labels_by_person_replace_guessed_people(tmp_path: Path) -> None:
    touch(tmp_path, "01_1.mp4", "01_2.mp4", "02_1.mp4", "03_1.mp4")
    (tmp_path / "l.csv").write_text("Participant_ID,PHQ8_Binary,PHQ8_Score,Gender\n1,0,7,1\n2,1,20,0\n9,0,1,1\n")
    table, _ = draft(tmp_path)
    merged = add_labels(table, tmp_path / "l.csv", SCALE)
    assert (merged.level, merged.column, merged.labelled, merged.unused) == ("person", "participant_id", 3, ("9",))
    assert table["label"].tolist()[:3] == [7, 7, 20]
    assert table["person_guessed"].tolist() == ["no", "no", "no", "yes"]


def test_a_column_of_people_replaces_guessed_people(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    (tmp_path / "l.csv").write_text("clip,person_id,label\na,ann,1\nb,ann,2\nc,bob,3\n")
    table, _ = draft(tmp_path)
    add_labels(table, tmp_path / "l.csv", SCALE)
    assert table["person_id"].tolist() == ["ann", "ann", "bob"] and set(table["person_guessed"]) == {"no"}
    assert "person_guessed" not in manifest_text(table)


def test_a_label_of_one_task_is_that_of_the_recording(tmp_path: Path) -> None:
    touch(tmp_path, "1_1_talk.mp4", "1_1_read.mp4", "2_1_talk.mp4")
    (tmp_path / "l.csv").write_text("clip,label\n1_1_talk,5\n2_1_talk,6\n")
    table, _ = draft(tmp_path)
    add_labels(table, tmp_path / "l.csv", SCALE)
    assert table["label"].tolist() == [5, 5, 6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clip,label\nx,1\ny,2\n", r"no row names a clip.*Its first row: x, 1\. The folder's first clip: 1_1_read"),
        ("clip,label\n", r"l\.csv has no rows below its names of columns"),
        ("clip,label\n1_1_talk,many\n", r"row 2: score 'many' of '1_1_talk' is not a number"),
        ("clip,label\n1_1_talk,64\n", r"row 2: score '64' of '1_1_talk' lies outside BDI-II \(0 to 63\).*--scale"),
        ("clip,label\n1_1_talk,4\n1_1_talk,5\n", r"row 3: '1_1_talk' scores 5, but 4 in row 2"),
        (
            "clip,label\n1_1_talk,4\n1_1_read,5\n",
            r"clips of recording 1_1 have several scores.*1_1_read: 5, 1_1_talk: 4",
        ),
        (
            "clip,first,second\n1_1_talk,4,5\n",
            r"which column holds the scores\? There are: first, second.*--label-column",
        ),
    ],
)
def test_labels_that_cannot_be_merged(tmp_path: Path, text: str, said: str) -> None:
    touch(tmp_path, "1_1_talk.mp4", "1_1_read.mp4", "2_1_talk.mp4")
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(LfnetError, match=said):
        add_labels(draft(tmp_path)[0], tmp_path / "l.csv", SCALE)


@pytest.mark.parametrize(("people", "folds"), [(2, None), (3, 3), (4, 4), (19, 5), (20, None)])
def test_folds_are_added_where_people_are_few(tmp_path: Path, people: int, folds: int | None) -> None:
    touch(tmp_path, *(f"{person:02}_1.mp4" for person in range(people + 1)))
    table, _ = draft(tmp_path)
    table["label"] = [*map(float, range(people)), float("nan")]
    assert add_splits(table, (0.6, 0.2, 0.2), 0) == people
    assert table["split"].tolist()[-1] == "unlabelled"
    assert set(table["split"][:-1]) == ({"train", "dev", "test"} if people >= 3 else {""})
    assert ("fold" in table.columns) == (folds is not None)
    if folds:
        assert set(table["fold"]) == {"", *map(str, range(1, folds + 1))}


MANIFEST = "path,remark,person_id,label,split\n" + "".join(
    f"{number}.mp4,keep {number},p{number // 2},{number},train\n" for number in range(60)
)


def test_splits_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "manifest.csv"
    file.write_text(MANIFEST + "60.mp4,none,p0,,train\n")
    table, people = resplit_manifest(file, (0.6, 0.2, 0.2), 0)
    lines = file.read_text().splitlines()
    assert people == 30 and lines[0] == "path,remark,person_id,label,split" and len(lines) == 62
    assert lines[1].startswith("0.mp4,keep 0,p0,0,") and lines[-1] == "60.mp4,none,p0,,unlabelled"
    assert (table[table["label"].notna()].groupby("person_id")["split"].nunique() == 1).all()
    before = file.read_text()
    resplit_manifest(file, (0.6, 0.2, 0.2), 0)
    assert file.read_text() == before
    resplit_manifest(file, (0.6, 0.2, 0.2), 1)
    assert file.read_text() != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\na,1\n", "missing column person_id"),
        ("person_id,label\np,1\n", "missing column clip_id"),
        ("path,person_id,label\na,,1\n", "row 2: person_id is missing"),
        ("path,person_id,label\na,p,x\n", "row 2: label 'x' is not a number"),
        ("path,recording_id,person_id,label\na,r,p,1\nb,r,q,1\n", "row 3: recording 'r' has several labels or people"),
    ],
)
def test_invalid_manifests_are_unchanged(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "manifest.csv"
    file.write_text(text)
    with pytest.raises(LfnetError, match=said):
        resplit_manifest(file, (0.6, 0.2, 0.2), 0)
    assert file.read_text() == text
