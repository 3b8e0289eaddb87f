"""Run a native library in threads that cannot open sockets.

MediaPipe sends usage statistics each time a landmarker is made and has no setting to prevent it. On Linux a seccomp
filter [1] holds for one thread and the threads that it starts: the library has no network, and the rest of the process
keeps its own.

References
----------
.. [1] https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import platform
import socket
import struct
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from lfnet.errors import LfnetWarning

__all__ = ["call_offline", "can_deny_sockets"]

P = ParamSpec("P")
R = TypeVar("R")

# Numbers of the system calls `seccomp` and `socket` by machine.
_CALLS = {"x86_64": (317, 41), "aarch64": (277, 198)}

_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
# Without this flag older kernels turn on mitigations that slow the thread's computations.
_ALLOW_SPECULATION = 4

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_FAIL, _ALLOW = 0x00050000 | errno.EACCES, 0x7FFF0000


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def call_offline(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` in a new thread in which, and in all threads started from it, `socket` fails with EACCES.

    If the system has no such filter, as macOS, it is called with a `LfnetWarning`.

    Examples
    --------
    >>> import socket
    >>> from lfnet.offline import call_offline, can_deny_sockets
    >>> def opens_socket():
    ...     try:
    ...         socket.socket().close()
    ...     except PermissionError:
    ...         return False
    ...     return True
    >>> call_offline(opens_socket) if can_deny_sockets() else False
    False
    """

    def run() -> R:
        if not _deny_sockets():
            warnings.warn(
                "This system cannot keep MediaPipe from sending usage statistics to Google (versions, durations and "
                "counts; no video). Disconnect the network, or block play.googleapis.com.",
                LfnetWarning,
                stacklevel=2,
            )
        return function(*args, **kwargs)

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(run).result()


def can_deny_sockets() -> bool:
    """Try with a thread and a socket whether this system can keep threads from the network."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: _deny_sockets() and not _opens_socket()).result()


def _opens_socket() -> bool:
    try:
        socket.socket().close()
    except PermissionError:
        return False
    return True


def _deny_sockets() -> bool:
    """Make later `socket` calls of this thread, and of threads that it starts, fail. False if that is impossible."""
    numbers = _CALLS.get(platform.machine())
    if sys.platform != "linux" or numbers is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    seccomp, denied = numbers
    steps = (
        (_LOAD, 0, 0, 0),  # the system call's number
        (_JUMP_IF_EQUAL, 0, 1, denied),
        (_RETURN, 0, 0, _FAIL),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    long = ctypes.c_long
    # An ordinary user may set a filter only after giving up set-user-id programs, for this thread.
    if libc.prctl(_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        return False
    return not libc.syscall(long(seccomp), long(_SET_MODE_FILTER), long(_ALLOW_SPECULATION), ctypes.byref(program))
