"""Sweeps on Dask (processes of this machine, and a Slurm through dask-jobqueue) and on a local Ray."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cluster.conftest import TABLE, predictions, rows, wait_for, write_heads
from tests.composing import SMALL
from tests.conftest import ROOT

pytestmark = pytest.mark.cluster

TINY = ("train", "-m", *SMALL, "trainer.max_epochs=1")
QUEUE = ("launcher=dask", "launcher.cluster=slurm", "launcher.memory=2")
ENGINES = {
    "dask": ("launcher=dask",),
    "slurm": (*QUEUE, "+launcher.options.death_timeout=120"),
    "ray": ("launcher=ray",),
}
BROKEN = "head._target_=tests.jobs.broken.{},lfnet.heads.mean_mlp.TemporalMeanMLP"


def start(folder, *words, environment=os.environ, jobs=2):
    """Run lfnet in a folder, which is its home, too."""
    folder.mkdir(exist_ok=True)
    given = {**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    command = [sys.executable, "-m", "lfnet", *words, f"launcher.jobs={jobs}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=given, **pipes)


def lfnet(folder, *words, **more):
    process = start(folder, *words, **more)
    out, err = process.communicate()
    return process.returncode, out, err


def processes(folder):
    """The processes that work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [place.parent.name] if place.readlink() == folder else []
        except OSError:
            continue
    return found


def worker_of(nanny):
    """The process in which a nanny's worker runs."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(nanny)], capture_output=True, text=True
    ).stdout
    (line,) = [line for line in listed.splitlines() if "spawn_main" in line]
    return int(line.split()[0])


@contextmanager
def open_scheduler():
    """The address of a scheduler without workers."""
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen([*command, "--host", "127.0.0.1"], stderr=subprocess.PIPE, text=True)
    try:
        yield next(found[0] for line in scheduler.stderr if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line)))
    finally:
        scheduler.kill()


def engine_words(engine):
    if engine == "ray" and find_spec("ray") is None:
        pytest.skip("needs Ray: pip install 'lfnet[ray]'")
    return ENGINES[engine]


def table(folder, *words, **more):
    """Run the table of 24 jobs; its heads do not wait."""
    write_heads(folder.parent)
    folder.mkdir(exist_ok=True)
    (folder / "go").touch()
    return lfnet(folder, *TABLE, *words, **more)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The folder of the table, one job after the other."""
    folder = tmp_path_factory.mktemp("alone") / "serial"
    assert table(folder, jobs=1)[0] == 1
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_the_table_is_that_of_one_process(serial, tmp_path, request, engine):
    words, here = engine_words(engine), tmp_path / "here"
    more = {"environment": request.getfixturevalue("slurm").environment} if engine == "slurm" else {}
    status, out, err = table(here, *words, **more)
    assert status == 1, err
    assert out.count("] finished ") == 23 and "[24/24]" in out and "RuntimeError: the head exploded" in out
    assert predictions(here) == predictions(serial) and len(predictions(here)) == 23
    assert rows(here) == rows(serial) != []
    names = {path.name for path in here.iterdir() if not path.name.startswith("begun-")}
    assert names - {"go", "lfnet_runs", "lfnet_cache", "lfnet_logs"} <= {".cache", ".config"}  # of fonts, dask-jobqueue
    assert "23 finished already, 1 to run" in table(here, *words, **more)[1]


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_killed_worker_fails_its_own_job_alone(tmp_path, engine):
    status, out, _ = lfnet(tmp_path, *TINY, BROKEN.format("Killed"), *engine_words(engine))
    assert status == 1 and len(predictions(tmp_path)) == 1
    assert "failed   head._target_=tests.jobs.broken.Killed: its process was killed" in out


def test_a_worker_that_takes_too_much_memory_is_named_with_what_to_ask_for(tmp_path):
    limit = "+launcher.options.memory_limit=1500000000"
    status, out, _ = lfnet(tmp_path, *TINY, BROKEN.format("Hungry"), *ENGINES["dask"], limit)
    assert status == 1 and len(predictions(tmp_path)) == 1
    assert (
        "Hungry: its process was killed, probably out of memory: it had asked for 1.5 GB; give launcher.memory=3" in out
    )


def test_a_queue_that_refuses_the_workers_is_one_line(tmp_path, slurm):
    words = (*TINY, "seed=0,1", *QUEUE, "+launcher.options.queue=nowhere")
    status, _, err = lfnet(tmp_path, *words, environment=slurm.environment)
    assert status == 2 and err.count("\n") == 1 and "invalid partition specified: nowhere" in err, err


def test_a_scheduler_without_workers_ends_the_command_and_one_that_is_gone_too(tmp_path):
    with open_scheduler() as address:
        words = (*TINY, "seed=0,1", "launcher=dask", f"launcher.scheduler={address}", "launcher.max_wait=5")
        status, _, err = lfnet(tmp_path, *words)
        assert status == 2 and "there was no worker for 5 s" in err and f"dask worker {address}" in err
    status, _, err = lfnet(tmp_path, *words)
    assert status == 2 and f"no Dask scheduler answers at launcher.scheduler={address}" in err


@pytest.mark.parametrize("whom", ["nanny", "worker"])
def test_a_worker_that_is_told_to_end_saves_its_job(tmp_path, whom):
    long = ("trainer.max_epochs=400", "trainer.patience=400", "head=mean_mlp", "seed=0")
    words = (*TINY[:-1], *long)
    with open_scheduler() as address:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
        given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        workers = [subprocess.Popen(command, env=given, cwd=tmp_path, **pipes)]
        sweep = start(tmp_path, *words, "launcher=dask", f"launcher.scheduler={address}")
        try:
            wait_for(
                lambda: any(path.read_text().count("epoch ") > 3 for path in tmp_path.glob("lfnet_runs/*/train.log"))
            )
            os.kill(workers[0].pid if whom == "nanny" else worker_of(workers[0].pid), signal.SIGTERM)
            wait_for(lambda: list(tmp_path.glob("lfnet_runs/*/.training_state")), 60)
            if whom == "nanny":
                workers.append(subprocess.Popen(command, env=given, cwd=tmp_path, **pipes))
            out, err = sweep.communicate(timeout=600)
        finally:
            for process in (*workers, sweep):
                process.terminate()
    assert sweep.returncode == 0 and "[1/1] " in out, out + err  # skipped, where Dask had started it again itself
    calm = tmp_path / "calm"
    assert lfnet(calm, *words, jobs=1)[0] == 0
    assert predictions(tmp_path) == predictions(calm)


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_ctrl_c_ends_what_it_started(tmp_path, engine):
    long = ("trainer.max_epochs=100000", "trainer.patience=100000", "seed=0,1,2")
    process = start(tmp_path, *TINY[:-1], *long, *engine_words(engine))
    wait_for(lambda: list(tmp_path.glob("lfnet_runs/*/train.log")))
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    wait_for(lambda: not processes(tmp_path), 60)
