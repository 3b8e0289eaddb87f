"""Presentation times of a video's frames: use the container's timestamps, and repair those that cannot be right."""

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.errors import LfnetError, Unreadable
from lfnet.video.container import opened

__all__ = ["MAX_LOST", "TIMES", "Clock", "read_clock", "split_stamps"]

TIMES = ("stamps", "rebuild")
MAX_LOST = 0.01  # share of a video's frames that may be left out, or get an estimated time
# Seconds. A gap between frames that is longer than this and than 100 frames is no pause, but another clock.
_FAR, _FAR_FRAMES = 60.0, 100
_REORDERED = 16  # frames of H.264 and HEVC, at most, that are decoded before a frame and shown after it
_SINGLE = 3  # consecutive stamps, at most, that are wrong by themselves; more are another clock
_PROOF = 250  # frames whose stamps advance show that a container stores presentation times
_SAME_RATE = 0.05  # share by which the stated frame rate may differ from that of the timestamps


class Split(NamedTuple):
    """Timestamps in decode order, and the clock of each: its number from 0, None for a single wrong stamp."""

    stamps: list[int]
    clocks: list[int | None]

    @property
    def wrong(self) -> int:
        return sum(clock is None for clock in self.clocks)

    def ranges(self) -> list[tuple[int, int]]:
        """Lowest and highest stamp of each clock."""
        found: dict[int, tuple[int, int]] = {}
        for stamp, clock in zip(self.stamps, self.clocks, strict=True):
            if clock is not None:
                low, high = found.get(clock, (stamp, stamp))
                found[clock] = min(low, stamp), max(high, stamp)
        return [found[clock] for clock in range(len(found))]

    def steps(self) -> np.ndarray:
        """Positive differences of neighbouring stamps in presentation order, within each clock."""
        parts: dict[int, list[int]] = {}
        for stamp, clock in zip(self.stamps, self.clocks, strict=True):
            if clock is not None:
                parts.setdefault(clock, []).append(stamp)
        steps = [np.diff(np.unique(np.array(part, np.int64))) for part in parts.values()]
        return np.concatenate([np.array([], np.int64), *steps])


def split_stamps(stamps: Sequence[int], far: float) -> Split:
    """Find where timestamps change to another clock, and single stamps that are wrong.

    A clock continues while a stamp is at most `far` above the highest so far, and above all but the 16 highest, since
    decoders reorder no more frames. If one of the next three stamps continues the clock, those before it are wrong;
    otherwise a new clock begins.

    Parameters
    ----------
    stamps : sequence of int
        Timestamps of the packets in decode order.
    far : float
        In the stamps' unit.

    Returns
    -------
    Split

    Examples
    --------
    >>> from lfnet.video.times import split_stamps
    >>> split_stamps([0, 40, 99_999_999, 120, 160, *range(50_000_000, 50_000_200, 40)], far=60_000).clocks
    [0, 0, None, 0, 0, 1, 1, 1, 1, 1]
    """
    clocks: list[int | None] = []
    clock, highest = 0, _Highest(far)
    place = 0
    while place < len(stamps):
        if not highest.continued_by(stamps[place]):
            following = range(place + 1, min(place + 1 + _SINGLE, len(stamps)))
            back = next((later for later in following if highest.continued_by(stamps[later])), None)
            if back is not None:
                clocks += [None] * (back - place)
                place = back
            else:
                clock, highest = clock + 1, _Highest(far)
        highest.add(stamps[place])
        clocks.append(clock)
        place += 1
    return Split(list(stamps), clocks)


class _Highest:
    """The highest stamps of a clock."""

    def __init__(self, far: float) -> None:
        self._far = far
        self._heap: list[int] = []
        self._top = 0

    def continued_by(self, stamp: int) -> bool:
        if not self._heap:
            return True
        return stamp <= self._top + self._far and (len(self._heap) <= _REORDERED or stamp > self._heap[0])

    def add(self, stamp: int) -> None:
        self._top = max(self._top, stamp) if self._heap else stamp
        heapq.heappush(self._heap, stamp)
        if len(self._heap) > _REORDERED + 1:
            heapq.heappop(self._heap)


