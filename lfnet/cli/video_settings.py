"""Settings of reading videos, as words of a command: `video.times=rebuild`."""

from collections.abc import Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]

from lfnet.errors import LfnetError

__all__ = ["split_settings"]

_ALLOWED = {"video.times": ("stamps", "rebuild"), "video.damaged": ("refuse", "keep")}
# `VideoSettings` checks the values of these.
_FACES = {
    "video.faces": "N",
    "video.person": "largest|left|right",
    "video.check_every": "SECONDS",
    "video.runtime": "litert|mediapipe",
    **dict.fromkeys(("video.min_detection", "video.min_presence", "video.min_tracking"), "SHARE"),
}


def split_settings(argv: Sequence[str], *, faces: bool = False) -> tuple[list[str], dict[str, Any]]:
    """Split the words of a command into others and settings of conf/video, by their names without `video.`.

    Raises `LfnetError` for settings other than `video.times`, `video.damaged` and, with `faces`, those of the search
    for faces.

    Examples
    --------
    >>> from lfnet.cli.video_settings import split_settings
    >>> split_settings(["clip.avi", "video.times=rebuild"])
    (['clip.avi'], {'times': 'rebuild'})
    >>> split_settings(["clip.avi", "video.faces=2"], faces=True)
    (['clip.avi'], {'faces': 2})
    """
    others, found = [], {}
    for word in argv:
        name, equals, value = word.partition("=")
        if not equals or not name.startswith("video."):
            others.append(word)
        elif value in _ALLOWED.get(name, ()):
            found[name.removeprefix("video.")] = value
        elif faces and name in _FACES:
            found[name.removeprefix("video.")] = _scalar(value)
        else:
            choices = {name: "|".join(values) for name, values in _ALLOWED.items()} | (_FACES if faces else {})
            allowed = " or ".join(f"{name}={values}" for name, values in choices.items())
            raise LfnetError(f"`{word}` is no setting of this command: give {allowed}.")
    return others, found


def _scalar(text: str) -> Any:
    """A number, null or text, as in a yaml."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
