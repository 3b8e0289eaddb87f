"""Label tables and folders that people bring, each with its right answer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.cli.cohort import main
from lfnet.cohorts.cohort import Band, Scale
from lfnet.cohorts.draft import draft
from lfnet.cohorts.folder import load
from lfnet.cohorts.identity import normal_id
from lfnet.cohorts.merge_labels import Merged, add_labels
from lfnet.errors import LfnetError
from tests.cohorts.test_cohort_command import printed_settings

SCALE = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="all", low=0, high=63),))


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def labelled(root: Path, text: str, **columns: str) -> tuple[pd.DataFrame, Merged]:
    """The draft of a folder with the labels of a table."""
    (root / "l.csv").write_text(text, encoding="utf-8")
    table, _ = draft(root)
    return table, add_labels(table, root / "l.csv", SCALE, **columns)


def init(root: Path, text: str, *arguments: str) -> pd.DataFrame:
    """The manifest that `lfnet cohort init` writes for feature files."""
    (root / "l.csv").write_text(text, encoding="utf-8")
    assert main(["init", str(root), "--fps", "30", "--labels", str(root / "l.csv"), "--force", *arguments]) == 0
    return pd.read_csv(root / "manifest.csv", dtype=str, keep_default_na=False).set_index("clip_id")


def ready(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / name, np.ones((4, 3), np.float32))
    return root


@pytest.mark.parametrize("index", ["", "unnamed:_0", "id", "nr"])
def test_an_index_column_names_nobody(tmp_path: Path, index: str, capsys: pytest.CaptureFixture[str]) -> None:
    people = np.random.default_rng(1).permutation(np.arange(1, 51)).tolist()
    rows = "".join(f"{row},{person},{7 * person % 50}\n" for row, person in enumerate(people))
    ready(tmp_path, *(f"{person:03}_1.npy" for person in range(1, 21)))
    made = init(tmp_path, f"{index},participant_id,bdi\n{rows}")
    for person in range(1, 21):
        row = made.loc[f"{person:03}_1"]
        assert float(row["label"]) == 7 * person % 50 and row["person_id"] == f"{person:03}"
    said = capsys.readouterr().out
    assert (
        "names: participant_id (20 of 20 clips); score: bdi" in said and "30 names with a score match no clip" in said
    )
    assert f"for example 001_1: row {people.index(1) + 2}" in said


@pytest.mark.parametrize("other", ["education", "site", "age", "visit_year", "points_before", "index", "row"])
def test_whole_numbers_of_another_column_name_nobody(tmp_path: Path, other: str) -> None:
    touch(tmp_path, *(f"sub-{person:02}_ses-1.mp4" for person in range(1, 7)))
    text = f"{other},participant_id,bdi\n" + "".join(f"{p % 6 + 1},sub-{p:02},{5 * p}\n" for p in range(1, 7))
    table, merged = labelled(tmp_path, text)
    assert table["label"].tolist() == [5 * p for p in range(1, 7)]
    assert table["person_id"].tolist() == [f"sub-{p:02}" for p in range(1, 7)] and merged.column == "participant_id"


@pytest.mark.parametrize(
    "columns", ["age\tsex", "sex\tage", "age\tgroup", "visit\tsex", "date\tsex", "nr\tsex", "\tsex", "education\tsex"]
)
def test_no_score_is_made_of_another_number(tmp_path: Path, columns: str) -> None:
    touch(tmp_path, *(f"sub-{person:02}_ses-1.mp4" for person in range(1, 7)))
    first, second = (
        ([str(20 + p) for p in range(6)] if name != "sex" else list("MFMFMF")) for name in columns.split("\t")
    )
    rows = "".join(f"sub-{p + 1:02}\t{a}\t{b}\n" for p, (a, b) in enumerate(zip(first, second, strict=True)))
    with pytest.raises(LfnetError, match=r"which column holds the scores\?.*--label-column NAME"):
        labelled(tmp_path, f"participant_id\t{columns}\n{rows}")


def test_two_scores_are_chosen_from(tmp_path: Path) -> None:
    touch(tmp_path, "1_1.mp4", "2_1.mp4")
    text = "participant_id,label,BDI-II total,bdi_1,PHQ8_Binary\n1,0,3,1,0\n2,1,30,2,1\n"
    with pytest.raises(LfnetError, match=r"There are: label, bdi-ii_total, bdi_1, phq8_binary\."):
        labelled(tmp_path, text)
    table, merged = labelled(tmp_path, text, label="BDI-II total")
    assert table["label"].tolist() == [3, 30] and merged.score == "bdi-ii_total"
    table, _ = labelled(tmp_path, "participant_id,bdi,bdi_1,bdi_2\n1,7,1,1\n2,8,1,1\n")
    assert table["label"].tolist() == [7, 8], "items stand next to their sum"


def test_columns_that_disagree_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{person}_1.mp4" for person in range(1, 6)))
    text = "subject,participant,bdi\n" + "".join(f"{p % 5 + 1},{p},{p}\n" for p in range(1, 6))
    with pytest.raises(
        LfnetError, match=r"'subject' and 'participant' both name clips, but give 1_1 the scores 5 \(row 6\)"
    ):
        labelled(tmp_path, text)
    table, merged = labelled(tmp_path, text, name="Participant")
    assert table["label"].tolist() == [1, 2, 3, 4, 5] and merged.column == "participant"


def test_an_id_that_matches_by_its_number_alone_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "1.mp4", "2.mp4")
    with pytest.raises(LfnetError, match=r"'id' matches 1 clips by their numbers, but column 'code', .* names none"):
        labelled(tmp_path, "code,bdi,id\n6,0,1\n")
    with pytest.raises(LfnetError, match=r"column 'code', which is called like an id too, names none"):
        labelled(tmp_path, "code,bdi,id\nP6,0,1\nP7,9,2\n")
    table, merged = labelled(tmp_path, "code,bdi,id\nP6,0,1\nP7,9,2\n", name="id")
    assert merged.column == "id" and table["label"].tolist() == [0, 9]
    table, merged = labelled(tmp_path, "name,bdi,id\nAnna,0,1\nBen,9,2\n")
    assert merged.column == "id" and table["label"].tolist() == [0, 9]


def test_a_column_of_another_name_is_no_second_choice(tmp_path: Path) -> None:
    touch(tmp_path, "ann_1.mp4", "ann_2.mp4", "bob_1.mp4", "bob_2.mp4")
    text = "points2,label,recording\nzoe,20,sub-ann\nann,46,sub-bob\n"
    with pytest.raises(LfnetError, match=r"no value of column 'recording' names a recording .*, but column 'points2'"):
        labelled(tmp_path, text)


def test_one_person_in_two_spellings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ready(tmp_path, *(f"{p}{number:02}_{s}.npy" for number in range(1, 31) for p, s in (("P", 1), ("p", 2))))
    made = init(tmp_path, "person,bdi\n" + "".join(f"P{number},{7 * number % 50}\n" for number in range(1, 31)))
    assert sorted(set(made["person_id"])) == [f"P{number:02}" for number in range(1, 31)]
    assert (made.groupby("person_id")["split"].nunique() == 1).all()
    assert [float(value) for value in made["label"]] == [7 * int(clip[1:3]) % 50 for clip in made.index]
    assert "one person: P01 = p01, P02 = p02, P03 = p03, …" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("P1,3,m\n1,20,m\n", r"row 3: '1' and 'P1' \(row 2\) are one person but for spelling, and differ in 'bdi'"),
        ("P1,3,m\n1,3,f\n", r"differ in 'sex'\. If they are one, make the rows equal; if not, rename one"),
        ("P1,3,m\nP1,4,m\n", r"row 3: 'P1' scores 4, but 3 in row 2\. Keep one, or add a column session"),
    ],
)
def test_two_people_with_one_form_of_id_are_refused(tmp_path: Path, rows: str, said: str) -> None:
    touch(tmp_path, "P1_1.mp4", "1_2.mp4")
    with pytest.raises(LfnetError, match=said):
        labelled(tmp_path, f"person,bdi,sex\n{rows}")


def test_ids_as_floats(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{person:03}_1.mp4" for person in range(1, 31)))
    table, _ = labelled(tmp_path, "participant_id,bdi\n" + "".join(f"{p}.0,{p}\n" for p in range(30, 0, -1)))
    assert table["label"].tolist() == list(range(1, 31))
    assert table["person_id"].tolist() == [f"{p:03}" for p in range(1, 31)]


BIDS = [(s, k) for s in range(1, 9) for k in (1, 2, 3)]
BIDS_LABELS = {
    "clip": ("clip,bdi\n" + "".join(f"sub-{s:02}_ses-{k}_rest,{s * 5 + k}\n" for s, k in BIDS), True),
    "path": ("file,bdi\n" + "".join(f"/data/sub-{s:02}/ses-{k}/rest.mp4,{s * 5 + k}\n" for s, k in BIDS), True),
    "recording": ("recording,bdi\n" + "".join(f"{s}_{k},{s * 5 + k}\n" for s, k in BIDS), True),
    "participant": ("participant_id\tbdi\n" + "".join(f"sub-{s:02}\t{s * 5}\n" for s in range(1, 9)), False),
    "long": ("participant_id,session,bdi\n" + "".join(f"sub-{s:02},{k},{s * 5 + k}\n" for s, k in BIDS), True),
    "long, ses-": ("participant_id,ses,bdi\n" + "".join(f"{s},ses-0{k},{s * 5 + k}\n" for s, k in BIDS), True),
}


TREE, NAMES = "sub-{0:02}/ses-{1}/rest.mp4", "sub-{0:02}/ses-{1}/sub-{0:02}_ses-{1}_task-rest.mp4"


@pytest.mark.parametrize(
    ("key", "form"), [*((key, TREE) for key in BIDS_LABELS), *((key, NAMES) for key in [*BIDS_LABELS][2:])]
)
def test_bids(tmp_path: Path, key: str, form: str) -> None:
    text, by_session = BIDS_LABELS[key]
    table, _ = labelled(touch(tmp_path, *(form.format(s, k) for s, k in BIDS)), text)
    assert table["person_id"].tolist() == [f"sub-{s:02}" for s, _ in BIDS]
    assert table["recording_id"].tolist() == [f"sub-{s:02}_{k}" for s, k in BIDS] and set(table["task"]) == {"rest"}
    assert table["label"].tolist() == [s * 5 + k * by_session for s, k in BIDS]


def test_a_bids_path_of_two_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match="sub-01/sub-02_rest names two people, sub-01 and sub-02"):
        draft(touch(tmp_path, "sub-01/sub-02_rest.mp4"))


TREES = {
    "300_P/300_CLNF": ("{}_P/{}_CLNF.mp4", "300_P"),
    "subject/vid": ("subject{}/vid.mp4", "subject300"),
    "ID/session/clip": ("{}/1/clip.mp4", "300"),
    "session/ID/clip": ("session2/{}/clip.mp4", "300"),
    "date/ID": ("2024-03-01/{}/clip.mp4", "300"),
    "site/ID": ("site1/{}/clip.mp4", "300"),
    "spaces": ("Subject {}/my clip (1).mp4", "Subject 300"),
    "colon": ("P{}:baseline.mp4", "P300"),
    "date in front": ("2024-03-01_P{}.mp4", "P300"),
    "flat": ("{}.mp4", "300"),
    "words around": ("study_a_{}_talk.mp4", "300"),
    "long": ("{}/" + "x" * 240 + ".mp4", "300"),
    "own folder of a name": ("P{}/take1_1.mp4", "P300"),
}


@pytest.mark.parametrize("form, first", TREES.values(), ids=TREES)
def test_trees(tmp_path: Path, form: str, first: str) -> None:
    touch(tmp_path, *(form.format(person, person) for person in (300, 301, 302, 303)))
    table, merged = labelled(tmp_path, "Participant_ID,Gender,bdi\n300,0,2\n301,0,3\n302,1,14\n303,1,20\n")
    assert table["label"].tolist() == [2, 3, 14, 20] and table["person_id"].iloc[0] == first
    assert (merged.column, merged.matched, merged.unused) == ("participant_id", 4, ())


def test_sessions_below_people(tmp_path: Path) -> None:
    names = [
        f"{person}/{session}/{task}.mp4" for person in (203, 204, 205) for session in (1, 2) for task in ("a", "b")
    ]
    table, _ = labelled(
        touch(tmp_path, *names),
        "participant,visit,bdi\n" + "".join(f"{p},{s},{(p - 200) * 10 + s}\n" for p in (203, 204, 205) for s in (1, 2)),
    )
    assert table["person_id"].tolist() == [name.split("/")[0] for name in names]
    assert table["recording_id"].tolist() == ["_".join(name.split("/")[:2]) for name in names]
    assert table["label"].tolist() == [31, 31, 32, 32, 41, 41, 42, 42, 51, 51, 52, 52]


def test_sessions_that_no_name_holds_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "ann.mp4", "ben.mp4")
    with pytest.raises(LfnetError, match=r"clip ann: its name holds no session, .* \(row 2, 3\)"):
        labelled(tmp_path, "person,session,bdi\nann,1,3\nann,2,4\nben,1,5\n")
    with pytest.raises(LfnetError, match=r"clip ann: its name holds no session"):
        labelled(tmp_path, "person,session,bdi\nann,1,3\nann,2,NA\nben,1,5\n")
    table, _ = labelled(tmp_path, "person,session,bdi\nann,1,3\nben,1,5\n")
    assert table["label"].tolist() == [3, 5]
    touch(tmp_path, "ann-b.mp4")
    with pytest.raises(LfnetError, match=r"clip ann: its name holds no session"):
        labelled(tmp_path, "person,session,bdi\nann,1,3\nben,1,5\n")


def test_a_file_name_that_several_folders_hold_names_no_clip(tmp_path: Path) -> None:
    touch(tmp_path, "P1/rest.mp4", "P2/rest.mp4")
    with pytest.raises(LfnetError, match="no row names a clip"):
        labelled(tmp_path, "file,bdi\nrest.mp4,3\nP3/rest.mp4,4\n")
    table, _ = labelled(tmp_path, "file,bdi\nP2/rest.mp4,3\nP1\\rest.mp4,4\n")
    assert table["label"].tolist() == [4, 3]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["张三_1.mp4", "李四_1.mp4", "王五_1.mp4"], "name,bdi\n张三,3\n李四,9\n王五,20\n"),
        (["Müller_1.mp4", "Möller_2.mp4", "Anna_1.mp4"], "name,bdi\nMüller,3\nMöller,9\nAnna,20\n"),
        (["Mu\u0308ller_1.mp4", "Mo\u0308ller_2.mp4", "Anna_1.mp4"], "name,bdi\nMüller,3\nMÖLLER,9\nanna,20\n"),
        (["★ 1.mp4", "☆ 1.mp4", "§ 1.mp4"], "name,bdi\n★,3\n☆,9\n§,20\n"),
    ],
)
def test_names_of_all_scripts(tmp_path: Path, names: list[str], text: str) -> None:
    table, _ = labelled(touch(tmp_path, *names), text)
    of = {normal_id(person): label for person, label in zip(table["person_id"], table["label"], strict=True)}
    assert of == {
        normal_id(name.split("_")[0].split(" ")[0]): label for name, label in zip(names, (3, 9, 20), strict=True)
    }
    table["split"], table["label"] = "unlabelled", ""
    table.drop(columns=["session"]).to_csv(tmp_path / "manifest.csv", index=False)
    assert len(load(tmp_path, SCALE).clips) == 3


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    try:
        touch(tmp_path, "ok_1.mp4", b"caf\xe9_1.mp4".decode("utf-8", "surrogateescape"))
    except OSError:
        pytest.skip("this file system takes valid text only")
    with pytest.raises(LfnetError, match=r"is no valid text\. Rename it"):
        draft(tmp_path)


def by_pandas(manifest: Path) -> None:
    pd.read_csv(manifest).to_csv(manifest)


def by_r(manifest: Path) -> None:
    """As R's read.csv and write.csv leave it: NA, quoted texts, row names."""
    table = pd.read_csv(manifest)
    table.index += 1
    table.to_csv(manifest, na_rep="NA", quoting=2)


