"""What a manifest wants to know of a clip's file: its kind, rate, length and size."""

from dataclasses import dataclass
from pathlib import Path

from lfnet.errors import Unreadable
from lfnet.video.decode import folder_rate, frames, opened
from lfnet.video.folder import frame_files, read_picture

__all__ = ["Media", "probe"]


@dataclass(frozen=True)
class Media:
    """What a clip's file holds.

    kind: "videos" | "frames", as `lfnet.cohorts.media.kind` says. fps: mean frames a second.
    duration: seconds, n_frames / fps. width, height: pixels of the picture as shown, after rotation.
    """

    kind: str
    fps: float
    n_frames: int
    duration: float
    width: int
    height: int


def probe(path: Path, fps: float | None = None) -> Media:
    """Read what a video (or frame folder, whose `fps` must be given) is, decoding its first frame only.

    A video's packets are counted, since headers lie (edit lists hide frames) or stay silent (WebM).
    Raises `Unreadable` naming the file where it is missing, empty, broken or no video.
    """
    path = Path(path)
    if path.is_dir():
        files = frame_files(path)
        rate = folder_rate(path, fps)
        height, width = read_picture(files[0]).shape[:2]
        return Media("frames", rate, len(files), len(files) / rate, width, height)
    height, width = next(frames(path, damaged="keep")).rgb.shape[:2]
    number, rate = _count(path)
    return Media("videos", rate, number, number / rate, width, height)


def _count(path: Path) -> tuple[int, float]:
    """Frames that are shown, and their mean rate by timestamps."""
    import av

    number = 0
    first = last = None
    with opened(path) as (container, stream):
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                number += 1
                if packet.pts is not None:
                    now = float(packet.pts * packet.time_base)
                    first = now if first is None else min(first, now)
                    last = now if last is None else max(last, now)
        except (av.FFmpegError, OSError):
            pass  # the extraction will name the damage; a manifest counts what is there
        stated = float(stream.average_rate) if stream.average_rate else 0.0
    if number > 1 and first is not None and last is not None and last > first:
        return number, (number - 1) / (last - first)
    if number and stated > 0:
        return number, stated
    raise Unreadable(f"{path} has neither timestamps nor a frame rate. Remux it with `ffmpeg -i in -c copy out.mp4`.")
