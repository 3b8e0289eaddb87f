"""`lfnet cohort` drafts manifests that load, and has one clear message for each mistake."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfnet.cli.cohort import main
from lfnet.cohorts.cohort import Band, Scale
from lfnet.cohorts.folder import load
from lfnet.errors import LfnetError
from tests.cohorts.miniatures import openface_table

SCALE = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="all", low=0, high=63),))


def video(file: Path, frames: int = 5, fps: int = 25) -> None:
    av = pytest.importorskip("av")
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width = stream.height = 32
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number * 9, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def features(root: Path, people: int, sittings: int = 1) -> Path:
    for person in range(people):
        for sitting in range(1, sittings + 1):
            np.save(root / f"{person + 1:03}_{sitting}.npy", np.ones((4, 3), np.float32))
    return root


def scores(root: Path, people: int) -> str:
    (root / "scores.csv").write_text(
        "person,bdi\n" + "".join(f"{person + 1},{person * 7 % 50}\n" for person in range(people))
    )
    return str(root / "scores.csv")


def printed_settings(out: str) -> list[str]:
    """The cohort's settings in the command for training that `init` prints, as a shell reads them."""
    command = next(line for line in out.splitlines() if "lfnet train" in line)
    words = subprocess.run(
        ["sh", "-c", "printf '%s\\n' " + command.partition("lfnet train -m ")[2]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return words[:-1]


def test_videos_become_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("11_1_talk", "11_2_talk", "12_1_talk", "13_1_talk"):
        video(tmp_path / f"clips/{name}.mp4")
    (tmp_path / "scores.csv").write_text("id,bdi\n11_1,3\n11_2,7\n12_1,20\n13_1,41\n")
    assert main(["init", str(tmp_path), "--labels", str(tmp_path / "scores.csv")]) == 0
    said = capsys.readouterr().out
    assert "4 clips, 4 recordings, 3 people" in said and "PEOPLE ARE GUESSED for 4 of 4 clips" in said
    assert "3 people with scores are few" in said and "cohort.fold=1,2,3" in said
    assert f"lfnet extract cohort=folder cohort.root={tmp_path} encoder=blendshapes" in said
    cohort = load(tmp_path, SCALE)
    assert cohort.clips["fps"].tolist() == [25] * 4 and cohort.clips["n_frames"].tolist() == [5] * 4
    assert set(cohort.clips["split"]) == {"train", "dev", "test"} and set(cohort.clips["task"]) == {"talk"}
    assert len(cohort.warnings) == 1 and "people are guessed" in cohort.warnings[0]
    lines = [line.split(",") for line in (tmp_path / "manifest.csv").read_text().splitlines()]
    second = {line[lines[0].index("person_id")] for line in lines if line[lines[0].index("fold")] == "2"}
    assert set(load(tmp_path, SCALE, fold=2).in_split("test")["person_id"]) == second and second


def test_frame_folders_need_fps(tmp_path: Path) -> None:
    for person in range(1, 4):
        for number in range(3):
            file = tmp_path / f"P{person}/{number}.png"
            file.parent.mkdir(exist_ok=True)
            Image.new("RGB", (8, 8)).save(file)
    with pytest.raises(
        LfnetError, match=r"(?s)some clips cannot be read.*P1: images have no frame rate: give it with --fps"
    ):
        main(["init", str(tmp_path)])
    assert main(["init", str(tmp_path), "--fps", "12.5"]) == 0
    clips = load(tmp_path, SCALE).clips
    assert clips["fps"].tolist() == [12.5] * 3 and clips["n_frames"].tolist() == [3] * 3
    assert set(clips["split"]) == {"unlabelled"}


def test_features_of_many_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features(tmp_path, 25, 2)
    arguments = ["init", str(tmp_path), "--fps", "30", "--labels", scores(tmp_path, 25), "--splits", "0.5,0.25,0.25"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "names: person (50 of 50 clips); score: bdi" in said and "GUESSED" not in said
    assert "encoder=" not in said and f"lfnet table architectures cohort=folder cohort.root={tmp_path}\n" in said
    cohort = load(tmp_path, SCALE)
    assert cohort.warnings == () and cohort.own is not None
    assert cohort.clips["split"].value_counts().to_dict() == pytest.approx(
        {"train": 25, "dev": 12.5, "test": 12.5}, abs=2
    )
    assert "fold" not in (tmp_path / "manifest.csv").read_text().splitlines()[0]
    first = (tmp_path / "manifest.csv").read_bytes()
    assert main([*arguments, "--force"]) == 0
    assert (tmp_path / "manifest.csv").read_bytes() == first
    assert main([*arguments, "--force", "--seed", "1"]) == 0
    assert (tmp_path / "manifest.csv").read_bytes() != first


def openface(root: Path, people: int) -> Path:
    root.mkdir()
    for person in range(people):
        rows = [f"{n + 1}, {n / 25}, 0.9, 1, {n + person}, 0.1, {n % 3}, 0, 0, 1, 0, 0, 1" for n in range(5)]
        gaze = ", ".join(f"gaze_{eye}_{axis}" for eye in "01" for axis in "xyz")
        head = f"frame, timestamp, confidence, success, AU01_r, pose_Rx, pose_Ry, {gaze}"
        (root / f"P{person + 1:02}.csv").write_text("\n".join([head, *rows]) + "\n")
    return root


def test_tables_of_openface_and_a_spreadsheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = openface(tmp_path / "faces", 30)
    rows = [f"P{person + 1:02},{person % 28},{20 + person},{'FM'[person % 2]}" for person in range(30)]
    (tmp_path / "phq9.csv").write_text("Participant,PHQ9 total,Age,Sex\n" + "\n".join(rows) + "\n")
    (root / "notes.csv").write_text("participant,remark\nP01,late\n")
    assert main(["init", str(root), "--labels", str(tmp_path / "phq9.csv"), "--scale", "phq9"]) == 0
    out = capsys.readouterr().out
    assert "30 clips, 30 recordings, 30 people" in out and "groups kept in the manifest: age, sex" in out
    assert "columns of P01.csv: guessed features@cohort.features=openface\n" in out
    command = next(line for line in out.splitlines() if "lfnet table architectures" in line).split()
    assert main(["show", *command[4:]]) == 0
    out = capsys.readouterr().out
    assert "groups: age (30 values), sex (2 values)" in out and "streams of features: units, pose, gaze" in out


def test_tables_next_to_videos_are_named_as_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = openface(tmp_path / "faces", 3)
    for person in range(3):
        video(root / f"P{person + 1:02}.mp4")
    assert main(["init", str(root)]) == 0
    assert "left out: 3 tables of features (--kind features): P01.csv" in capsys.readouterr().out
    assert main(["init", str(root), "--kind", "features", "--force"]) == 0
    assert "P01.csv" in (root / "manifest.csv").read_text()


def test_show_refuses_tables_without_the_chosen_columns(tmp_path: Path) -> None:
    root = openface(tmp_path / "faces", 30)
    rows = "".join(f"{person + 1},{person % 28}\n" for person in range(30))
    (tmp_path / "phq9.csv").write_text("participant,phq9\n" + rows)
    main(["init", str(root), "--labels", str(tmp_path / "phq9.csv"), "--scale", "phq9"])
    with pytest.raises(LfnetError, match=r"row 2: .*P01.csv: no column is called 'x_"):
        main(["show", "cohort=folder", f"cohort.root={root}", "features@cohort.features=openface_landmarks"])


def test_an_existing_manifest_is_kept(tmp_path: Path) -> None:
    (features(tmp_path, 3) / "manifest.csv").write_text("mine")
    with pytest.raises(LfnetError, match=r"manifest\.csv exists already.*--force"):
        main(["init", str(tmp_path), "--fps", "30"])
    assert (tmp_path / "manifest.csv").read_text() == "mine"


def test_unreadable_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video(tmp_path / "1_1.mp4")
    (tmp_path / "2_1.mp4").write_bytes(b"this is no video")
    (tmp_path / "3_1.mp4").touch()
    with pytest.raises(LfnetError, match=r"(?s)--skip-unreadable: 2 problems.*2_1\.mp4.*3_1\.mp4"):
        main(["init", str(tmp_path)])
    assert not (tmp_path / "manifest.csv").exists()
    assert main(["init", str(tmp_path), "--skip-unreadable"]) == 0
    assert "left out: " in capsys.readouterr().err
    assert load(tmp_path, SCALE).clips["clip_id"].tolist() == ["1_1"]
    (tmp_path / "1_1.mp4").unlink()
    with pytest.raises(LfnetError, match="none of 2 clips can be read"):
        main(["init", str(tmp_path), "--skip-unreadable", "--force"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--splits", "0.6,0.2"], "three positive shares"),
        (["--splits", "half"], "--splits half: give three shares"),
        (["--scale", "mood"], "--scale mood: give one of bdi_ii"),
        (["--fps", "0"], "--fps 0: give a positive number"),
        (["--labels", "none.csv"], r"none\.csv does not exist"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: list[str], said: str) -> None:
    root = features(tmp_path, 3)
    given = ["--labels", scores(tmp_path, 3)] if "--labels" not in arguments else []
    with pytest.raises(LfnetError, match=said):
        main(["init", str(root), *(["--fps", "30"] if "--fps" not in arguments else []), *given, *arguments])
    assert not (root / "manifest.csv").exists()


def test_other_scale_is_in_the_next_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features(tmp_path, 3)
    (tmp_path / "l.csv").write_text("person,phq8\n1,30\n2,3\n3,4\n")
    arguments = ["init", str(tmp_path), "--fps", "30", "--labels", str(tmp_path / "l.csv"), "--scale", "phq8"]
    with pytest.raises(LfnetError, match=r"score '30' of '1' lies outside PHQ-8"):
        main(arguments)
    (tmp_path / "l.csv").write_text("person,phq8\n1,3\n2,3\n")
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "2 people with scores cannot fill train, dev and test" in said and "fill in column split" in said
    with pytest.raises(LfnetError, match="unknown split ''"):
        load(tmp_path, SCALE)


def test_next_steps_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "my videos, (2024) it's"
    root.mkdir()
    features(root, 3)
    assert main(["init", str(root), "--fps", "30", "--labels", scores(tmp_path, 3)]) == 0
    settings = printed_settings(capsys.readouterr().out)
    assert main(["show", *settings]) == 0
    assert "3 recordings" in capsys.readouterr().out


def test_split_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features(tmp_path, 25, 2)
    main(["init", str(tmp_path), "--fps", "30", "--labels", scores(tmp_path, 25)])
    before = load(tmp_path, SCALE)
    assert main(["split", str(tmp_path), "--seed", "5"]) == 0
    assert "columns split, seed 5" in capsys.readouterr().out
    after = load(tmp_path, SCALE)
    assert before.fingerprint() != after.fingerprint() and after.warnings == ()
    columns = ["clip_id", "person_id", "label", "fps"]
    assert before.clips[columns].equals(after.clips[columns])


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features(tmp_path, 25, 2)
    main(["init", str(tmp_path), "--fps", "30", "--labels", scores(tmp_path, 25)])
    capsys.readouterr()
    assert main(["show", "cohort=folder", f"cohort.root={tmp_path}", "cohort.name=mine"]) == 0
    said = capsys.readouterr().out
    assert "mine: 50 clips, 50 recordings, 25 people; BDI-II 0 to 63" in said and "30 recordings of 15 people" in said
    with pytest.raises(LfnetError, match="give a cohort"):
        main(["show", f"cohort.root={tmp_path}"])


@pytest.mark.parametrize("arguments", [["--help"], ["init", "--help"], ["split", "--help"], ["show", "--help"]])
def test_help_has_examples(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0 and "lfnet cohort init my_videos --labels scores.csv" in capsys.readouterr().out


def test_help_is_light() -> None:
    """Neither torch nor pandas nor cv2 is imported to print a help page."""
    code = (
        "import sys\nfrom lfnet.cli.cohort import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'cv2', 'hydra', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_real_video(shared: Path, tmp_path: Path) -> None:
    for name in ("single_face.mp4", "noface_face.mov"):
        (tmp_path / name).symlink_to(shared / "media" / name)
    assert main(["init", str(tmp_path)]) == 0
    clips = load(tmp_path, SCALE).clips.set_index("clip_id")
    assert clips.loc["single_face", ["fps", "n_frames"]].tolist() == [30, 72]
    assert clips.loc["noface_face", "n_frames"] > 1 and clips.loc["noface_face", "fps"] > 1


def test_tables_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path, capsys) -> None:
    for number in range(4):
        openface_table(tmp_path / f"{number:03}_a.csv", 1.0, frames=12)
    head = (tmp_path / "000_a.csv").read_text().splitlines()[0]
    (tmp_path / "004_a.csv").write_text("")
    (tmp_path / "005_a.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "006_a.csv").write_text(head + "\n")
    (tmp_path / "notes.csv").write_text("room,light\n1,2\n")
    (tmp_path / "phq.csv").write_text("clip,phq9\n" + "".join(f"{n:03}_a,{n or 'n/a'}\n" for n in range(7)))
    given = ["init", str(tmp_path), "--labels", str(tmp_path / "phq.csv"), "--scale", "phq9"]
    with pytest.raises(LfnetError) as caught:
        main(given)
    lines = str(caught.value).splitlines()[1:]
    assert [line.strip().removeprefix(f"{tmp_path}/")[:21] for line in lines] == [
        "004_a.csv is empty.",
        "005_a.csv cannot be r",
        "006_a.csv has no rows",
    ]
    assert main([*given, "--skip-unreadable"]) == 0
    out = capsys.readouterr().out
    assert "1 clip without a score (000_a): split `unlabelled`" in out and "match no clip" not in out


def test_where_every_table_is_damaged_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "004_a.csv").write_text("")
    with pytest.raises(LfnetError, match=r"holds no clip.* .*004_a\.csv is empty\."):
        main(["init", str(tmp_path)])


def test_few_people_in_test_are_told_of_a_cross_validation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for people, told in ((30, True), (60, False)):
        root = tmp_path / str(people)
        root.mkdir()
        assert main(["init", str(features(root, people)), "--fps", "30", "--labels", scores(root, people)]) == 0
        assert ("Add splits=grouped splits.fold=1,2,3,4,5 to the table" in capsys.readouterr().out) == told


def test_binary_labels_are_numbers_and_train_with_their_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.csv"
    command = ["init", str(features(tmp_path, 30)), "--fps", "30", "--labels", str(labels)]
    command += ["--scale", "binary", "--label-column", "MDD (yes/no)"]
    for yes, no in (("yes", "no"), ("1", "0")):
        rows = [f"{person:03},{yes if person % 2 else no}\n" for person in range(1, 31)]
        labels.write_text("Patient No.,MDD (yes/no)\n" + "".join(rows))
        if yes == "yes":
            with pytest.raises(LfnetError, match=r"is a number from 0 to 1 .*'yes'.* yes as 1 and no as 0"):
                main(command)
    assert main(command) == 0
    assert "scale@cohort.scale=binary loss=bce" in capsys.readouterr().out
