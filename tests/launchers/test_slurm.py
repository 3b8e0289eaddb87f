"""Slurm: what is submitted, how its answers are read, and what is said of jobs that it ended."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.launchers import slurm_engine, slurm_task
from lfnet.launchers.launcher import Need
from lfnet.launchers.queue import cancel, find_jobs
from lfnet.launchers.slurm import Slurm
from lfnet.launchers.slurm_engine import SlurmEngine
from lfnet.launchers.slurm_task import SlurmTask, closing_lines
from lfnet.runs.run import Outcome
from lfnet.runs.submissions import Submission, SubmittedTask, read_submissions, record_outcome
from tests.launchers.stub import Done, done


def line(array, task, name, state, code="0", node="n0", reason="None"):
    texts = (array, task, name, state, code, node, "1000", "1100", reason)
    return "".join(text.ljust(width) for text, width in zip(texts, slurm_engine._COLUMNS.values(), strict=True))


@pytest.fixture(autouse=True)
def any_cluster():
    """Ask for the cluster's settings anew in each test."""
    slurm_engine.configuration.cache_clear()
    yield
    slurm_engine.configuration.cache_clear()


@pytest.fixture
def submission(tmp_path):
    tasks = [SubmittedTask(f"key{place}", f"seed={place}", 3.0) for place in range(4)]
    return Submission.create(tmp_path, "slurm", tasks, minutes=60)


def answer(monkeypatch, squeue="", sacct=None):
    def call(command):
        if command[0] == "squeue":
            return squeue
        if sacct is None:
            raise LfnetError("Slurm accounting storage is disabled")
        return sacct

    monkeypatch.setattr(slurm_engine, "call", call)
    monkeypatch.setattr(slurm_engine.time, "time", lambda: 1160.0)


def test_answers_of_squeue(monkeypatch, submission):
    lines = [
        line("7", "0", submission.name, "RUNNING", node="n1"),
        line("7", "1", submission.name, "PENDING", node="", reason="Nodes required for job are DOWN | reserved"),
        line("7", "2", submission.name, "FAILED", code=str(137 << 8)),
        line("9", "3", "of someone else | RUNNING", "RUNNING"),
    ]
    answer(monkeypatch, "\n".join(lines))
    found = SlurmEngine().look([submission])
    assert set(found) == {(submission.name, place) for place in (0, 1, 2)}
    running, waiting, killed = (found[submission.name, place] for place in (0, 1, 2))
    assert (running.job, running.status, running.node, running.seconds) == ("7_0", "running", "n1", 60.0)
    assert (waiting.status, waiting.seconds) == ("queued", 160.0)
    assert waiting.reason == "Nodes required for job are DOWN | reserved"
    assert (killed.status, killed.state) == ("ended", "KILLED")


def test_a_state_that_is_not_known_counts_as_running(monkeypatch, submission):
    answer(monkeypatch, line("7", "0", submission.name, "EXPEDITING"))
    assert SlurmEngine().look([submission])[submission.name, 0].status == "running"


def test_accounting_tells_what_the_controller_has_forgotten(monkeypatch, submission):
    name = submission.name
    accounted = f"7_0|{name}|NODE_FAIL|n0|1|2\n7_1|{name}|CANCELLED by 10|n0|1|2\n"
    answer(monkeypatch, line("7", "0", name, "RUNNING"), accounted)
    found = SlurmEngine().look([submission])
    assert found[name, 0].state == "RUNNING"
    assert (found[name, 1].state, found[name, 1].status) == ("CANCELLED", "ended")


