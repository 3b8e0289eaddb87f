"""Processes on this machine: what is said of one that the system ends."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lfnet.features.mapped_file import map_file
from lfnet.launchers.launcher import Call
from lfnet.launchers.local import Local
from lfnet.runs.run import Outcome
from tests.launchers.stub import NEED, done


@dataclass(frozen=True, eq=False)
class ReadsAShortenedFile(Call):
    """`key` is the file; another program shortens it while it is read."""

    def __call__(self) -> Outcome:
        path = Path(self.key)
        path.write_bytes(b"\1" * 100_000)
        memory = map_file(path)
        os.truncate(path, 10)
        return Outcome("finished", str(memory.sum()))


def test_a_call_whose_file_is_shortened_fails_alone_and_says_so(tmp_path, capfd):
    path = str(tmp_path / "features")
    calls = [ReadsAShortenedFile(path, "cut", NEED, ()), done("a")]
    outcomes = dict(Local(jobs=2).run(calls))
    out, err = capfd.readouterr()
    why = "its process was killed, since a file that it read was shortened by another program (SIGBUS)"
    assert outcomes[path].status == "failed" and outcomes[path].error.startswith(why)
    assert outcomes["a"].status == "finished"
    assert "out of memory" not in out and "(SIGBUS): the others run one by one" in out
    assert f"{path} had 100000 bytes when it was opened and has 10 now" in err


@dataclass(frozen=True, eq=False)
class NamesItsFolder(Call):
    """Its outcome is the current folder of its process."""

    def __call__(self) -> Outcome:
        return Outcome("finished", str(Path.cwd()))


def test_calls_run_in_the_current_folder_also_where_it_changed_since_the_last_ones(tmp_path, monkeypatch):
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        outcomes = dict(Local(jobs=2).run([NamesItsFolder(key, key, NEED, ()) for key in "ab"]))
        assert {outcome.fingerprint for outcome in outcomes.values()} == {str(folder)}


def test_a_worker_that_ends_quickly_releases_its_semaphores(tmp_path):
    code = f"""
import os
from multiprocessing.util import Finalize
from lfnet.launchers.local import _begin_worker

_begin_worker(os.getppid(), {str(tmp_path)!r})
Finalize(None, print, ("released",), exitpriority=0)  # as a semaphore has
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "released\n", "")
