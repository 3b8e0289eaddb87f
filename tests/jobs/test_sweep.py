"""Many jobs: finished ones are skipped, failed ones are named, and by hand or by table the folders are the same."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from lfnet.cli.main import main
from lfnet.errors import LfnetError
from lfnet.launchers.launcher import Need
from lfnet.launchers.local import Local
from lfnet.runs.resources import DEFAULT, MARGIN, RESOURCES, needed_memory
from lfnet.runs.run import Run
from lfnet.runs.sweep_record import sweep_name
from tests.composing import SMALL

TINY = [*SMALL, "trainer.max_epochs=1"]
GRID = ["head=mean_mlp,ldbm", "seed=0,1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lfnet(*words):
    return main(list(words))


def results(root):
    return {path.parent.name: path.stat().st_mtime_ns for path in Path(root).glob("lfnet_runs/*/result.json")}


def predictions(root):
    return {path.parent.name: path.read_bytes() for path in Path(root).glob("lfnet_runs/*/predictions.csv")}


def test_by_hand_and_by_table_write_the_same_folders(here, capsys):
    grid = ("head=mean_mlp,ldbm", "protocol=masked,published", "seed=0")
    assert lfnet("train", "-m", *TINY, *grid, "protocol.length=null") == 0
    out = capsys.readouterr().out
    assert "4 jobs: 0 finished already, 4 to run" in out
    assert out.count("] finished ") == 4 and "[4/4]" in out
    by_hand = results(here)
    assert len(by_hand) == 4
    assert (
        lfnet(
            "table",
            "architectures",
            "cohort=simulated",
            *TINY,
            *grid,
            "protocol.length=null",
            "trainer.lr=3e-4",
            "trainer.patience=6",
            "trainer.windows_per_clip=null",
            "trainer.select_windows_per_clip=null",
            "table.controls=[]",
            "launcher=serial",
        )
        == 0
    )
    assert "4 jobs: 4 finished already, 0 to run" in capsys.readouterr().out
    assert results(here) == by_hand


def test_finished_jobs_are_shown_with_their_numbers_where_no_table_follows(here, capsys):
    words = ("train", "-m", *TINY, "head=mean_mlp", "seed=0,1", "launcher=serial")
    assert lfnet(*words) == 0
    first = capsys.readouterr().out.splitlines()[-2:]
    assert lfnet(*words) == 0
    again = capsys.readouterr().out.splitlines()[-2:]
    for done, shown in zip(first, again, strict=True):
        name, mae, run = shown.removeprefix("finished before: ").replace(": ", ", ").split(", ")
        assert name in done and mae in done and done.endswith(run)


def test_a_second_table_trains_nothing_and_force_trains_again(here, capsys, monkeypatch):
    words = ("table", "architectures", *TINY, "head=mean_mlp", "protocol=masked", "seed=0", "launcher=serial")
    assert lfnet(*words) == 0  # the head, and it on shuffled frames and permuted labels
    first = results(here)
    checked: list[str] = []
    real = Run.check
    with monkeypatch.context() as patched:
        patched.setattr(Run, "check", lambda run: checked.append(run.name) or real(run))
        assert lfnet(*words) == 0
    out = capsys.readouterr().out
    assert "3 jobs: 3 finished already, 0 to run" in out
    assert results(here) == first
    assert sorted(checked) == sorted(first)  # each is compared with its digests once
    assert lfnet(*words, "force=true") == 0
    again = results(here)
    assert again.keys() == first.keys() and again != first


def test_the_first_line_comes_before_any_work(here, capsys, monkeypatch):
    def stop(*_):
        raise LfnetError("stop")

    monkeypatch.setattr("lfnet.jobs.compose.compose_jobs", stop)
    assert lfnet("table", "architectures", "head=mean_mlp,ldbm", "protocol=masked", "seed=0") == 2
    assert capsys.readouterr().out == "table architectures: 2 jobs to look at; runs are in lfnet_runs\n"


BROKEN = "head._target_=tests.jobs.broken.Exploding,lfnet.heads.mean_mlp.TemporalMeanMLP"


def test_a_failing_job_is_named_and_does_not_stop_the_others(here, capsys):
    status = lfnet("train", "-m", *TINY, BROKEN, "launcher=serial")
    out = capsys.readouterr().out
    assert status == 1
    assert "[1/2] failed   head._target_=tests.jobs.broken.Exploding: RuntimeError: the head exploded" in out
    assert "[2/2] finished head._target_=lfnet.heads.mean_mlp.TemporalMeanMLP" in out
    assert len(results(here)) == 1


@pytest.mark.slow
def test_a_killed_worker_fails_its_own_job_alone(here, capsys):
    # In this order the worker that runs the first job alone is still there for the second.
    heads = "head._target_=lfnet.heads.mean_mlp.TemporalMeanMLP,tests.jobs.broken.Killed"
    assert lfnet("train", "-m", *TINY, heads, "launcher=joblib", "launcher.jobs=2") == 1
    out = capsys.readouterr().out
    assert "failed   head._target_=tests.jobs.broken.Killed: its process was killed" in out
    assert len(results(here)) == 1


def test_fail_fast_stops_the_others(here, capsys):
    status = lfnet("train", "-m", *TINY, BROKEN, "fail_fast=true")
    assert status == 1 and results(here) == {}
    record = json.loads(next(here.glob("lfnet_runs/sweeps/*.json")).read_text())
    assert [job["status"] for job in record["jobs"]] == ["failed", "pending"]


def test_a_mistake_of_all_jobs_is_one_message(here, capsys):
    assert lfnet("table", "architectures", "cohort=folder", "cohort.root=nowhere") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "nowhere" in err and "Traceback" not in err


def _killed(folder, words, wait):
    """Run `lfnet WORDS` in `folder`, and kill it and its workers when `wait` returns."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lfnet.cli.main", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _check_killed(calm, words, monkeypatch, waits):
    """Kill the sweep once for each of `waits`; then it ends with the predictions of an undisturbed, serial one."""
    assert lfnet(*words) == 0
    rough = calm / "rough"
    rough.mkdir()
    parallel = [*words, "launcher=joblib", "launcher.jobs=2"]
    for wait in waits:
        _killed(rough, parallel, partial(wait, rough))
    monkeypatch.chdir(rough)
    assert lfnet(*parallel) == 0
    assert predictions(rough) == predictions(calm)
    assert not list(rough.glob("lfnet_runs/*/.*.part"))


