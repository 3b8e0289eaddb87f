"""Running commands and measuring them: wall time, processor time, peak memory, and what else the machine was doing."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Failed", "Usage", "command", "in_turn", "other_load", "timed"]

ROOT = Path(__file__).resolve().parents[2]
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Failed(Exception):
    """A measured command that did not do its work; its last lines say why."""


@dataclass(frozen=True)
class Usage:
    """seconds: wall time. cpu: user and system seconds, of the processes it started too. peak_mb: of the largest one.
    load: processes that others kept running meanwhile, on average. out: what it printed."""

    seconds: float
    cpu: float
    peak_mb: float
    load: float
    out: str


def command(words: Sequence[str | Path], *, cwd: Path = ROOT, good: Sequence[int] = (0,)) -> Usage:
    """Run a command and wait for it. Raises `Failed` where its exit status is none of `good`."""
    words = [str(word) for word in words]
    # As a user would start it: nobody's settings for threads.
    environment = {name: value for name, value in os.environ.items() if name not in _THREADS}
    environment["PYTHONPATH"] = str(ROOT)
    busy, began = _busy(), time.perf_counter()
    process = subprocess.Popen(
        words, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    heard: list[str] = []
    assert process.stdout is not None
    listener = threading.Thread(target=lambda: heard.append(process.stdout.read()))  # type: ignore[union-attr]
    listener.start()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    listener.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    out = heard[0]
    cpu = used.ru_utime + used.ru_stime
    if process.returncode not in good:
        raise Failed(f"{' '.join(words[:4])} … ended with {process.returncode}:\n{out[-2000:]}")
    peak = used.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)
    return Usage(seconds, cpu, peak, max(0.0, _busy() - busy - cpu) / seconds, out)


def other_load(work: Callable[[], object]) -> float:
    """Do `work` in this process and say how many processes others kept running meanwhile, on average."""
    busy, own, began = _busy(), _own(), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return max(0.0, _busy() - busy - (_own() - own)) / seconds


def timed(work: Callable[[], object], least: float = 0.2, most: int = 1000) -> float:
    """Seconds of one call, from as many as take `least` seconds."""
    calls, began = 0, time.perf_counter()
    while calls < most and (not calls or time.perf_counter() - began < least):
        work()
        calls += 1
    return (time.perf_counter() - began) / calls


def in_turn(peer: Callable[[], float], project: Callable[[], float], times: int) -> tuple[list[float], list[float]]:
    """Times of the two, measured in turn so that what else the machine does touches both alike."""
    pairs = [(peer(), project()) if turn % 2 == 0 else (project(), peer())[::-1] for turn in range(times)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _own() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _busy() -> float:
    """Seconds that all processors together have worked since the machine started; 0 where nobody says."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, irq, softirq, _stolen = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
