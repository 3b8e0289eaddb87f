"""Seal a file: a SHA-256 inside the file, of all its other bytes.

The digest stands in the file's own JSON. It is computed while `BLANK` stands in its place, so that a change of any bit
of the file, the digest included, is noticed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from lfnet.files import atomic_path, parse_json, read_bytes

__all__ = ["BLANK", "SEAL", "check_seal", "read_sealed_json", "seal", "seal_file", "write_sealed_json"]

SEAL = "sha256"
"""The key of the digest in the file's JSON."""
BLANK = "[this text is in the place of the SHA-256 while it is computed.]"
"""64 characters, as many as a digest has."""
_HEAD = 100_000_000  # bytes in which `seal_file` looks for it: the largest header of a safetensors file


def seal(content: bytes) -> bytes:
    """Put the digest of `content` in the place of `BLANK`, which must occur in it once.

    Examples
    --------
    >>> sealed = seal(json.dumps({SEAL: BLANK, "label": 3}).encode())
    >>> check_seal(sealed, json.loads(sealed)[SEAL])
    True
    >>> check_seal(sealed.replace(b"3", b"4"), json.loads(sealed)[SEAL])
    False
    """
    head, found, tail = content.partition(BLANK.encode())
    if not found or BLANK.encode() in tail:
        raise ValueError("content must contain the blank once")
    return head + hashlib.sha256(content).hexdigest().encode() + tail


def seal_file(path: Path) -> None:
    """Put the digest of a file in the place of `BLANK`, which must be in its first bytes."""
    with path.open("rb+") as file:
        place = file.read(_HEAD).find(BLANK.encode())
        if place < 0:
            raise ValueError(f"{path} does not contain the blank")
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(place)
        file.write(found.encode())


def check_seal(head: bytes, sealed: Any, tail: Any = None) -> bool:
    """Return whether a sealed file is as it was written.

    Parameters
    ----------
    head : bytes
        The file, or its first bytes with the digest among them.
    sealed : str
        The digest, as read from the file. Anything else is no digest.
    tail : file, optional
        The binary file, to be read in chunks from its position to its end; the bytes after `head`.
    """
    if not isinstance(sealed, str) or len(sealed) != len(BLANK):
        return False
    found = hashlib.sha256(head.replace(sealed.encode(errors="replace"), BLANK.encode(), 1))
    if tail is not None:
        buffer = memoryview(bytearray(1 << 18))
        while count := tail.readinto(buffer):
            found.update(buffer[:count])
    return found.hexdigest() == sealed


def read_sealed_json(path: Path) -> tuple[Any, bool]:
    """Read a JSON file, once: its content, and whether it is as it was written. Raises `LfnetError` as `read_json`."""
    raw = read_bytes(path)
    content = parse_json(path, raw)
    return content, isinstance(content, dict) and check_seal(raw, content.get(SEAL))


def write_sealed_json(path: Path, content: dict[str, Any], *, personal: bool = True) -> None:
    """Write `content` as JSON to `path` atomically, with a digest as its first entry.

    NaN is a `ValueError`: an undefined number is null. personal: as in `lfnet.files.atomic_path`.
    """
    own = {name: value for name, value in content.items() if name != SEAL}
    text = json.dumps({SEAL: BLANK, **own}, indent=2, allow_nan=False) + "\n"
    with atomic_path(path, personal=personal) as temporary:
        temporary.write_bytes(seal(text.encode()))
