"""Write files atomically: a reader sees the old file or the whole new one, even if the writer is killed.

Files are personal (features, scores, caches) unless their writer says otherwise, and have the permissions of
`personal_files`; files that are made to be handed on (tables, reports, bundles) have those of the umask.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from lfnet.errors import LfnetError, Unreadable
from lfnet.locks import hold, remove_unused

__all__ = [
    "DISK_ERRORS",
    "Access",
    "atomic_path",
    "exists",
    "make_folder",
    "parse_json",
    "personal_files",
    "read_bytes",
    "read_json",
    "refuse_special",
    "temporary_folder",
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

# What a disk, a file system or a file server answers, whatever file is read or written.
DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EREMOTEIO if hasattr(errno, "EREMOTEIO") else errno.EIO,
    errno.EBUSY,
    errno.EMFILE,
    errno.ENFILE,
    errno.EAGAIN,
    errno.ETXTBSY,
    errno.EXDEV,
)
_DEVICES = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)


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
        The file cannot be written, or `path` is a device, a pipe or in /dev: it names `path` and the reason. Errors of
        other files in the block are raised as they are.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    refuse_special(path)  # a device would be replaced by a file
    if path.absolute().parent in _DEVICES:  # /dev/stdout is a link, often to a file
        raise LfnetError(f"{path} is in a folder of devices: give a file.")
    try:
        make_folder(path.parent, personal=personal)
        handle, temporary = _temporary(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        try:
            yield temporary
        except OSError as error:
            # An error without a name, or with the name of a scratch file, is one of this file's disk.
            if error.filename == str(temporary) or error.errno in DISK_ERRORS:
                raise _cannot_write(path, error) from error
            raise
        try:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else _permissions(0o666, personal))
            temporary.replace(path)
        except OSError as error:
            raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
        os.close(handle)


def _temporary(path: Path) -> tuple[int, Path]:
    """A new temporary file next to `path`, and the handle that marks it as in use (`remove_abandoned`).

    Temporary files of `path` that were there when this process first wrote in the folder, and that no process uses,
    are removed.
    """
    prefix = f".{path.name[:40]}-"
    with contextlib.suppress(OSError):
        for leftover in _leftovers(path.parent.absolute()):
            if leftover.name.startswith(prefix) and len(leftover.name) == len(prefix) + len("????????.part"):
                remove_unused(leftover)
    while True:
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=path.parent)
        if hold(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)


@cache
def _leftovers(folder: Path) -> tuple[Path, ...]:
    """The temporary files in a folder, listed once a process: a folder may have 100,000 files, each written alone."""
    return tuple(folder.glob(".*-????????.part"))


@contextlib.contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder in `parent` that is removed at the end, or by `remove_abandoned` if this process is killed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=parent))
        with contextlib.suppress(FileNotFoundError):  # removed as abandoned, between the two calls
            handle = os.open(folder, os.O_RDONLY)
            if hold(handle, folder):
                break
            os.close(handle)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


@contextlib.contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Turn errors of a full or failing disk into an `LfnetError`, for other libraries that write into `folder`."""
    folder = Path(folder)
    try:
        yield
    except OSError as error:
        # An error of a copy names its source first.
        name = error.filename2 if error.filename2 is not None else error.filename
        named = None if not isinstance(name, str | bytes | os.PathLike) else Path(os.fsdecode(name))
        inside = named is not None and folder in named.parents
        missing = isinstance(error, FileNotFoundError)
        if error.errno in DISK_ERRORS or (inside and not missing):
            raise _cannot_write(named if named is not None else folder, error) from error
        raise


def _cannot_write(path: Path, error: OSError) -> LfnetError:
    if error.errno in _FULL:
        remedy = "Free some space or choose another folder in `paths`."
    elif error.errno in _TOO_MANY:
        remedy = "Allow more open files (`ulimit -n`) and run the command again."
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        remedy = "Choose a folder that you may write to."
    elif error.errno == errno.ENAMETOOLONG:
        remedy = "Choose a shorter name or folder."
    else:
        remedy = "Check the disk and run the command again, or choose another folder."
    return LfnetError(f"cannot write {path}: {error.strerror or error}. {remedy}")


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
    return parse_json(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Read a file. A missing one, one that cannot be read and a special file (`refuse_special`) are an `LfnetError`."""
    refuse_special(path)
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except OSError as error:
        raise LfnetError(f"{path} cannot be read ({error.strerror}).") from error


def parse_json(path: Path, content: bytes) -> Any:
    """Parse the UTF-8 JSON of the file `path`. Anything else is an `LfnetError`."""
    try:
        return json.loads(content.decode())
    except (ValueError, RecursionError) as error:  # also a number of more than 4,300 digits
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
