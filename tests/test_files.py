"""Atomic writes and their errors."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.files import atomic_path, read_json, user_path, write_json, write_text, writing_in


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("kind", ["named pipe", "device"])
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path, kind):
    """As root, `--csv /dev/null` would remove the device for the whole system."""
    path = tmp_path / "a"
    os.mkfifo(path) if kind == "named pipe" else path.symlink_to("/dev/null")
    with pytest.raises(LfnetError, match=f"a is a {kind} and no file: give a file"):
        write_text(path, "text")
    assert not path.is_file() and [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/lfnet-none", "/dev/fd/1"])
def test_nothing_in_dev_is_replaced(path, monkeypatch):
    monkeypatch.setattr("lfnet.files._temporary", lambda path: pytest.fail("writes"))
    with pytest.raises(LfnetError, match=r"give a file"):
        write_text(Path(path), "text")


def test_a_full_disk_is_one_message_that_names_the_file(tmp_path):
    with pytest.raises(LfnetError, match=r"cannot write .*a\.txt: No space left"), atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_not_called_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "b.txt").read_text()


def test_a_file_in_the_place_of_a_folder_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LfnetError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "")


def test_a_killed_writer_leaves_no_half_file(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from lfnet.files import atomic_path
with atomic_path(Path({str(tmp_path)!r}) / "a.txt") as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "a.txt").exists()


def test_json_round_trip_and_its_errors(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, None, "ü"]})
    assert read_json(tmp_path / "a.json") == {"b": [1, None, "ü"]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", float("nan"))
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(LfnetError, match="not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(LfnetError, match="does not exist"):
        read_json(tmp_path / "b.json")


def test_a_full_disk_is_one_message_where_another_library_writes(tmp_path):
    with pytest.raises(LfnetError, match=f"cannot write {tmp_path}.*No space left"), writing_in(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), writing_in(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")


def test_a_folder_in_place_of_a_json_file_is_told(tmp_path):
    with pytest.raises(LfnetError, match="cannot be read"):
        read_json(tmp_path)


def test_the_tilde_of_an_unknown_user_is_a_plain_name():
    assert str(user_path("~nobody_of_this_name/x")) == "~nobody_of_this_name/x"
    assert user_path("~/x") == Path.home() / "x"


CODES = ("ESTALE", "EBUSY", "EXDEV", "ENAMETOOLONG", "EMFILE", "ETXTBSY", "EAGAIN", "ENOTCONN", "ENOSPC", "EDQUOT")
CODES += ("EROFS", "EIO", "EACCES", "EPERM")


@pytest.mark.parametrize("name", CODES)
def test_any_error_of_a_rename_is_one_message_that_names_the_file(tmp_path, monkeypatch, name):
    code = getattr(errno, name)

    def fail(self, target):
        raise OSError(code, os.strerror(code), str(self), None, str(target))

    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(LfnetError, match=r"^cannot write .*/a\.txt: ") as error:
        write_text(tmp_path / "a.txt", "new")
    assert os.strerror(code) in str(error.value) and "\n" not in str(error.value)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_a_copy_to_a_full_disk_names_the_copy(tmp_path):
    with pytest.raises(LfnetError, match=f"cannot write {tmp_path}/b: No space left"), writing_in(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", "/elsewhere/a", None, str(tmp_path / "b"))
