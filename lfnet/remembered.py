"""Digests of files, remembered: gigabytes are read once, and then known by name, size and time of change."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lfnet.digests import digest, file_digest
from lfnet.errors import LfnetError
from lfnet.files import write_json

__all__ = ["Remembered"]

# A file changed again within the clock's own step would show the same time: what changed just now is not remembered.
_FRESH_NS = 2_000_000_000


class Remembered:
    """Digests noted in a folder, one small file each, so that two processes never write the same half of one.

    folder: None remembers nothing. A folder that cannot be written costs a hash each time, nothing more. Whoever
    changes a file and sets its time back on purpose is believed: this guards against broken and mixed-up files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else Path(folder)

    def file(self, path: Path) -> str:
        """SHA-256 (hex) of a file's bytes. Raises `OSError` where it cannot be read."""
        path = Path(path)
        stat = path.stat()
        return self.of(
            (str(path.resolve()), stat.st_size, stat.st_mtime_ns), stat.st_mtime_ns, lambda: file_digest(path)
        )

    def of(self, stamp: Sequence[str | int], changed_ns: int, make: Callable[[], str]) -> str:
        """What `make` returned when the stamp was last the same, else what it returns now.

        stamp: a path, then what tells that nothing behind it has changed. changed_ns: when it last did.
        """
        if self._folder is None:
            return make()
        note = self._folder / f"{digest(stamp[0])[:32]}.json"
        try:
            known = json.loads(note.read_text(encoding="utf-8"))
            if known["stamp"] == list(stamp) and isinstance(known["digest"], str):
                return known["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not noted yet, or a broken note: it is written anew
        found = make()
        if time.time_ns() - changed_ns > _FRESH_NS:
            try:
                write_json(note, {"stamp": list(stamp), "digest": found})
            except LfnetError:
                pass
        return found
