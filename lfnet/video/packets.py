"""Read all packets of a video: when their frames are shown, and where they lie in the file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from lfnet.video.container import reason_of
from lfnet.video.stamps import Split, split_stamps

__all__ = ["Packet", "Packets", "read_packets"]

# Seconds. A gap between frames that is longer than this and than 100 frames is no pause, but another clock.
_FAR, _FAR_FRAMES = 60.0, 100
_WITH_DECODING_TIMES = ("mpegts", "mpeg")  # FFmpeg derives those of other containers
_PROOF = 250  # frames whose stamps advance show that a container stores presentation times


class Packet(NamedTuple):
    """A packet with data.

    stamp: time of presentation in the stream's time base. decoding: time of decoding, where the container stores it.
    hidden: whether an edit list hides its frame. place: its byte in the file; None if FFmpeg does not tell. corrupt:
    whether FFmpeg takes it for damaged.
    """

    stamp: int | None
    decoding: int | None
    hidden: bool
    place: int | None
    corrupt: bool


@dataclass(frozen=True)
class Packets:
    """The packets of a video stream, in decode order.

    Attributes
    ----------
    each : tuple of Packet
    unit : Fraction
        Seconds of the stamps' unit; 0 if the stream has no time base.
    end : float
        Time of the stream's last packet in seconds.
    last : float
        Time of the last packet of any stream in seconds.
    decoded : tuple of int, optional
        The stamps of the decoded frames, if stamps are times of decoding, as in AVI files with B-frames.
    error : str, optional
        Why no further packet could be read.
    """

    each: Sequence[Packet]
    unit: Fraction
    end: float = 0.0
    last: float = 0.0
    decoded: tuple[int, ...] | None = None
    error: str | None = None

    def before(self, number: int) -> "Packets":
        """The first `number` packets."""
        return replace(self, each=self.each[:number])

    @property
    def shown(self) -> int:
        """Number of packets with a frame that is shown."""
        return sum(not packet.hidden for packet in self.each)

    def split(self) -> Split:
        """Split the stamps of shown frames by clock."""
        shown = [(p.stamp, p.decoding) for p in self.each if p.stamp is not None and not p.hidden]
        known, decoding = [stamp for stamp, _ in shown], [time for _, time in shown]
        steps = np.abs(np.diff(np.array(known, np.int64)))
        typical = float(np.median(steps[steps > 0])) if steps.any() else 0.0
        far = max(float(_FAR / self.unit) if self.unit else 0.0, _FAR_FRAMES * typical)
        return split_stamps(known, far, _restarts(decoding))

    def of_shown(self, values: Sequence[Any]) -> list[Any]:
        """Distribute values of the stamps that `split` takes to all packets; None for the others."""
        left = iter(values)
        return [None if packet.hidden or packet.stamp is None else next(left) for packet in self.each]


def _restarts(decoding: Sequence[int | None]) -> set[int]:
    """Positions at which times of decoding restart; after a single wrong time they are above those before it."""
    found = set()
    for place in range(1, len(decoding)):
        now, last, earlier = decoding[place], decoding[place - 1], decoding[max(0, place - 2)]
        if now is not None and last is not None and earlier is not None and now <= min(last, earlier):
            found.add(place)
    return found


def read_packets(container: Any, video: Any) -> Packets:
    """Read the packets of an open container's video stream.

    Frames are decoded only if stamps may be those of decoding: the decoder reorders frames, and packets' stamps
    increase.

    Parameters
    ----------
    container, video
        PyAV's container and video stream.
    """
    import av

    packets: list[Packet] = []
    error = None
    end = last = 0.0
    order = _DecodingOrder(video.codec_context)
    stored = container.format.name in _WITH_DECODING_TIMES
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                seconds = float(packet.pts * packet.time_base)
                last = max(last, seconds)
                if packet.stream_index == video.index:
                    end = max(end, seconds)
            if packet.stream_index != video.index:
                continue
            if packet.size:
                decoding = packet.dts if stored else None
                packets.append(Packet(packet.pts, decoding, packet.is_discard, packet.pos, packet.is_corrupt))
            order.add(packet)
    except (av.FFmpegError, OSError) as fault:
        error = reason_of(fault)
    return Packets(tuple(packets), video.time_base or Fraction(0), end, last, order.stamps(), error)


class _DecodingOrder:
    """Find out whether the stamps of a stream are times of decoding: they advance, while its frames' stamps do not."""

    def __init__(self, decoder: Any) -> None:
        self._possible = bool(decoder.has_b_frames)
        self._disordered = False
        self._last: int | None = None
        self._decoded: list[int] = []

    def add(self, packet: Any) -> None:
        import av

        if packet.size:
            if packet.pts is None or packet.is_discard or (self._last is not None and packet.pts <= self._last):
                self._possible = False
            self._last = packet.pts
        if not self._possible:
            return
        try:
            for image in packet.decode():
                self._add_frame(image.pts)
        except (av.FFmpegError, OSError):
            pass  # reported where frames are decoded to be used

    def _add_frame(self, stamp: int | None) -> None:
        if stamp is None:
            self._possible = False
            return
        self._disordered |= bool(self._decoded) and stamp < self._decoded[-1]
        self._possible &= self._disordered or len(self._decoded) < _PROOF
        self._decoded.append(stamp)

    def stamps(self) -> tuple[int, ...] | None:
        """The frames' stamps, None if they are times of presentation."""
        return tuple(self._decoded) if self._possible and self._disordered else None
