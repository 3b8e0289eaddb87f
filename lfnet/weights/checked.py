"""Digests of big files, hashed once: remembered by size and modification time in a small file of the cache."""

from pathlib import Path
from typing import Any

from lfnet.digests import file_digest
from lfnet.errors import LfnetError
from lfnet.files import read_json, write_json

__all__ = ["checked_digest"]


def checked_digest(file: Path, cache: Path) -> str:
    """SHA-256 (hex) of `file`, read from the record in `cache` where path, size and modification time still agree.

    Whoever changes a file and sets its time back on purpose is believed: this guards against broken and mixed-up
    files, which is what happens, and spares each job the hashing of 174 MB. A cache that cannot be written costs a
    hash each time, nothing more.
    """
    record = Path(cache) / f"{file.name}.checked.json"
    stat = file.stat()
    facts = {"path": str(file.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    known = _read(record)
    if {key: known.get(key) for key in facts} == facts and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    sha256 = file_digest(file)
    try:
        write_json(record, {**facts, "sha256": sha256})
    except LfnetError:
        pass
    return sha256


def _read(record: Path) -> dict[str, Any]:
    try:
        value = read_json(record)
    except (LfnetError, OSError):
        return {}
    return value if isinstance(value, dict) else {}