@pytest.mark.parametrize("by", [by_pandas, by_r])
def test_own_manifest_through_other_tools(tmp_path: Path, by: object) -> None:
    ready(tmp_path, *(f"{person:02}_1.npy" for person in range(1, 8)))
    init(tmp_path, "person,bdi\n" + "".join(f"{person},{person * 5}\n" for person in range(1, 7)))
    before = load(tmp_path, SCALE, fold=2)
    by(tmp_path / "manifest.csv")  # type: ignore[operator]
    after = load(tmp_path, SCALE, fold=2)
    columns = ["clip_id", "split", "label", "fps", "n_frames", "task"]
    pd.testing.assert_frame_equal(before.clips[columns], after.clips[columns])
    assert list(map(normal_id, before.clips["person_id"])) == list(map(normal_id, after.clips["person_id"]))
    assert main(["split", str(tmp_path), "--seed", "1"]) == 0


def test_missing_scores_in_all_spellings(tmp_path: Path) -> None:
    blank = ["NA", "NaN", "", "n/a", "null", "None", "-", ".", "#N/A", "<NA>"]
    touch(tmp_path, *(f"{person:02}_1.mp4" for person in range(len(blank) + 1)))
    text = "person;bdi\n" + "".join(f"{person};{value}\n" for person, value in enumerate([*blank, "3,5"]))
    table, merged = labelled(tmp_path, text)
    assert table["label"].isna().tolist() == [True] * len(blank) + [False]
    assert table["label"].iloc[-1] == 3.5 and merged.labelled == 1


