"""Display of a sweep: its rows as jobs end, what runs now, and about how long it will take."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from lfnet.jobs.display import Display, bar
from lfnet.launchers.queue import duration
from lfnet.text import align_columns

__all__ = ["SweepDisplay", "row_of"]

_MAX_RUNNING = 3


def row_of(name: str) -> str:
    """The row of a table that a job belongs to: its name without the seed.

    Examples
    --------
    >>> row_of("head=ldbm seed=3")
    'head=ldbm'
    """
    return " ".join(word for word in name.split() if not re.match(r"\+*seed=", word)) or "all"


class SweepDisplay(Display):
    """In a terminal, the rows of the sweep and a line on what runs are redrawn; elsewhere that line every 30 s.

    Parameters
    ----------
    stream, every
        As in `Display`.

    Examples
    --------
    >>> import io
    >>> with SweepDisplay(io.StringIO()) as display:
    ...     display.begin({"a": "head=ldbm seed=0", "b": "head=ldbm seed=1", "c": "head=tcn seed=0"}, side_by_side=2)
    ...     display.end("a", 7.25, "test MAE")
    ...     display.rows()[1:], display.line().partition("about")[2].partition("; ")[2]
    (['head=ldbm  1 of 2  7.25', 'head=tcn   0 of 1  -'], 'running: head=ldbm seed=1, head=tcn seed=0')
    """

    def __init__(self, stream: TextIO | None = None, every: float = 30.0) -> None:
        super().__init__(stream, every)
        self._names: Mapping[str, str] = {}
        self._values: dict[str, float | None] = {}  # of the jobs that have ended
        self._running: int | None = None
        self._begun = 0.0
        self._title = ""

    def begin(self, names: Mapping[str, str], *, side_by_side: int | None) -> None:
        """Start to run jobs, named by key in the order in which they start; None: how many at once is not known."""
        self._names, self._values, self._running, self._begun = names, {}, side_by_side, time.monotonic()
        self.phase("")

    def end(self, key: str, value: float | None, title: str = "") -> None:
        """A job has ended. value: its main metric, of this title."""
        with self._lock:
            self._values[key] = value
            self._title = title or self._title

    def line(self) -> str:
        """How many jobs are done, and what runs."""
        return "; ".join(part for part in (self._done(), self._now()) if part)

    def lines(self) -> list[str]:
        """The rows, how many jobs are done, and what runs."""
        if not self._names:
            return super().lines()
        return [*self.rows(), f"{bar(len(self._values) / len(self._names))} {self._done()}", self._now()]

    def _done(self) -> str:
        if not self._names:
            return ""
        done, jobs = len(self._values), len(self._names)
        left = (time.monotonic() - self._begun) / done * (jobs - done) if done else 0.0
        return f"{done} of {jobs} jobs done" + (f", about {duration(left)} left" if 0 < done < jobs else "")

    def _now(self) -> str:
        if not self._names or self._running == 1:
            return super().line()
        waiting = [name for key, name in self._names.items() if key not in self._values]
        running = waiting[: self._running] if self._running else []
        more = f" and {len(running) - _MAX_RUNNING} more" if len(running) > _MAX_RUNNING else ""
        return f"running: {', '.join(running[:_MAX_RUNNING])}{more}" if running else ""

    def rows(self) -> list[str]:
        """Each row of the sweep: jobs that are done, and the mean of their main metric so far."""
        keys: dict[str, list[str]] = {}
        for key, name in self._names.items():
            keys.setdefault(row_of(name), []).append(key)
        title = f"{self._title} so far" if self._title else ""
        return align_columns([["", "jobs", title], *([row, *self._cells(own)] for row, own in keys.items())])

    def _cells(self, keys: Sequence[str]) -> tuple[str, str]:
        done = [key for key in keys if key in self._values]
        values = [value for key in done if (value := self._values[key]) is not None]
        mean = f"{sum(values) / len(values):.2f}" if values else "-"
        return f"{len(done)} of {len(keys)}", mean
