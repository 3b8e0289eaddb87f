"""Settings of reading videos on the command line: what a refusal advises works in each command that prints it."""

import re
from pathlib import Path

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.video.backends import missing
from tests.real.clips import landmarker
from tests.video.media import HEIGHT, WIDTH, picture, truncate, write_video
from tests.video.test_times import write

ADVICE = re.compile(r"video\.\w+=\w+")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    if said := missing():
        pytest.skip("; ".join(said))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    return tmp_path


def wrong_stamps(folder: Path) -> Path:
    return write(folder, "webm-vp9", "spike")


def cut(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    noisy = [np.maximum(picture(k), rng.integers(0, 90, (HEIGHT, WIDTH, 3), np.uint8)) for k in range(64)]
    return truncate(write_video(folder / "cut.mkv", noisy), 0.9)


def commands(shared: Path) -> dict[str, list[str]]:
    """Each command on the clip {}; others are in the folder clips."""
    settings = ["cohort=folder", "cohort.root=clips", "encoder=blendshapes", "encoder.stride=20"]
    own = str(shared / "weights" / "face_landmarker.task")
    return {
        "init": ["cohort", "init", "clips", "--force"],
        "extract": ["extract", *settings, landmarker(shared)],
        "pulse": ["pulse", "{}", "--landmarker", own],
    }


@pytest.mark.parametrize(
    ("command", "make"), [("init", wrong_stamps), ("init", cut), ("extract", wrong_stamps), ("pulse", cut)]
)
def test_the_advice_of_a_refusal_can_be_followed(here, shared, capsys, command, make):
    """`lfnet predict`: tests/deploy/test_video.py; `lfnet demo` keeps what precedes damage and estimates times."""
    path = make(here / "clips")
    (here / "clips" / "manifest.csv").write_text(f"path,person_id,split,label\n{path.name},a,unlabelled,\n")
    words = [word.replace("{}", str(path)) for word in commands(shared)[command]]
    status = main(words)
    refusal = capsys.readouterr().err
    advice = ADVICE.search(refusal)
    assert status == 2 and advice is not None
    main([*words, advice.group()])
    printed = capsys.readouterr()
    assert refusal not in printed.err and not ADVICE.search(printed.err)


def test_init_and_extract_refuse_a_clip_with_the_same_sentence(here, shared, capsys):
    """Of damage that the container reveals, and with --decode of damage that only a decoder notices."""
    cut(here / "clips")
    write_video(here / "clips" / "bad.mov", [picture(k) for k in range(30)], codec="mjpeg", pix_fmt="yuvj420p")
    content = bytearray((here / "clips" / "bad.mov").read_bytes())
    at = len(content) // 2
    content[at : at + 256] = bytes(256)
    (here / "clips" / "bad.mov").write_bytes(content)
    assert main(["cohort", "init", "clips", "--decode"]) == 2
    by_init = [line.strip() for line in capsys.readouterr().err.splitlines() if "is damaged after" in line]
    assert main(["cohort", "init", "clips", "--skip-unreadable"]) == 0
    assert "frames were not decoded: damaged ones are named when features are extracted" in capsys.readouterr().out
    rows = "cut.mkv,a,unlabelled,\nbad.mov,b,unlabelled,\n"
    (here / "clips" / "manifest.csv").write_text(f"path,person_id,split,label\n{rows}")
    assert main(commands(shared)["extract"]) == 2
    by_extract = [line.strip() for line in capsys.readouterr().err.splitlines() if "is damaged after" in line]
    assert len(by_init) == len(by_extract) == 2
    sentences = {re.sub(r"^.*?(clips/)", r"\1", line) for line in by_extract}
    assert {re.sub(r"^.*?(clips/)", r"\1", line) for line in by_init} == sentences


def test_init_passes_settings_on_and_says_what_was_repaired(here, capsys):
    write(here / "clips", "mts-h264", "joined", (20, 20))
    assert main(["cohort", "init", "clips", "video.damaged=keep"]) == 0
    printed = capsys.readouterr().out
    assert "note on clip mts-h264-joined: the clock jumps by -0.76 s after 0.76 s" in printed
    assert "lfnet extract cohort=folder cohort.root=clips video.damaged=keep encoder=blendshapes" in printed


@pytest.mark.parametrize(
    "words", [["cohort", "init", "clips"], ["demo", "clip.mp4"], ["predict", "clip.mp4", "--bundle", "b"]]
)
def test_other_settings_are_refused_before_anything_is_read(here, capsys, words):
    assert main([*words, "video.times=dts"]) == 2
    assert "`video.times=dts` is no setting of this command: give video.times=stamps|rebuild" in capsys.readouterr().err