@pytest.mark.parametrize("value", ["1_0", "inf", "3;5", "three"])
def test_what_is_no_score(tmp_path: Path, value: str) -> None:
    touch(tmp_path, "1_1.mp4", "2_1.mp4")
    with pytest.raises(LfnetError, match=r"row 2: score .* of '1' is not a number"):
        labelled(tmp_path, f'person,bdi\n1,"{value}"\n2,3\n')


def test_people_of_the_table(tmp_path: Path) -> None:
    """They replace what file names say only where these say nothing else, or on demand."""
    touch(tmp_path, "v1_1.mp4", "v2_1.mp4", "v3_1.mp4")
    table, _ = labelled(tmp_path, "file,participant,bdi\nv1_1,ann,3\nv2_1,ann,4\nv3_1,Ben,5\n")
    assert table["person_id"].tolist() == ["ann", "ann", "Ben"] and set(table["person_guessed"]) == {"no"}
    text = "file,participant,bdi\nv1_1,v2,3\nv2_1,v1,4\nv3_1,v3,5\n"
    with pytest.raises(LfnetError, match=r"columns 'file' and 'participant' both name clips.*--name-column NAME"):
        labelled(tmp_path, text)
    wanted = r"row 2: participant of clip v1_1 is 'v2', but its name says 'v1'\. .*--person-column participant"
    with pytest.raises(LfnetError, match=wanted):
        labelled(tmp_path, text, name="file")
    table, _ = labelled(tmp_path, text, person="participant")
    assert table["person_id"].tolist() == ["v2", "v1", "v3"] and table["label"].tolist() == [3, 4, 5]


