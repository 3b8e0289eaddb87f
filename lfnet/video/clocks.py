"""The times of a video's frames, by four kinds of clock."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["Clock", "CountClock", "OrderClock", "RepairedClock", "StampClock"]


@dataclass(frozen=True)
class Clock(ABC):
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
    """

    n_frames: int
    rate: float
    interval: float
    notes: tuple[str, ...] = ()

    def packet_stamp(self, number: int, stamp: int | None) -> int | None:
        """Return the timestamp with which a packet is decoded, in the stream's time base.

        Parameters
        ----------
        number : int
            Position among the packets with data, from 0.
        stamp : int, optional
            The packet's own timestamp.
        """
        return stamp

    @abstractmethod
    def time(self, number: int, stamp: float | None, last: float | None) -> float:
        """Return a frame's time in seconds.

        Parameters
        ----------
        number : int
            Position among the decoded frames, from 0.
        stamp : float, optional
            The timestamp that it got from its packet.
        last : float, optional
            The time of the frame before it; None for the first.
        """


@dataclass(frozen=True)
class StampClock(Clock):
    """The file's own timestamps; a frame without one is shown an interval after the frame before it."""

    def time(self, number: int, stamp: float | None, last: float | None) -> float:
        if stamp is not None:
            return stamp
        return 0.0 if last is None else last + self.interval


@dataclass(frozen=True)
class RepairedClock(Clock):
    """Timestamps of which some were moved to one clock, and others, which were wrong, are estimated from neighbours.

    stamps: of all packets with data, in decode order; None where a time is estimated. seconds: good times, in order.
    """

    stamps: tuple[int | None, ...] = ()
    seconds: tuple[float, ...] = ()

    def packet_stamp(self, number: int, stamp: int | None) -> int | None:
        return self.stamps[number] if number < len(self.stamps) else stamp

    def time(self, number: int, stamp: float | None, last: float | None) -> float:
        if stamp is not None:
            return stamp
        if last is None:
            return self.seconds[0] - self.interval if self.seconds else 0.0
        place = bisect_right(self.seconds, last)
        return (last + self.seconds[place]) / 2 if place < len(self.seconds) else last + self.interval


@dataclass(frozen=True)
class OrderClock(Clock):
    """Times of frames in presentation order, for files whose timestamps are times of decoding."""

    seconds: tuple[float, ...] = ()

    def time(self, number: int, stamp: float | None, last: float | None) -> float:
        if number < len(self.seconds):
            return self.seconds[number]
        return 0.0 if last is None else last + self.interval


@dataclass(frozen=True)
class CountClock(Clock):
    """Frame k is shown at k intervals, whatever its timestamp."""

    def time(self, number: int, stamp: float | None, last: float | None) -> float:
        return number * self.interval
