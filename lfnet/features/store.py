"""Features on disk: one safetensors file for each clip and stream, written atomically, read by memory map.

A *stream* holds the vectors of one encoder (or of a cohort with its own features) for all clips. Its folder's name has
the fingerprint of what determines the vectors (weights, settings, code); each file's header has the digest of the
clip's source, so that a replaced video is noticed, and a checksum of the file itself, so that damage is noticed:
a damaged file is never read, and counts as missing where vectors are extracted.
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.features.feature_file import (
    Content,
    Damaged,
    Entry,
    Outdated,
    Stamp,
    check_file,
    map_content,
    read_entry,
    write_file,
)
from lfnet.fingerprints import digest

__all__ = ["ClipFeatures", "FeatureStore", "Readable"]

_CLIP = "clip_id"  # in the header, so that a file under the name of another clip is noticed
_AGAIN = "Run `lfnet extract` with the same cohort and encoder to extract it again."
_MAX_OPEN = 10_000  # memory maps of one store that stay open; Linux allows a process some 65,000


@dataclass(frozen=True)
class ClipFeatures:
    """The features of one clip by one encoder.

    Parameters
    ----------
    features : ndarray of float32, shape [T, D]
        Rows without a face are invalid; their values mean nothing.
    valid : ndarray of bool, shape [T]
        Whether a row has a face.
    time : ndarray of float64, shape [T]
        Seconds from the clip's first frame, increasing.
    meta : dict of str
        Facts of the extraction, kept in the file's header.

    Raises
    ------
    ValueError
        A shape or type is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.features.store import ClipFeatures
    >>> ClipFeatures(np.zeros((2, 3), np.float32), np.array([True, False]), np.array([0.0, 0.04])).coverage
    0.5
    """

    features: np.ndarray
    valid: np.ndarray
    time: np.ndarray
    meta: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.dtype != np.float32:
            raise ValueError(f"features must be float32 [T, D], not {self.features.dtype} {self.features.shape}")
        frames = (len(self.features),)
        if self.valid.shape != frames or self.valid.dtype != np.bool_:
            raise ValueError(f"valid must be bool {list(frames)}, not {self.valid.dtype} {self.valid.shape}")
        if self.time.shape != frames or self.time.dtype != np.float64:
            raise ValueError(f"time must be float64 {list(frames)}, not {self.time.dtype} {self.time.shape}")

    @property
    def coverage(self) -> float:
        """The share of frames with a face, 0 for a clip without frames."""
        return float(self.valid.mean()) if len(self.valid) else 0.0


class Readable(Protocol):
    """The reading half of a store: a `FeatureStore`, or several streams as one (`lfnet.features.joined_streams`)."""

    stream: str
    recipe: str
    folder: Path

    def path(self, clip_id: str) -> Path: ...
    def header(self, clip_id: str) -> dict[str, str] | None: ...
    def read(self, clip_id: str) -> ClipFeatures: ...
    def shape(self, clip_id: str) -> tuple[int, int]: ...
    def fingerprint(self, clip_ids: Iterable[str]) -> str: ...
    def keep_open(self) -> AbstractContextManager[None]: ...


class _Map(NamedTuple):
    """An open memory map of a file, and the file's stamp when it was opened."""

    content: Content
    stamp: Stamp


