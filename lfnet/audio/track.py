"""Read the sound track of a video, resampled to mono, with the times of the video's frames."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.errors import Unreadable
from lfnet.video.clocks import CountClock
from lfnet.video.container import opened, reason_of
from lfnet.video.decoder import Damaged, Decoder
from lfnet.video.survey import Survey
from lfnet.video.times import MAX_LOST

__all__ = ["Sound", "read_sound"]

_JUMP = 0.05  # seconds between a frame's timestamp and the end of the frame before it that are a gap, not rounding


class Sound(NamedTuple):
    """A clip's sound: sample n is heard n / rate seconds after the first frame is shown.

    Attributes
    ----------
    samples_N : ndarray of float32
        Mean of all channels, 1 is full scale; 0 where there is none. As long as the video.
    there_N : ndarray of bool
        Whether the track has the sample.
    rate : int
        Samples a second.
    notes : tuple of str
        What is missing or may be shifted.
    """

    samples_N: np.ndarray
    there_N: np.ndarray
    rate: int
    notes: tuple[str, ...] = ()


def read_sound(path: Path, rate: int, surveyed: Survey, damaged: str = "refuse") -> Sound | None:
    """Read the default sound track of a video.

    Samples are placed by the track's own timestamps relative to the first frame that is shown, so that a track that
    starts late, or has gaps, keeps its place; what lies before the first frame or after the last is left out. FFmpeg
    resamples. Memory grows by 5 · rate bytes for a second of video.

    Parameters
    ----------
    path : Path
        A video.
    rate : int
        Samples a second of the result.
    surveyed : Survey
        What `lfnet.video.survey.survey` found in it.
    damaged : {"refuse", "keep"}
        Refuse a track of which more than 1 % cannot be decoded, or leave out what cannot.

    Returns
    -------
    Sound or None
        None for a video without a sound track that can be decoded.

    Raises
    ------
    Unreadable
        The file or its sound is damaged.
    """
    start = _first_frame(path, surveyed)
    clock = surveyed.clock
    samples_N = np.zeros(max(1, round((surveyed.duration + clock.interval) * rate)), np.float32)
    there_N = np.zeros(len(samples_N), bool)
    track = _Track(path, rate)
    heard = False
    for seconds, part in track.parts():
        heard = True
        first = round((seconds - start) * rate)
        low, high = max(first, 0), min(first + len(part), len(samples_N))
        if low < high:
            samples_N[low:high] = part[low - first : high - first]
            there_N[low:high] = True
    if not heard:
        return None
    if damaged == "refuse" and track.lost > MAX_LOST * track.packets:
        raise Unreadable(
            f"{path}: {track.lost} of {track.packets} packets of its sound cannot be decoded, more than "
            f"{MAX_LOST:.0%}. Copy the file again, or leave those out with video.damaged=keep."
        )
    notes = []
    if track.lost:
        notes.append(f"{track.lost} of {track.packets} packets of the sound cannot be decoded, and are missing")
    if (missing := 1 - float(there_N.mean())) > MAX_LOST:
        notes.append(f"the sound track lacks {missing:.0%} of the video's time")
    if clock.notes:
        notes.append("the video's times were repaired, and its sound keeps its own: it may be shifted")
    return Sound(samples_N, there_N, rate, tuple(notes))


def _first_frame(path: Path, surveyed: Survey) -> float:
    """The first shown frame's time on the container's clock, in seconds."""
    with opened(path) as (container, stream):
        try:
            image = next(Decoder(container, stream, surveyed).images(), None)
        except Damaged as error:
            raise Unreadable(f"{path} holds no readable frame ({error}). Check the file, or copy it again.") from error
        stamp = None if image is None or image.pts is None else float(image.pts * image.time_base)
    if stamp is not None and isinstance(surveyed.clock, CountClock):
        return stamp  # this clock counts from 0
    return surveyed.clock.time(0, stamp, None)


class _Track:
    """The decoder of a file's default sound track. lost, packets: those that cannot be decoded, and all."""

    def __init__(self, path: Path, rate: int) -> None:
        self._path, self._rate = path, rate
        self.lost = self.packets = 0

    def parts(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield consecutive samples, float32 [N] at the rate asked for, with the time of the first in seconds."""
        import av

        with opened(self._path) as (container, _):
            stream = container.streams.best("audio") or next(iter(container.streams.audio), None)
            if stream is None or stream.codec_context is None:
                return
            run: _Run | None = None
            for frame in self._frames(container, stream):
                stamp = None if frame.pts is None else float(frame.pts * frame.time_base)
                if run is None or not run.goes_on(frame, stamp):
                    if run is not None:
                        yield from run.end()
                    begin = stamp if stamp is not None else 0.0 if run is None else run.next
                    run = _Run(av, frame, begin, self._rate)
                yield from run.add(frame)
            if run is not None:
                yield from run.end()

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                if not self.packets:
                    raise Unreadable(f"{self._path}: its sound cannot be read ({reason_of(error)}).") from error
                self.lost += 1
                return
            if packet is None:
                return
            self.packets += packet.size > 0
            try:
                yield from packet.decode()
            except (av.FFmpegError, OSError):
                self.lost += 1


class _Run:
    """Frames of one format that follow each other without a gap, through one resampler."""

    def __init__(self, av: Any, frame: Any, begin: float, rate: int) -> None:
        self.next = begin
        self._format = self._facts(frame)
        self._resampler = av.AudioResampler(format="fltp", rate=rate)
        self._begin, self._rate, self._made = begin, rate, 0

    def goes_on(self, frame: Any, stamp: float | None) -> bool:
        """Whether a frame belongs to the run; stamp: its time."""
        return self._facts(frame) == self._format and (stamp is None or abs(stamp - self.next) <= _JUMP)

    def add(self, frame: Any) -> Iterator[tuple[float, np.ndarray]]:
        """Yield what the resampler makes of a frame."""
        self.next += frame.samples / frame.sample_rate
        frame.pts = None  # rounded in some containers, and the run is free of gaps
        yield from self._resampled(frame)

    def end(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield what the resampler holds back."""
        yield from self._resampled(None)

    def _resampled(self, frame: Any) -> Iterator[tuple[float, np.ndarray]]:
        for made in self._resampler.resample(frame):
            part = made.to_ndarray().mean(axis=0)  # FFmpeg's own mixing down adds a gain for each channel
            yield self._begin + self._made / self._rate, part
            self._made += len(part)

    @staticmethod
    def _facts(frame: Any) -> tuple[int, str, str]:
        return frame.sample_rate, frame.layout.name, frame.format.name
