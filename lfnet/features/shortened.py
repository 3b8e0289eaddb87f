"""Features of the first part of each clip."""

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from lfnet.features.store import ClipFeatures, Readable
from lfnet.fingerprints import digest

__all__ = ["ShortenedStream"]


class ShortenedStream:
    """A stream of which the first share of each clip's rows is there, as a `Readable`.

    Parameters
    ----------
    store : Readable
        The stream.
    share : float
        Above 0, at most 1; at least one row of a clip is kept.
    """

    def __init__(self, store: Readable, share: float) -> None:
        self.store, self.share = store, share
        self.stream = store.stream
        self.recipe = digest({"of": store.recipe, "share": share})
        # The folder does not exist: its name identifies the store.
        self.folder = store.folder.parent / f"shortened-{self.recipe[:12]}"

    def path(self, clip_id: str) -> Path:
        """Return the path of the clip's file as it was extracted."""
        return self.store.path(clip_id)

    def header(self, clip_id: str) -> dict[str, str] | None:
        """Return the header of the clip's file."""
        return self.store.header(clip_id)

    def shape(self, clip_id: str) -> tuple[int, int]:
        """Return the shape [T, D] of a clip's vectors."""
        frames, width = self.store.shape(clip_id)
        return self._rows(frames), width

    def fingerprint(self, clip_ids: Iterable[str]) -> str:
        """Compute the digest of the stream and of the share."""
        return digest({"recipe": self.recipe, "of": self.store.fingerprint(clip_ids)})

    def read(self, clip_id: str) -> ClipFeatures:
        """Read a clip's vectors. Raises `LfnetError` as the stream does."""
        clip = self.store.read(clip_id)
        rows = self._rows(len(clip.time))
        return ClipFeatures(clip.features[:rows], clip.valid[:rows], clip.time[:rows], clip.meta)

    def keep_open(self) -> AbstractContextManager[None]:
        """As `FeatureStore.keep_open`."""
        return self.store.keep_open()

    def _rows(self, frames: int) -> int:
        return math.ceil(round(self.share * frames, 6)) if frames else 0
