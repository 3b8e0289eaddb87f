"""Calls on the workers of an engine (Dask, Ray): one a worker at a time, and no endless wait for workers."""

import ctypes
import os
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

from pydantic import Field

from lfnet.config import Count, Positive, settings
from lfnet.errors import LfnetError
from lfnet.launchers.launcher import Call, Launcher, Memory, Need
from lfnet.launchers.machine import take_gpu
from lfnet.runs.run import Outcome

__all__ = ["Pool", "PoolLauncher", "is_running", "run_call", "run_in_pool", "stop_call"]

_LOOK = 2.0  # seconds between two looks at the number of workers


class Pool(ABC):
    """What `run_in_pool` needs of an engine. Its handles (futures) are hashable."""

    @abstractmethod
    def size(self) -> int:
        """Return how many calls can run now; 0: there is no worker."""

    @abstractmethod
    def submit(self, call: Call) -> Any:
        """Start a call when a worker is free, and return its handle."""

    @abstractmethod
    def wait(self, handles: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return the handles that have ended, as soon as there is one; none after these seconds."""

    @abstractmethod
    def outcome(self, handle: Any, call: Call) -> Outcome:
        """Return the outcome of a call that has ended; a lost process is a failed one."""


def run_in_pool(pool: Pool, calls: Sequence[Call], max_wait: float, lack: str) -> Iterator[tuple[str, Outcome]]:
    """Run calls, as `Launcher.run` does.

    No more calls are handed over than there are workers: the loss of a worker costs its own call alone, and what waits
    is not started if the iterator is closed.

    Parameters
    ----------
    pool : Pool
    calls : sequence of Call
    max_wait : float
        Seconds without any worker after which it gives up.
    lack : str
        A sentence that is said then: what to do.

    Raises
    ------
    LfnetError
        There was no worker for `max_wait` seconds.
    """
    waiting, running = deque(calls), dict[Any, Call]()
    last_seen = time.monotonic()
    while waiting or running:
        size = pool.size()
        while waiting and len(running) < max(1, size):
            call = waiting.popleft()
            running[pool.submit(call)] = call
        ended = pool.wait(list(running), _LOOK)
        for handle in ended:
            call = running.pop(handle)
            outcome = pool.outcome(handle, call)
            if outcome.status == "interrupted":  # its node is taken away
                waiting.append(call.continued())
            else:
                yield call.key, outcome
        if size or ended:
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen > max_wait:
            raise LfnetError(f"there was no worker for {max_wait:g} s (launcher.max_wait). {lack}")


@settings
class PoolLauncher(Launcher):
    """A launcher whose calls run on the workers of an engine, while the command waits for them.

    Parameters
    ----------
    jobs : int or "auto"
        How many run at once.
    memory : float or "auto"
        GB of memory that one job needs.
    jobs_per_gpu : int
        How many jobs share a GPU.
    options : mapping
        Further arguments of what starts the engine.
    max_wait : float
        Seconds without any worker after which the command ends.
    """

    jobs: Count | Literal["auto"] = "auto"
    memory: Memory = "auto"
    jobs_per_gpu: Count = 1
    options: dict[str, Any] = Field(default_factory=dict)
    max_wait: Positive = 600.0

    @property
    @abstractmethod
    def lack(self) -> str:
        """A sentence for a command that ends since there is no worker: what to do."""

    @abstractmethod
    def pool(self, needs: Sequence[Need]) -> AbstractContextManager[Pool]:
        """Start workers for calls with these needs, or connect with those there are; they end with the block."""

    def run(self, calls: Sequence[Call]) -> Iterator[tuple[str, Outcome]]:
        """Run the calls, as `Launcher.run` does."""
        if not calls:
            return
        with self.pool([call.need for call in calls]) as pool:
            yield from run_in_pool(pool, calls, self.max_wait, self.lack)


class _Stopped(BaseException):
    """Raised in the thread of a call by `stop_call`."""


_one_at_a_time = threading.Lock()  # a worker of somebody's own cluster may have several threads
_threads: list[int] = []  # that which runs a call


def is_running() -> bool:
    """Whether this process runs a call."""
    return bool(_threads)


def stop_call() -> None:
    """Let the call that this process runs save its state and end, in whichever thread; signals reach only the main one.

    It takes effect when library code returns to Python.
    """
    for thread in list(_threads):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Stopped))


def run_call(call: Call, folder: str) -> Outcome:
    """Run a call in a worker process, which may have been started elsewhere, from the folder of the command."""
    with _one_at_a_time:
        try:
            os.chdir(folder)
        except OSError as error:
            reason = error.strerror or error
            return Outcome(
                "failed",
                error=f"{folder} on host {socket.gethostname()}: {reason}. Run the command in a folder of all hosts",
            )
        if folder not in sys.path:
            sys.path.append(folder)  # of a user's own heads
        if call.need.device == "cuda":
            take_gpu()
        _threads.append(threading.get_ident())
        try:
            return call()
        except _Stopped:
            return Outcome("interrupted", call.key, error="its worker was told to stop")
        finally:
            _threads.clear()
