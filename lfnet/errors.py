"""Exceptions and warnings.

`LfnetError` is a user's mistake or a fact of their machine: the command line prints its message without a traceback.
Any other exception is a defect of lfnet and keeps its traceback.
"""

__all__ = ["LfnetError", "LfnetWarning", "Unreadable"]


class LfnetError(Exception):
    """A mistake that the user can fix; the message names the file or setting and what to do."""


class LfnetWarning(UserWarning):
    """A fact that affects the results although the job continues."""


class Unreadable(LfnetError):
    """The file of a clip cannot be read; other clips may be valid."""
