"""`lfnet explain`: names of files, exit statuses, mistakes."""

import numpy as np
import pytest

from lfnet import RESEARCH_ONLY
from lfnet.cli.completion import complete
from lfnet.cli.main import main
from lfnet.testing import make_toy_bundle


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_toy_bundle("toy")
    features = np.random.default_rng(0).uniform(0, 1, (90, 3)).astype(np.float32)
    np.savez("clip.npz", features=features, time=np.arange(90) / 30)
    np.savez("faceless.npz", features=features, time=np.arange(90) / 30, valid=np.zeros(90, bool))
    return tmp_path


def test_a_page_and_its_numbers_are_written_next_to_each_other(here, capsys):
    assert main(["explain", "clip.npz", "--bundle", "toy"]) == 0
    printed = capsys.readouterr().out
    assert (here / "clip.explained.html").is_file() and (here / "clip.explained.json").is_file()
    for text in ("clip.npz: score ", "90 % interval", "The largest effect", "random orders", RESEARCH_ONLY):
        assert text in printed, text
    before = (here / "clip.explained.html").read_bytes(), (here / "clip.explained.json").read_bytes()
    assert main(["explain", "clip.npz", "--bundle", "toy", "--out", "pages/one.html"]) == 0
    assert ((here / "pages/one.html").read_bytes(), (here / "pages/one.json").read_bytes()) == before


def test_of_a_clip_that_is_not_scored_nothing_is_written(here, capsys):
    names = {path.name for path in here.iterdir()}
    assert main(["explain", "faceless.npz", "--bundle", "toy"]) == 2
    expected = "faceless.npz is not scored, and nothing was written: no face in any of 90 frames."
    assert capsys.readouterr().err == f"error: {expected}\n"
    assert main(["explain", "nowhere.npz", "--bundle", "toy"]) == 2
    assert "nowhere.npz does not exist" in capsys.readouterr().err
    assert {path.name for path in here.iterdir()} == names


@pytest.mark.parametrize("name", ["own.html", "own.json"])
def test_a_file_of_the_user_is_not_replaced(here, name, capsys):
    (here / name).write_text("mine")
    assert main(["explain", "clip.npz", "--bundle", "toy", "--out", "own.html"]) == 2
    assert f"{name} was not written by `lfnet explain`: move it" in capsys.readouterr().err
    assert (here / name).read_text() == "mine" and len(list(here.glob("own.*"))) == 1
    (here / name).unlink()
    for _ in range(2):
        assert main(["explain", "clip.npz", "--bundle", "toy", "--out", "own.html"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bundle", "toy", "--out", "page.pdf"], "--out page.pdf: give a name that ends with .html."),
        (["--bundle", "toy", "--threads", "0"], "--threads 0: give 1 or more."),
        (["--bundle", "nowhere"], "nowhere is no bundle"),
        (["--bundle", "toy", "video.faces=2"], "video.faces: the bundle scores features"),
        (["--bundle", "toy", "--out", "clip.npz/page.html"], "cannot write clip.npz/page.html"),
    ],
)
def test_mistakes_are_one_line(here, words, message, capsys):
    assert main(["explain", "clip.npz", *words]) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1


def test_options_are_completed():
    assert complete("lfnet expl") == ["explain "]
    assert complete("lfnet explain clip.mp4 --sh") == ["--show-face "]
