"""Map files into memory, which the processes of a machine then share."""

import ctypes
import os
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["map_file"]

_READ, _SHARED = 1, 1  # PROT_READ and MAP_SHARED, on Linux and macOS
_FAILED = ctypes.c_void_p(-1).value


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
        size = os.fstat(file.fileno()).st_size
        if not size:
            return np.frombuffer(b"", np.uint8)
        address = _library().mmap(None, size, _READ, _SHARED, file.fileno(), 0)
    if address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    memory = (ctypes.c_ubyte * size).from_address(address)
    unmap = weakref.finalize(memory, _library().munmap, address, size)
    unmap.atexit = False  # arrays may be used until the process has ended
    return np.frombuffer(memoryview(memory).toreadonly(), np.uint8)


@cache
def _library() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    size, number = ctypes.c_size_t, ctypes.c_int
    library.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_longlong]
    library.mmap.restype = ctypes.c_void_p
    library.munmap.argtypes = [ctypes.c_void_p, size]
    return library
