"""End a worker process when the process that started it has ended."""

import os
import threading
import time

__all__ = ["end_with_parent"]

_PERIOD = 0.5  # seconds


def end_with_parent(parent: int) -> None:
    """End this process within a second after the process `parent`, of which it is a child, has ended in any way.

    Without it the workers of a killed sweep would go on. Only the standard library is imported here, so that a worker
    watches its parent before it imports anything large.

    Parameters
    ----------
    parent : int
        The process id of the parent.

    Examples
    --------
    >>> end_with_parent(os.getppid())
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PERIOD)
        os._exit(1)  # whatever the other threads do

    threading.Thread(target=watch, name="lfnet parent", daemon=True).start()
