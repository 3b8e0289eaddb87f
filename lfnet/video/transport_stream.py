"""Find what is missing in an MPEG transport stream, whose packets are numbered (ISO/IEC 13818-1, 2.4.3)."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lfnet.video.elements import Fault

__all__ = ["first_gap"]

_TIME_CODE = 4  # bytes before a packet of an m2ts file
_KINDS = {188: 0, 188 + _TIME_CODE: _TIME_CODE, 204: 0}  # length of a packet, and its bytes before the sync byte
_SYNC = 0x47
_NUMBERS = 16  # the numbers of a stream's packets repeat
_BLOCK = 1 << 16  # packets that are read at once
_LOST = "packets of the transport stream are lost"


class _Grid(NamedTuple):
    """Byte of the first packet, length of packets, and their bytes before the sync byte."""

    first: int
    length: int
    before: int


class _Run(NamedTuple):
    """Packets of one stream in a block.

    places: their bytes in the file. head_N6: their first bytes. damaged: the number of damaged packets between each and
    the one before it, also of earlier blocks. after: the number of damaged packets after the last.
    """

    places: np.ndarray
    head_N6: np.ndarray
    damaged: np.ndarray
    after: int


def first_gap(path: Path, stream: int, joins: Collection[int] = ()) -> Fault | None:
    """Find the first place where packets of a stream are missing or unreadable.

    Parameters
    ----------
    path : Path
    stream : int
        The stream's number (PID).
    joins : collection of int
        Places of frames at which another recording begins, whose numbers need not continue.

    Returns
    -------
    Fault or None
        Its place is that of the last frame that begins before the gap. None also where no packets are found.
    """
    grid = _grid(path)
    if grid is None:
        return None
    number: int | None = None
    frame = after = 0
    for run in _runs(path, grid, stream):
        after = run.after
        if not len(run.places):
            continue
        byte_1, byte_3 = run.head_N6[:, 1], run.head_N6[:, 3]
        begins, payload, counter = byte_1 & 0x40 != 0, (byte_3 >> 4 & 1).astype(int), (byte_3 & 15).astype(int)
        before = np.concatenate([counter[:1] - payload[:1] if number is None else [number], counter[:-1]])
        announced = (byte_3 & 0x20 != 0) & (run.head_N6[:, 4] > 0) & (run.head_N6[:, 5] & 0x80 != 0)
        joined = begins & np.isin(run.places, list(joins))
        jumps = ((before + payload) % _NUMBERS != counter) & ~announced & ~joined
        bad = jumps | (run.damaged > 0) | (byte_1 & 0x80 != 0)
        frames = run.places[begins]
        if bad.any():
            frames = frames[frames < run.places[bad.argmax()]]
        frame, number = int(frames[-1]) if len(frames) else frame, int(counter[-1])
        if bad.any():
            return Fault(frame, _LOST)
    if after:
        return Fault(frame, _LOST)
    size = path.stat().st_size
    return Fault(frame, "the file ends within a packet") if (size - grid.first) % grid.length else None


def _runs(path: Path, grid: _Grid, stream: int) -> Iterator[_Run]:
    """Packets of a stream, block by block."""
    damaged = 0
    with path.open("rb") as file:
        file.seek(grid.first)
        place = grid.first
        while len(content := file.read(_BLOCK * grid.length)) >= grid.length:
            count = len(content) // grid.length
            packets = np.frombuffer(content, np.uint8, count * grid.length).reshape(count, grid.length)
            head = packets[:, grid.before : grid.before + 6]
            synced = head[:, 0] == _SYNC
            ours = np.flatnonzero(synced & ((head[:, 1].astype(int) & 0x1F) << 8 | head[:, 2] == stream))
            so_far = damaged + np.cumsum(~synced)
            since = np.diff(so_far[ours], prepend=0)
            damaged = int(so_far[-1] - (so_far[ours[-1]] if len(ours) else 0))
            yield _Run(place + ours * grid.length, head[ours], since, damaged)
            place += len(content)


def _grid(path: Path) -> _Grid | None:
    """Find the first regular sequence of packets, None if there is none."""
    with path.open("rb") as file:
        head = file.read(max(_KINDS) * 6)
    for length, before in _KINDS.items():
        for first in range(length):
            if len(head) > first + before and all(byte == _SYNC for byte in head[first + before :: length]):
                return _Grid(first, length, before)
    return None
