"""Compare a video file with what its container says of its own length: a file that was cut short may just end."""

from pathlib import Path
from typing import Any

from lfnet.video.packets import Packets

__all__ = ["missing_part"]

# Seconds. Matroska files may state how long a stream lasts; the last frame's own length is often a guess of the writer.
_SLACK = 1.0
_STATING = ("matroska,webm", "flv", "avi", "asf")  # containers that state how long the whole lasts
_SLACK_SHARE = 0.02  # of the length of the whole file, which browsers' recordings measure by another clock
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER = 1 << 16  # bytes in which the file properties are searched
_ROUNDED = 8  # bytes: some writers count the first chunk's own header, or pad the last chunk


def missing_part(path: Path, container: Any, stream: Any, packets: Packets) -> str | None:
    """Return what a video lacks at its end; None where nothing is missing, or the container does not say.

    Matroska often states how long a stream lasts; Matroska, FLV, AVI and ASF state how long the whole lasts, and AVI
    and ASF the size of the file. MPEG program streams have no such information.

    Parameters
    ----------
    path : Path
        The file.
    container, stream
        PyAV's container and video stream, after the last packet was read.
    packets : Packets
        All packets of the stream.
    """
    name = container.format.name
    stated = _seconds(stream.metadata.get("DURATION"))
    if "matroska" in name and stated is not None and packets.end < stated - _SLACK:
        return f"the file ends at {packets.end:.1f} of {stated:.1f} s"
    whole = (container.duration or 0) / 1e6  # of the longest stream
    if name in _STATING and packets.last < whole - max(_SLACK, _SLACK_SHARE * whole):
        return f"the file ends at {packets.last:.1f} of {whole:.1f} s"
    size = path.stat().st_size
    declared = _declared_size(path, name)
    if declared is not None and size < declared - _ROUNDED:
        return f"the file ends after {size} of {declared} bytes"
    return None


def _declared_size(path: Path, name: str) -> int | None:
    """The size of the file that an AVI or ASF header states; None where it states none."""
    if name not in ("avi", "asf"):
        return None
    with path.open("rb") as file:
        head = file.read(_ASF_HEADER)
    if name == "avi":  # RIFF, size of what follows; files of more than 1 GB go on with further RIFF chunks
        size = int.from_bytes(head[4:8], "little") if head[:4] == b"RIFF" else 0
        return size + 8 if 0 < size < 2**32 - 1 else None
    at = head.find(_ASF_FILE_PROPERTIES)  # the identifier, the object's size, the file's identifier, the file's size
    return int.from_bytes(head[at + 40 : at + 48], "little") or None if at >= 0 else None


def _seconds(text: str | None) -> float | None:
    """Parse a Matroska duration such as 00:00:01.980000000 as seconds."""
    try:
        hours, minutes, seconds = (text or "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