@dataclass(frozen=True)
class Clock:
    """The times of a video's frames.

    Attributes
    ----------
    n_frames : int
        Packets with a frame that is shown.
    rate : float
        Mean frames per second.
    interval : float
        Seconds of a frame, as stated or typical.
    notes : tuple of str
        What was repaired or replaced; empty for good timestamps.
    stamps : tuple, optional
        Repaired timestamps of all packets with data, in decode order, in the stream's time base; None where a frame's
        time is estimated. None if the file's own stamps are used.
    times : tuple of float, optional
        Seconds of all frames in presentation order, for a file without presentation times.
    rebuilt : bool
        Whether frame k is shown at k intervals.
    """

    n_frames: int
    rate: float
    interval: float
    notes: tuple[str, ...] = ()
    stamps: tuple[int | None, ...] | None = None
    times: tuple[float, ...] | None = None
    known: tuple[float, ...] = ()
    rebuilt: bool = False
    end: float = 0.0
    joins: frozenset[int] = frozenset()

    def time(self, number: int, stamp: float | None, last: float | None) -> float:
        """Return a frame's time in seconds.

        Parameters
        ----------
        number : int
            Position among the decoded frames, from 0.
        stamp : float, optional
            Its own timestamp.
        last : float, optional
            The time of the frame before it; None for the first.
        """
        if self.rebuilt:
            return number * self.interval
        if self.times is not None and number < len(self.times):
            return self.times[number]
        if stamp is not None and self.times is None:
            return stamp
        if last is None:
            return self.known[0] - self.interval if self.known else 0.0
        place = bisect_right(self.known, last)
        return (last + self.known[place]) / 2 if place < len(self.known) else last + self.interval


def read_clock(path: Path, times: str = "stamps", damaged: str = "refuse") -> Clock:
    """Read the timestamps of a video and decide on the times of its frames.

    Frames are decoded only if stamps may be those of decoding, as in AVI files with B-frames.

    Parameters
    ----------
    path : Path
        A video.
    times : {"stamps", "rebuild"}
        Use the stamps, repaired where they cannot be right, or count frames at the stated rate.
    damaged : {"refuse", "keep"}
        Refuse a video with too many wrong stamps, or estimate their times.

    Returns
    -------
    Clock

    Raises
    ------
    Unreadable
        The video cannot be opened, there is neither a timestamp nor a frame rate, or more than 1 % of stamps are wrong.
    """
    if times not in TIMES:
        raise LfnetError(f"video.times must be one of {', '.join(TIMES)}, not {times!r}.")
    with opened(path) as (container, stream):
        found = _read(container, stream)
        unit = stream.time_base or Fraction(0)
        base = float(unit)
        shown = [stamp for stamp, hidden in found.packets if not hidden]
        known = [stamp for stamp in shown if stamp is not None]
        steps = np.abs(np.diff(np.array(known, np.int64)))
        typical = float(np.median(steps[steps > 0])) if steps.any() else 0.0
        split = split_stamps(known, max(_FAR / base if base else 0.0, _FAR_FRAMES * typical))
        interval = _interval(stream, split.steps() * base)
    if interval is None:
        raise Unreadable(
            f"{path} has neither timestamps nor a frame rate. Remux it with `ffmpeg -i in -c copy out.mp4`."
        )
    count, end = len(shown), found.end
    if times == "rebuild":
        note = f"frames were counted at {1 / interval:.6g} per second, without the file's timestamps (video.times)"
        return Clock(count, 1 / interval, interval, (note,), rebuilt=True, end=end)
    if found.decoded is not None:
        seconds = tuple(sorted(stamp * base for stamp in found.decoded))
        note = "the file has no presentation times: they follow from the order of the decoded frames"
        return Clock(count, _rate(seconds, count, interval), interval, (note,), times=seconds, end=end)
    if not split.wrong and len(split.ranges()) < 2:
        ends = [float(stamp * unit) for stamp in (min(known), max(known))] if known else []
        return Clock(count, _rate(ends, count, interval), interval, end=end)
    if damaged == "refuse" and split.wrong > MAX_LOST * count:
        raise Unreadable(
            f"{path}: {split.wrong} of {count} frames have wrong timestamps, more than {MAX_LOST:.0%}. "
            "Count frames at the stated rate instead with video.times=rebuild."
        )
    repaired, notes = _repaired(split, round(interval / base), base)
    left = iter(repaired)
    stamps = tuple(stamp if hidden or stamp is None else next(left) for stamp, hidden in found.packets)
    clocks = iter(split.clocks)
    of_packets = [None if hidden or stamp is None else next(clocks) for stamp, hidden in found.packets]
    joins = frozenset(of_packets.index(clock) for clock in range(1, len(split.ranges())))
    seconds = tuple(sorted(stamp * base for stamp in repaired if stamp is not None))
    return Clock(count, _rate(seconds, count, interval), interval, notes, stamps, known=seconds, end=end, joins=joins)


