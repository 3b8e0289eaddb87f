"""Signals that ask a process to stop: Ctrl-C (SIGINT), SIGTERM, and SIGUSR1, which schedulers send before a time limit.

The first one raises `Interrupted` in the main thread, so that work unwinds and saves what it can. A second Ctrl-C ends
the process at once. Other repetitions are ignored: `timeout` sends its signal twice, and a sweep passes a signal on to
workers that may have it from the terminal already.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lfnet.errors import Interrupted

__all__ = ["handle_always", "on_stop", "stoppable"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_received: list[tuple[int, float]] = []  # numbers, and times by `time.time`
_reactions: list[Callable[[int], None]] = []  # to the first signal; the last entry counts
_always = False


@contextmanager
def stoppable(since: float = 0.0) -> Iterator[None]:
    """Raise `Interrupted` in the block at the first signal; within another such block, nothing changes.

    Handlers are installed where the program has none of its own, in the main thread only, and removed at the end.

    Parameters
    ----------
    since : float
        In a process of `handle_always`: signals that came between this time and the block are raised now.

    Examples
    --------
    >>> with stoppable():
    ...     try:
    ...         os.kill(os.getpid(), signal.SIGUSR1)
    ...     except Interrupted as stop:
    ...         print(stop.number == signal.SIGUSR1)
    True
    """
    if _reactions or threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Any] = {}
    _received[:] = [(number, when) for number, when in _received if _always and when >= since]
    try:
        if not _always:
            before = _install()
        _reactions.append(_raise)
        if _received:
            _raise(_received[0][0])
        yield
    finally:
        _reactions.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def on_stop(react: Callable[[int], None]) -> Iterator[None]:
    """Call `react` with the number of the first signal instead of raising, within a block of `stoppable`."""
    if not _reactions or threading.current_thread() is not threading.main_thread():
        yield
        return
    _reactions.append(react)
    try:
        yield
    finally:
        _reactions.remove(react)


def handle_always() -> None:
    """Keep the handlers for the rest of this process, a worker: a signal between two calls reaches the next call."""
    global _always
    _install()
    _always = True


def _install() -> dict[signal.Signals, Any]:
    """Handle the signals that no one else handles or ignores; returns their handlers before."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) in usual}
    for number in before:
        signal.signal(number, _handle)
    return before


def _handle(number: int, _: object) -> None:
    if number == signal.SIGINT and number in (earlier for earlier, _ in _received):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return
    _received.append((number, time.time()))
    if len(_received) == 1 and _reactions:
        _reactions[-1](number)


def _raise(number: int) -> None:
    raise Interrupted(number)
