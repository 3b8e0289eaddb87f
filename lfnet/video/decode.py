"""Frames of a clip by timestamp: a video through PyAV, or a folder of pictures, few frames in memory at a time."""

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.errors import LfnetError, Unreadable
from lfnet.video.folder import frame_files, read_picture

__all__ = ["DAMAGED", "Frame", "display_matrix", "frames", "orient", "turned"]


def display_matrix(frame: Any, metadata: dict[str, str]) -> np.ndarray:
    """The 2 × 2 part [[a, b], [c, d]] of a frame's display matrix, identity where there is none.

    frame: a PyAV VideoFrame. metadata: its stream's, where files of old say `rotate` (degrees clockwise) instead.
    A stored pixel offset (x, y), y downwards, is shown at (a·x + c·y, b·x + d·y): FFmpeg's libavutil/display.h.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(data, np.int32)[:5]
            return np.array([[a, b], [c, d]], np.float64)
    turns = {"90": [[0, 1], [-1, 0]], "180": [[-1, 0], [0, -1]], "270": [[0, -1], [1, 0]]}
    return np.array(turns.get(metadata.get("rotate", ""), [[1, 0], [0, 1]]), np.float64)


def turned(matrix: np.ndarray) -> bool:
    """Whether width and height change places."""
    return bool(abs(matrix[0, 1]) + abs(matrix[1, 0]) > abs(matrix[0, 0]) + abs(matrix[1, 1]))


def orient(rgb_HWC: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The picture as it is meant to be seen.

    Quarter turns and mirrors, all eight of them, are exact and so cost no resampling; an angle between them, which no
    camera writes, goes to the nearest. PyAV's `rotation` alone would miss the mirror of a front camera.
    """
    (a, b), (c, d) = matrix
    if turned(matrix):
        rgb_HWC = rgb_HWC.transpose(1, 0, 2)
        across, down = c < 0, b < 0
    else:
        across, down = a < 0, d < 0
    return np.ascontiguousarray(rgb_HWC[:: -1 if down else 1, :: -1 if across else 1])


DAMAGED = ("refuse", "keep")
# Frames that are decoded while others are looked at.
AHEAD = 2
# Matroska files may say how long a stream lasts; the last frame's own length is often guessed by the writer.
_SLACK = 1.0


class Frame(NamedTuple):
    """One decoded frame. number: its place in the clip, from 0. time: seconds from the clip's first frame.

    rgb: uint8 [H, W, 3].
    """

    number: int
    time: float
    rgb: np.ndarray