def test_jobs_of_another_cluster_are_neither_looked_at_nor_ended_here(monkeypatch, submission, tmp_path):
    asked = []

    def call(command):
        asked.append(command[0])
        return "ClusterName             = blue\n" if command[0] == "scontrol" else ""

    monkeypatch.setattr(slurm_engine, "call", call)
    here, there = (
        Submission.create(tmp_path, "slurm", [SubmittedTask(name, name, 3.0)], minutes=60, cluster=name)
        for name in ("blue", "red")
    )
    jobs = {job.task.key: job for job in find_jobs([here, there, submission])}
    assert jobs["red"].silence == "jobs of cluster red are known there only, and this is cluster blue."
    assert jobs["red"].status == "queued" and not jobs["blue"].silence and not jobs["key0"].silence
    with pytest.raises(LfnetError, match="known there only"):
        cancel([there])
    assert "scancel" not in asked


def test_a_cluster_without_accounting_is_no_fault(monkeypatch, submission, capfd):
    answer(monkeypatch)
    assert SlurmEngine().look([submission]) == {}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("state", "log", "said"),
    [
        ("OUT_OF_MEMORY", "", "launcher.memory=6"),
        ("TIMEOUT", "", "launcher.time=120"),
        ("NODE_FAIL", "", "its node n0 failed"),
        ("CANCELLED", "", "it was cancelled"),
        ("FAILED", "srun: error: n0: task 0: Killed", "its process was killed, probably out of memory"),
        ("FAILED", "error: Detected 1 oom-kill event(s) in StepId=7.0", "it took more memory than it may"),
        ("", "slurmstepd: error: *** JOB 7 ON n0 CANCELLED AT 2026-01-01 DUE TO TIME LIMIT ***", "launcher.time=120"),
        ("", "", "Slurm does not know it any more"),
    ],
)
def test_a_job_that_ended_without_an_outcome_is_explained(submission, state, log, said):
    if log:
        (submission.folder / "7_0_0_log.out").write_text(log)
    entry = slurm_engine.Entry("7_0", "ended", state, "n0") if state else None
    assert said in SlurmEngine().explain(submission, 0, entry)


