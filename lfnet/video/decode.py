"""Decode a clip by timestamps: a video through PyAV, or a folder of images, with few frames in memory at a time."""

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.errors import LfnetError, Unreadable
from lfnet.files import refuse_special
from lfnet.video.completeness import missing_part
from lfnet.video.container import opened, reason_of
from lfnet.video.image_folder import frame_files, read_image
from lfnet.video.times import MAX_LOST, Clock, read_clock

__all__ = ["DAMAGED", "Frame", "check_video", "display_matrix", "frames", "is_turned", "orient"]


def display_matrix(frame: Any, metadata: dict[str, str]) -> np.ndarray:
    """Read the 2 × 2 part [[a, b], [c, d]] of a frame's display matrix.

    A stored pixel offset (x, y), y downwards, is shown at (a·x + c·y, b·x + d·y), see FFmpeg's libavutil/display.h.

    Parameters
    ----------
    frame : av.VideoFrame
    metadata : dict
        Its stream's metadata, which in old files has `rotate` (degrees clockwise) instead.

    Returns
    -------
    ndarray of float64, shape [2, 2]
        The identity if neither exists.
    """
    with contextlib.suppress(ValueError):  # PyAV does not know every kind of side data
        for data in frame.side_data:
            if data.type.name == "DISPLAYMATRIX":
                a, b, _, c, d = np.frombuffer(data, np.int32)[:5]
                return np.array([[a, b], [c, d]], np.float64)
    turns = {"90": [[0, 1], [-1, 0]], "180": [[-1, 0], [0, -1]], "270": [[0, -1], [1, 0]]}
    return np.array(turns.get(metadata.get("rotate", ""), [[1, 0], [0, 1]]), np.float64)


def is_turned(matrix: np.ndarray) -> bool:
    """Return whether width and height are swapped."""
    return bool(abs(matrix[0, 1]) + abs(matrix[1, 0]) > abs(matrix[0, 0]) + abs(matrix[1, 1]))


