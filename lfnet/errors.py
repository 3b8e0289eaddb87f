"""Exceptions and warnings.

`LfnetError` is a user's mistake or a fact of their machine: the command line prints its message without a traceback.
Any other exception is a defect of lfnet and keeps its traceback.
"""

import signal

__all__ = ["Interrupted", "LfnetError", "LfnetWarning", "Unreadable"]


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

    Examples
    --------
    >>> Interrupted(signal.SIGTERM, "interrupted after epoch 2 of 9").status
    143
    """

    def __init__(self, number: int = signal.SIGINT, message: str = "") -> None:
        super().__init__(message)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status of a command that the signal ended, as shells count."""
        return 128 + self.number
