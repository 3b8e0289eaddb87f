"""Values that the jobs of one process share."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from lfnet.data.frame_cache import FrameCache
from lfnet.jobs.display import Display, Silent
from lfnet.launchers.launcher import Launcher

__all__ = ["Session", "own_session"]

_T = TypeVar("_T")
D = TypeVar("D", bound=Display)


class Session:
    """Values that the jobs of one process compute once and share: its only mutable state.

    A command makes one and hands it to its jobs; a worker process has its own. Each value is named by what it is and by
    a key that covers everything it depends on. Small values (settings, cohorts and stores, baselines, oracles, audits)
    stay; of large ones (clip summaries, a fusion's fitted parts) and of frames only the latest stays, so that a sweep
    over cohorts needs the memory of one.

    Attributes
    ----------
    frames : FrameCache
    launcher : Launcher or None
        Its processes share the extraction of features that a job lacks; None: this process does it.
    submit : bool
        The command does not wait for the launcher, so that features must be there.
    sweep : str
        The name of the sweep of this command, by which it is recognised in a queue; "" where there is none.
    display : Silent
        Shows how far the work is.

    Examples
    --------
    >>> session = Session()
    >>> session.keep("square", 3, lambda: 9), session.keep("square", 3, lambda: 0)
    (9, 9)
    >>> session.keep_latest("cube", 2, lambda: 8), session.keep_latest("cube", 3, lambda: 27)
    (8, 27)
    >>> session.keep_latest("cube", 2, lambda: 0)
    0
    """

    def __init__(self) -> None:
        self.frames = FrameCache()
        self.launcher: Launcher | None = None
        self.submit = False
        self.sweep = ""
        self.display: Silent = Silent()
        self._kept: dict[tuple[str, Hashable], Any] = {}
        self._latest: dict[str, tuple[Hashable, Any]] = {}

    @contextmanager
    def shown_by(self, display: D) -> Iterator[D]:
        """Show by `display` how far the work in the block is."""
        before = self.display
        with display:
            self.display = display
            try:
                yield display
            finally:
                self.display = before

    def keep(self, what: str, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return the value of `what` under `key`; the first call makes it. If making it raises, nothing is kept."""
        if (what, key) not in self._kept:
            self._kept[what, key] = make()
        found: _T = self._kept[what, key]
        return found

    def keep_latest(self, what: str, key: Hashable, make: Callable[[], _T]) -> _T:
        """As `keep`, for large values: another key frees the memory of the one before."""
        if what not in self._latest or self._latest[what][0] != key:
            self._latest.pop(what, None)
            self._latest[what] = (key, make())
        found: _T = self._latest[what][1]
        return found

    def drop_latest(self, what: str) -> None:
        """Free the memory of the value that `keep_latest` keeps of `what`."""
        self._latest.pop(what, None)


class _Owned(NamedTuple):
    """A worker process's session, and the sweep that it serves."""

    sweep: str
    session: Session


_owned: _Owned | None = None  # the session of this worker process, which may serve one sweep after another


def own_session(sweep: str) -> Session:
    """Return this worker process's session; another sweep gets a new one."""
    global _owned
    if _owned is None or _owned.sweep != sweep:
        _owned = _Owned(sweep, Session())
    return _owned.session
