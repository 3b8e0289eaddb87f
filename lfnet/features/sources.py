"""Digests of clips' files, remembered, so that gigabytes of video are read once to be known again."""

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lfnet.digests import digest, file_digest
from lfnet.files import write_json
from lfnet.video.errors import Unreadable
from lfnet.video.folder import frame_files

__all__ = ["Sources"]

# A file changed again within the clock's own step would show the same time: what changed just now is not remembered.
_FRESH_NS = 2_000_000_000


class Sources:
    """Digests of videos and frame folders.

    cache: the cache's folder. Each digest is a small note there, under the path's own digest: two processes that
    extract at once never write the same half of a file.
    """

    def __init__(self, cache: Path) -> None:
        self._folder = Path(cache) / "digests"

    def clip(self, path: Path, fps: float | None) -> str:
        """Digest of what a clip's vectors come from.

        A video: SHA-256 of its bytes, by path, size and time of change. A frame folder: names and bytes of its pictures
        (names set their order) and the fps, for the times come from it; remembered by names, sizes and times of change.
        Raises `Unreadable` where there is no such file.
        """
        path = Path(path)
        if not path.is_dir():
            return self.file(path)
        pictures = frame_files(path)
        stats = [picture.stat() for picture in pictures]
        facts = [[picture.name, s.st_size, s.st_mtime_ns] for picture, s in zip(pictures, stats, strict=True)]

        def names_and_bytes() -> str:
            return digest([[picture.name, file_digest(picture)] for picture in pictures])

        stamp = [str(path.resolve()), digest(facts)]
        found = self._remembered(stamp, max(s.st_mtime_ns for s in stats), names_and_bytes)
        return digest({"frames": found, "fps": None if fps is None else float(fps)})

    def file(self, path: Path) -> str:
        """SHA-256 of a file's bytes. Raises `Unreadable` where it does not exist or cannot be read."""
        path = Path(path)
        try:
            stat = path.stat()
            stamp = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
            return self._remembered(stamp, stat.st_mtime_ns, lambda: file_digest(path))
        except FileNotFoundError as error:
            raise Unreadable(f"{path} does not exist.") from error
        except PermissionError as error:
            raise Unreadable(
                f"{path} cannot be read ({os.strerror(error.errno or 0)}). Mend its permissions."
            ) from error

    def _remembered(self, stamp: Sequence[str | int], changed_ns: int, make: Callable[[], str]) -> str:
        note = self._folder / f"{digest(stamp[0])[:32]}-source.json"
        try:
            known = json.loads(note.read_text(encoding="utf-8"))
            if known["stamp"] == list(stamp):
                return str(known["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not remembered yet, or a broken note: it is written anew
        found = make()
        if time.time_ns() - changed_ns > _FRESH_NS:
            write_json(note, {"stamp": list(stamp), "digest": found})
        return found