@pytest.mark.slow
def test_a_killed_parallel_sweep_ends_as_an_undisturbed_serial_one(here, monkeypatch):
    def until_one_job_is_finished(folder):  # the other one is still at work
        end = time.monotonic() + 120
        while not results(folder) and time.monotonic() < end:
            time.sleep(0.02)

    words = ["train", "-m", *SMALL, "head=mean_mlp,ldbm"]
    _check_killed(here, words, monkeypatch, [until_one_job_is_finished])


@pytest.mark.long
def test_a_parallel_sweep_killed_ten_times_ends_as_an_undisturbed_serial_one(here, monkeypatch):
    instants = random.Random(10)
    waits = [lambda folder: time.sleep(instants.uniform(3.0, 14.0))] * 10
    _check_killed(here, ["train", "-m", *SMALL, *GRID], monkeypatch, waits)


def test_a_sweeps_files_are_named_after_what_was_overridden():
    assert sweep_name("architectures", ["table=architectures"]) == "architectures"
    assert sweep_name("architectures", ["force=true", "launcher.jobs=2"]) == "architectures"
    assert sweep_name(None, []) == "multirun"
    name = sweep_name("a", ["cohort=folder", "head={a: 1}"])
    assert name == "a_cohort=folder_head=-a-1"
    long = sweep_name("a", [f"k{i}=1" for i in range(50)])
    assert len(long) < 60 and long != sweep_name("a", [f"k{i}=1" for i in range(51)])


def test_a_failed_jobs_record_names_the_folder_of_its_log(here, capsys):
    assert lfnet("train", "-m", *TINY, "head=mean_mlp", "trainer.lr=1e-3,1e30", "launcher=serial") == 1
    capsys.readouterr()
    (record,) = Path("lfnet_runs/sweeps").glob("*.json")
    failed = [job for job in json.loads(record.read_text())["jobs"] if job["status"] == "failed"]
    assert len(failed) == 1 and "diverged" in failed[0]["error"]
    assert "diverged" in Path("lfnet_runs", failed[0]["run"], "train.log").read_text()


def test_a_table_that_could_not_be_built_is_refused_before_any_job_runs(here, capsys):
    words = ("table", "architectures", *TINY, "head=mean_mlp", "protocol=masked", "seed=0", "launcher=serial")
    assert lfnet(*words, "table.columns=[test.mea]") == 2
    assert "test.mea" in capsys.readouterr().err
    assert not results(here)
    assert lfnet(*words, "table=patch_size") == 2
    assert "named once" in capsys.readouterr().err


