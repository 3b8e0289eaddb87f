"""Import OpenCV, MediaPipe and LiteRT, with messages that name a missing extra or missing system libraries."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import ModuleType

from lfnet.errors import LfnetError
from lfnet.extras import require

__all__ = ["has_litert", "import_cv2", "import_litert", "import_mediapipe", "missing", "quiet"]

PACKAGES = "libgl1 libglib2.0-0 libegl1 libgles2"


def import_cv2() -> ModuleType:
    """Import OpenCV. Raises `LfnetError` with what to install if it cannot be loaded."""
    require("video", "cv2", use="reading faces from video")
    try:
        import cv2
    except (ImportError, OSError) as error:
        raise _cannot_load("OpenCV (opencv-contrib-python)", error) from error
    return cv2


def import_mediapipe() -> ModuleType:
    """Import MediaPipe. Raises `LfnetError` as `import_cv2` does."""
    require("video", "mediapipe", use="finding faces")
    try:
        with quiet():
            import mediapipe
    except (ImportError, OSError) as error:
        raise _cannot_load("MediaPipe", error) from error
    _ignore_profiling_timers()
    return mediapipe


def has_litert() -> bool:
    """Return whether LiteRT is installed, or would be with the extra `video`: MediaPipe is absent, too."""
    return find_spec("ai_edge_litert") is not None or find_spec("mediapipe") is None


def import_litert() -> ModuleType:
    """Import LiteRT's interpreter. Raises `LfnetError` as `import_cv2` does."""
    require("video", "ai_edge_litert", use="finding faces")
    try:
        from ai_edge_litert import interpreter
    except (ImportError, OSError) as error:
        raise _cannot_load("LiteRT (ai-edge-litert)", error) from error
    return interpreter


def _ignore_profiling_timers() -> None:
    """Tell Python that SIGPROF is ignored, which MediaPipe's library sets without Python's knowledge.

    The library gives each of its threads a profiling timer. At the end of a training Lightning restores the handlers
    that Python knows; with the default handler the next timer would kill the process.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGPROF) == signal.SIG_DFL:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


def missing() -> list[str]:
    """Return a message for each library that video needs and that cannot be loaded."""
    found = []
    loaders: list[Callable[[], ModuleType]] = [import_cv2, import_mediapipe]
    for load in loaders:
        try:
            load()
        except LfnetError as error:
            found.append(str(error))
    return found


def _cannot_load(name: str, error: Exception) -> LfnetError:
    return LfnetError(
        f"{name} cannot be loaded ({error}). Video needs system libraries: on Debian or Ubuntu "
        f"`apt-get install {PACKAGES}`."
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the libraries' start-up messages on standard error, up to four a clip, which would break a progress bar.

    They come from C++ and cannot be switched off, so that the file descriptor is redirected. If the block fails, they
    are printed, since they may contain the reason.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