def orient(rgb_HWC: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a display matrix: rotate and mirror an image as it is meant to be seen.

    All eight quarter turns and reflections are exact, without resampling; an angle between them, which no camera
    writes, is rounded to the nearest. PyAV's `rotation` alone would miss the reflection of a front camera.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.video.decode import orient
    >>> orient(np.arange(6).reshape(2, 3, 1), np.array([[-1, 0], [0, 1]]))[..., 0]  # mirrored
    array([[2, 1, 0],
           [5, 4, 3]])
    """
    (a, b), (c, d) = matrix
    if is_turned(matrix):
        rgb_HWC = rgb_HWC.transpose(1, 0, 2)
        across, down = c < 0, b < 0
    else:
        across, down = a < 0, d < 0
    return np.ascontiguousarray(rgb_HWC[:: -1 if down else 1, :: -1 if across else 1])


DAMAGED = ("refuse", "keep")
AHEAD = 2  # frames that are decoded in advance
_NEAR = 2  # packets; FFmpeg marks one of these where streams were joined


class Frame(NamedTuple):
    """A decoded frame.

    number: position in the clip, from 0. time: seconds from the clip's first frame. rgb: uint8 [H, W, 3].
    """

    number: int
    time: float
    rgb: np.ndarray


def frames(
    path: Path,
    *,
    fps: float | None = None,
    stride: int = 1,
    damaged: str = "refuse",
    times: str = "stamps",
    clock: Clock | None = None,
    notes: list[str] | None = None,
) -> Iterator[Frame]:
    """Iterate over every `stride`-th frame of a video or frame folder: upright, square pixels, increasing times.

    A video's times are its own timestamps, also for variable frame rates; those that cannot be right are repaired
    (`lfnet.video.times`). A frame that does not advance the time cannot be shown and is left out; a video of which more
    than 1 % would be left out is damaged.

    Parameters
    ----------
    path : Path
        A video or a folder of images.
    fps : float, optional
        Frames a second of a folder; ignored for videos.
    stride : int
        Distance of frames.
    damaged : {"refuse", "keep"}
        A damaged file is refused, since a truncated clip looks like a short clip, and duration may depend on the
        label. "keep" yields what precedes the first damage.
    times : {"stamps", "rebuild"}
        Times of a video's frames: its own timestamps, or a count of frames at the stated rate.
    clock : Clock, optional
        The video's times where they are known already; reading them takes a pass over the file.
    notes : list of str, optional
        Sentences about repaired times, left-out frames and damage are appended.

    Yields
    ------
    Frame

    Raises
    ------
    Unreadable
        The file is missing, empty, broken, without video or without fps.
    """
    path = Path(path)
    if stride < 1:
        raise LfnetError(f"stride must be 1 or more, not {stride}.")
    if damaged not in DAMAGED:
        raise LfnetError(f"video.damaged must be one of {', '.join(DAMAGED)}, not {damaged!r}.")
    notes = [] if notes is None else notes
    if path.is_dir():
        yield from _folder_frames(path, fps, stride, damaged, notes)
        return
    check_video(path)
    yield from _decode_ahead(_video_frames(path, stride, damaged, times, clock, notes))


def check_video(path: Path) -> None:
    """Raise `Unreadable` if a video is missing, empty, or no file."""
    refuse_special(path)
    if not path.is_file():
        raise Unreadable(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise Unreadable(f"{path} is empty (0 bytes). Copy the file again.")


def _decode_ahead(decoder: Generator[Frame, None, None]) -> Iterator[Frame]:
    """Run a decoder in its own thread, where it is closed at the end or when the consumer stops.

    Its exceptions are raised here, in order: later corruption is ignored if it is never requested.
    """
    ready: queue.Queue[Frame | BaseException | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(item: Frame | BaseException | None) -> bool:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return True
        return False

    def run() -> None:
        try:
            with contextlib.closing(decoder):
                while (frame := next(decoder, None)) is not None:
                    if not put(frame):
                        return
                    del frame
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=run, name="frames", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
            del item
    finally:
        stopped.set()
        thread.join()


def _video_frames(
    path: Path, stride: int, damaged: str, times: str, clock: Clock | None, notes: list[str]
) -> Generator[Frame, None, None]:
    import av

    clock = clock or read_clock(path, times, damaged)
    notes += clock.notes
    shown = skipped = 0
    start = last = 0.0
    with opened(path) as (container, stream):
        metadata = dict(stream.metadata)
        ratio = _pixel_ratio(stream)
        decoded = _decoded(path, container, stream, clock)
        while True:
            try:
                image = next(decoded, None)
            except _Damage as error:
                _stop(path, last, str(error), damaged, notes)
                break
            if image is None:
                break
            stamp = None if image.pts is None else float(image.pts * image.time_base)
            now = clock.time(shown + skipped, stamp, start + last if shown else None)
            if not shown:
                start = now
            elif now - start <= last:
                skipped += 1
                continue
            last = now - start
            if shown % stride == 0:
                try:
                    rgb = _rgb(image, ratio, metadata)
                except (av.FFmpegError, OSError) as error:
                    _stop(path, last, reason_of(error), damaged, notes)
                    break
                yield Frame(shown, last, rgb)
            shown += 1
    if not shown:
        raise Unreadable(f"{path} holds no readable frame. Check the file, or copy it again.")
    if damaged == "refuse" and skipped > MAX_LOST * (shown + skipped):
        raise Unreadable(
            f"{path}: {skipped} of {shown + skipped} frames do not advance the time, more than {MAX_LOST:.0%}. Count "
            "frames at the stated rate with video.times=rebuild, or leave those out with video.damaged=keep."
        )
    if skipped:
        notes.append(f"{skipped} frames that do not advance the time were left out")


class _Damage(Exception):
    """The reason why a video cannot be read further."""


def _decoded(path: Path, container: Any, stream: Any, clock: Clock) -> Iterator[Any]:
    """Iterate over PyAV's frames; the first error, corrupt frame or early end raises `_Damage`."""
    import av

    packets = 0
    end = 0.0
    try:
        for packet in container.demux(stream):
            if packet.size:
                # Where transport streams were joined, their counters of packets do not fit.
                if packet.is_corrupt and all(abs(packets - join) > _NEAR for join in clock.joins):
                    raise _Damage("a packet is corrupt")
                if packet.pts is not None:
                    end = max(end, float(packet.pts * packet.time_base))
                if clock.stamps is not None and packets < len(clock.stamps):
                    packet.pts = clock.stamps[packets]
                packets += 1
            for image in packet.decode():
                if image.is_corrupt:
                    raise _Damage("the frame is corrupt")
                yield image
    except (av.FFmpegError, OSError) as error:
        raise _Damage(reason_of(error)) from error
    if missing := missing_part(path, container, stream, packets, end, clock.end):
        raise _Damage(missing)


def _folder_frames(path: Path, fps: float | None, stride: int, damaged: str, notes: list[str]) -> Iterator[Frame]:
    rate = folder_rate(path, fps)
    for index, file in enumerate(frame_files(path)):
        if index % stride:
            continue
        try:
            rgb = read_image(file)
        except Unreadable as error:
            if damaged == "refuse" or index == 0:
                raise
            notes.append(f"only the frames before {index / rate:.2f} s were kept: {error}")
            return
        yield Frame(index, index / rate, rgb)


def folder_rate(path: Path, fps: float | None) -> float:
    """Check the frames a second of a frame folder, which only the manifest states."""
    if fps is None or not np.isfinite(fps) or fps <= 0:
        raise Unreadable(f"{path} is a folder of frames without a known rate: fill in its fps in the manifest.")
    return float(fps)


def _stop(path: Path, time: float, reason: str, damaged: str, notes: list[str]) -> None:
    if damaged == "refuse":
        raise Unreadable(
            f"{path} is damaged after {time:.2f} s ({reason}). "
            "Copy the file again, or use what precedes the damage with video.damaged=keep."
        )
    notes.append(f"only the frames up to {time:.2f} s were kept: {reason}")


def _pixel_ratio(stream: Any) -> float:
    """Width over height of a pixel; 1 if the file states nothing plausible."""
    ratio = stream.sample_aspect_ratio
    return float(ratio) if ratio and 0.1 < ratio < 10 else 1.0


def _rgb(image: Any, ratio: float, metadata: dict[str, str]) -> np.ndarray:
    width = round(image.width * ratio)
    # Faces are aligned by a similarity transform, which cannot correct the pixels' aspect ratio.
    stored = image.reformat(width=width, height=image.height, format="rgb24").to_ndarray()
    return orient(stored, display_matrix(image, metadata))
