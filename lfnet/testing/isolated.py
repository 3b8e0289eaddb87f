"""Run cases in child processes with limits of time and memory, so that a case may crash, hang or exhaust memory."""

import gc
import os
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Outcome", "run_cases"]

# Cases of one child, after which a new one starts: caches that grow over the cases are no fault of a case.
_EACH = 200


class Outcome(NamedTuple):
    """How a case ended.

    `rule` is "" where it returned `text`; else the broken one ("error", "time", "memory", "process"), and `text` says
    how.
    """

    case: int
    rule: str
    text: str


def run_cases(
    run: Callable[[int], str], cases: Sequence[int], *, seconds: float = 20.0, memory: int = 2 << 30
) -> Iterator[Outcome]:
    """Call `run` with each case in a child process, and yield the outcomes in order.

    Parameters
    ----------
    run : callable
        Case → a text; whatever it raises is a failure.
    cases : sequence of int
        The cases.
    seconds : float
        A case that takes longer is ended and fails.
    memory : int
        Bytes that a child may use more than this process uses now (Linux).

    Examples
    --------
    >>> [outcome.text for outcome in run_cases(lambda case: f"case {case}", [1, 2])]
    ['case 1', 'case 2']
    """
    waiting = list(cases)
    while waiting:
        for outcome in _in_child(run, waiting[:_EACH], seconds, memory):
            waiting.pop(0)
            yield outcome


def _in_child(run: Callable[[int], str], cases: Sequence[int], seconds: float, memory: int) -> Iterator[Outcome]:
    """Outcomes of the cases, up to the first that ends the child."""
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of this process: the child needs none
        pid = os.fork()
    if pid == 0:
        os.close(receive)
        _work(run, cases, send, memory)
    os.close(send)
    answers = _Answers(receive)
    try:
        for case in cases:
            text = answers.next(seconds)
            if text is None:
                yield Outcome(case, "time", f"it takes more than {seconds:g} s")
                return
            if not text:
                _, status = os.waitpid(pid, 0)
                pid = 0
                yield Outcome(case, "process", f"it ends with {os.waitstatus_to_exitcode(status)}")
                return
            rule, _, text = text.partition(":")
            yield Outcome(case, rule, text)
    finally:
        os.close(receive)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


class _Answers:
    """The answers of a child, separated by zero bytes."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._content = pipe, b""

    def next(self, seconds: float) -> str | None:
        """The next answer: "" where the child ended before it, None where it takes too long."""
        until = time.monotonic() + seconds
        while b"\0" not in self._content:
            if not select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            part = os.read(self._pipe, 1 << 16)
            if not part:
                return ""
            self._content += part
        answer, _, self._content = self._content.partition(b"\0")
        return answer.decode("utf-8", "replace")


def _work(run: Callable[[int], str], cases: Sequence[int], send: int, memory: int) -> None:
    """The child: it answers each case, and never returns."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # libraries print there what they think of a damaged file
            os.dup2(null, stream)
        gc.freeze()
        _limit(memory)
        for case in cases:
            gc.collect()  # no case is charged with the garbage of another one
            try:
                answer = ":" + run(case)
            except MemoryError as error:
                answer = "memory:" + _short(error)
            except BaseException as error:
                answer = "error:" + _short(error)
            os.write(send, answer.encode("utf-8", "replace").replace(b"\0", b"") + b"\0")
    finally:
        os._exit(0)


def _short(error: BaseException) -> str:
    """The exception, and the innermost places of its traceback."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]} ({places})"


def _limit(memory: int) -> None:
    try:
        import resource

        lines = Path("/proc/self/status").read_text().splitlines()
    except (ImportError, OSError):
        return
    # Writable memory, in kB; address space that is only reserved, such as threads', does not count.
    used = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + memory, resource.getrlimit(resource.RLIMIT_DATA)[1]))