class _Found(NamedTuple):
    """Stamp of each packet with data and whether it is hidden; the end of any stream in seconds; the frames' stamps if
    they are those of decoding.
    """

    packets: list[tuple[int | None, bool]]
    end: float
    decoded: list[int] | None


def _read(container: Any, video: Any) -> _Found:
    import av

    packets: list[tuple[int | None, bool]] = []
    decoded: list[int] = []
    end = 0.0
    # A decoder that reorders frames, and packets whose stamps increase: no frame is reordered, or stamps are wrong.
    decoding, disordered = bool(video.codec_context.has_b_frames), False
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                end = max(end, float(packet.pts * packet.time_base))
            if packet.stream_index != video.index:
                continue
            if packet.size:
                last = packets[-1][0] if packets else None
                packets.append((packet.pts, packet.is_discard))
                if packet.pts is None or packet.is_discard or (last is not None and packet.pts <= last):
                    decoding = False
            if not decoding:
                continue
            for image in packet.decode():
                disordered |= bool(decoded) and image.pts is not None and image.pts < decoded[-1]
                decoding &= image.pts is not None and (disordered or len(decoded) < _PROOF)
                decoded += [image.pts] * (image.pts is not None)
    except (av.FFmpegError, OSError):
        pass  # decoding reports the damage
    return _Found(packets, end, decoded if decoding and disordered else None)


def _interval(stream: Any, steps: np.ndarray) -> float | None:
    """Seconds of a frame: as stated, or the median if the timestamps contradict."""
    rates = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    if not len(steps):
        return 1 / rates[0] if rates else None
    typical = float(np.median(steps))
    return next((1 / rate for rate in rates if abs(rate * typical - 1) < _SAME_RATE), typical)


def _rate(seconds: Sequence[float], frames: int, interval: float) -> float:
    span = max(seconds) - min(seconds) if seconds else 0.0
    return (frames - 1) / span if frames > 1 and span > 0 else 1 / interval


def _repaired(split: Split, step: int, base: float) -> tuple[list[int | None], tuple[str, ...]]:
    """One clock: each begins a frame after the last of the clock before it; and notes."""
    ranges = split.ranges()
    offsets, jumps = [0], []
    for (_, before), (low, _) in pairwise(ranges):
        jumps.append((before + offsets[-1] - ranges[0][0], low - before))
        offsets.append(before + offsets[-1] + step - low)
    notes = []
    if jumps:
        after, jump = jumps[0]
        many = f"the clock jumps {len(jumps)} times, first" if len(jumps) > 1 else "the clock jumps"
        where = f"{jump * base:+,.2f} s after {after * base:.2f} s"
        notes.append(f"{many} by {where}: what follows a jump was moved to the frame before it")
    if split.wrong:
        notes.append(f"the times of {split.wrong} frames with wrong timestamps were estimated")
    pairs = zip(split.stamps, split.clocks, strict=True)
    return [None if clock is None else stamp + offsets[clock] for stamp, clock in pairs], tuple(notes)
