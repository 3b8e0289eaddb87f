"""Files that are whole or absent: whatever kills the process, no reader ever sees half of one."""

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
    """Yield a temporary path beside `path`; on success it is flushed to disk and takes `path`'s place, else it goes.

    Raises `LfnetError` where the folder cannot be written or the disk is full.
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
        # mkstemp makes files private; results are meant to be as readable as the user's umask says.
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
    """What others write into `folder` while this lasts: a full or failing disk is one `LfnetError`, no traceback."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise _cannot_write(Path(error.filename or folder), error) from error
        raise


def _cannot_write(path: Path, error: OSError) -> LfnetError:
    return LfnetError(f"cannot write {path}: {error.strerror or error}. Make room or choose another place in `paths`.")


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON to `path`, whole or not at all. NaN is refused: an undefined number is null."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, sort_keys=False) + "\n")


def read_json(path: Path) -> Any:
    """Read the JSON file `path`. Raises `LfnetError` naming the file where it is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LfnetError(f"{path} is not valid JSON ({error}). Delete it and run the command again.") from error
