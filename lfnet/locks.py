"""Locks between processes: one writer of a run folder, of a clip's features, and of a temporary file.

The kernel releases a lock when the process that holds it ends, in whatever way. A lock file that such a process left is
therefore harmless: the next process locks the same file, and `remove_abandoned` removes it.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lfnet.errors import LfnetError

__all__ = ["acquire", "hold", "in_use", "lock", "remove_abandoned", "remove_unused"]

# What a file system answers that has no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_RENEWED = 5.0  # seconds between two signs of life of a lease's holder
_EXPIRED = 60.0  # seconds without one after which a lease is free
_POLL = 0.2  # seconds between two looks at another process's lease
_ABANDONED = 86_400.0  # seconds; age of a left-over file where no lock says whether it is in use


@contextlib.contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` within the block; wait for another process that holds it, saying so in one line.

    The file contains the process and the host, for people to read, and is removed at the end. Where the file system has
    no locks, a lease takes its place: a file that is renewed every few seconds. It is not for two threads of one
    process to share work.

    Parameters
    ----------
    path : Path
        Its name starts with a dot and ends with `.lock`; its folder exists.

    Yields
    ------
    bool
        Whether another process held the lock before, so that the work may be done already.

    Raises
    ------
    LfnetError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with lock(folder / ".run.lock") as waited:
    ...     waited, [file.name for file in folder.iterdir()]
    (False, ['.run.lock'])
    >>> list(folder.iterdir())
    []
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            found = _locked_file(path)
            waited = stack.enter_context(_lease(path)) if found is None else found[1]
        except OSError as error:
            reason = error.strerror or error
            raise LfnetError(f"cannot lock {path}: {reason}. Choose a folder that can be written.") from error
        if found is not None:
            stack.callback(os.close, found[0])
            # Before it is released: a process that waits for this file sees that it is gone, and makes a new one.
            stack.callback(_remove, path)
        yield waited


def acquire(handle: int, waiting: str) -> bool:
    """Lock an open file or folder; print the line `waiting` if another process holds it, and wait.

    Returns whether it had to wait. A file system without locks is an `OSError`.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting:
            print(waiting, file=sys.stderr, flush=True)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return True
    return False


def hold(handle: int, path: Path) -> bool:
    """Mark the open temporary file or folder `path` as in use until `handle` is closed; False if it was removed."""
    with contextlib.suppress(OSError):
        acquire(handle, "")  # only `remove_abandoned` can hold it, for a moment
    return _same(handle, path)


def remove_abandoned(folder: Path) -> None:
    """Remove the lock files, temporary files and folders (`.NAME.lock`, `.NAME.part`) of processes that have ended.

    Files in use stay. Where the file system has no locks, files are removed that had not changed for a day when
    the folder got its newest entry.
    """
    for path in [*Path(folder).glob(".*.lock"), *Path(folder).glob(".*.part")]:
        remove_unused(path)


def remove_unused(path: Path) -> None:
    """Remove a temporary file or folder, or a lock file, unless a process uses it (`remove_abandoned`)."""
    with contextlib.suppress(OSError):
        is_folder = path.is_dir() and not path.is_symlink()
        handle = os.open(path, (os.O_RDONLY if is_folder else os.O_RDWR) | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if _unused(handle, path.parent) and _same(handle, path):
                shutil.rmtree(path) if is_folder else path.unlink()
        finally:
            os.close(handle)


def in_use(path: Path) -> bool:
    """Whether a process holds the lock file `path`; nothing is waited for.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / ".run.lock"
    >>> with lock(file):
    ...     in_use(file)
    True
    >>> in_use(file)
    False
    """
    lease = _lease_of(path)
    with contextlib.suppress(OSError):
        found = lease.stat()
        return time.time() - found.st_mtime < _EXPIRED and not _dead(_read(lease))
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return not _unused(handle, path.parent)
        finally:
            os.close(handle)
    return False


def _unused(handle: int, folder: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # The clock of this machine may be another one; the folder's mtime is by that of the file.
        return folder.stat().st_mtime - os.fstat(handle).st_mtime > _ABANDONED
    return True


def _locked_file(path: Path) -> tuple[int, bool] | None:
    """The locked file's handle, and whether this process waited; None where the file system has no locks."""
    waited = False
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            waited |= acquire(handle, "" if waited else _waiting(path, path))
            if _same(handle, path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, _this_process().encode(), 0)
                return handle, waited
        except OSError as error:
            os.close(handle)
            if error.errno not in _NO_LOCKS:
                raise
            _remove(path)
            return None
        except BaseException:  # Ctrl-C while it waits
            os.close(handle)
            raise
        os.close(handle)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _same(handle: int, path: Path) -> bool:
    """Whether `path` is still the open file."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _this_process() -> str:
    return f"pid {os.getpid()} on host {socket.gethostname()}\n"


def _waiting(path: Path, holder: Path) -> str:
    name = path.name.removeprefix(".").removesuffix(".lock")
    return f"waiting for {name} in {path.parent}, which is in use ({_read(holder) or 'by another process'})"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


_leases_announced: set[Path] = set()


@contextlib.contextmanager
def _lease(path: Path) -> Iterator[bool]:
    """As `lock`, without help of the kernel: the file `path`.lease exists, and its holder renews its mtime."""
    if path.parent not in _leases_announced:
        _leases_announced.add(path.parent)
        print(f"{path.parent} is on a file system without locks: a file that is renewed replaces them", file=sys.stderr)
    lease = _lease_of(path)
    waited = _take_lease(path, lease)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_RENEWED):
            with contextlib.suppress(OSError):
                os.utime(lease)

    thread = threading.Thread(target=renew, name="lfnet lease", daemon=True)
    thread.start()
    try:
        yield waited
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError):
            if _read(lease) == _this_process().strip():
                lease.unlink()


def _lease_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".lock") + ".lease.lock")


def _take_lease(path: Path, lease: Path) -> bool:
    waited = False
    seen: tuple[int, int] | None = None
    since = 0.0
    while True:
        try:
            handle = os.open(lease, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            os.write(handle, _this_process().encode())
            os.close(handle)
            return waited
        try:
            found = lease.stat()
        except FileNotFoundError:
            continue
        # Clocks of two hosts differ: what counts is how long this process has seen no change.
        now = time.monotonic()
        if seen != (found.st_ino, found.st_mtime_ns):
            seen, since = (found.st_ino, found.st_mtime_ns), now
        if now - since > _EXPIRED or _dead(_read(lease)):
            _remove_lease(lease, found)
            continue
        if not waited:
            waited = True
            print(_waiting(path, lease), file=sys.stderr, flush=True)
        time.sleep(_POLL)


def _remove_lease(lease: Path, judged: os.stat_result) -> None:
    """Remove the lease that was judged; one that another process took meanwhile is put back."""
    aside = lease.with_name(f"{lease.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        lease.rename(aside)
        if not os.path.samestat(aside.stat(), judged):
            os.link(aside, lease)
    aside.unlink(missing_ok=True)


def _dead(holder: str) -> bool:
    """Whether the holder was a process of this host, and has ended."""
    words = holder.split()
    if len(words) != 5 or words[-1] != socket.gethostname() or not words[1].isdigit():
        return False
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
