"""How many calls fit on a machine, and which GPU a worker uses."""

import os

import pytest

from lfnet.launchers import machine
from lfnet.launchers.launcher import Need
from lfnet.launchers.local import Local
from lfnet.launchers.machine import count_workers, take_gpu, visible_gpus


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine with two GPUs and 64 GB; marks of GPUs are taken away at the end."""
    monkeypatch.setattr(machine, "visible_gpus", lambda: ["4", "7"])
    monkeypatch.setattr(machine, "free_memory", lambda: 64.0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # which is put back at the end
    marks: list = []
    monkeypatch.setattr(machine, "_marks", marks)
    yield marks
    for mark in marks:
        mark.close()


@pytest.mark.parametrize(("per_gpu", "memory", "workers"), [(1, 1.0, 2), (3, 1.0, 6), (3, 20.0, 3), (9, 1.0, 12)])
def test_jobs_of_a_gpu_are_counted_by_gpus_and_memory(two_gpus, per_gpu, memory, workers):
    needs = [Need(1, memory, "cuda")] * 12
    assert count_workers(needs, "auto", per_gpu) == workers
    assert Local(jobs="auto", jobs_per_gpu=per_gpu).workers(needs) == workers
    assert count_workers(needs, 5, per_gpu) == 5


def test_a_machine_without_a_gpu_starts_one_job_which_will_say_so(two_gpus, monkeypatch):
    monkeypatch.setattr(machine, "visible_gpus", lambda: [])
    assert count_workers([Need(1, 1.0, "cuda")] * 4, "auto") == 1


def test_workers_spread_over_the_gpus_and_free_theirs_when_they_end(two_gpus):
    def next_gpu() -> str:
        take_gpu.__wrapped__()  # as another process would
        return os.environ["CUDA_VISIBLE_DEVICES"]

    assert [next_gpu() for _ in range(5)] == ["4", "7", "4", "7", "4"]
    two_gpus.pop(1).close()
    assert next_gpu() == "7"


def test_one_gpu_needs_no_choice(two_gpus, monkeypatch):
    monkeypatch.setattr(machine, "visible_gpus", lambda: ["0"])
    take_gpu.__wrapped__()
    assert not two_gpus and os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_gpus_are_those_that_the_queue_has_given(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert visible_gpus() == ["3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5f,GPU-7a")
    assert visible_gpus() == ["GPU-5f", "GPU-7a"]
