"""Feature files: safetensors with a header of their own and a checksum of every byte of the file.

The checksum is XXH3 of 128 bits: every process reads all features of its cohort, and SHA-256 would take ten times as
long. It shows damage, not manipulation, and SHA-256 would not either: who can write a file can write its digest.

A file is compared with its checksum when it is first used in a process, and again when its size, mtime, ctime or inode
has changed.
"""

import json
import os
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file
from xxhash import xxh3_128

from lfnet.errors import LfnetError
from lfnet.features.mapped_file import map_file
from lfnet.files import atomic_path, refuse_special

__all__ = ["Content", "Damaged", "Entry", "Outdated", "Stamp", "check_file", "map_content", "read_entry", "write_file"]

# The header is one entry: safetensors writes several in random order, and the same vectors must be the same bytes.
_HEADER = "lfnet"
_METADATA = "__metadata__"  # as safetensors names it
_MAX_HEADER = 100_000_000  # bytes, as in safetensors
_CHECKSUM = "xxh3_128"  # the key in the header
_BLANK = "[the place of the file checksum]"  # as long as a checksum, in its place while it is computed
_TYPES = {"F32": np.float32, "F64": np.float64, "BOOL": np.bool_}  # as safetensors names them

Stamp = tuple[int, int, int, int]
"""Size, mtime, ctime and inode of a file."""


class Damaged(Exception):
    """A feature file is not as it was written; the message is the reason."""


class Outdated(Damaged):
    """A feature file has no checksum of this kind: an earlier version of lfnet wrote it."""


class Entry(NamedTuple):
    """The header of a feature file, and the shape [T, D] of its vectors."""

    header: dict[str, str]
    shape: tuple[int, int]


class Content(NamedTuple):
    """The header of a feature file, and its arrays, which are read-only views of the mapped file."""

    header: dict[str, str]
    arrays: dict[str, np.ndarray]


_checked: dict[str, Stamp] = {}  # files that this process has compared with their checksums


def write_file(path: Path, tensors: dict[str, np.ndarray], header: dict[str, str]) -> None:
    """Write tensors and header atomically, with their checksum. Raises `LfnetError` where the disk is full."""
    _checked.pop(str(path), None)
    text = json.dumps({**header, _CHECKSUM: _BLANK}, sort_keys=True)
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={_HEADER: text})
        except SafetensorError as error:
            raise LfnetError(f"cannot write {path}: {error}") from error
        with temporary.open("rb+") as file:
            head = _read_head(file)
            checksum = _checksum(head, file)
            file.seek(head.index(_BLANK.encode()))
            file.write(checksum.encode())


def read_entry(path: Path) -> Entry:
    """Read a file's header and shape. Raises `OSError` or `Damaged`."""
    refuse_special(path)
    with path.open("rb") as file:
        stamp = _stamp(os.fstat(file.fileno()))
        head = _read_head(file)
        try:
            content = json.loads(head[8:])
            header = json.loads(content[_METADATA][_HEADER])
            stated = header.pop(_CHECKSUM, None)
            frames, dim = content["features"]["shape"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Damaged("its header is none of lfnet's") from None
        if stated is None:
            raise Outdated("an earlier version of lfnet wrote it, without this version's checksum")
        if _checked.get(str(path)) != stamp:
            blank = head.replace(str(stated).encode(errors="replace"), _BLANK.encode(), 1)
            if _checksum(blank, file) != stated:
                raise Damaged("its bytes are not those that were written")
            _checked[str(path)] = stamp
    return Entry(header, (int(frames), int(dim)))


def check_file(path: Path) -> Stamp:
    """Compare a file with its checksum unless this process has done it. Raises `OSError` or `Damaged`."""
    stamp = _stamp(path.stat())
    if _checked.get(str(path)) != stamp:
        read_entry(path)
    return stamp


def map_content(path: Path) -> Content:
    """Map a file that was compared with its checksum. Raises `OSError` or `Damaged`."""
    memory = map_file(path)
    start = 8 + int.from_bytes(memory[:8].tobytes(), "little")
    entries = json.loads(memory[8:start].tobytes())
    header: dict[str, str] = json.loads(entries.pop(_METADATA)[_HEADER])
    del header[_CHECKSUM]
    arrays = {}
    for name, entry in entries.items():
        first, end = (start + offset for offset in entry["data_offsets"])
        arrays[name] = memory[first:end].view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    return Content(header, arrays)


def _stamp(stat: os.stat_result) -> Stamp:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _read_head(file: BufferedIOBase) -> bytes:
    """The length of the header in 8 bytes, and the header. Raises `Damaged` if there is less."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    header = file.read(length) if length <= _MAX_HEADER else b""
    if len(start) < 8 or len(header) < length:
        raise Damaged("it is cut")
    return start + header


def _checksum(head: bytes, rest: BufferedIOBase) -> str:
    """The checksum of a file: of its head with the blank, and of what follows, read in chunks that stay in cache."""
    found = xxh3_128(head)
    buffer = memoryview(bytearray(1 << 18))
    while count := rest.readinto(buffer):
        found.update(buffer[:count])
    return found.hexdigest()
