"""Write files atomically: a reader sees the old file or the whole new one, even if the writer is killed."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError

__all__ = ["atomic_path", "read_json", "write_json", "write_text", "writing_in"]

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success and is removed on failure.

    Parameters
    ----------
    path : Path
        The file to write. Its folder is created; the temporary file is in the same folder.

    Raises
    ------
    LfnetError
        The folder cannot be written or the disk is full.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp creates private files; results get the permissions of the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise _cannot_write(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Turn errors of a full or failing disk into an `LfnetError`, for other libraries that write into `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise _cannot_write(Path(error.filename or folder), error) from error
        raise


def _cannot_write(path: Path, error: OSError) -> LfnetError:
    return LfnetError(
        f"cannot write {path}: {error.strerror or error}. Free some space or choose another folder in `paths`."
    )


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON to `path` atomically. NaN is a `ValueError`: an undefined number is null."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, sort_keys=False) + "\n")


def read_json(path: Path) -> Any:
    """Read the JSON file `path`. A missing or broken file is an `LfnetError`."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LfnetError(f"{path} is not valid JSON ({error}). Delete it and run the command again.") from error
