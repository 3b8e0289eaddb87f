"""Replacing a bundle: the user's files stay, and a process killed at any point leaves one whole bundle."""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

from lfnet.deploy.replace import BUNDLE, CARD, bundle_folder, listed, replaced
from lfnet.errors import LfnetError
from lfnet.fingerprints import file_digest

EVENTS = (
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "open",
    "shutil.rmtree",
    "shutil.copyfile",
    "tempfile.mkdtemp",
)


def write(folder: Path, mark: str, *names: str) -> None:
    """A bundle of small files, as `lfnet export` writes one."""
    for name in names:
        (folder / name).write_text(f"{mark} {name}")
    files = {name: {"sha256": file_digest(folder / name)} for name in names}
    (folder / CARD).write_text(mark)
    (folder / BUNDLE).write_text(json.dumps({"mark": mark, "files": files}))


def put(out: Path, mark: str, *names: str) -> None:
    with replaced(out) as folder:
        write(folder, mark, *names)


def whole(out: Path) -> str | None:
    """Which bundle a reader finds in the folder, each file of it checked."""
    found = bundle_folder(out)
    if found is None:
        return None
    mark = json.loads((found / BUNDLE).read_text())["mark"]
    for name, facts in listed(found).items():
        assert file_digest(found / name) == facts["sha256"], name
    return mark


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def own_files(out: Path) -> dict[str, str]:
    (out / "mine" / "deeper").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    (out / "mine" / "deeper" / BUNDLE).write_text("mine too")
    (out / ".hidden").write_text("mine as well")
    return {"notes.txt": "mine", f"mine/deeper/{BUNDLE}": "mine too", ".hidden": "mine as well"}


def test_own_files_and_folders_stay(tmp_path):
    out = tmp_path / "b"
    put(out, "old", "head.onnx", "encoder.onnx")
    own = own_files(out)
    put(out, "new", "head.onnx", "face.task")
    wanted = {"head.onnx": "new head.onnx", "face.task": "new face.task", CARD: "new"}
    assert content(out) == {**own, **wanted, BUNDLE: (out / BUNDLE).read_text()}
    assert whole(out) == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_error_changes_nothing(tmp_path):
    out = tmp_path / "b"
    put(out, "old", "head.onnx")
    own_files(out)
    before = content(out)
    with pytest.raises(RuntimeError), replaced(out) as folder:
        write(folder, "new", "head.onnx")
        raise RuntimeError
    assert content(out) == before
    with pytest.raises(RuntimeError), replaced(tmp_path / "none"):
        raise RuntimeError
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["face.task", "sub"])
def test_a_file_of_the_users_is_not_overwritten(name, tmp_path):
    out = tmp_path / "b"
    put(out, "old", "head.onnx")
    (out / "face.task").write_text("mine")
    (out / "sub").mkdir()
    before = content(out)
    with pytest.raises(LfnetError, match=rf"{name} is not a file of the bundle"):
        put(out, "new", "head.onnx", name)
    assert content(out) == before
    assert (out / "sub").is_dir()


@pytest.mark.parametrize("name", ["../notes.txt", "..", "", "/etc/passwd", "sub/notes.txt", "a\\b", BUNDLE])
def test_a_bundle_that_lists_other_places_is_not_replaced(name, tmp_path):
    out = tmp_path / "b"
    put(out, "old", "head.onnx")
    (tmp_path / "notes.txt").write_text("mine")
    facts = json.loads((out / BUNDLE).read_text())
    (out / BUNDLE).write_text(json.dumps({**facts, "files": {**facts["files"], name: {"sha256": "0"}}}))
    before = content(tmp_path)
    with pytest.raises(LfnetError, match="not the name of a file"):
        put(out, "new", "head.onnx")
    assert content(tmp_path) == before


@pytest.mark.parametrize("text", ["{}", "[]", '{"files": ["head.onnx"]}', '{"files": {"head.onnx": 1}}', "{"])
def test_a_broken_list_is_one_message(text, tmp_path):
    (tmp_path / BUNDLE).write_text(text)
    with pytest.raises(LfnetError, match=r"bundle\.json"):
        put(tmp_path, "new", "head.onnx")
    assert content(tmp_path) == {BUNDLE: text}


def _killed(out: Path, number: int) -> None:
    """Replace the bundle, and die at the event of this number that changes the folder."""
    seen = 0

    def count(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event in EVENTS and (event != "open" or str(out) in str(arguments[0])):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    put(out, "new", "head.onnx", "face.task")


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("before", ["old", None])
def test_a_process_killed_at_any_point_leaves_one_whole_bundle(before, step, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # slow, and no part of what a killed process leaves
    found = []
    for number in range(1, 1000, step):
        out = tmp_path / f"{number}"
        own: dict[str, str] = {}
        if before is not None:
            put(out, before, "head.onnx", "encoder.onnx")
            own = own_files(out)
        child = multiprocessing.get_context("fork").Process(target=_killed, args=(out, number))
        child.start()
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        found.append(whole(out))
        assert found[-1] in (before, "new")
        assert content(out).items() >= own.items()
        put(out, "newer", "head.onnx", "other.task")  # and the next one leaves no trace of it
        assert whole(out) == "newer"
        wanted = {"head.onnx": "newer head.onnx", "other.task": "newer other.task", CARD: "newer"}
        assert content(out) == {**own, **wanted, BUNDLE: (out / BUNDLE).read_text()}
        assert not [path for path in out.iterdir() if path.name.startswith(".lfnet")]
    assert len(found) > 20 / step
    assert found == sorted(found, key=lambda mark: mark == "new")  # once it is the new one it stays
    assert set(found) == {before, "new"}


def test_exports_to_one_folder_wait_for_each_other(tmp_path):
    out, fork = tmp_path / "b", multiprocessing.get_context("fork")
    put(out, "old", "head.onnx")
    children = [fork.Process(target=put, args=(out, str(n), "head.onnx", f"{n}.task")) for n in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    mark = whole(out)
    assert sorted(content(out)) == sorted([BUNDLE, CARD, f"{mark}.task", "head.onnx"])
