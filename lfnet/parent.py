"""End a worker process when the process that started it has ended."""

import ctypes
import os
import signal
import sys
import threading
import time

__all__ = ["end_with_parent"]

_PERIOD = 0.5  # seconds
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def end_with_parent(parent: int) -> None:
    """End this process within a second after the process `parent`, of which it is a child, has ended in any way.

    Without it the workers of a killed sweep would go on. On Linux the kernel ends the process, whatever it does: a
    thread that watches the parent, as elsewhere, waits while a library works or loads without releasing Python's global
    lock. The kernel goes by the thread that started the process, which for a sweep's workers lives as long as they do.
    Only the standard library is imported here, so that a worker is bound before it imports anything large.

    Parameters
    ----------
    parent : int
        The process id of the parent.

    Examples
    --------
    >>> end_with_parent(os.getppid())
    """

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PERIOD)
        os._exit(1)  # whatever the other threads do

    threading.Thread(target=watch, name="lfnet parent", daemon=True).start()
