"""Display of progress: lines that are redrawn in a terminal, elsewhere a line every 30 seconds."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

from lfnet.launchers.queue import duration

if TYPE_CHECKING:
    from lfnet.training.epoch_log import TrainingState

__all__ = ["Display", "Silent", "bar"]

_REDRAWN = 0.5  # seconds
_EVERY = 30.0
_UP, _CLEAR = "\x1b[{}F", "\x1b[0J"


class Silent:
    """Shows nothing: of worker processes, and of callers in Python."""

    def phase(self, text: str) -> None:
        """Say what is done now."""

    def training(self, name: str) -> "Callable[[TrainingState], None] | None":
        """Return what a training is to call after each batch; None: nothing."""
        return None

    def print(self, line: str) -> None:
        """Print a line that stays."""
        print(line, flush=True)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Show nothing in the block, since something else is shown."""
        yield


class Display(Silent):
    """A context that says on standard error what is done, and how far it is, by a thread of its own.

    Parameters
    ----------
    stream : file or None
        None: standard error.
    every : float
        Seconds between two lines where the stream is no terminal.

    Attributes
    ----------
    live : bool
        Whether the stream is a terminal, in which the last lines are redrawn.

    Examples
    --------
    >>> import io
    >>> from lfnet.training.epoch_log import TrainingState
    >>> with Display(io.StringIO()) as display:
    ...     show = display.training("ldbm, seed 0")
    ...     show(TrainingState(5, 16, 0.25, "dev mae", 8.31, 8.2, 3, 61.0))
    ...     display.line()
    'ldbm, seed 0: epoch 5 of 16, dev mae 8.31 (best 8.20 in epoch 3), at most 61 s left'
    """

    def __init__(self, stream: TextIO | None = None, every: float = _EVERY) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.live = self._stream.isatty()
        self._every = every
        self._text = ""
        self._state: TrainingState | None = None
        self._drawn = 0  # lines
        self._lock = threading.RLock()
        self._quiet = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._within_line = False

    def __enter__(self) -> Self:
        if self.live and self._stream is sys.stderr:
            sys.stderr = cast(TextIO, _Above(self, self._stream))
        self._thread = threading.Thread(target=self._repeat, name="lfnet display", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if isinstance(sys.stderr, _Above):
            sys.stderr = self._stream
        if self._thread is not None:
            self._thread.join()
        self._erase()

    def phase(self, text: str) -> None:
        """Say what is done now."""
        with self._lock:
            self._text, self._state = text, None
        if self.live and not self._quiet.is_set():
            self._draw()

    def training(self, name: str) -> "Callable[[TrainingState], None] | None":
        """Return what a training calls after each batch."""
        self.phase(name)
        return self._take

    def _take(self, state: "TrainingState") -> None:
        self._state = state  # the thread shows it

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Show nothing in the block, since something else is shown."""
        self._quiet.set()
        self._erase()
        try:
            yield
        finally:
            self._quiet.clear()

    def print(self, line: str) -> None:
        """Print a line on standard output that stays, above those that are redrawn."""
        with self._lock:
            self._erase()
            print(line, flush=True)

    def line(self) -> str:
        """What is done now, and how far it is, in one line."""
        text, state = self._text, self._state
        if state is None:
            return text
        left = "" if state.seconds_left is None else f", at most {duration(state.seconds_left)} left"
        return f"{text}: {state}{left}"

    def lines(self) -> list[str]:
        """What is redrawn in a terminal."""
        return [f"{bar(self._state.share)} {self.line()}" if self._state else self.line()]

    def _repeat(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(_REDRAWN if self.live else min(_REDRAWN, self._every)):
            if self._quiet.is_set():
                continue
            if self.live:
                self._draw()
            elif time.monotonic() - last >= self._every and (text := self.line()):
                last = time.monotonic()
                self._write(f"{text}\n")

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        with self._lock:
            if self._quiet.is_set() or self._ended.is_set() or self._within_line:
                return
            shown = [line[: size.columns - 1] for line in self.lines() if line][-max(1, size.lines - 1) :]
            before = _UP.format(self._drawn) if self._drawn else ""
            self._write(before + _CLEAR + "".join(f"{line}\n" for line in shown))
            self._drawn = len(shown)

    def _erase(self) -> None:
        with self._lock:
            if self._drawn:
                self._write(_UP.format(self._drawn) + _CLEAR)
                self._drawn = 0

    def write_above(self, text: str) -> None:
        """Write what others write on standard error, above the lines that are redrawn."""
        with self._lock:
            if not self._quiet.is_set():
                self._erase()
                self._within_line = not text.endswith("\n")
            self._stream.write(text)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a closed terminal ends no training
            self._stream.write(text)
            self._stream.flush()


class _Above:
    """Standard error while a display redraws its last lines: warnings and the like stay above them."""

    def __init__(self, display: Display, stream: TextIO) -> None:
        self._display, self._stream = display, stream

    def write(self, text: str) -> int:
        self._display.write_above(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def bar(share: float, width: int = 20) -> str:
    """A bar of text.

    Examples
    --------
    >>> bar(0.25, 8)
    '[##......]'
    """
    done = min(width, max(0, int(share * width)))
    return f"[{'#' * done}{'.' * (width - done)}]"