class FeatureStore:
    """The files of one stream.

    Headers, shapes and fingerprints are read from the files once and kept; `write` updates them.

    Parameters
    ----------
    folder : Path
        The cache's feature folder of a cohort.
    stream : str
        The encoder's name.
    recipe : str
        Digest of what determines the vectors.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from lfnet.features.store import ClipFeatures, FeatureStore
    >>> clip = ClipFeatures(np.zeros((2, 3), np.float32), np.ones(2, bool), np.array([0.0, 0.04]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = FeatureStore(folder, stream="mine", recipe="a1b2c3")
    ...     store.write("clip_1", clip, source="digest of the video")
    ...     store.read("clip_1").features.shape
    (2, 3)
    """

    def __init__(self, folder: Path, stream: str, recipe: str) -> None:
        self.stream = stream
        self.recipe = recipe
        self.folder = Path(folder) / f"{stream}-{recipe[:12]}"
        self._entries: dict[str, Entry] = {}
        self._fingerprints: dict[tuple[str, ...], str] = {}
        self._maps: dict[str, _Map] | None = None

    def path(self, clip_id: str) -> Path:
        """Return the path of a clip's file, which need not exist."""
        return self.folder / f"{clip_id}.safetensors"

    def write(self, clip_id: str, clip: ClipFeatures, source: str) -> None:
        """Write a clip's vectors. source: digest of their source."""
        tensors = {
            "features": np.ascontiguousarray(clip.features),
            "valid": np.ascontiguousarray(clip.valid),
            "time": np.ascontiguousarray(clip.time),
        }
        own = {"stream": self.stream, "recipe": self.recipe, "source": source, _CLIP: clip_id}
        self._forget(clip_id)
        write_file(self.path(clip_id), tensors, {**clip.meta, **own})

    def header(self, clip_id: str) -> dict[str, str] | None:
        """Return the header of a clip's file; None if there is no readable file, with an `LfnetWarning` if damaged."""
        try:
            return self._entry(clip_id).header
        except Outdated:
            message = f"{self.folder} has files of an earlier version of lfnet, without this version's checksum:"
            warnings.warn(f"{message} they are not used, and their clips are extracted again.", LfnetWarning, 2)
        except Damaged as error:
            message = f"{self.path(clip_id)} is damaged ({error}):"
            warnings.warn(f"{message} it is not used, and the clip is extracted again.", LfnetWarning, 2)
        except OSError:
            pass
        return None

    def has(self, clip_id: str, source: str, *, again: bool = False) -> bool:
        """Return whether the clip's vectors exist undamaged, by this recipe and from this source; warn as `header`.

        again: read the file even if its header is known, since another process may have replaced it.
        """
        if again:
            self._forget(clip_id)
        header = self.header(clip_id)
        return header is not None and header.get("recipe") == self.recipe and header.get("source") == source

    def read(self, clip_id: str) -> ClipFeatures:
        """Read a clip's vectors, as read-only views of its mapped file, which other processes can share.

        Raises `LfnetError` if the file is missing, damaged or of another recipe.
        """
        try:
            header, arrays = self._content(clip_id)
            meta = self._own(clip_id, header)
            clip = ClipFeatures(arrays["features"], arrays["valid"], arrays["time"], meta)
        except (OSError, Damaged, ValueError, KeyError) as error:
            raise self._unreadable(clip_id, error) from error
        if meta.get("recipe") != self.recipe:
            raise LfnetError(f"{self.path(clip_id)} was made by another recipe. {_AGAIN}")
        return clip

    def shape(self, clip_id: str) -> tuple[int, int]:
        """Return the shape [T, D] of a clip's vectors without reading them. Raises `LfnetError` as `read` does."""
        try:
            return self._entry(clip_id).shape
        except (OSError, Damaged, ValueError) as error:
            raise self._unreadable(clip_id, error) from error

    def fingerprint(self, clip_ids: Iterable[str]) -> str:
        """Compute the digest of the recipe and of all clips' sources; it changes when any vector may have changed."""
        ids = tuple(clip_ids)
        if ids not in self._fingerprints:
            sources = {}
            for clip_id in ids:
                try:
                    sources[clip_id] = self._entry(clip_id).header.get("source", "")
                except (OSError, Damaged) as error:
                    raise self._unreadable(clip_id, error) from error
            self._fingerprints[ids] = digest({"recipe": self.recipe, "sources": sources})
        return self._fingerprints[ids]

    @contextmanager
    def keep_open(self) -> Iterator[None]:
        """Keep the memory maps of the clips that are read within the block, so that each file is opened once in it."""
        before = self._maps
        self._maps = {} if before is None else before
        try:
            yield
        finally:
            self._maps = before

    def _content(self, clip_id: str) -> Content:
        """The clip's file, mapped. Raises `OSError` or `Damaged`."""
        path, maps = self.path(clip_id), self._maps
        stamp = check_file(path)
        if maps is not None and clip_id in maps and maps[clip_id].stamp == stamp:
            return maps[clip_id].content
        content = map_content(path)
        if maps is not None and len(maps) < _MAX_OPEN:
            maps[clip_id] = _Map(content, stamp)
        return content

    def _entry(self, clip_id: str) -> Entry:
        """The facts of a clip's file. Raises `OSError` or `Damaged`."""
        if clip_id not in self._entries:
            entry = read_entry(self.path(clip_id))
            self._entries[clip_id] = entry._replace(header=self._own(clip_id, entry.header))
        return self._entries[clip_id]

    def _own(self, clip_id: str, header: dict[str, str]) -> dict[str, str]:
        """The header without the name of its clip, which must be this one."""
        header = dict(header)
        if (clip := header.pop(_CLIP, None)) != clip_id:
            raise Damaged(f"it is the file of clip {clip}")
        return header

    def _forget(self, clip_id: str) -> None:
        self._entries.pop(clip_id, None)
        self._fingerprints.clear()
        if self._maps is not None:
            self._maps.pop(clip_id, None)

    def _unreadable(self, clip_id: str, error: Exception) -> LfnetError:
        path = self.path(clip_id)
        if isinstance(error, FileNotFoundError):
            return LfnetError(f"{path} does not exist: run `lfnet extract` with the same cohort and encoder.")
        what = "is damaged" if isinstance(error, Damaged) else "cannot be read"
        return LfnetError(f"{path} {what} ({error}). {_AGAIN}")
