"""Fault points: number the file operations below a folder, and let one of them fail or kill the process.

Python raises an audit event before it opens, renames, removes, lists or locks a file; an exception in the hook becomes
the operation's. Functions without an event (`os.fsync`, `os.write`, copies in the kernel) are wrapped. Libraries that
write with code of their own have no points: their writes are cut by the limit of file sizes (`Fault.limit`).
"""

import errno
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ERRNOS", "Ended", "Fault", "run_forked"]

ERRNOS = ("ENOSPC", "EIO", "ESTALE", "EBUSY", "EMFILE", "EAGAIN", "EXDEV")
_EVENTS = {
    f"os.{name}"
    for name in ("rename", "remove", "mkdir", "rmdir", "chmod", "truncate", "link", "symlink", "utime", "scandir")
} | {"open", "os.listdir", "fcntl.flock", "fcntl.lockf"}
_WRAPPED = {"fsync": 0, "fdatasync": 0, "write": 0, "ftruncate": 0, "sendfile": 0, "copy_file_range": 1}
_PATIENCE = 120.0  # seconds until a command counts as hanging


@dataclass(frozen=True)
class Fault:
    """What happens to a command.

    Attributes
    ----------
    kind : str
        "die", one of `ERRNOS`, or "limit": no file grows beyond `at` bytes.
    at : int
        Number of the operation, counted from 0, or a number of bytes.
    """

    kind: str
    at: int


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    status : int or None
        Its exit status, minus the number of the signal that killed it, or None where it was killed for hanging.
    out, err : str
        What it printed.
    points : tuple of str
        The operations until the end, as "event path"; empty where the process was killed.
    modules : tuple of str
        Modules that it imported.
    """

    status: int | None
    out: str
    err: str
    points: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def run_forked(command: Callable[[], int], folder: Path, fault: Fault | None = None) -> Ended:
    """Run `command` in a forked process with `folder` as its working directory.

    The calling process must have no other threads: a lock that one of them holds is never released in the fork.

    Parameters
    ----------
    command : callable
        Returns the exit status.
    folder : Path
        Operations on paths below it are points, those on itself are not: imports list the working directory.
    fault : Fault, optional
        None counts the points and disturbs nothing.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pipes = [os.pipe() for _ in range(3)]
    child = os.fork()
    if child == 0:
        _child(command, folder, fault, [write for _, write in pipes])
    for _, write in pipes:
        os.close(write)
    texts, late = _drain([read for read, _ in pipes], child)
    _, status = os.waitpid(child, 0)
    code = None if late else os.waitstatus_to_exitcode(status)
    points, modules = json.loads(texts[2] or "[[], []]")
    return Ended(code, texts[0], texts[1], tuple(points), tuple(modules))


def _child(command: Callable[[], int], folder: Path, fault: Fault | None, writes: list[int]) -> None:
    """Run the command and end the process."""
    status = 99
    try:
        os.setpgid(0, 0)
        os.dup2(writes[0], 1)
        os.dup2(writes[1], 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)
        os.chdir(folder)
        points: list[str] = []
        before = set(sys.modules)
        _install(folder, fault, points)
        ended = command()
        sys.stdout.flush()
        sys.stderr.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with os.fdopen(writes[2], "w", encoding="utf-8") as file:
            json.dump([points, [name for name in sys.modules if name not in before]], file)
        status = ended
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _drain(reads: list[int], child: int) -> tuple[list[str], bool]:
    """Read pipes until their writers are gone, also those that the command has left behind."""
    found = {read: b"" for read in reads}
    until, late = time.monotonic() + _PATIENCE, False
    waiting = set(reads)
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], max(0.1, until - time.monotonic()))
        if not ready and not late:
            late = True
            os.killpg(child, signal.SIGKILL)
            until = time.monotonic() + 5
        elif not ready:
            break
        for read in ready:
            data = os.read(read, 65536)
            found[read] += data
            if not data:
                waiting.discard(read)
    for read in reads:
        os.close(read)
    return [found[read].decode(errors="replace") for read in reads], late


def _install(folder: Path, fault: Fault | None, points: list[str]) -> None:
    """Count the points of this process from now on, and let one of them fail."""
    inside, process = f"{folder}{os.sep}", os.getpid()
    if fault is not None and fault.kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.at, resource.RLIM_INFINITY))

    def point(event: str, where: Any) -> None:
        path = _path(where)
        if path is None or not path.startswith(inside) or os.getpid() != process:
            return
        number = len(points)
        points.append(f"{event} {path.removeprefix(inside)}")
        if fault is not None and number == fault.at and fault.kind != "limit":
            if fault.kind == "die":
                os.kill(process, signal.SIGKILL)
            code = getattr(errno, fault.kind)
            raise OSError(code, os.strerror(code), path)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
            point("read" if reads else event, arguments[0])

    def wrap(name: str, position: int) -> None:
        function = getattr(os, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            point(f"os.{name}", arguments[position] if len(arguments) > position else None)
            return function(*arguments, **named)

        setattr(os, name, wrapped)

    for name, position in _WRAPPED.items():
        wrap(name, position)
    sys.addaudithook(hook)


def _path(where: Any) -> str | None:
    """The absolute path of what an operation was given: a path, or an open file."""
    if isinstance(where, int):
        try:
            return os.readlink(f"/proc/self/fd/{where}")  # noqa: PTH115  a wrapped Path may open files
        except OSError:
            return None
    try:
        return os.path.abspath(os.fsdecode(where))  # noqa: PTH100  links are not followed
    except TypeError:
        return None
