"""Read fps, length and size of a clip."""

from dataclasses import dataclass
from pathlib import Path

from lfnet.errors import Unreadable
from lfnet.video.decode import folder_rate, frames, opened
from lfnet.video.image_folder import frame_files, read_image

__all__ = ["Media", "probe"]


@dataclass(frozen=True)
class Media:
    """Facts of a clip.

    Attributes
    ----------
    kind : {"videos", "frames"}
        As `lfnet.cohorts.media.kind` returns it.
    fps : float
        Mean frames a second.
    n_frames : int
    duration : float
        Seconds, n_frames / fps.
    width, height : int
        Pixels of the image as shown, after rotation.
    """

    kind: str
    fps: float
    n_frames: int
    duration: float
    width: int
    height: int


def probe(path: Path, fps: float | None = None) -> Media:
    """Read the facts of a video, or of a frame folder with its `fps`; only the first frame is decoded.

    A video's packets are counted, since headers may be wrong (edit lists hide frames) or say nothing (WebM).
    Raises `Unreadable` if the file is missing, empty, broken or no video.
    """
    path = Path(path)
    if path.is_dir():
        files = frame_files(path)
        rate = folder_rate(path, fps)
        height, width = read_image(files[0]).shape[:2]
        return Media("frames", rate, len(files), len(files) / rate, width, height)
    height, width = next(frames(path, damaged="keep")).rgb.shape[:2]
    number, rate = _count(path)
    return Media("videos", rate, number, number / rate, width, height)


def _count(path: Path) -> tuple[int, float]:
    """Count the frames that are shown, and compute their mean rate from timestamps."""
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
            pass  # the extraction will report the damage; a manifest counts what is there
        stated = float(stream.average_rate) if stream.average_rate else 0.0
    if number > 1 and first is not None and last is not None and last > first:
        return number, (number - 1) / (last - first)
    if number and stated > 0:
        return number, stated
    raise Unreadable(f"{path} has neither timestamps nor a frame rate. Remux it with `ffmpeg -i in -c copy out.mp4`.")