def frames(
    path: Path, *, fps: float | None = None, stride: int = 1, damaged: str = "refuse", notes: list[str] | None = None
) -> Iterator[Frame]:
    """Every `stride`-th frame of a video or of a frame folder, upright, with square pixels, times increasing.

    A video's times are its own timestamps, so variable frame rates keep their rhythm; `fps` is asked of folders only.
    A frame that does not advance the time cannot be shown and is left out. A file that breaks part-way is refused,
    since a clip cut short looks like a short clip, and duration tells about labels; damaged="keep" yields what comes
    before the first damage. notes: gets a sentence for each of these facts.
    Raises `Unreadable` naming the file where it is missing, empty, broken, without video or without fps.
    """
    path = Path(path)
    if stride < 1:
        raise LfnetError(f"stride must be 1 or more, not {stride}.")
    if damaged not in DAMAGED:
        raise LfnetError(f"video.damaged must be one of {', '.join(DAMAGED)}, not {damaged!r}.")
    said: list[str] = [] if notes is None else notes
    if path.is_dir():
        yield from _folder_frames(path, fps, stride, damaged, said)
        return
    if not path.is_file():
        raise Unreadable(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise Unreadable(f"{path} is empty (0 bytes). Copy the file anew.")
    yield from _ahead(_video_frames(path, stride, damaged, said))


def _ahead(made: Generator[Frame, None, None]) -> Iterator[Frame]:
    """The frames of `made`, which runs in a thread of its own and is closed there, at the end or when nobody asks on.

    What it raises is raised here, in its turn: a frame behind a damage that nobody asks for does no harm.
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
            with contextlib.closing(made):
                while (frame := next(made, None)) is not None:
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


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A video's container and its first video stream, closed afterwards. Raises `Unreadable` naming the file."""
    import av

    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(
            f"{path} cannot be opened as a video ({_reason(error)}). Check the file, or copy it anew."
        ) from error
    with container:
        if not container.streams.video:
            raise Unreadable(f"{path} holds no video stream.")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise Unreadable(f"{path} is encoded with an unknown codec. Convert it, for example to H.264.")
        yield container, stream


def _video_frames(path: Path, stride: int, damaged: str, notes: list[str]) -> Generator[Frame, None, None]:
    shown = passed = 0
    start = last = 0.0
    with opened(path) as (container, stream):
        # Two decoding threads on every machine: what survives of a damaged file must not depend on the cores.
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        step = 1 / float(stream.average_rate) if stream.average_rate else None
        metadata = dict(stream.metadata)
        ratio = _pixel_ratio(stream)
        decoded = _decoded(container, stream)
        while True:
            try:
                picture = next(decoded, None)
            except _Damage as error:
                _stop(path, last, str(error), damaged, notes)
                break
            if picture is None:
                break
            if picture.pts is not None:
                now = float(picture.pts * picture.time_base)
            elif step is not None:
                now = start + last + step if shown else 0.0
            else:
                raise Unreadable(
                    f"{path} has neither timestamps nor a frame rate. Remux it with `ffmpeg -i in -c copy out.mp4`."
                )
            if not shown:
                start = now
            elif now - start <= last:
                passed += 1
                continue
            last = now - start
            if shown % stride == 0:
                yield Frame(shown, last, _rgb(picture, ratio, metadata))
            shown += 1
    if passed:
        notes.append(f"{passed} frames that do not advance the time were left out")
    if not shown:
        raise Unreadable(f"{path} holds no readable frame. Check the file, or copy it anew.")


class _Damage(Exception):
    """Why a video cannot be read on."""


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """PyAV's frames up to the first damage, which raises `_Damage`: an error, a corrupt picture, or an early end."""
    import av

    packets = 0
    end = 0.0
    try:
        for packet in container.demux(stream):
            packets += packet.size > 0
            for picture in packet.decode():
                if picture.is_corrupt:
                    raise _Damage("the picture is corrupt")
                if picture.pts is not None:
                    end = max(end, float(picture.pts * picture.time_base))
                yield picture
    except (av.FFmpegError, OSError) as error:
        raise _Damage(_reason(error)) from error
    # A file cut short may simply end. MP4 and MOV index their pictures, Matroska often states the length of a stream;
    # other formats do not say.
    name = container.format.name
    if "mov" in name and packets < stream.frames:
        raise _Damage(f"the file ends after {packets} of {stream.frames} pictures")
    stated = _seconds(stream.metadata.get("DURATION"))
    if "matroska" in name and stated is not None and end < stated - _SLACK:
        raise _Damage(f"the file ends at {end:.1f} of {stated:.1f} s")


def _folder_frames(path: Path, fps: float | None, stride: int, damaged: str, notes: list[str]) -> Iterator[Frame]:
    rate = folder_rate(path, fps)
    for index, file in enumerate(frame_files(path)):
        if index % stride:
            continue
        try:
            rgb = read_picture(file)
        except Unreadable as error:
            if damaged == "refuse" or index == 0:
                raise
            notes.append(f"only the frames before {index / rate:.2f} s were kept: {error}")
            return
        yield Frame(index, index / rate, rgb)


def folder_rate(path: Path, fps: float | None) -> float:
    """The frames a second of a frame folder, which only the manifest knows."""
    if fps is None or not np.isfinite(fps) or fps <= 0:
        raise Unreadable(f"{path} is a folder of frames, whose rate no file tells: fill in its fps in the manifest.")
    return float(fps)


def _stop(path: Path, time: float, reason: str, damaged: str, notes: list[str]) -> None:
    if damaged == "refuse":
        raise Unreadable(
            f"{path} is damaged after {time:.2f} s ({reason}). "
            "Copy the file anew, or use what comes before the damage with video.damaged=keep."
        )
    notes.append(f"only the frames up to {time:.2f} s were kept: {reason}")


def _pixel_ratio(stream: Any) -> float:
    """Width over height of a pixel; 1 where the file says nothing, or nothing sensible."""
    ratio = stream.sample_aspect_ratio
    return float(ratio) if ratio and 0.1 < ratio < 10 else 1.0


def _rgb(picture: Any, ratio: float, metadata: dict[str, str]) -> np.ndarray:
    width = round(picture.width * ratio)
    # Faces are aligned by a similarity transform, which cannot undo squeezed pixels.
    stored = picture.reformat(width=width, height=picture.height, format="rgb24").to_ndarray()
    return orient(stored, display_matrix(picture, metadata))


def _seconds(text: str | None) -> float | None:
    """Seconds of a Matroska duration such as 00:00:01.980000000."""
    try:
        hours, minutes, seconds = (text or "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
