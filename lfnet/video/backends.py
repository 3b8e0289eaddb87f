"""OpenCV and MediaPipe, or what to install where the system lacks their libraries."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from types import ModuleType

from lfnet.errors import LfnetError

__all__ = ["import_cv2", "import_mediapipe", "missing", "quiet"]

PACKAGES = "libgl1 libglib2.0-0 libegl1 libgles2"


def import_cv2() -> ModuleType:
    """OpenCV. Raises `LfnetError` with the Debian packages where it cannot be loaded."""
    try:
        import cv2
    except (ImportError, OSError) as error:
        raise _cannot_load("OpenCV (opencv-contrib-python)", error) from error
    return cv2


def import_mediapipe() -> ModuleType:
    """MediaPipe. Raises `LfnetError` as `import_cv2` does."""
    try:
        with quiet():
            import mediapipe
    except (ImportError, OSError) as error:
        raise _cannot_load("MediaPipe", error) from error
    _ignore_profiling_timers()
    return mediapipe


def _ignore_profiling_timers() -> None:
    """Let Python know that SIGPROF is ignored, as MediaPipe's library sets it behind Python's back.

    The library gives each of its threads a profiling timer. Lightning, when a training ends, "restores" what Python
    takes for every signal's handler; were that the default, the next timer would kill the process.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGPROF) == signal.SIG_DFL:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


def missing() -> list[str]:
    """A sentence for each library that video needs and that cannot be loaded; empty where all is well."""
    found = []
    loaders: list[Callable[[], ModuleType]] = [import_cv2, import_mediapipe]
    for load in loaders:
        try:
            load()
        except LfnetError as error:
            found.append(str(error))
    return found


def _cannot_load(name: str, error: Exception) -> LfnetError:
    if isinstance(error, ModuleNotFoundError):
        return LfnetError(f"{name} is not installed ({error}): install lfnet with its pinned dependencies.")
    return LfnetError(
        f"{name} cannot be loaded ({error}). Video needs system libraries: on Debian or Ubuntu "
        f"`apt-get install {PACKAGES}`."
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep MediaPipe's start-up lines from standard error, four a clip, which would tear a progress bar to pieces.

    They come from C++ and know no switch, so the file descriptor itself is turned aside; if the block fails, they are
    shown after all, for then they may tell why.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all: nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            aside.seek(0)
            os.write(2, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
