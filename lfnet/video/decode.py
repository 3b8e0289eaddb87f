"""Decode a clip by timestamps: a video through PyAV, or a folder of images, with few frames in memory at a time."""

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.errors import LfnetError, Unreadable
from lfnet.video.container import opened, reason_of
from lfnet.video.decoder import Damaged, Decoder
from lfnet.video.image_folder import frame_files, read_image
from lfnet.video.orientation import display_matrix, orient
from lfnet.video.survey import DAMAGED, Survey, damage_message, kept_note, survey
from lfnet.video.times import MAX_LOST

__all__ = ["Frame", "folder_rate", "frames"]


AHEAD = 2  # frames that are decoded in advance


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
    surveyed: Survey | None = None,
    notes: list[str] | None = None,
) -> Iterator[Frame]:
    """Iterate over every `stride`-th frame of a video or frame folder: upright, square pixels, increasing times.

    A video's times are its own timestamps, also for variable frame rates; those that cannot be right are repaired
    (`lfnet.video.times`). A frame that does not advance the time, or that cannot be decoded, is left out; a video of
    which more than 1 % would be left out is damaged.

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
    surveyed : Survey, optional
        What `survey` found in the video with the same settings; by default it is called, which reads the file once.
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
    yield from _decode_ahead(_video_frames(path, stride, damaged, surveyed or survey(path, times, damaged), notes))


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
    path: Path, stride: int, damaged: str, surveyed: Survey, notes: list[str]
) -> Generator[Frame, None, None]:
    import av

    notes += surveyed.clock.notes
    shown = skipped = 0
    start = last = 0.0
    with opened(path) as (container, stream):
        metadata = dict(stream.metadata)
        ratio = _pixel_ratio(stream)
        decoder = Decoder(container, stream, surveyed)
        try:
            for image in decoder.images():
                stamp = None if image.pts is None else float(image.pts * image.time_base)
                now = surveyed.clock.time(shown + skipped, stamp, start + last if shown else None)
                if not shown:
                    start = now
                elif now - start <= last:
                    skipped += 1
                    continue
                last = now - start
                if shown % stride == 0:
                    yield Frame(shown, last, _rgb(image, ratio, metadata))
                shown += 1
        except (av.FFmpegError, OSError, Damaged) as error:
            if damaged == "refuse":
                raise Unreadable(damage_message(path, last, reason_of(error))) from error
            notes.append(kept_note(last, reason_of(error)))
    if not shown:
        raise Unreadable(f"{path} holds no readable frame. Check the file, or copy it again.")
    if decoder.unstarted:  # as in recordings that begin between two key frames
        notes.append(f"the first {decoder.unstarted} frames refer to frames that the file lacks, and were left out")
    for count, what, remedy in (
        (skipped, "do not advance the time", "Count frames at the stated rate with video.times=rebuild"),
        (decoder.lost, "cannot be decoded", "Copy the file again"),
    ):
        if damaged == "refuse" and count > MAX_LOST * (shown + count):
            raise Unreadable(
                f"{path}: {count} of {shown + count} frames {what}, more than {MAX_LOST:.0%}. {remedy}, or leave "
                "those out with video.damaged=keep."
            )
        if count:
            notes.append(f"{count} frames that {what} were left out")


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


def _pixel_ratio(stream: Any) -> float:
    """Width over height of a pixel; 1 if the file states nothing plausible."""
    ratio = stream.sample_aspect_ratio
    return float(ratio) if ratio and 0.1 < ratio < 10 else 1.0


def _rgb(image: Any, ratio: float, metadata: dict[str, str]) -> np.ndarray:
    width = round(image.width * ratio)
    # Faces are aligned by a similarity transform, which cannot correct the pixels' aspect ratio.
    stored = image.reformat(width=width, height=image.height, format="rgb24").to_ndarray()
    return orient(stored, display_matrix(image, metadata))
