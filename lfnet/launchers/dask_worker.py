"""Let a call on a worker of Dask save its state when the worker is closed, or its process gets SIGTERM."""

import asyncio
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from distributed import Status, WorkerPlugin

from lfnet.launchers.pool import is_running, stop_call

if TYPE_CHECKING:
    from distributed import Worker

__all__ = ["SavingCalls"]

_GRACE = 15.0  # seconds; what starts a worker may kill it earlier


class SavingCalls(WorkerPlugin):
    """Stops the call of a worker before the worker closes. Dask runs calls in threads, which no signal reaches."""

    name = "lfnet"

    def setup(self, worker: "Worker") -> None:
        """Handle SIGTERM, which queues send to each process of a job, where no one else does."""
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(_end()))

    async def teardown(self, worker: "Worker") -> None:
        """Stop the call of a worker that closes, and wait for it."""
        if worker.status == Status.closing:  # else another command registers its own
            await _save()


async def _save() -> None:
    end = time.monotonic() + _GRACE
    stop_call()
    while is_running() and time.monotonic() < end:
        await asyncio.sleep(0.05)


async def _end() -> None:
    await _save()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
