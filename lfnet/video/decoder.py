"""Decode the packets of a video to PyAV's frames, and notice what is damaged or lost."""

from collections.abc import Iterator
from typing import Any

from lfnet.video.container import reason_of
from lfnet.video.survey import Survey

__all__ = ["Damaged", "Decoder"]

_MARKING = ("h264", "hevc")  # decoders that mark damaged frames
_ONE_TO_ONE = ("h264", "hevc", "av1", "libdav1d")  # decoders that return a frame for each packet


class Damaged(Exception):
    """The reason why a video cannot be read further."""


class Decoder:
    """The decoder of a video's default stream, set to report damage.

    FFmpeg's decoder of VP9 shows damaged frames without a word; that of libvpx, whose frames are the same, refuses
    them. H.264 and HEVC mark damaged frames, and may begin with frames whose references are not in the file; other
    decoders stop at the first error.

    Parameters
    ----------
    container, stream
        PyAV's, of an open file.
    surveyed : Survey
        Of the same file.

    Attributes
    ----------
    unstarted, lost : int
        Frames before the first that was returned, and after it, that the decoder was given and did not return.
    """

    def __init__(self, container: Any, stream: Any, surveyed: Survey) -> None:
        import av

        self.unstarted = self.lost = 0
        self._container, self._stream, self._surveyed = container, stream, surveyed
        decoder = stream.codec_context
        if decoder.name == "vp9" and "libvpx-vp9" in av.codecs_available:
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        elif decoder.name not in _MARKING:
            decoder.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        # Two threads on every machine: the frames of a damaged file must not depend on the number of cores.
        decoder.thread_type = "AUTO"
        decoder.thread_count = 2
        self._decoder = decoder

    def images(self) -> Iterator[Any]:
        """Iterate over PyAV's frames. Raises `Damaged` at the known damage, or where the decoder notices one."""
        import av

        first: int | None = None
        waiting: set[int] = set()  # timestamps of packets whose frame has not been returned
        progressive = self._decoder.name in _ONE_TO_ONE
        try:
            for packet in self._packets():
                if packet.size and packet.pts is not None and not packet.is_discard:
                    waiting.add(packet.pts)
                for image in self._decoder.decode(packet):
                    if image.is_corrupt:
                        raise Damaged("the frame is corrupt")
                    first = image.pts if first is None else first
                    progressive &= not image.interlaced_frame  # two packets may hold the fields of one frame
                    waiting.discard(image.pts)
                    yield image
        except (av.FFmpegError, OSError) as error:
            raise Damaged(reason_of(error)) from error
        if progressive and first is not None:
            self.unstarted = sum(stamp < first for stamp in waiting)
            self.lost = len(waiting) - self.unstarted
        if self._surveyed.damage is not None:
            raise Damaged(self._surveyed.damage.reason)

    def _packets(self) -> Iterator[Any]:
        """Iterate over the packets before the known damage, with right timestamps; the last is empty."""
        import av

        number = 0
        for packet in self._container.demux(self._stream):
            if packet.size:
                if self._surveyed.damage is not None and number == self._surveyed.damage.packet:
                    packet = av.Packet()  # lets the decoder hand over its last frames
                    packet.stream, packet.time_base = self._stream, self._stream.time_base
                    yield packet
                    return
                packet.pts = self._surveyed.clock.packet_stamp(number, packet.pts)
                number += 1
            yield packet