def test_pickled_work_is_found_by_the_number_of_the_task(tmp_path, submission):
    names = [f"7_{place}_{kind}.pkl" for place in (1, 11) for kind in ("submitted", "0_result")]
    for name in (*names, "5f3a.pkl"):
        (submission.folder / name).touch()
    assert [path.name for path in SlurmEngine().pickles(submission, 1)] == ["7_1_submitted.pkl", "7_1_0_result.pkl"]
    single = Submission.create(tmp_path, "slurm", [SubmittedTask("key", "seed=0", 3.0)], minutes=60)
    (single.folder / "8_submitted.pkl").touch()
    assert [path.name for path in SlurmEngine().pickles(single, 0)] == ["8_submitted.pkl"]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Slurm's commands in a folder of their own: sbatch keeps what it gets, and arrays have at most 3 tasks."""
    folder = tmp_path / "bin"
    folder.mkdir()
    texts = {
        "sbatch": f"cp $1 {folder}/script; echo Submitted batch job 7",
        "scontrol": "echo 'ClusterName = blue'; echo 'MaxArraySize = 4'",
        "squeue": "",
        "srun": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_what_is_submitted(tmp_path, commands):
    given = {"partition": "gpu", "account": "lab", "time": 30, "jobs": 2, "setup": ("module load cuda",)}
    own = {"python": "apptainer exec lfnet.sif python", "srun": ("--mpi=none",), "options": {"exclude": "n7"}}
    launcher = Slurm(runs=tmp_path / "runs", **given, **own)
    calls = [Done(key, "cohort.root=/data/clinic", Need(4, 2.5, "cuda"), ("cohort.root=/data/clinic",)) for key in "ab"]
    launcher.submit(calls)
    script = (commands / "script").read_text()
    (one,) = read_submissions(tmp_path / "runs")
    asked = {text.removeprefix("#SBATCH --") for text in script.splitlines() if text.startswith("#SBATCH")}
    assert {
        f"job-name={one.name}",
        "partition=gpu",
        "account=lab",
        "time=30",
        "mem=2500MB",
        "cpus-per-task=4",
        "gpus-per-node=1",
        "array=0-1%2",
        "exclude=n7",
        "requeue",
    } <= asked
    assert "\nmodule load cuda\n" in script
    assert "--mpi=none apptainer exec lfnet.sif python -u -m submitit" in script
    assert "clinic" not in script


def test_calls_with_other_needs_and_too_many_for_one_array_are_arrays_of_their_own(tmp_path, commands):
    calls = [done(str(number)) for number in range(5)]
    calls += [Done("large", "", Need(1, 9.0), ())]
    (commands / "sbatch").write_text(f"#!/bin/sh\ncat $1 >> {commands}/scripts; echo Submitted batch job 7\n")
    Slurm(runs=tmp_path / "runs", jobs=5).submit(calls)
    assert sorted(len(one.tasks) for one in read_submissions(tmp_path / "runs")) == [1, 2, 3]
    assert re.findall("array=(.*)", (commands / "scripts").read_text()) == ["0-2%2", "0-1%2"]  # and one that is none
    assert {one.cluster for one in read_submissions(tmp_path / "runs")} == {"blue"}


def test_jobs_that_slurm_refuses_are_not_taken_for_queued(tmp_path, commands):
    (commands / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2; exit 1\n")
    with pytest.raises(LfnetError, match=r"^Slurm refuses the jobs: invalid partition specified: gpu\.$"):
        Slurm(runs=tmp_path / "runs", partition="gpu").submit([done("a")])
    (one,) = read_submissions(tmp_path / "runs")
    assert one.cancelled and one.pickles() == []


def test_what_is_missing_is_named(tmp_path, monkeypatch, commands):
    launcher = Slurm(runs=tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "submitit", None)
        with pytest.raises(LfnetError, match=r"pip install 'lfnet\[slurm\]'"):
            launcher.check()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LfnetError, match="sbatch is not on PATH"):
        launcher.check()


@pytest.fixture
def own_signals(monkeypatch):
    """Leave the handlers of the process that tests run in alone."""
    monkeypatch.setattr(slurm_task, "handle_always", lambda: None)
    monkeypatch.setattr(slurm_task.signal, "signal", lambda number, handler: None)


def test_a_task_that_runs_again_forgets_how_it_ended(submission, own_signals):
    record_outcome(submission.folder, 0, Outcome("failed", error="its node was lost"))
    seen = []

    class Looks(Done):
        def __call__(self):
            seen.append(submission.outcome(0))
            return Outcome("finished")

    SlurmTask(Path(submission.folder), 0, Looks("a", "", Need(1, 1.0), ()))()
    assert seen == [None] and submission.outcome(0) == Outcome("finished")


@pytest.mark.parametrize(
    ("status", "saved", "state", "restarts", "requeued"),
    [
        ("interrupted", True, "RUNNING", "1", True),
        ("interrupted", True, "COMPLETING", "1", False),  # it was cancelled
        ("interrupted", True, "RUNNING", "2", False),
        ("interrupted", False, "RUNNING", "0", True),
        ("interrupted", False, "RUNNING", "1", False),  # it would be for ever
        ("failed", False, "RUNNING", "1", False),
    ],
)
def test_an_interrupted_job_goes_back_into_the_queue(submission, commands, status, saved, state, restarts, requeued):
    record_outcome(submission.folder, 3, Outcome(status, error="after epoch 2 of 9", saved=saved))
    (commands / "squeue").write_text(f"#!/bin/sh\necho {state}\n")
    (commands / "scontrol").write_text(f"#!/bin/sh\necho $* > {commands}/asked\n")
    numbers = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    files = [submission.folder / f"7_3_{name}.pkl" for name in ("submitted", "0_result")]
    for file in files:
        file.touch()
    script = "\n".join(closing_lines(submission.folder, 2))
    subprocess.run(["sh", "-c", script], env={**os.environ, **numbers, "SLURM_RESTART_COUNT": restarts})
    asked = commands / "asked"
    assert (asked.read_text() if asked.exists() else "") == ("requeue 7_3\n" if requeued else "")
    assert [file.exists() for file in files] == [status == "interrupted"] * 2
