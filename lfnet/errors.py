"""What a person is told when something is wrong.

`LfnetError` is a user's mistake or a fact of their machine: the command line prints its one message and no traceback.
Any other exception is a defect of lfnet and keeps its traceback.
"""

__all__ = ["Unreadable"]


class LfnetError(Exception):
    """A mistake that its reader can mend: the message names the file or setting, and the mend."""


class LfnetWarning(UserWarning):
    """Something a reader of the numbers must know, though the job goes on."""


class Unreadable(LfnetError):
    """A clip's file that cannot be read, or not as what it is said to be; other clips may be fine."""
