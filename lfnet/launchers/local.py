"""Jobs on this machine: one after the other in this process, or side by side in processes of their own (joblib)."""

import atexit
import contextlib
import itertools
import multiprocessing
import multiprocessing.util
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from lfnet.config import Count, settings
from lfnet.errors import Interrupted
from lfnet.launchers.launcher import Call, Launcher, Memory, Need, killed
from lfnet.launchers.machine import count_workers, take_gpu
from lfnet.parent import end_with_parent
from lfnet.process import collect_seldom, end_quickly
from lfnet.runs.run import Outcome
from lfnet.signals import handle_always, on_stop, stoppable

__all__ = ["Local"]

_CUT = "since a file that it read was shortened by another program (SIGBUS)"
_GRACE = 15.0  # seconds; schedulers wait 30 or more between SIGTERM and SIGKILL


@settings
class Local(Launcher):
    """Jobs on this machine.

    Parameters
    ----------
    jobs : int or "auto"
        How many run side by side; 1: in this process. auto: as many as free memory allows, and cores or GPUs.
    memory : float or "auto"
        GB of memory that one job needs.
    jobs_per_gpu : int
        How many jobs share a GPU where `jobs` is auto. Each process uses one GPU.

    Examples
    --------
    >>> Local(jobs=1).workers([])
    1
    """

    jobs: Count | Literal["auto"]
    memory: Memory = "auto"
    jobs_per_gpu: Count = 1

    def extracts(self, needs: Sequence[Need]) -> bool:
        """Return whether parts with these needs run side by side."""
        return self.workers(needs) > 1

    def at_once(self, needs: Sequence[Need]) -> int | None:
        """Return how many calls with these needs run at once, in their order."""
        return self.workers(needs)

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Run the calls. If a process is killed, the calls that have not ended run one by one, to find its cause."""
        workers = self.workers([call.need for call in calls])
        if workers > 1:
            yield from self._side_by_side(calls, workers)
            return
        for call in calls:
            yield call.key, call()

    def workers(self, needs: Sequence[Need]) -> int:
        """Return how many calls with these needs run side by side."""
        return count_workers(needs, self.jobs, self.jobs_per_gpu)

    def _side_by_side(self, calls: Sequence[Call], workers: int) -> Iterator[tuple[str, Outcome]]:
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        ended: set[str] = set()
        with _stopping_workers() as stopped:
            try:
                waiting = itertools.takewhile(lambda _: not stopped, calls)
                for key, outcome in _run_in_workers(waiting, workers):
                    ended.add(key)
                    if not stopped or outcome.status != "interrupted":
                        yield key, outcome
            except TerminatedWorkerError as error:
                if not stopped:
                    cause = _CUT if _cut(error) else "probably out of memory (lower launcher.jobs)"
                    print(f"a job's process was killed, {cause}: the others run one by one", flush=True)
            for call in calls:
                if call.key not in ended and not stopped:
                    outcome = _alone(call)
                    if not stopped:
                        yield call.key, outcome
        if stopped:
            raise Interrupted(stopped[0])


@contextlib.contextmanager
def _stopping_workers() -> Iterator[list[int]]:
    """Pass a signal on to the worker processes, and let their calls end; yields a list that its number is added to.

    Raised here, it would end them before they have saved their state. Workers that still run after `_GRACE` seconds,
    since a library does not return to Python, are killed.
    """
    stopped: list[int] = []
    timers: list[threading.Timer] = []

    def stop(number: int) -> None:
        workers = multiprocessing.active_children()
        stopped.append(number)
        for worker in workers:
            worker.terminate()
        timers.append(threading.Timer(_GRACE, _kill, [[worker.pid for worker in workers if worker.pid]]))
        timers[0].start()

    try:
        with on_stop(stop):
            yield stopped
    finally:
        for timer in timers:
            timer.cancel()


def _kill(processes: Sequence[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _run_in_workers(calls: Iterable[Call], workers: int) -> Iterator[tuple[str, Outcome]]:
    """Yield the key and the outcome of each call as it ends. workers: how many at once; joblib needs two or more."""
    import joblib

    parallel = joblib.Parallel(
        n_jobs=workers,
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch=workers,
        initializer=_begin_worker,
        initargs=(os.getpid(), str(Path.cwd())),  # other arguments are other workers: old ones may be in another folder
    )
    begun = time.time()
    yield from parallel(joblib.delayed(_in_worker)(call, begun) for call in calls)


def _alone(call: Call) -> Outcome:
    """Run one call in a process of its own: if it is killed, only it has failed."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        ((_, outcome),) = _run_in_workers([call], 2)
    except TerminatedWorkerError as error:
        if _cut(error):
            return Outcome("failed", error=f"its process was killed, {_CUT}; the same command starts it again")
        return killed(call.need, ", though it ran alone")
    return outcome


def _cut(error: Exception) -> bool:
    """Whether a worker was killed since a mapped file was shortened; its last words name the file."""
    return "SIGBUS" in str(error)  # loky names the exit status of all its workers


def _begin_worker(parent: int, folder: str) -> None:
    os.chdir(folder)
    end_with_parent(parent)
    collect_seldom()
    end_quickly().append(0)
    # From Python 3.13 on semaphores are released at the exit only, by a function that was registered before.
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
    handle_always()


def _in_worker(call: Call, begun: float) -> tuple[str, Outcome]:
    """Run a call of a sweep that began at `begun`; a signal that came since, between two calls, is for this one."""
    from joblib.externals.loky import process_executor

    # loky would mistake the cached cohort for a leak and restart the worker after every other job.
    process_executor._MAX_MEMORY_LEAK_SIZE = float("inf")
    if call.need.device == "cuda":
        take_gpu()
    try:
        with stoppable(begun):
            return call.key, call()
    except Interrupted:
        return call.key, Outcome("interrupted", call.key, error="interrupted before it began")
