"""Settings of reading videos, as words of a command: `video.times=rebuild`."""

from collections.abc import Sequence

from lfnet.errors import LfnetError

__all__ = ["HELP", "split_settings", "video_settings"]

_ALLOWED = {"video.times": ("stamps", "rebuild"), "video.damaged": ("refuse", "keep")}
HELP = "video.times=rebuild counts frames at the stated rate; video.damaged=keep uses what precedes damage"


def split_settings(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Split words into paths and settings of conf/video.

    Examples
    --------
    >>> from lfnet.cli.video_settings import split_settings
    >>> split_settings(["clip.avi", "video.times=rebuild"])
    (['clip.avi'], {'times': 'rebuild'})
    """
    settings = [word for word in words if word.startswith("video.") and "=" in word]
    return [word for word in words if word not in settings], video_settings(settings)


def video_settings(words: Sequence[str]) -> dict[str, str]:
    """Read settings of conf/video by name, without `video.`. Raises `LfnetError` for other words."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        if value not in _ALLOWED.get(name, ()):
            allowed = " or ".join(f"{name}={'|'.join(values)}" for name, values in _ALLOWED.items())
            raise LfnetError(f"`{word}` is no setting of this command: give {allowed}.")
        found[name.removeprefix("video.")] = value
    return found
