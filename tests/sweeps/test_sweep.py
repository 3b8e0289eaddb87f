"""Many jobs: finished ones are skipped, failed ones are named, and by hand or by table the folders are the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lfnet.cli.main import main
from lfnet.sweeps.record import sweep_name
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


def test_by_hand_and_by_table_leave_the_same_folders(here, capsys):
    assert lfnet("train", "-m", *TINY, *GRID, "protocol=masked,published", "protocol.length=null") == 0
    out = capsys.readouterr().out
    assert "8 jobs: 0 finished already, 8 to run" in out
    assert out.count("] finished ") == 8 and "[8/8]" in out
    by_hand = results(here)
    assert len(by_hand) == 8
    assert (
        lfnet(
            "table",
            "architectures",
            *TINY,
            *GRID,
            "protocol.length=null",
            "trainer.lr=3e-4",
            "trainer.patience=6",
            "trainer.windows_per_clip=null",
            "trainer.select_windows_per_clip=null",
            "launcher=serial",
        )
        == 0
    )
    assert "8 jobs: 8 finished already, 0 to run" in capsys.readouterr().out
    assert results(here) == by_hand


def test_a_second_table_trains_nothing_and_force_trains_again(here, capsys):
    words = ("table", "architectures", *TINY, "head=mean_mlp", "protocol=masked", "seed=0", "launcher=serial")
    assert lfnet(*words) == 0
    first = results(here)
    assert lfnet(*words) == 0
    out = capsys.readouterr().out
    assert "1 jobs: 1 finished already, 0 to run" in out
    assert results(here) == first
    assert lfnet(*words, "force=true") == 0
    again = results(here)
    assert again.keys() == first.keys() and again != first


def test_a_failing_job_is_named_and_does_not_stop_the_others(here, capsys):
    status = lfnet("train", "-m", *TINY, "head=ldbm", "head.attention_heads=3,4", "launcher=serial")
    out = capsys.readouterr().out
    assert status == 1
    assert "[1/2] failed   head.attention_heads=3" in out and "[2/2] finished head.attention_heads=4" in out
    assert len(results(here)) == 1


@pytest.mark.slow
def test_a_killed_worker_fails_its_own_job_alone(here, capsys):
    heads = "head._target_=tests.training.broken.Killed,lfnet.heads.mean_mlp.TemporalMeanMLP"
    assert lfnet("train", "-m", *TINY, heads, "launcher=joblib", "launcher.jobs=2") == 1
    out = capsys.readouterr().out
    assert "failed   head._target_=tests.training.broken.Killed: its process was killed" in out
    assert len(results(here)) == 1


def test_fail_fast_stops_the_others(here, capsys):
    status = lfnet("train", "-m", *TINY, "head=ldbm", "head.attention_heads=3,4", "fail_fast=true")
    assert status == 1 and results(here) == {}
    record = json.loads(next(here.glob("lfnet_runs/sweeps/*.json")).read_text())
    assert [job["status"] for job in record["jobs"]] == ["failed", "pending"]


def test_what_no_job_can_do_is_one_message(here, capsys):
    assert lfnet("table", "architectures", "cohort=folder", "cohort.root=nowhere") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "nowhere" in err and "Traceback" not in err


def _killed(folder, words, rng, kills):
    """Run `lfnet WORDS` in `folder`, killing it (and its workers) at `kills` random instants, then let it end."""
    command = [sys.executable, "-m", "lfnet.cli.main", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(kills):
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(rng.uniform(3.0, 14.0))
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kills", [pytest.param(1, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.long)])
def test_a_killed_sweep_side_by_side_ends_as_an_undisturbed_one_in_turn(here, kills):
    words = ["train", "-m", *SMALL, *GRID]
    calm, rough = here, here / "rough"
    rough.mkdir()
    assert lfnet(*words) == 0
    ended = _killed(rough, [*words, "launcher=joblib", "launcher.jobs=2"], random.Random(kills), kills)
    assert ended.returncode == 0, ended.stderr
    assert predictions(rough) == predictions(calm) and len(predictions(calm)) == 4
    assert not list(rough.glob("lfnet_runs/*/.*.part"))


def test_a_sweeps_files_are_named_after_what_was_overridden():
    assert sweep_name({"name": "architectures"}, ["table=architectures"]) == "architectures"
    assert sweep_name({"name": "architectures"}, ["force=true", "launcher.jobs=2"]) == "architectures"
    assert sweep_name({"name": None}, []) == "multirun"
    name = sweep_name({"name": "a"}, ["cohort=folder", "cohort.root=/x/y z"])
    assert name == "a_cohort=folder_cohort.root=-x-y-z"
    long = sweep_name({"name": "a"}, [f"k{i}=1" for i in range(50)])
    assert len(long) < 100 and long != sweep_name({"name": "a"}, [f"k{i}=1" for i in range(51)])
