"""The first damage of a video that its container reveals, without decoding."""

from pathlib import Path
from typing import Any, NamedTuple

from lfnet.video.completeness import missing_part
from lfnet.video.elements import first_fault
from lfnet.video.packets import Packets
from lfnet.video.transport_stream import first_gap

__all__ = ["Damage", "find_damage"]

_AVI_HEADER = 8  # bytes of a chunk before its data, which are FFmpeg's place of a packet


class Damage(NamedTuple):
    """packet: the first that may be damaged or missing, by its number from 0. reason: a clause."""

    packet: int
    reason: str


def find_damage(path: Path, container: Any, stream: Any, packets: Packets) -> Damage | None:
    """Find the first damage of a video that its container reveals.

    Parameters
    ----------
    path : Path
        The file.
    container, stream
        PyAV's container and video stream, whose packets were read.
    packets : Packets

    Returns
    -------
    Damage or None
        None also for damage within frames, which only their decoder notices.
    """
    count = len(packets.each)
    found = []
    if packets.error is not None:
        found.append(Damage(count, packets.error))
    if container.format.name == "mpegts":
        # FFmpeg takes some packets for corrupt where recordings were joined, and misses others that are lost.
        fault = first_gap(path, stream.id, _joins(packets))
    else:
        fault = first_fault(path, container.format.name)
        corrupt = next((number for number, packet in enumerate(packets.each) if packet.corrupt), None)
        found += [] if corrupt is None else [Damage(corrupt, "a packet is corrupt")]
    if fault is not None:
        behind = (
            n for n, packet in enumerate(packets.each) if packet.place is not None and packet.place >= fault.place
        )
        found.append(Damage(next(behind, count), fault.reason))
    if (lost := _lost_frame(container, stream, packets)) is not None:
        found.append(lost)
    if missing := missing_part(path, container, stream, packets):
        found.append(Damage(count, missing))
    return min(found, default=None)


def _lost_frame(container: Any, stream: Any, packets: Packets) -> Damage | None:
    """Find the first frame in the index of an MP4, MOV or AVI file of which there is no packet."""
    name, count = container.format.name, len(packets.each)
    if "mov" not in name and name != "avi":
        return None
    # The index holds what the edit lists show; `stream.frames` also counts what they hide.
    indexed = [entry.pos for entry in stream.index_entries if entry.size]
    if count >= len(indexed):
        return None
    places = [packet.place for packet in packets.each]
    read = {place - (_AVI_HEADER if name == "avi" else 0) for place in places if place is not None}
    lost = next((place for place in indexed if place not in read), indexed[-1])
    before = sum(place is not None and place < lost for place in places)
    return Damage(before, f"{len(indexed) - count} of {len(indexed)} frames are missing")


def _joins(packets: Packets) -> set[int]:
    """Places of the frames with which another clock begins, which are those of joined recordings."""
    split = packets.split()
    clocks = packets.of_shown(split.clocks)
    first = (clocks.index(clock) for clock in range(1, len(split.ranges())))
    return {place for number in first if (place := packets.each[number].place) is not None}
