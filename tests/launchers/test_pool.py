"""Calls on the workers of an engine: one a worker, lost ones named, no endless wait; and engines that are absent."""

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from lfnet.errors import LfnetError
from lfnet.launchers.launcher import Call, Need, killed
from lfnet.launchers.pool import Pool, is_running, run_call, run_in_pool
from lfnet.runs.run import Outcome


@dataclass(frozen=True, eq=False)
class Simple(Call):
    def __call__(self) -> Outcome:
        return Outcome("finished", self.key)


CALLS = [Simple(str(number), f"seed={number}", Need(1, 1.0), ()) for number in range(4)]


class Scripted(Pool):
    """`workers` workers. ends: for each key, how its calls end, one after the other."""

    def __init__(self, workers, ends=None):
        self.workers, self.ends = workers, ends or {}
        self.running, self.most, self.submitted = 0, 0, []

    def size(self):
        return self.workers

    def submit(self, call):
        self.running += 1
        self.most = max(self.most, self.running)
        self.submitted.append(call.key)
        return object()

    def wait(self, handles, seconds):
        return handles[:1] if self.workers else []

    def outcome(self, handle, call):
        self.running -= 1
        return self.ends[call.key].pop(0) if self.ends.get(call.key) else call()


def run(pool, max_wait=0.0):
    return dict(run_in_pool(pool, CALLS, max_wait, "Start some"))


@pytest.mark.parametrize("workers", [1, 3, 9])
def test_no_worker_has_two_calls(workers):
    pool = Scripted(workers)
    assert {key: end.status for key, end in run(pool).items()} == dict.fromkeys("0123", "finished")
    assert pool.most == min(workers, 4)


def test_a_lost_worker_costs_its_own_call():
    ends = run(Scripted(2, {"1": [killed(Need(1, 1.5))]}))
    assert [end.status for _, end in sorted(ends.items())] == ["finished", "failed", "finished", "finished"]
    assert "it had asked for 1.5 GB; give launcher.memory=3" in str(ends["1"].error)


def test_an_interrupted_call_runs_again():
    pool = Scripted(1, {"2": [Outcome("interrupted"), Outcome("interrupted")]})
    assert {end.status for end in run(pool).values()} == {"finished"}
    assert pool.submitted.count("2") == 3


def test_without_workers_the_command_ends():
    with pytest.raises(LfnetError, match=r"no worker for 0 s \(launcher.max_wait\). Start some"):
        run(Scripted(0))


def test_what_waits_is_not_started_after_a_failure():
    pool = Scripted(1)
    runs = run_in_pool(pool, CALLS, 0.0, "")
    next(runs)
    runs.close()
    assert pool.submitted == ["0"]


def test_a_call_runs_in_the_folder_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "sub").mkdir()
    assert run_call(CALLS[0], str(tmp_path / "sub")).status == "finished"
    assert os.getcwd() == str(tmp_path / "sub") and sys.path[-1] == str(tmp_path / "sub")  # noqa: PTH109
    lacking = run_call(CALLS[0], str(tmp_path / "elsewhere"))
    assert lacking.status == "failed" and str(tmp_path / "elsewhere") in str(lacking.error)


@dataclass(frozen=True, eq=False)
class Endless(Call):
    def __call__(self) -> Outcome:
        while True:
            time.sleep(0.01)


def test_a_worker_of_dask_that_closes_stops_its_call_first():
    distributed = pytest.importorskip("distributed")
    from lfnet.launchers.dask_worker import SavingCalls

    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(run_call, Endless("a", "", Need(1, 1.0), ()), str(Path.cwd()))
        while not is_running():
            time.sleep(0.01)
        # Another command that registers the same plugin ends this one, without stopping the worker.
        asyncio.run(SavingCalls().teardown(SimpleNamespace(status=distributed.Status.running)))
        assert not ended.done()
        asyncio.run(SavingCalls().teardown(SimpleNamespace(status=distributed.Status.closing)))
        assert not is_running() and ended.result().status == "interrupted"


def test_a_worker_of_dask_that_is_ending_does_not_spoil_a_finished_sweep():
    comm = pytest.importorskip("distributed.comm")
    from lfnet.launchers.dask import _unregister

    asked = []

    class Client:
        def unregister_worker_plugin(self, plugin):
            asked.append(plugin)
            raise comm.CommClosedError("Stream is closed")

    _unregister(Client(), "saving")
    assert asked == ["saving"]
