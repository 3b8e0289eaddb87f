"""Open a video file: its container and the stream that players show."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lfnet.errors import Unreadable
from lfnet.extras import require
from lfnet.files import refuse_special

__all__ = ["opened", "reason_of"]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a video's container and its default video stream.

    Raises `Unreadable` if that is impossible, or the only image is the cover of a sound file.
    """
    require("video", "av", use=f"reading the video {path.name}")
    import av

    refuse_special(path)
    try:
        container = av.open(str(path.absolute()))  # FFmpeg takes `P01:baseline.mp4` for a protocol
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(
            f"{path} cannot be opened as a video ({reason_of(error)}). Check the file, or copy it again."
        ) from error
    with container:
        if container.format.name == "image2" or container.format.name.endswith("_pipe"):
            raise Unreadable(f"{path} is an image, not a video. Give a video, or a folder of images and their fps.")
        # FFmpeg's choice: the default stream before others, and films before single images.
        stream = container.streams.best("video") or next(iter(container.streams.video), None)
        if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
            raise Unreadable(f"{path} holds no video stream{'' if stream is None else ', only a cover image'}.")
        if stream.codec_context is None:
            raise Unreadable(f"{path} is encoded with an unknown codec. Convert it, for example to H.264.")
        yield container, stream


def reason_of(error: Exception) -> str:
    """Return FFmpeg's or the system's description of an error."""
    return str(getattr(error, "strerror", None) or error)
