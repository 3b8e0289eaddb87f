"""Locks between processes: one holder, whatever happened to the holder before."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from lfnet import locks
from lfnet.errors import LfnetError
from lfnet.files import atomic_path
from lfnet.locks import lock, remove_abandoned

HOLD = """
import sys
from pathlib import Path
from lfnet.locks import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(path):
    """Another process that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    process.stdin.close()


HOLD_WITHOUT_LOCKS_AND_AHEAD = """
import errno, fcntl, os, sys, time
from pathlib import Path
from lfnet import locks

def flock(handle, operation):
    raise OSError(errno.ENOLCK, "no locks")

real, now = os.utime, time.time
fcntl.flock, locks._RENEWED = flock, 0.02
time.time = lambda: now() + 3600
os.utime = lambda path: real(path, (time.time(), time.time()))
with locks.lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
    print("released", flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".run.lock"


@pytest.fixture
def said(monkeypatch):
    """The lines that are printed. What `capsys` reads is lost if another thread writes it meanwhile."""
    lines = []
    monkeypatch.setattr(locks, "print", lambda line, **_: lines.append(line), raising=False)
    return lines


def until_it_waits(thread, said):
    while not any("waiting for run" in line for line in said):
        assert thread.is_alive()
        time.sleep(0.01)


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without locks."""

    def flock(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(locks, "_leases_announced", set())
    monkeypatch.setattr(locks, "_POLL", 0.01)
    monkeypatch.setattr(locks, "_RENEWED", 0.05)


def test_the_file_names_its_holder_and_is_removed(path):
    with lock(path) as waited:
        assert not waited
        assert path.read_text() == f"pid {os.getpid()} on host {socket.gethostname()}\n"
    assert not path.exists()


def test_a_second_process_waits_and_says_for_whom(path, holder, capsys):
    threading.Timer(0.3, holder.stdin.close).start()
    with lock(path) as waited:
        assert waited and holder.wait() == 0
    assert not path.exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("waiting for run in ") and f"pid {holder.pid} on host" in line


def test_the_lock_of_a_killed_process_is_free(path, holder, capsys):
    holder.kill()
    assert holder.wait() == -signal.SIGKILL and path.exists()
    with lock(path) as waited:
        assert not waited
    assert not path.exists() and capsys.readouterr().err == ""


def test_two_never_hold_it_together(path):
    inside, together = [], []

    def work():
        for _ in range(20):
            with lock(path):
                inside.append(1)
                time.sleep(0.001)
                together.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [1] * 80 and not path.exists()


def test_only_files_of_ended_processes_are_removed(path, tmp_path, holder):
    for name in (".left.lock", ".left.part", "own.part", ".own.txt"):
        (tmp_path / name).write_text("")
    with atomic_path(tmp_path / "a.txt") as running:
        remove_abandoned(tmp_path)
        assert {file.name for file in tmp_path.iterdir()} == {path.name, running.name, "own.part", ".own.txt"}
        running.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    with pytest.raises(LfnetError, match=r"cannot lock .*\.run\.lock"), lock(tmp_path / "none" / ".run.lock"):
        pass


def test_an_error_inside_the_block_is_raised_as_it_is(path):
    with pytest.raises(FileNotFoundError), lock(path):
        (path.parent / "none").read_text()
    assert not path.exists()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_lease_is_held_and_announced(path, capsys):
    with lock(path) as waited:
        assert not waited
        (lease,) = path.parent.iterdir()
        assert lease.read_text() == f"pid {os.getpid()} on host {socket.gethostname()}\n"
    assert not list(path.parent.iterdir())
    assert "file system without locks" in capsys.readouterr().err


@pytest.mark.usefixtures("no_locks")
def test_a_second_holder_of_a_lease_waits(path, said):
    order = []

    def second():
        with lock(path) as waited:
            order.append(waited)

    thread = threading.Thread(target=second)
    with lock(path):
        thread.start()
        until_it_waits(thread, said)
        order.append("first")
    thread.join()
    assert order == ["first", True] and not list(path.parent.iterdir())


@pytest.mark.usefixtures("no_locks")
def test_the_lease_of_a_dead_process_of_this_host_is_taken_at_once(path, capsys):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (path.parent / ".run.lease.lock").write_text(f"pid {ended.pid} on host {socket.gethostname()}\n")
    with lock(path) as waited:
        assert not waited
    assert not list(path.parent.iterdir()) and "waiting" not in capsys.readouterr().err


@pytest.mark.usefixtures("no_locks")
def test_the_lease_of_another_host_is_taken_when_it_is_no_longer_renewed(path, monkeypatch):
    monkeypatch.setattr(locks, "_EXPIRED", 0.1)
    (path.parent / ".run.lease.lock").write_text("pid 1 on host elsewhere\n")
    with lock(path) as waited:
        assert waited
    assert not list(path.parent.iterdir())


@pytest.mark.usefixtures("no_locks")
def test_a_lease_holds_between_hosts_whose_clocks_differ(path, monkeypatch, said):
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")  # so that the holder's process is not looked for
    monkeypatch.setattr(locks, "_EXPIRED", 5.0)
    command = [sys.executable, "-c", HOLD_WITHOUT_LOCKS_AND_AHEAD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        waited = []

        def wait():
            with lock(path) as before:
                waited.append(before)

        thread = threading.Thread(target=wait)
        thread.start()
        until_it_waits(thread, said)
        thread.join(0.3)
        assert thread.is_alive() and not waited
        other.stdin.close()
        assert other.stdout.readline() == "released\n"
        thread.join()
    assert waited == [True] and not list(path.parent.iterdir())


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("ahead", [-1_000_000, 1_000_000])
def test_without_locks_the_clock_of_this_machine_decides_nothing(tmp_path, monkeypatch, ahead):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + ahead)
    left, fresh = tmp_path / ".left.part", tmp_path / ".fresh.part"
    for file in (left, fresh):
        file.write_text("")
    os.utime(left, (now - 100_000, now - 100_000))
    remove_abandoned(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [fresh.name]
