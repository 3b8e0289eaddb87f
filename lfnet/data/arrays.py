"""Clips as arrays for scikit-learn: each stream has several rows a clip, or none."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, Readable

__all__ = ["Arrays", "Rows", "feature_names", "frame_rows", "is_segments", "segment_rows", "stack"]


class Rows(NamedTuple):
    """Rows of one stream: means over pieces of a clip's frames, or the clip's segments.

    Attributes
    ----------
    X : ndarray of float64, shape (rows, D)
        NaN where a feature is invalid.
    clip : ndarray of int64, shape (rows,)
        Index into the clips of `Arrays`, ascending. A clip without rows is missing in this stream.
    names : tuple of str
        D feature names.
    """

    X: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]


class Arrays(NamedTuple):
    """Clip descriptors of one split.

    Attributes
    ----------
    X : ndarray of float64, shape (clips, D)
        Mean of each clip's valid frames in the first stream; NaN for a clip without one.
    y : ndarray of float64, shape (clips,)
        Labels to learn from, in scale points or NaN; permuted if the protocol demands it.
    groups, clip_ids, recording_ids : ndarray, shape (clips,)
        People, clips and recordings.
    streams : dict
        Rows of each stream.
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    clip_ids: np.ndarray
    recording_ids: np.ndarray
    streams: dict[str, Rows]


def is_segments(meta: dict[str, str]) -> bool:
    """Return whether a stream's file with header `meta` holds segments instead of frames."""
    return meta.get("per_segment") == "true"


def feature_names(store: Readable, clip_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a stream's D features: from its files' headers, or stream_0, stream_1, …

    Raises
    ------
    LfnetError
        The names or widths of two clips differ.
    """
    names: tuple[str, ...] | None = None
    first = ""
    for clip_id in clip_ids:
        dim = store.shape(clip_id)[1]
        stated = (store.header(clip_id) or {}).get("names")
        own = tuple(json.loads(stated)) if stated else tuple(f"{store.stream}_{i}" for i in range(dim))
        if len(own) != dim:
            raise LfnetError(
                f"{store.path(clip_id)} holds {dim} features and {len(own)} names. Delete and extract it again."
            )
        if names is None:
            names, first = own, clip_id
        elif own != names:
            raise LfnetError(
                f"stream {store.stream}: the features of clip {clip_id} are not those of clip {first}. "
                "Delete the stream's folder and run `lfnet extract` again."
            )
    return names or ()


def frame_rows(x_TD: np.ndarray, valid_T: np.ndarray, size: int) -> np.ndarray:
    """Return means over consecutive pieces of `size` valid frames.

    A last piece of less than half of `size` is part of the one before it.

    Parameters
    ----------
    x_TD : ndarray, shape (T, D)
    valid_T : ndarray of bool, shape (T,)
    size : int
        Frames of a piece.

    Returns
    -------
    ndarray of float64, shape (pieces, D)
        Without rows if no frame is valid.

    Examples
    --------
    >>> frame_rows(np.arange(10.0).reshape(5, 2), np.array([True, True, False, True, True]), 2).tolist()
    [[1.0, 2.0], [7.0, 8.0]]
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
    """Return a clip's valid segments float64 [S, D] with any valid feature; NaN where a feature is invalid.

    Raises
    ------
    LfnetError
        There are infinite numbers, which are neither a value nor marked as missing.
    """
    rows = clip.features[clip.valid].astype(np.float64)
    if np.isinf(rows).any():
        raise LfnetError(
            f"stream {stream} of clip {clip_id} holds infinite numbers. An invalid feature must be NaN: delete the "
            "file and run `lfnet extract` again."
        )
    return rows[~np.isnan(rows).all(axis=1)]


def stack(rows_of: Callable[[str], np.ndarray], clip_ids: Sequence[str], names: tuple[str, ...]) -> Rows:
    """Concatenate the rows [rows, D] that `rows_of` returns for each clip_id."""
    parts = [rows_of(clip_id) for clip_id in clip_ids]
    count = [len(part) for part in parts]
    X = np.concatenate(parts) if parts else np.empty((0, len(names)))
    return Rows(X.reshape(-1, len(names)), np.repeat(np.arange(len(parts), dtype=np.int64), count), names)
