"""Map files into memory, which the processes of a machine then share.

Where another program shortens a mapped file (`cp` over it, a disk or server that is lost), the system ends the process
with SIGBUS as soon as it reads beyond the new end; nothing in Python can go on from there. The process names the file
before it ends, and the next one finds by its checksum that it is damaged.
"""

import ctypes
import os
import signal
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["map_file"]

_READ, _SHARED = 1, 1  # PROT_READ and MAP_SHARED, on Linux and macOS
_FAILED = ctypes.c_void_p(-1).value

_maps: dict[int, tuple[Path, os.stat_result]] = {}  # path and state of each mapped file, by its address
_former: int | None = None  # what handled SIGBUS before


def map_file(path: Path) -> np.ndarray:
    """Map a file, which stays mapped as long as the array or a view of it is used.

    Python's own `mmap` keeps a file descriptor for each map, of which a process may have no more than 1,024.

    Returns
    -------
    ndarray of uint8
        The file's bytes, read-only. Pages that were not read take no memory, and processes share those that were.

    Raises
    ------
    OSError
        The file cannot be opened or mapped.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_bytes(b"abc")
    ...     map_file(Path(file.name)).tolist()
    [97, 98, 99]
    """
    with Path(path).open("rb") as file:
        stat = os.fstat(file.fileno())
        size = stat.st_size
        if not size:
            return np.frombuffer(b"", np.uint8)
        address = _library().mmap(None, size, _READ, _SHARED, file.fileno(), 0)
    if address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    _maps[address] = Path(path).absolute(), stat
    memory = (ctypes.c_ubyte * size).from_address(address)
    unmap = weakref.finalize(memory, _unmap, address, size)
    unmap.atexit = False  # arrays may be used until the process has ended
    return np.frombuffer(memoryview(memory).toreadonly(), np.uint8)


def _unmap(address: int, size: int) -> None:
    del _maps[address]
    _library().munmap(address, size)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _name_file(number: int) -> None:
    """Handle SIGBUS: name the mapped files that are shorter now, then let the process end as without this."""
    _library().signal(number, _former)
    for path, before in list(_maps.values()):
        try:
            now = path.stat()
        except OSError as error:
            found = f"cannot be read now ({error.strerror})"
        else:
            if now.st_ino != before.st_ino or now.st_size >= before.st_size:  # replaced, which leaves what is mapped
                continue
            found = f"has {now.st_size} now, since another program shortened it"
        line = f"{path} had {before.st_size} bytes when it was opened and {found}."
        os.write(2, f"{line} This process ends; start the command again.\n".encode())


@cache
def _library() -> Any:
    """The C library; the first call also lets SIGBUS name its file."""
    global _former
    library = ctypes.CDLL(None, use_errno=True)
    size, number = ctypes.c_size_t, ctypes.c_int
    library.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_longlong]
    library.mmap.restype = ctypes.c_void_p
    library.munmap.argtypes = [ctypes.c_void_p, size]
    library.signal.argtypes, library.signal.restype = [number, ctypes.c_void_p], ctypes.c_void_p
    # Not by Python's `signal`, whose handlers wait for the instruction that never ends.
    _former = library.signal(signal.SIGBUS, ctypes.cast(_name_file, ctypes.c_void_p))
    return library
