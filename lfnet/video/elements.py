"""Walk through the elements of a video file: each states its length, and the next one follows it."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["Fault", "first_fault"]

_BLOCK = 1 << 20  # bytes that are read at once


class Fault(NamedTuple):
    """place: the first byte that may be damaged. reason: a clause."""

    place: int
    reason: str


class _Element(NamedTuple):
    """length: bytes until the next element, also of an element that contains others. whole: bytes until its own end.
    sound: whether a checksum fits, where there is one.
    """

    length: int
    whole: int
    sound: bool = True


def first_fault(path: Path, name: str) -> Fault | None:
    """Find the first place where an element does not follow another, or its checksum does not fit.

    For FLV, Matroska and WebM, whose clusters of frames may have a checksum, and MPEG program streams.

    Parameters
    ----------
    path : Path
    name : str
        FFmpeg's name of the container.

    Returns
    -------
    Fault or None
        None also for other containers. The fault is in the element before the place where none follows, or earlier.
    """
    measures = {"flv": _flv_tag, "mpeg": _program_stream_packet, "matroska,webm": _matroska_element}
    measure = measures.get(name)
    if measure is None:
        return None
    with path.open("rb") as file:
        return _walk(file, path.stat().st_size, measure)


def _walk(file: BinaryIO, size: int, measure: Callable[[BinaryIO, int], _Element | None]) -> Fault | None:
    last = place = promised = 0
    while place < size:
        element = measure(file, place)
        if element is None:  # a file that does not begin with an element is of another kind
            return Fault(last, "the file's structure is broken") if place else None
        if not element.sound:
            return Fault(place, "a checksum does not fit")
        promised = max(promised, place + element.whole)
        last, place = place, place + element.length
    if place > size:
        return Fault(last, "the file ends within a packet")
    return Fault(size, f"the file ends after {size} of {promised} bytes") if promised > size else None


def _read(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)


# --- FLV: a header, and tags with a length after each (Adobe Flash Video File Format Specification 10.1, annex E) ---
_FLV_TAGS = (8, 9, 18)  # sound, video, data


def _flv_tag(file: BinaryIO, place: int) -> _Element | None:
    head = _read(file, place, 9)
    if place == 0:
        length = int.from_bytes(head[5:9], "big") + 4
        return _Element(length, length) if head[:3] == b"FLV" else None
    if head[0] & 0x1F not in _FLV_TAGS:
        return None
    length = 11 + int.from_bytes(head[1:4], "big") + 4
    return _Element(length, length)


# --- MPEG program streams: packs and packets, each with a start code (ISO/IEC 13818-1, 2.5.3) ---
_PACK, _END = 0xBA, 0xB9
_SECTOR = 2352


def _program_stream_packet(file: BinaryIO, place: int) -> _Element | None:
    head = _read(file, place, 14)
    if head[:3] == b"\0\0\0":
        return _padding(file, place)
    if head[:3] != b"\0\0\1" or len(head) < 4 or head[3] < _END:
        return None
    if head[3] == _PACK:
        second = head[4:5] >= b"\x40"  # MPEG-2; MPEG-1 has no stuffing
        length = 14 + (head[13] & 7 if len(head) == 14 else 0) if second else 12
    else:
        length = 4 if head[3] == _END else 6 + int.from_bytes(head[4:6], "big")
    return _Element(length, length)


def _padding(file: BinaryIO, place: int) -> _Element | None:
    """Zeros up to the next pack or the file's end, within a sector of a video CD."""
    content = _read(file, place, _SECTOR)
    length = len(content) - len(rest := content.lstrip(b"\0"))
    if rest[:2] == bytes([1, _PACK]):
        return _Element(length - 2, length - 2)  # of a start code the first two bytes are zeros
    return None if rest or length == _SECTOR else _Element(length, length)


# --- Matroska and WebM: elements with an identifier and a length (RFC 8794, RFC 9559) ---
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_VOID, _CRC = 0xEC, 0xBF
# SeekHead, Info, Tracks, Cues, Attachments, Chapters, Tags
_TOP = {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367}
# Timestamp, SilentTracks, Position, PrevSize, SimpleBlock, BlockGroup, EncryptedBlock
_OF_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF}
_CONTAINERS = {_SEGMENT, _CLUSTER}
_KNOWN = {_EBML, _VOID, _CRC} | _CONTAINERS | _TOP | _OF_CLUSTER
_CRC_LENGTH = 6  # bytes of an element of a checksum


def _matroska_element(file: BinaryIO, place: int) -> _Element | None:
    head = _read(file, place, 12)
    name_length = _vint_length(head[:1], 4)
    length_length = _vint_length(head[name_length : name_length + 1], 8) if name_length else 0
    if not length_length or int.from_bytes(head[:name_length], "big") not in _KNOWN:
        return None
    name = int.from_bytes(head[:name_length], "big")
    header = name_length + length_length
    bits = 7 * length_length
    stated = int.from_bytes(head[name_length:header], "big") & ((1 << bits) - 1)
    unknown = stated == (1 << bits) - 1  # of live recordings
    if name not in _CONTAINERS:
        return None if unknown else _Element(header + stated, header + stated)
    whole = header if unknown else header + stated
    sound = unknown or name != _CLUSTER or _checksum_fits(file, place + header, stated)
    return _Element(header, whole, sound)


def _vint_length(first: bytes, longest: int) -> int:
    """Bytes of a number of variable length from its first byte: leading zeros plus 1; 0 if that is too long."""
    length = 9 - first[0].bit_length() if first else 0
    return length if length <= longest else 0


def _checksum_fits(file: BinaryIO, place: int, length: int) -> bool:
    """Whether a first child with a checksum agrees with the other children; True where there is none."""
    first = _read(file, place, _CRC_LENGTH)
    if first[:2] != bytes([_CRC, 0x84]):
        return True
    left, checksum = length - _CRC_LENGTH, 0
    while content := file.read(min(left, _BLOCK)):
        left, checksum = left - len(content), zlib.crc32(content, checksum)
    return left > 0 or checksum == int.from_bytes(first[2:], "little")  # a cut is reported elsewhere
