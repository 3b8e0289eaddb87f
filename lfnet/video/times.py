"""Presentation times of a video's frames: use the container's timestamps, and repair those that cannot be right."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.errors import LfnetError, Unreadable
from lfnet.video.clocks import Clock, CountClock, OrderClock, RepairedClock, StampClock
from lfnet.video.packets import Packets

__all__ = ["MAX_LOST", "TIMES", "choose_clock"]

TIMES = ("stamps", "rebuild")
MAX_LOST = 0.01  # share of a video's frames that may be left out, or get an estimated time
_SAME_RATE = 0.05  # share by which the stated frame rate may differ from that of the timestamps


def choose_clock(path: Path, stream: Any, packets: Packets, times: str = "stamps", damaged: str = "refuse") -> Clock:
    """Decide on the times of a video's frames.

    Parameters
    ----------
    path : Path
        The video, for messages.
    stream
        PyAV's video stream.
    packets : Packets
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
        There is neither a timestamp nor a frame rate, or more than 1 % of stamps are wrong.
    """
    if times not in TIMES:
        raise LfnetError(f"video.times must be one of {', '.join(TIMES)}, not {times!r}.")
    base, count = float(packets.unit), packets.shown
    split = packets.split()
    interval = _interval(stream, split.steps() * base)
    if interval is None:
        raise Unreadable(
            f"{path} has neither timestamps nor a frame rate. Remux it with `ffmpeg -i in -c copy out.mp4`."
        )
    if times == "rebuild":
        note = f"frames were counted at {1 / interval:.6g} per second, without the file's timestamps (video.times)"
        return CountClock(count, 1 / interval, interval, (note,))
    if packets.decoded is not None:
        seconds = tuple(sorted(stamp * base for stamp in packets.decoded))
        note = "the file has no presentation times: they follow from the order of the decoded frames"
        return OrderClock(count, _rate(seconds[:count], count, interval), interval, (note,), seconds)
    if not split.wrong and len(split.ranges()) < 2:
        ends = [float(stamp * packets.unit) for low_and_high in split.ranges() for stamp in low_and_high]
        return StampClock(count, _rate(ends, count, interval), interval)
    if damaged == "refuse" and split.wrong > MAX_LOST * count:
        raise Unreadable(
            f"{path}: {split.wrong} of {count} frames have wrong timestamps, more than {MAX_LOST:.0%}. "
            "Count frames at the stated rate instead with video.times=rebuild."
        )
    joined = split.joined(round(interval / base))
    new = packets.of_shown(joined)
    stamps = tuple(packet.stamp if packet.hidden else stamp for packet, stamp in zip(packets.each, new, strict=True))
    seconds = tuple(sorted(stamp * base for stamp in joined if stamp is not None))
    return RepairedClock(count, _rate(seconds, count, interval), interval, split.notes(base), stamps, seconds)


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
