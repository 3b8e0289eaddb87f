"""Write files atomically: a reader sees the old file or the whole new one, even if the writer is killed.

Files are personal (features, scores, caches) unless their writer says otherwise, and have the permissions of
`personal_files`; files that are made to be handed on (tables, reports, bundles) have those of the umask.
"""

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from lfnet.errors import LfnetError, Unreadable

__all__ = [
    "Access",
    "atomic_path",
    "exists",
    "make_folder",
    "personal_files",
    "read_json",
    "refuse_special",
    "user_path",
    "write_json",
    "write_text",
    "writing_in",
]

Access = Literal["private", "group", "umask"]
"""`paths.mode`: files 0600 and folders 0700, files 0640 and folders 0750, or those of the umask."""

_MASKS = {"private": 0o077, "group": 0o027}
_mask: int | None = _MASKS["private"]  # of personal files; None: the umask
_usual: int | None = None  # the process's own umask within `personal_files`

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextlib.contextmanager
def personal_files(access: str) -> Iterator[None]:
    """Give personal files and folders made in the block the permissions that `paths.mode` names.

    The umask of the process changes too, so that files of other libraries, and of processes started in the block, are
    covered. Files and folders that exist already keep their permissions. Outside any block, `atomic_path` and
    `make_folder` make private files. Any other name is an `LfnetError`.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with personal_files("group"):
    ...     write_text(folder / "new" / "a.txt", "text")
    >>> oct((folder / "new" / "a.txt").stat().st_mode & 0o777), oct((folder / "new").stat().st_mode & 0o777)
    ('0o640', '0o750')
    """
    global _mask, _usual
    if access not in get_args(Access):
        raise LfnetError(f"paths.mode={access}: give one of {', '.join(get_args(Access))}.")
    before = _mask, _usual
    if _usual is None:
        _usual = _umask()
    _mask = _MASKS.get(access)
    previous = os.umask(_usual if _mask is None else _mask)
    try:
        yield
    finally:
        os.umask(previous)
        _mask, _usual = before


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _permissions(everything: int, personal: bool) -> int:
    """Those of `everything` that a new file or folder gets."""
    if personal and _mask is not None:
        return everything & ~_mask
    return everything & ~(_umask() if _usual is None else _usual)


def make_folder(folder: Path, *, personal: bool = True) -> None:
    """Make a folder and its parents where they are missing. Folders that exist keep their permissions.

    Parameters
    ----------
    folder : Path
        The folder.
    personal : bool
        Whether it is for personal files, whose permissions `personal_files` sets; else those of the umask.

    Raises
    ------
    OSError
        It cannot be made.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp()) / "a" / "b"
    >>> make_folder(folder)
    >>> oct(folder.stat().st_mode & 0o777)
    '0o700'
    """
    folder = Path(folder)
    for place in (*reversed(folder.parents), folder):
        if place.is_dir():
            continue
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            if not place.is_dir():
                raise
        else:  # made here; a set-group-ID bit inherited from the parent stays
            place.chmod((place.stat().st_mode & 0o7000) | _permissions(0o777, personal))


@contextlib.contextmanager
def atomic_path(path: Path, *, personal: bool = True) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success and is removed on failure.

    Parameters
    ----------
    path : Path
        The file to write. Its folder is created; the temporary file is in the same folder.
    personal : bool
        Whether a new file has the permissions of `personal_files`; else those of the umask. A file that is replaced
        keeps its own.

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
        make_folder(path.parent, personal=personal)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else _permissions(0o666, personal))
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


def write_text(path: Path, text: str, *, personal: bool = True) -> None:
    """Write `text` as UTF-8 to `path` atomically. personal: as for `atomic_path`."""
    with atomic_path(path, personal=personal) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, personal: bool = True) -> None:
    """Write `value` as JSON to `path` atomically. NaN is a `ValueError`: an undefined number is null.

    personal: as for `atomic_path`.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False, sort_keys=False) + "\n", personal=personal)


_SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def refuse_special(path: Path | str) -> None:
    """Raise `Unreadable` if `path` is a named pipe, a socket or a device, also behind a link.

    Opening a named pipe waits for its writer, and reading a device may never end. A missing file is left to its reader.

    Examples
    --------
    >>> refuse_special("/dev/null")
    Traceback (most recent call last):
    lfnet.errors.Unreadable: /dev/null is a device and no file: give a file.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116  Path.stat raises for other types
    except (OSError, ValueError):
        return
    if kind in _SPECIAL:
        raise Unreadable(f"{path} is {_SPECIAL[kind]} and no file: give a file.")


def read_json(path: Path) -> Any:
    """Read the JSON file `path`. A missing or broken file is an `LfnetError`."""
    refuse_special(path)
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except OSError as error:
        raise LfnetError(f"{path} cannot be read ({error.strerror}).") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LfnetError(f"{path} is not valid JSON ({error}). Delete it and run the command again.") from error


def user_path(text: Path | str) -> Path:
    """Return a path that a user gave, with `~` for the home folder; the `~` of an unknown user is a plain name."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  Path.expanduser raises RuntimeError


def exists(path: Path | str) -> bool:
    """Return whether a path that a user gave exists; a name that no file can have does not.

    Examples
    --------
    >>> exists("a" * 300)
    False
    """
    return os.path.exists(path)  # noqa: PTH110  Path.exists raises OSError
