"""Named pipes, devices, sockets, links to themselves and odd names in the place of files: one message, never a wait."""

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.encoders.onnx_network import open_session
from lfnet.errors import LfnetError
from lfnet.runs.run import Run
from tests.video.media import write_video

FIFO = "is a named pipe and no file: give a file."


@pytest.fixture(autouse=True)
def no_waiting():
    """A command that waits for the writer of a pipe fails."""

    def late(*_):
        raise AssertionError("the command waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def feature_files(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        np.savez(folder / name, features=np.full((4, 2), number, np.float32), time=np.arange(4.0))


def mistake(capsys, *words: str) -> str:
    """The message of a command that ends with exit status 2."""
    assert main(list(words)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("error: ") == 1 and "Traceback" not in err
    return err


def manifest(folder: Path, *paths: str) -> None:
    folder.mkdir(exist_ok=True)
    rows = [
        f"{path},p{number},{split},{number}"
        for number, (path, split) in enumerate(zip(paths, ("train", "dev", "test"), strict=False))
    ]
    (folder / "manifest.csv").write_text("\n".join(["path,person_id,split,label", *rows]) + "\n")


def test_a_pipe_as_a_clip(here, capsys):
    pipe(here / "clips" / "a.mp4")
    assert FIFO in mistake(capsys, "cohort", "init", "clips")
    feature_files(here / "ready", "a.npz", "b.npz")
    (here / "ready" / "c.npz").symlink_to(here / "clips" / "a.mp4")
    manifest(here / "ready", "a.npz", "b.npz", "c.npz")
    assert FIFO in mistake(capsys, "extract", "cohort=folder", "cohort.root=ready")
    assert FIFO in mistake(capsys, "pulse", "clips/a.mp4")
    assert FIFO in mistake(capsys, "demo", "clips/a.mp4")


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors"])
def test_a_pipe_as_features(here, capsys, suffix):
    pipe(here / "clips" / f"a.{suffix}")
    assert FIFO in mistake(capsys, "cohort", "init", "clips", "--fps", "20")


def test_a_pipe_as_an_image(here, capsys):
    for name in ("1.png", "2.png"):
        pipe(here / "clips" / "person" / name)
    assert FIFO in mistake(capsys, "cohort", "init", "clips", "--fps", "20")


def test_a_pipe_as_labels_or_manifest(here, capsys):
    feature_files(here / "clips", "a.npz")
    pipe(here / "labels.csv")
    assert FIFO in mistake(capsys, "cohort", "init", "clips", "--labels", "labels.csv")
    pipe(here / "clips" / "manifest.csv")
    for words in (["cohort", "split", "clips"], ["audit", "clips/manifest.csv"]):
        assert "manifest.csv" in mistake(capsys, *words)
    assert "manifest.csv" in mistake(capsys, "extract", "cohort=folder", "cohort.root=clips")


def test_a_pipe_as_predictions(here, capsys):
    assert "scores.csv" in mistake(capsys, "evidence", str(pipe(here / "scores.csv")))


def test_a_pipe_among_settings(here, capsys):
    pipe(here / "own" / "head" / "mine.yaml")
    for words in (["train", "head=mine"], ["extract"], ["table", "architectures", "head=mine"]):
        assert FIFO in mistake(capsys, *words, "--config-dir", "own")


@pytest.mark.parametrize("name", ["result.json", "config.yaml", "predictions.csv"])
def test_a_pipe_in_a_run_folder(here, name):
    from tests.tables.factory import result, sweep

    sweep(here, [result("mean_mlp", 0, each=10)])
    run = next(here.glob("*/result.json")).parent
    (run / name).unlink(missing_ok=True)
    pipe(run / name)
    found = Run(run)
    with pytest.raises(LfnetError, match=f"{name} .*{FIFO}"):
        _ = found.result, found.predictions, found.config


def test_a_pipe_as_bundle_or_weights(here, capsys):
    pipe(here / "bundle" / "bundle.json")
    assert "bundle" in mistake(capsys, "predict", "clip.mp4", "--bundle", "bundle")
    pipe(here / "landmarker.task")
    write_video(here / "a.avi", [np.zeros((64, 64, 3), np.uint8)] * 20)
    assert "landmarker" in mistake(capsys, "pulse", "a.avi", "--landmarker", "landmarker.task")


def test_devices_and_sockets(here, capsys):
    feature_files(here / "clips", "a.npz")
    assert "is a device and no file" in mistake(capsys, "cohort", "init", "clips", "--labels", "/dev/zero")
    (here / "clips" / "a.npz").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("clips/a.mp4")
        assert "is a socket and no file" in mistake(capsys, "cohort", "init", "clips")
    (here / "clips" / "a.mp4").unlink()
    (here / "clips" / "a.mp4").symlink_to("/dev/zero")
    assert "is a device and no file" in mistake(capsys, "cohort", "init", "clips")


def test_a_link_to_itself_is_named_and_hides_no_other_file(here, capsys):
    feature_files(here / "clips", "a.npz", "b.npz")
    (here / "clips" / "loop").symlink_to("loop")
    assert main(["cohort", "init", "clips"]) == 0
    capsys.readouterr()
    (here / "clips" / "c.npz").symlink_to("c.npz")
    assert "c.npz" in mistake(capsys, "cohort", "init", "clips", "--force")


def test_names_that_are_no_utf8(here, capsys):
    odd = os.fsdecode(b"caf\xe9")
    feature_files(here / "clips", "a.npz", f"{odd}.npz")
    assert "Rename it." in mistake(capsys, "cohort", "init", "clips")
    feature_files(here / odd, "a.npz", "b.npz", "c.npz")
    manifest(here / odd, "a.npz", "b.npz", "c.npz")
    assert mistake(capsys, "extract", "cohort=folder", f"cohort.root={odd}")
    assert "is no person_id" in mistake(capsys, "forget", odd)
    with pytest.raises(LfnetError, match=r"is not UTF-8: rename the folder") as raised:
        open_session(here / odd / "head.onnx", "cpu", 1)
    assert "\n" not in str(raised.value)