def test_a_folder_called_like_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for root in ("2024", "1e3", "true", "null", "-1", "nan"):
        path = Path(root)
        path.mkdir()
        ready(path, *(f"{person:02}_1.npy" for person in range(1, 4)))
        made = ["init", "--fps", "30", "--labels", "s.csv", "--", root]
        Path("s.csv").write_text("person,bdi\n1,5\n2,6\n3,7\n")
        assert main(made) == 0
        assert main(["show", *printed_settings(capsys.readouterr().out)]) == 0
        assert f"{root}: 3 clips" in capsys.readouterr().out


def test_what_looks_like_a_clip_is_taken_or_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.cohorts.test_cohort_command import video

    for name in ("01_1.mp4", "02_1.m2ts", "03_1.ts"):
        made = tmp_path / "made.mp4"
        video(made)
        (tmp_path / "v").mkdir(exist_ok=True)
        shutil.move(made, tmp_path / "v" / name)
    touch(tmp_path / "v", "04_1.mxf", "notes.txt", "x.npy", "frames/a.tif", "frames/b.tif")
    assert main(["init", str(tmp_path / "v"), "--kind", "videos"]) == 0
    said = capsys.readouterr().out
    assert "3 clips, 3 recordings, 3 people" in said and "notes" not in said
    assert "left out: 1 .mxf file: 04_1.mxf\n" in said and "left out: 2 .tif files: frames/a.tif, frames/b.tif" in said
    assert "left out: 1 features (--kind features): x.npy" in said
    with pytest.raises(LfnetError, match=r"holds no clip.*\(\.png \.jpg.*Found 2 \.tif: convert them"):
        draft(tmp_path / "v" / "frames")


