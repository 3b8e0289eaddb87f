"""Cores, free memory and GPUs that this machine has for calls."""

import contextlib
import functools
import itertools
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lfnet.launchers.launcher import Need

__all__ = ["count_workers", "free_memory", "take_gpu", "visible_gpus"]


def count_workers(needs: Sequence[Need], jobs: int | Literal["auto"], jobs_per_gpu: int = 1) -> int:
    """Return how many calls with these needs run side by side on this machine.

    Parameters
    ----------
    needs : sequence of Need
    jobs : int or "auto"
        The number itself; auto: as many as free memory allows, and cores, or with `device` "cuda" GPUs.
    jobs_per_gpu : int
        Calls that share a GPU.

    Examples
    --------
    >>> count_workers([Need(threads=1, memory=1.0)] * 8, jobs=3)
    3
    """
    if not needs:
        return 1
    if jobs != "auto":
        return min(jobs, len(needs))
    need = Need.of_any(needs)
    if need.device == "cuda":
        slots = len(visible_gpus()) * jobs_per_gpu
    else:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        slots = cores // need.threads
    return max(1, min(slots, int(free_memory() / need.memory), len(needs)))


def free_memory() -> float:
    """Return the GB of memory that are free now, or all of it where only that is known."""
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    free = os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError):  # Linux: what the page cache would give back counts as free
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    return free / 1e9


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    # Before CUDA is initialised this asks the driver's library, so that CUDA_VISIBLE_DEVICES can still be changed.
    return [str(name) for name in torch.cuda._parse_visible_devices()[: torch.cuda.device_count()]]


_marks: list[socket.socket] = []  # of this process's GPU, bound for as long as it lives


@functools.cache
def take_gpu() -> None:
    """Let this worker process use one GPU only, one that the fewest worker processes of this user have.

    It must come before the process initialises CUDA. A process marks its GPU by an abstract socket, which the kernel
    removes when the process ends in any way.
    """
    gpus = visible_gpus()
    if len(gpus) < 2 or sys.platform != "linux":
        return
    for number, gpu in ((number, gpu) for number in itertools.count() for gpu in gpus):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0lfnet {os.getuid()} gpu {gpu} worker {number}")
        except OSError:  # another process has it
            mark.close()
            continue
        _marks.append(mark)
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        return
