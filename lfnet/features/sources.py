"""Digests of clips' files, remembered, so that gigabytes of video are read once to be known again."""

import os
from pathlib import Path

from lfnet.digests import digest, file_digest
from lfnet.remembered import Remembered
from lfnet.video.errors import Unreadable
from lfnet.video.folder import frame_files

__all__ = ["Sources"]


class Sources:
    """Digests of videos and frame folders.

    cache: the cache's folder.
    """

    def __init__(self, cache: Path) -> None:
        self._remembered = Remembered(Path(cache) / "digests")

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
        found = self._remembered.of(stamp, max(s.st_mtime_ns for s in stats), names_and_bytes)
        return digest({"frames": found, "fps": None if fps is None else float(fps)})

    def file(self, path: Path) -> str:
        """SHA-256 of a file's bytes. Raises `Unreadable` where it does not exist or cannot be read."""
        path = Path(path)
        try:
            return self._remembered.file(path)
        except FileNotFoundError as error:
            raise Unreadable(f"{path} does not exist.") from error
        except PermissionError as error:
            raise Unreadable(
                f"{path} cannot be read ({os.strerror(error.errno or 0)}). Mend its permissions."
            ) from error
