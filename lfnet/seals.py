"""Seal a JSON file: a SHA-256 inside the file, of all its other bytes.

The digest stands in the file's own JSON. It is computed while `BLANK` stands in its place, so that a change of any bit
of the file, the digest included, is noticed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from lfnet.files import atomic_path, parse_json, read_bytes

__all__ = ["BLANK", "SEAL", "check_seal", "read_sealed_json", "seal", "write_sealed_json"]

SEAL = "sha256"
"""The key of the digest in the file's JSON."""
BLANK = "[this text is in the place of the SHA-256 while it is computed.]"
"""64 characters, as many as a digest has."""


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


def check_seal(content: bytes, sealed: Any) -> bool:
    """Return whether the bytes of a sealed file are as they were written.

    Parameters
    ----------
    content : bytes
        The file.
    sealed : str
        The digest, as read from the file. Anything else is no digest.
    """
    if not isinstance(sealed, str) or len(sealed) != len(BLANK):
        return False
    return hashlib.sha256(content.replace(sealed.encode(errors="replace"), BLANK.encode(), 1)).hexdigest() == sealed


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
