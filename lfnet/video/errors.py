"""What is wrong with one clip and leaves the others alone."""

from lfnet.errors import LfnetError

__all__ = ["Unreadable"]


class Unreadable(LfnetError):
    """A clip's file that cannot be read, or not as what it is said to be; other clips may be fine."""