def test_a_colon_in_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.cohorts.test_cohort_command import video

    for number in (1, 2):
        video(tmp_path / "made.mp4")
        shutil.move(tmp_path / "made.mp4", tmp_path / f"P0{number}:baseline.mp4")
    monkeypatch.chdir(tmp_path)
    assert main(["init", "."]) == 0
    clips = load(".", SCALE).clips
    assert clips["clip_id"].tolist() == ["P01-baseline", "P02-baseline"]
    assert clips["person_id"].tolist() == ["P01", "P02"]


def test_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    touch(tmp_path, *(f"{person:03}_1.mp4" for person in (203, 204, 205)))
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["participant_id", None, "age", "BDI"],
        [203.0, None, 33, 3],
        [],
        [204, None, 40, 20.5],
        [205, None, 41],
    ):
        sheet.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "l.xlsx")
    table, _ = draft(tmp_path)
    merged = add_labels(table, tmp_path / "l.xlsx", SCALE)
    assert table["label"].tolist()[:2] == [3, 20.5] and table["label"].isna().tolist() == [False, False, True]
    assert merged.examples == (("203_1", 2), ("204_1", 4))
    sheet["D5"] = "=D2+1"
    book.save(tmp_path / "l.xlsx")
    with pytest.raises(LfnetError, match="cell D5 holds a formula without a value"):
        add_labels(draft(tmp_path)[0], tmp_path / "l.xlsx", SCALE)
    book["empty"]["A1"] = "x"
    book.save(tmp_path / "l.xlsx")
    with pytest.raises(LfnetError, match=r"has 2 sheets with values \('Sheet', 'empty'\)"):
        add_labels(draft(tmp_path)[0], tmp_path / "l.xlsx", SCALE)
    book["empty"]["A1"] = None
    sheet["XFD1048576"] = 1  # 17 thousand million cells with those between
    book.save(tmp_path / "l.xlsx")
    with pytest.raises(LfnetError, match=r"sheet 'Sheet' reaches to row 1048576 and column 16384\. Delete the cells"):
        add_labels(draft(tmp_path)[0], tmp_path / "l.xlsx", SCALE)
    (tmp_path / "l.xlsx").write_bytes(b"PK no workbook")
    with pytest.raises(LfnetError, match=r"is no \.xlsx file that can be read"):
        add_labels(draft(tmp_path)[0], tmp_path / "l.xlsx", SCALE)


def test_excel_without_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    touch(tmp_path, "1_1.mp4", "l.xlsx")
    with pytest.raises(LfnetError, match=r"pip install 'lfnet\[excel\]'"):
        add_labels(draft(tmp_path)[0], tmp_path / "l.xlsx", SCALE)


def test_ascii_terminals(tmp_path: Path) -> None:
    ready(tmp_path, *(f"Mü{person}_1.npy" for person in range(1, 4)))
    done = subprocess.run(
        [sys.executable, "-m", "lfnet.cli.main", "cohort", "init", str(tmp_path), "--fps", "30"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0 and "M?1: M?1_1" in done.stdout and done.stderr == ""
