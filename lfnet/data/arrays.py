"""Clips as rows of numbers for scikit-learn: every stream of a split, several rows or none a clip."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, Readable

__all__ = ["Arrays", "Rows", "feature_names", "frame_rows", "is_segments", "segment_rows", "stack"]


class Rows(NamedTuple):
    """Rows of one stream: means over pieces of a clip's frames, or the clip's segments.

    X: float64 [rows, D], NaN where a feature is invalid. clip: int64 [rows], index into the Arrays' clips, rising; a
    clip without rows is missing in this stream. names: D feature names.
    """

    X: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]


class Arrays(NamedTuple):
    """Clip descriptors of one split.

    X: float64 [clips, D], the mean of each clip's valid frames in the first stream, NaN for a clip without one.
    y: float64 [clips], labels in scale points or NaN; those to learn from, so permuted where the protocol says so.
    groups: the people [clips]. clip_ids, recording_ids: [clips]. streams: stream name → its rows.
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    clip_ids: np.ndarray
    recording_ids: np.ndarray
    streams: dict[str, Rows]


def is_segments(meta: dict[str, str]) -> bool:
    """Whether a stream's file holds segments, each complete in itself, rather than frames. meta: its header."""
    return meta.get("per_segment") == "true"


def feature_names(store: Readable, clip_ids: Iterable[str]) -> tuple[str, ...]:
    """The names of a stream's D features, from its files' headers, or stream_0, stream_1, …

    Raises `LfnetError` where clips disagree about names or width.
    """
    names: tuple[str, ...] | None = None
    first = ""
    for clip_id in clip_ids:
        dim = store.shape(clip_id)[1]
        stated = (store.header(clip_id) or {}).get("names")
        own = tuple(json.loads(stated)) if stated else tuple(f"{store.stream}_{i}" for i in range(dim))
        if len(own) != dim:
            raise LfnetError(f"{store.path(clip_id)} holds {dim} features and {len(own)} names. Extract it anew.")
        if names is None:
            names, first = own, clip_id
        elif own != names:
            raise LfnetError(
                f"stream {store.stream}: the features of clip {clip_id} are not those of clip {first}. "
                "Delete the stream's folder and run `lfnet extract` again."
            )
    return names or ()


def frame_rows(x_TD: np.ndarray, valid_T: np.ndarray, size: int) -> np.ndarray:
    """Means float64 [pieces, D] over consecutive pieces of `size` valid frames, in order; [0, D] where none is valid.

    x_TD: [T, D]. valid_T: bool [T]. A last piece of less than half of `size` joins the one before it.
    """
    frames = np.flatnonzero(valid_T)
    starts = np.arange(0, len(frames), size)
    if len(starts) > 1 and 2 * (len(frames) - starts[-1]) < size:
        starts = starts[:-1]
    pieces = np.split(frames, starts[1:]) if len(frames) else []
    # One piece at a time: a clip's valid frames are not copied as a whole.
    rows = [x_TD[piece].mean(axis=0, dtype=np.float64) for piece in pieces]
    return np.stack(rows) if rows else np.empty((0, x_TD.shape[1]))


def segment_rows(clip: ClipFeatures, clip_id: str, stream: str) -> np.ndarray:
    """The valid segments float64 [S, D] of a clip that say anything, NaN where a feature is invalid.

    Raises `LfnetError` for infinite numbers: they are neither a value nor marked as missing.
    """
    rows = clip.features[clip.valid].astype(np.float64)
    if np.isinf(rows).any():
        raise LfnetError(
            f"stream {stream} of clip {clip_id} holds infinite numbers. An invalid feature must be NaN: delete the "
            "file and extract it anew."
        )
    return rows[~np.isnan(rows).all(axis=1)]


def stack(rows_of: Callable[[str], np.ndarray], clip_ids: Sequence[str], names: tuple[str, ...]) -> Rows:
    """The rows of all clips under each other. rows_of: clip_id → [rows, D]."""
    parts = [rows_of(clip_id) for clip_id in clip_ids]
    count = [len(part) for part in parts]
    X = np.concatenate(parts) if parts else np.empty((0, len(names)))
    return Rows(X.reshape(-1, len(names)), np.repeat(np.arange(len(parts), dtype=np.int64), count), names)
