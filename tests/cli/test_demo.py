"""`lfnet demo`: a clip of a face goes in, a score with invented labels comes out; anything else is named."""

import re
from pathlib import Path

import pandas as pd
import pytest

import lfnet
from lfnet.cli.main import main
from lfnet.video.backends import missing
from tests.video.media import picture, truncate, write_folder, write_video

SCORE = re.compile(r"predicted score of the whole video: (-?\d+\.\d) \(BDI-II, 0 to 63\)")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def landmarker(shared) -> list[str]:
    if said := missing():
        pytest.skip("; ".join(said))
    return ["--landmarker", str(shared / "weights" / "face_landmarker.task")]


@pytest.mark.slow
def test_a_clip_of_a_face_becomes_a_scored_example(here, shared, landmarker, capsys):
    words = ["demo", str(shared / "media" / "single_face.mp4"), *landmarker]
    assert main([*words, "--keep"]) == 0
    printed = capsys.readouterr().out
    assert "72 frames, 2.4 s, 640 × 360" in printed
    assert "a face in 72 of 72 frames (coverage 1.00)" in printed and "58 numbers a frame, blendshapes" in printed
    assert "THE LABELS ARE INVENTED: this score means nothing" in printed
    assert lfnet.RESEARCH_ONLY in printed
    (file,) = (here / "lfnet_demo").glob("runs/*/predictions.csv")
    scores = pd.read_csv(file).query("level == 'recording'").set_index("recording_id")["score"]
    assert len(scores) == 5, "two parts of dev, two of test, and the whole video"
    assert float(SCORE.search(printed)[1]) == pytest.approx(scores["whole_clip"], abs=0.051)
    pieces = pd.read_csv(here / "lfnet_demo" / "pieces.csv")
    assert set(pieces["person_id"]) == {"one_person"} and pieces["label"].dropna().between(0, 63).all()

    # Without --keep nothing stays, and the same clip gets the same score.
    before = sorted(path for path in here.rglob("*") if "weights" not in path.parts)
    assert main(words) == 0
    again = capsys.readouterr().out
    assert SCORE.search(again)[1] == SCORE.search(printed)[1]
    assert sorted(path for path in here.rglob("*") if "weights" not in path.parts) == before
    assert not Path(re.search(r"Written to (\S+) and removed", again)[1]).exists()


@pytest.mark.slow
def test_a_face_that_comes_late_will_do_and_none_will_not(here, shared, landmarker, capsys):
    assert main(["demo", str(shared / "media" / "noface_face.mov"), *landmarker]) == 0
    printed = capsys.readouterr().out
    assert 0.3 < float(re.search(r"coverage (0\.\d\d)", printed)[1]) < 0.6 and SCORE.search(printed)
    assert main(["demo", str(shared / "media" / "no_face.mp4"), *landmarker]) == 2
    printed = capsys.readouterr()
    assert "a face is seen in 0 of 95 frames, too few for a demo" in printed.err and not SCORE.search(printed.out)


def test_mistakes_are_named_before_anything_is_fetched(here, capsys):
    pictures = [picture(number) for number in range(40)]
    write_folder(here / "frames", pictures[:2])
    (here / "words.mp4").write_text("no video at all")
    truncate(write_video(here / "cut.mp4", pictures), 0.5)
    write_video(here / "short.mp4", pictures[:20])
    for words, said in (
        (["nowhere.mp4"], "nowhere.mp4 does not exist."),
        (["words.mp4"], "words.mp4 cannot be opened as a video"),
        (["cut.mp4"], "cut.mp4 cannot be opened as a video"),
        (["frames"], "frames is a folder: give one video."),
        (["short.mp4"], "short.mp4 is too short: 20 frames, 0.8 s. Give a video of 2 s or more."),
        (["short.mp4", "--encoder", "none"], "--encoder none: there is no such encoder; choose one of blendshapes,"),
    ):
        assert main(["demo", *words]) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith(f"error: {said}") and printed.out == ""
    assert not (here / "lfnet_cache").exists() and not (here / "lfnet_demo").exists()


def test_a_landmarker_that_is_not_there_is_named(here, capsys):
    if said := missing():
        pytest.skip("; ".join(said))
    write_video(here / "clip.mp4", [picture(number) for number in range(40)])
    assert main(["demo", "clip.mp4", "--landmarker", "elsewhere.task"]) == 2
    assert "weights face_landmarker: elsewhere.task does not exist." in capsys.readouterr().err
