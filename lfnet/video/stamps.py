"""Timestamps in decode order: where they change to another clock, which are wrong, and one clock for all."""

import heapq
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

__all__ = ["Split", "split_stamps"]

_REORDERED = 16  # frames of H.264 and HEVC, at most, that are decoded before a frame and shown after it
_SINGLE = 3  # consecutive stamps, at most, that are wrong by themselves; more are another clock


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

    def joined(self, step: int) -> list[int | None]:
        """Stamps of one clock: each clock begins `step` after the last stamp of the clock before it; None if wrong."""
        ranges = self.ranges()
        offsets = [0]
        for (_, before), (low, _) in pairwise(ranges):
            offsets.append(before + offsets[-1] + step - low)
        pairs = zip(self.stamps, self.clocks, strict=True)
        return [None if clock is None else stamp + offsets[clock] for stamp, clock in pairs]

    def notes(self, base: float) -> tuple[str, ...]:
        """Say what `joined` repairs; base: seconds of a stamp's unit."""
        notes = []
        ranges = self.ranges()
        if len(ranges) > 1:
            (first, before), (low, _) = ranges[:2]
            many = f"the clock jumps {len(ranges) - 1} times, first" if len(ranges) > 2 else "the clock jumps"
            where = f"{(low - before) * base:+,.2f} s after {(before - first) * base:.2f} s"
            notes.append(f"{many} by {where}: what follows a jump was moved to the frame before it")
        if self.wrong:
            notes.append(f"the times of {self.wrong} frames with wrong timestamps were estimated")
        return tuple(notes)


def split_stamps(stamps: Sequence[int], far: float, restarts: Collection[int] = ()) -> Split:
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
    restarts : collection of int
        Positions at which another clock is known to begin.

    Returns
    -------
    Split

    Examples
    --------
    >>> from lfnet.video.stamps import split_stamps
    >>> split_stamps([0, 40, 99_999_999, 120, 160, *range(50_000_000, 50_000_200, 40)], far=60_000).clocks
    [0, 0, None, 0, 0, 1, 1, 1, 1, 1]
    """
    clocks: list[int | None] = []
    clock, highest = 0, _Highest(far)
    place = 0
    while place < len(stamps):
        if place in restarts:
            clock, highest = clock + 1, _Highest(far)
        elif not highest.continued_by(stamps[place]):
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
