"""Run commands and measure wall time, processor time, energy, peak memory and the load of other processes."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lfnet.jobs.latency import EnergyMeter

__all__ = ["ROOT", "SETTINGS", "Failed", "Usage", "alternate", "command", "other_load", "timed"]

ROOT = Path(__file__).resolve().parents[2]
_LOOK = 0.5  # seconds between two looks at the memory of a command's processes
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SETTINGS: dict[str, str] = {}  # variables of the environment that all commands get


class Failed(Exception):
    """A measured command failed; the message has its last lines."""


@dataclass(frozen=True)
class Usage:
    """Resources of a command, including the processes that it started.

    seconds: wall time. cpu: user and system seconds. peak_mb: resident memory of the largest process, which counts
    every page of a mapped file that it has read, though processes share it and the system can take it back. load:
    processes of others that ran meanwhile, on average. out: its output. joules: energy of the processor's packages,
    including what others used; None where no counter can be read. own_mb: memory of the largest process without mapped
    files, the highest of looks twice a second; peak_mb where the system does not tell.
    """

    seconds: float
    cpu: float
    peak_mb: float
    load: float
    out: str
    joules: float | None = None
    own_mb: float = 0.0


def command(
    words: Sequence[str | Path], *, tree: Path = ROOT, good: Sequence[int] = (0,), path: Sequence[Path] = ()
) -> Usage:
    """Run a command in a tree of the project and wait for it. Raises `Failed` if its exit status is not in `good`.

    path: further folders of Python packages.
    """
    words = [str(word) for word in words]
    # As a user would start it: without settings for threads.
    environment = {name: value for name, value in os.environ.items() if name not in _THREADS}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (tree, *path)))
    environment |= SETTINGS
    energy, busy, began = EnergyMeter(), _busy(), time.perf_counter()
    process = subprocess.Popen(
        words, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output: list[str] = []
    assert process.stdout is not None
    listener = threading.Thread(target=lambda: output.append(process.stdout.read()))  # type: ignore[union-attr]
    listener.start()
    ended, own = threading.Event(), [0.0]

    def watch() -> None:
        while not ended.wait(_LOOK):
            own[0] = max([own[0], *map(_own_mb, _tree(process.pid))])

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    seconds, joules = time.perf_counter() - began, energy.joules()
    ended.set()
    watcher.join()
    listener.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    out = output[0]
    cpu = used.ru_utime + used.ru_stime
    if process.returncode not in good:
        raise Failed(f"{' '.join(words[:4])} … ended with {process.returncode}:\n{out[-2000:]}")
    peak = used.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)
    return Usage(seconds, cpu, peak, max(0.0, _busy() - busy - cpu) / seconds, out, joules, own[0] or peak)


def other_load(work: Callable[[], object]) -> float:
    """Do `work` in this process and return the mean number of other running processes."""
    busy, own, began = _busy(), _own(), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return max(0.0, _busy() - busy - (_own() - own)) / seconds


def timed(work: Callable[[], object], min_seconds: float = 0.2, max_calls: int = 1000) -> float:
    """Return the seconds of one call, from as many calls as take `min_seconds`."""
    calls, began = 0, time.perf_counter()
    while calls < max_calls and (not calls or time.perf_counter() - began < min_seconds):
        work()
        calls += 1
    return (time.perf_counter() - began) / calls


def alternate(peer: Callable[[], float], project: Callable[[], float], times: int) -> tuple[list[float], list[float]]:
    """Measure the times of the two alternately, so that other load affects both."""
    pairs = [(peer(), project()) if turn % 2 == 0 else (project(), peer())[::-1] for turn in range(times)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _tree(process: int) -> list[int]:
    """A process and all that it started, directly or not; those that have ended may be missing."""
    found = [process]
    for one in found:  # grows meanwhile
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, path.read_text(encoding="ascii").split())
    return found


def _own_mb(process: int) -> float:
    """Resident memory of a process without mapped files; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines()
        kinds = ("RssAnon:", "RssShmem:")
        return sum(int(line.split()[1]) for line in lines if line.startswith(kinds)) / 1024
    return 0.0


def _own() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _busy() -> float:
    """Busy seconds of all processors since the machine started; 0 where the system does not report them."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, irq, softirq, _stolen = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
