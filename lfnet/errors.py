"""Exceptions and warnings.

`LfnetError` is a user's mistake or a fact of their machine: the command line prints its message without a traceback.
Any other exception is a defect of lfnet and keeps its traceback.
"""

import signal
import traceback
from pathlib import Path

__all__ = ["Interrupted", "LfnetError", "LfnetWarning", "Unreadable", "describe_failure"]


class LfnetError(Exception):
    """A mistake that the user can fix; the message names the file or setting and what to do."""


class LfnetWarning(UserWarning):
    """A fact that affects the results although the job continues."""


class Unreadable(LfnetError):
    """The file of a clip cannot be read; other clips may be valid."""


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to stop (`lfnet.signals`); the message says where the same command goes on.

    Parameters
    ----------
    number : int
        The signal.
    message : str
        One line for the user; "" where nothing was going on that could be continued.
    saved : bool
        Whether the same command goes on from what was done.

    Examples
    --------
    >>> Interrupted(signal.SIGTERM, "interrupted after epoch 2 of 9").status
    143
    """

    def __init__(self, number: int = signal.SIGINT, message: str = "", *, saved: bool = False) -> None:
        super().__init__(message)
        self.number, self.saved = number, saved

    @property
    def status(self) -> int:
        """The exit status of a command that the signal ended, as shells count."""
        return 128 + self.number


def describe_failure(error: Exception) -> str:
    """Describe an exception in one line: an `LfnetError` by its message, a defect with its file and line.

    Examples
    --------
    >>> describe_failure(LfnetError("no such file."))
    'no such file.'
    """
    line = str(error)
    if not isinstance(error, LfnetError):
        place = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return " ".join(line.split())
