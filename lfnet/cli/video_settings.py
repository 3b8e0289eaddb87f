"""Settings of reading videos, as words of a command: `video.times=rebuild`."""

from collections.abc import Sequence

from lfnet.errors import LfnetError

__all__ = ["split_settings"]

_ALLOWED = {"video.times": ("stamps", "rebuild"), "video.damaged": ("refuse", "keep")}


def split_settings(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Split the words of a command into others and settings of conf/video, by their names without `video.`.

    Raises `LfnetError` for settings other than `video.times` and `video.damaged`.

    Examples
    --------
    >>> from lfnet.cli.video_settings import split_settings
    >>> split_settings(["clip.avi", "video.times=rebuild"])
    (['clip.avi'], {'times': 'rebuild'})
    """
    others, found = [], {}
    for word in argv:
        name, equals, value = word.partition("=")
        if not equals or not name.startswith("video."):
            others.append(word)
        elif value in _ALLOWED.get(name, ()):
            found[name.removeprefix("video.")] = value
        else:
            allowed = " or ".join(f"{name}={'|'.join(values)}" for name, values in _ALLOWED.items())
            raise LfnetError(f"`{word}` is no setting of this command: give {allowed}.")
    return others, found
