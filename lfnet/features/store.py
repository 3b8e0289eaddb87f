"""Vectors on disk: one safetensors file for each clip and stream, written once, whole or absent, read by memory map.

A *stream* is what one encoder (or a cohort that brings its own features) leaves for all clips. Its folder carries the
fingerprint of what makes the vectors (weights, settings, code); each file's header carries the digest of the clip's
source too, so that a replaced video is noticed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lfnet.errors import LfnetError
from lfnet.files import atomic_path
from lfnet.fingerprints import digest
from lfnet.once import once

__all__ = ["ClipFeatures", "FeatureStore", "Readable"]

# The whole header is one entry: safetensors writes several in random order; the same vectors shall be the same bytes.
_HEADER = "lfnet"


@dataclass(frozen=True)
class ClipFeatures:
    """What one encoder saw of one clip.

    features: float32 [T, D]; rows where `valid` is false hold no face and mean nothing.
    valid: bool [T]; time: float64 [T], seconds from the clip's first frame, increasing.
    meta: text facts of the extraction, kept in the file's header.
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
    """What is read of a store: a `FeatureStore`, or several streams as one (`lfnet.features.joined_streams`)."""

    stream: str
    recipe: str
    folder: Path

    def path(self, clip_id: str) -> Path: ...
    def header(self, clip_id: str) -> dict[str, str] | None: ...
    def read(self, clip_id: str) -> ClipFeatures: ...
    def shape(self, clip_id: str) -> tuple[int, int]: ...
    def fingerprint(self, clip_ids: Iterable[str]) -> str: ...


class FeatureStore:
    """The files of one stream.

    folder: the cache's feature folder of a cohort. stream: the encoder's name.
    recipe: digest of what makes the vectors.
    """

    def __init__(self, folder: Path, stream: str, recipe: str) -> None:
        self.stream = stream
        self.recipe = recipe
        self.folder = Path(folder) / f"{stream}-{recipe[:12]}"

    def path(self, clip_id: str) -> Path:
        """Where the clip's file is or will be."""
        return self.folder / f"{clip_id}.safetensors"

    def write(self, clip_id: str, clip: ClipFeatures, source: str) -> None:
        """Write a clip's vectors. source: digest of what they were made from."""
        tensors = {
            "features": np.ascontiguousarray(clip.features),
            "valid": np.ascontiguousarray(clip.valid),
            "time": np.ascontiguousarray(clip.time),
        }
        header = {**clip.meta, "stream": self.stream, "recipe": self.recipe, "source": source}
        with atomic_path(self.path(clip_id)) as temporary:
            try:
                save_file(tensors, temporary, metadata={_HEADER: json.dumps(header, sort_keys=True)})
            except SafetensorError as error:
                raise LfnetError(f"cannot write {self.path(clip_id)}: {error}") from error

    def header(self, clip_id: str) -> dict[str, str] | None:
        """The header of a clip's file; None where there is no readable file."""
        try:
            with safe_open(self.path(clip_id), framework="numpy") as file:
                return _header(file.metadata())
        except (OSError, SafetensorError):
            return None

    def has(self, clip_id: str, source: str) -> bool:
        """Whether the clip's vectors are there, made by this recipe from this source."""
        header = self.header(clip_id)
        return header is not None and header.get("recipe") == self.recipe and header.get("source") == source

    def read(self, clip_id: str) -> ClipFeatures:
        """Read a clip's vectors. Raises `LfnetError` where the file is missing, broken or of another recipe."""
        path = self.path(clip_id)
        try:
            with safe_open(path, framework="numpy") as file:
                meta = _header(file.metadata())
                clip = ClipFeatures(
                    file.get_tensor("features"), file.get_tensor("valid"), file.get_tensor("time"), meta
                )
        except FileNotFoundError as error:
            raise LfnetError(f"{path} does not exist: run `lfnet extract` with the same cohort and encoder.") from error
        except (OSError, SafetensorError) as error:
            raise LfnetError(f"{path} cannot be read ({error}). Delete it and run `lfnet extract` again.") from error
        if meta.get("recipe") != self.recipe:
            raise LfnetError(f"{path} was made by another recipe. Delete it and run `lfnet extract` again.")
        return clip

    def shape(self, clip_id: str) -> tuple[int, int]:
        """Frames and width [T, D] of a clip's vectors, without reading them. Raises `LfnetError` as `read` does."""
        path = self.path(clip_id)
        try:
            with safe_open(path, framework="numpy") as file:
                frames, dim = file.get_slice("features").get_shape()
        except FileNotFoundError as error:
            raise LfnetError(f"{path} does not exist: run `lfnet extract` with the same cohort and encoder.") from error
        except (OSError, SafetensorError) as error:
            raise LfnetError(f"{path} cannot be read ({error}). Delete it and run `lfnet extract` again.") from error
        return int(frames), int(dim)

    def fingerprint(self, clip_ids: Iterable[str]) -> str:
        """Digest of the recipe and of every clip's source: changes when any vector may have changed."""
        ids = tuple(clip_ids)
        return once(("features", str(self.folder), self.recipe, ids), lambda: self._fingerprint(ids))

    def _fingerprint(self, clip_ids: tuple[str, ...]) -> str:
        sources = {}
        for clip_id in clip_ids:
            header = self.header(clip_id)
            if header is None:
                raise LfnetError(
                    f"{self.path(clip_id)} is missing: run `lfnet extract` with the same cohort and encoder."
                )
            sources[clip_id] = header.get("source", "")
        return digest({"recipe": self.recipe, "sources": sources})


def _header(metadata: dict[str, str] | None) -> dict[str, str]:
    """What `FeatureStore.write` put into a file's header; empty for a file that lfnet did not write."""
    try:
        header = json.loads((metadata or {}).get(_HEADER, "{}"))
    except json.JSONDecodeError:
        return {}
    return header if isinstance(header, dict) else {}
