"""A table on a Slurm whose nodes and jobs fail: complete, with the failure named, and equal to the serial one."""

import os
import signal
import subprocess
import sys

import pytest

from tests.cluster.conftest import OWN, TABLE, predictions, rows, wait_for
from tests.composing import SMALL

pytestmark = pytest.mark.cluster

QUEUE = ("launcher=slurm", "launcher.memory=1.5", "launcher.time=60")


def all_ended(folder):
    return not {"PENDING", "RUNNING", "COMPLETING"} & {state for state, _, _ in folder.entries().values()}


def test_a_disturbed_table_is_complete_and_equal_to_the_serial_one(make_folder, slurm):
    here, calm = make_folder("cluster"), make_folder("serial")
    submitted = here(*TABLE, *QUEUE, "--submit")
    assert submitted.returncode == 0, submitted.stderr
    assert "24 jobs submitted\n0 of 24 done" in submitted.stdout
    wait_for(lambda: all(here.begun(number) for number in range(4)))
    number_of = here.waiting()
    nodes = {job: node for job, (_, node, _) in here.entries().items() if job in number_of}
    (first, second), (requeued, killed) = ([job for job in nodes if nodes[job] == node] for node in ("n0", "n1"))

    node = slurm.kill_node(0)
    slurm("scontrol", "requeue", requeued)
    (victim,) = here.begun(number_of[killed])
    os.kill(victim, signal.SIGKILL)
    # Slurm starts the jobs of the lost node again, while their old processes live on.
    wait_for(lambda: all(here.entries()[job][2] >= 1 for job in (first, second, requeued)))
    shown = here(*TABLE)
    assert shown.returncode == 1
    assert (
        "its process was killed, probably out of memory: it had asked for 1.5 GB; give launcher.memory=3"
        in shown.stdout
    )
    wait_for(lambda: any("which is in use" in here.log(job) for job in (first, second)))
    (here.path / "go").touch()
    wait_for(lambda: all_ended(here))
    for job in (first, second):
        assert len(here.begun(number_of[job])) == 1, "the new process waits for the old one, and skips the job"
    slurm.start_node(0, node)

    shown = here(*TABLE)
    assert shown.returncode == 1
    assert "22 of 24 done, 2 failed" in shown.stdout
    assert "seed=3: RuntimeError: the head exploded" in shown.stdout
    again = here(*TABLE, *QUEUE, "--submit")
    assert "2 jobs submitted\n22 of 24 done" in again.stdout
    wait_for(lambda: all_ended(here))
    shown = here(*TABLE)
    assert shown.returncode == 1 and "23 of 24 done, 1 failed" in shown.stdout
    assert "RuntimeError: the head exploded" in here("jobs", *TABLE[1:]).stdout

    (calm.path / "go").touch()
    assert calm(*TABLE, "launcher=serial").returncode == 1
    assert len(predictions(calm.path)) == 23 and predictions(here.path) == predictions(calm.path)
    assert rows(here.path) == rows(calm.path)


def test_a_warned_job_goes_back_into_the_queue_and_a_cancelled_one_does_not(make_folder, slurm):
    here = make_folder("warned")
    sweep = ("train", "-m", *OWN, "head=waiting_0,waiting_1")
    assert here(*sweep, *QUEUE, "--submit").returncode == 0
    wait_for(lambda: here.begun(0) and here.begun(1))
    job = sorted(here.entries())[0]
    slurm("scancel", "--signal=USR1", job)
    wait_for(lambda: here.entries()[job][2] == 1)
    assert "0 of 2 done" in here(*sweep).stdout
    assert here("cancel", "multirun", *sweep[2:]).stdout.startswith("2 jobs of multirun")
    wait_for(lambda: all_ended(here))
    assert {state for state, _, _ in here.entries().values()} == {"CANCELLED"}
    (here.path / "go").touch()
    assert "[2/2] finished" in here(*sweep).stdout


def test_two_nodes_that_reach_for_one_job_do_it_once(make_folder, slurm):
    here = make_folder("writers")
    assert here("extract", *SMALL[:3]).returncode == 0
    command = [sys.executable, "-m", "lfnet", "train", *OWN, "head=waiting_0"]
    step = ["srun", "--nodes=2", "--ntasks=2", "--mem=1500MB", "--label", *command]
    log = here.path / "log"
    with log.open("w") as out:
        writers = subprocess.Popen(step, cwd=here.path, env=slurm.environment, stdout=out, stderr=subprocess.STDOUT)
        wait_for(lambda: "which is in use" in log.read_text() or len(here.begun(0)) > 1 or writers.poll() is not None)
        (here.path / "go").touch()
        assert writers.wait() == 0, log.read_text()
    text = log.read_text()
    assert text.count("finished: ") == 1 and text.count("skipped: ") == 1
    assert len(here.begun(0)) == 1
