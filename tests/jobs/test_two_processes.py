"""Two processes at one job, and what a killed sweep leaves: one writer, no worker, the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lfnet.jobs import job as job_module
from lfnet.jobs import refresh as refresh_module
from lfnet.jobs.job import plan, run
from lfnet.locks import lock
from lfnet.runs import removal
from lfnet.runs.run import LOCK, Run
from tests.composing import SMALL, composed

COMMAND = [sys.executable, "-m", "lfnet.cli.main"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
EXACT = ("predictions.csv", "references.csv", "metrics.csv", "head.safetensors", "spread.csv")


def start(folder, *words):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def outcome(folder):
    """The bytes of all files that do not name a time, and the names of the others, below `folder`."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    same = {".safetensors", ".csv"}
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.suffix in same else b"" for path in files}


def of_session(leader):
    """The processes that `leader` started, itself included."""
    lines = subprocess.run(["ps", "-eo", "sid=,pid=,stat="], capture_output=True, text=True, check=True).stdout
    return [pid for sid, pid, stat in map(str.split, lines.splitlines()) if sid == str(leader) and "Z" not in stat]


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def test_a_job_that_another_process_finished_meanwhile_is_skipped(tmp_path, monkeypatch, capsys):
    config, choices = composed(*SMALL, "head=mean_mlp", "trainer.max_epochs=1", root=tmp_path)
    planned = plan(config, choices)
    # Another process finishes the job between the look at the folder and the lock.
    real = job_module.lock

    def late(path):
        monkeypatch.setattr(job_module, "lock", real)
        assert run(config, choices).status == "finished"
        return Waited()

    class Waited:
        def __enter__(self):
            return True

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(job_module, "lock", late)
    assert job_module.run_safely(config, choices, planned=planned).status == "skipped"
    assert not list(tmp_path.rglob(".*"))


def test_files_of_a_killed_process_are_removed_from_a_finished_run(tmp_path):
    config, choices = composed(*SMALL, "head=mean_mlp", "trainer.max_epochs=1", root=tmp_path)
    folder = plan(config, choices).folder
    assert run(config, choices).status == "finished"
    (folder / LOCK).write_text("pid 1 on host a")
    (folder / ".result.json-x.part").write_text("half")
    assert run(config, choices).status == "skipped"
    with lock(folder / LOCK) as waited:
        assert not waited
    assert not list(folder.glob(".*"))


def together(folder, *words, count=2):
    """Run the command `count` times at once; the text that each wrote on standard error."""
    started = [start(folder, *words) for _ in range(count)]
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * count, errors
    assert not any("Traceback" in text for text in errors), errors
    return errors


@pytest.mark.long
def test_two_processes_train_one_job_once(tmp_path):
    words = ("train", *SMALL, "head=mean_mlp")
    together(tmp_path / "pair", *words)
    assert start(tmp_path / "alone", *words).communicate() and outcome(tmp_path / "pair") == outcome(tmp_path / "alone")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_sweep_leaves_no_worker(tmp_path, number):
    sweep = start(
        tmp_path, "train", "-m", *SMALL, "head=mean_mlp", "seed=0,1", "trainer.max_epochs=100000",
        "trainer.patience=100000", "launcher=joblib", "launcher.jobs=2",
    )  # fmt: skip
    assert wait_for(lambda: len(list(tmp_path.glob("lfnet_runs/*/train.log"))) == 2, 120)
    sweep.send_signal(number)
    assert wait_for(lambda: not of_session(sweep.pid), 5.0), of_session(sweep.pid)
    err = sweep.communicate()[1]
    assert sweep.returncode == (143 if number == signal.SIGTERM else -number), err
    if number == signal.SIGTERM:
        assert err.splitlines() == ["interrupted; run the same command again to continue from the finished part"]


@pytest.mark.parametrize("change", ["refresh", "forget"])
def test_a_finished_run_is_changed_by_one_process_at_a_time(tmp_path, monkeypatch, change):
    config, choices = composed(*SMALL, "head=mean_mlp", "trainer.max_epochs=1", root=tmp_path)
    folder = plan(config, choices).folder
    assert run(config, choices).status == "finished"
    locked = []
    module = {"refresh": refresh_module, "forget": removal}[change]
    measure = module.measure
    monkeypatch.setattr(module, "measure", lambda *of: locked.append((folder / LOCK).exists()) or measure(*of))
    if change == "refresh":
        monkeypatch.setattr(refresh_module, "measuring_code", lambda: "newer")
        assert run(config, choices).status == "skipped"
    else:
        person = Run(folder).predictions.at("recording").frame["person_id"].iloc[0]
        (found,) = removal.find_rows(folder.parent, Run(folder).result.cohort.name, person).found
        removal.remove_rows(found, person, [])
    assert locked == [True] and not list(folder.glob(".*"))
