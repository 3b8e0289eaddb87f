"""Feature files: safetensors with a header of their own and a digest of every byte of the file.

A file is compared with its digest when it is first used in a process, and again when its size, mtime, ctime or inode
has changed.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from lfnet.errors import LfnetError
from lfnet.files import atomic_path, refuse_special
from lfnet.seals import BLANK, SEAL, check_seal, seal_file

__all__ = ["Damaged", "Entry", "Stamp", "Unsealed", "check_file", "header_of", "read_entry", "stamp_of", "write_file"]

# The header is one entry: safetensors writes several in random order, and the same vectors must be the same bytes.
_HEADER = "lfnet"
_METADATA = "__metadata__"  # as safetensors names it
_MAX_HEADER = 100_000_000  # bytes, as in safetensors

Stamp = tuple[int, int, int, int]
"""Size, mtime, ctime and inode of a file."""


class Damaged(Exception):
    """A feature file is not as it was written; the message is the reason."""


class Unsealed(Damaged):
    """A feature file has no digest: an earlier version of lfnet wrote it."""


class Entry(NamedTuple):
    """The header of a feature file, and the shape [T, D] of its vectors."""

    header: dict[str, str]
    shape: tuple[int, int]


_checked: dict[str, Stamp] = {}  # files that this process has compared with their digests


def write_file(path: Path, tensors: dict[str, np.ndarray], header: dict[str, str]) -> None:
    """Write tensors and header atomically, with their digest. Raises `LfnetError` where the disk is full."""
    _checked.pop(str(path), None)
    text = json.dumps({**header, SEAL: BLANK}, sort_keys=True)
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={_HEADER: text})
        except SafetensorError as error:
            raise LfnetError(f"cannot write {path}: {error}") from error
        seal_file(temporary)


def read_entry(path: Path) -> Entry:
    """Read a file's header and shape. Raises `OSError` or `Damaged`."""
    refuse_special(path)
    with path.open("rb") as file:
        stamp = _stamp(os.fstat(file.fileno()))
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(stamp[0] - 8, _MAX_HEADER):
            raise Damaged("it is cut")
        head = file.read(length)
        try:
            content = json.loads(head)
            header = json.loads(content[_METADATA][_HEADER])
            sealed = header.pop(SEAL, None)
            frames, dim = content["features"]["shape"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Damaged("its header is none of lfnet's") from None
        if sealed is None:
            raise Unsealed("an earlier version of lfnet wrote it, without a digest")
        if _checked.get(str(path)) != stamp:
            if not check_seal(start + head, sealed, file):
                raise Damaged("its bytes are not those that were written")
            _checked[str(path)] = stamp
    return Entry(header, (int(frames), int(dim)))


def check_file(path: Path) -> Stamp:
    """Compare a file with its digest unless this process has done it. Raises `OSError` or `Damaged`."""
    stamp = stamp_of(path)
    if _checked.get(str(path)) != stamp:
        read_entry(path)
    return stamp


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file, which changes when the file does. Raises `OSError`."""
    return _stamp(path.stat())


def _stamp(stat: os.stat_result) -> Stamp:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def header_of(metadata: Any) -> dict[str, str]:
    """The header in the metadata of an open file that was compared with its digest."""
    header: dict[str, str] = json.loads(metadata[_HEADER])
    del header[SEAL]
    return header