def test_memory_limits_the_number_of_parallel_jobs(here, capsys):
    words = ("train", "-m", *TINY, "head=mean_mlp", "seed=0,1", "launcher=joblib")
    assert lfnet(*words, "launcher.memory=-1") == 2
    assert "launcher.memory=-1" in capsys.readouterr().err
    for jobs, workers in (("auto", 1), (3, 3)):
        assert Local(jobs=jobs).workers([Need(1, 1e9)] * 8) == workers


def test_the_first_job_with_wrong_settings_stops_the_sweep_before_any_job_runs(here, capsys):
    words = ("train", "-m", *TINY, "head=mean_mlp,ldbm", "launcher=joblib")
    assert lfnet(*words, "trainer.threads=1,abc,def", "protocol.min_valid=2") == 2
    assert capsys.readouterr().err.splitlines() == ["error: protocol.min_valid=2: give a number from 0 to 1."]
    assert lfnet(*words, "trainer.threads=1,abc,def") == 2
    err = capsys.readouterr().err
    assert "trainer.threads=abc" in err and "def" not in err
    assert not list(here.iterdir())


def test_the_sweepers_own_grid_and_config_folder_are_in_the_name_and_the_command(here, capsys):
    own = here / "own"
    (own / "head").mkdir(parents=True)
    (own / "head" / "mine.yaml").write_text("_target_: lfnet.heads.mean_mlp.TemporalMeanMLP\nhidden: 8\n")
    words = ("--config-dir", str(own), *TINY, "protocol=masked", "hydra.sweeper.params.head=mine", "seed=0")
    words += ("table.controls=[]",)
    assert lfnet("table", "architectures", *words, "launcher=serial") == 0
    capsys.readouterr()
    (record,) = Path("lfnet_runs/sweeps").glob("*.json")
    command = json.loads(record.read_text())["command"]
    assert f"--config-dir {own}" in command and "hydra.sweeper.params.head=mine" in command
    assert lfnet("table", "architectures", *words, "launcher=serial", "--render") == 0


@pytest.mark.parametrize("engine", ["basic"])
def test_a_launcher_of_hydra_ends_with_the_table_and_skips_what_is_finished(here, capsys, engine):
    words = ("table", "architectures", *TINY, "head=mean_mlp", "protocol=masked", "seed=0,1", "table.controls=[]")
    assert lfnet(*words, f"hydra/launcher={engine}") == 0
    out = capsys.readouterr().out
    assert out.count("] finished seed=") == 2 and "written: " in out
    first = results(here)
    assert len(first) == 2
    assert lfnet(*words, f"hydra/launcher={engine}") == 0
    assert "2 jobs: 2 finished already, 0 to run" in capsys.readouterr().out
    assert results(here) == first


def test_a_job_that_fails_under_a_launcher_of_hydra_is_named(here, capsys):
    words = ("train", "-m", *TINY, "head=mean_mlp", "trainer.lr=1e-3,1e30", "hydra/launcher=basic")
    assert lfnet(*words) == 1
    assert "failed   trainer.lr=1e+30: training diverged" in capsys.readouterr().out


def test_a_table_with_a_sweeper_that_searches_is_refused_before_a_job_runs(here, capsys):
    assert lfnet("table", "architectures", *TINY, "hydra/sweeper=basic") == 2
    assert "hydra/sweeper=basic searches" in capsys.readouterr().err
    assert not list(here.iterdir())


def test_memory_that_jobs_took_is_asked_for_by_later_ones(here):
    assert needed_memory(Path("lfnet_runs"), "mean_mlp, simulated") == DEFAULT
    assert lfnet("train", "-m", *TINY, "head=mean_mlp", "seed=0") == 0
    (peak,) = json.loads(Path("lfnet_runs", RESOURCES).read_text())["peak_memory_gb"].values()
    assert 0.1 < peak < 10
    assert needed_memory(Path("lfnet_runs"), "mean_mlp, simulated") == max(1.0, round(MARGIN * peak, 1))


def test_a_seed_of_every_row_is_run_before_a_second_of_any_and_cohorts_one_after_another(here, capsys):
    words = ("cohort.seed=1,2", "head=mean_mlp,ldbm", "seed=0,1", "trainer.lr=1e30")  # each job fails at once
    assert lfnet("train", "-m", *TINY, *words) == 1
    lines = [line.split("failed   ")[1] for line in capsys.readouterr().out.splitlines() if "] failed " in line]
    assert [line.partition(":")[0] for line in lines] == [
        f"cohort.seed={cohort} head={head} seed={seed}"
        for cohort in (1, 2)
        for seed in (0, 1)
        for head in ("mean_mlp", "ldbm")
    ]
