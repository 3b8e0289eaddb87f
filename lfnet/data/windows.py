"""Windows: slices of clips.

The frames of all clips are packed in one array, and a window is a first row and a number of rows. Overlapping windows
therefore need no memory, and a batch is a few slice copies.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lfnet.data.protocol import Protocol
from lfnet.features.store import ClipFeatures, Readable

__all__ = ["Packed", "cut", "frames_of", "pack", "starts"]


@dataclass(frozen=True)
class Packed:
    """Frames of all clips in one array.

    Attributes
    ----------
    x_ND : ndarray of float32, shape (N, D)
        Finite everywhere.
    valid_N : ndarray of bool, shape (N,)
        Frames with a face.
    first : dict
        Row of each clip's first frame.
    frames : dict
        Number of frames of each clip.
    """

    x_ND: np.ndarray
    valid_N: np.ndarray
    first: dict[str, int]
    frames: dict[str, int]

    @property
    def coverage(self) -> float:
        """Share of frames with a face."""
        return float(self.valid_N.mean()) if len(self.valid_N) else 0.0


def pack(
    store: Readable, clip_ids: Iterable[str], *, length: int | None, fill: str, frames: str | Mapping[str, str]
) -> Packed:
    """Read clips and pack their frames.

    The parameters are those of `frames_of`; `frames` is one order for all clips, or one by clip_id.
    """
    clip_ids = list(clip_ids)
    first: dict[str, int] = {}
    count: dict[str, int] = {}
    row, dim = 0, 0
    for clip_id in clip_ids:
        total, dim = store.shape(clip_id)
        first[clip_id] = row
        count[clip_id] = total if length is None else min(total, length)
        row += count[clip_id]
    # Filled clip by clip, so that the peak of memory is one cohort and one clip, not two cohorts.
    x_ND, valid_N = np.empty((row, dim), np.float32), np.empty(row, bool)
    for clip_id in clip_ids:
        rows = slice(first[clip_id], first[clip_id] + count[clip_id])
        order = frames if isinstance(frames, str) else frames[clip_id]
        clip = store.read(clip_id)
        x_ND[rows], valid_N[rows] = frames_of(clip, clip_id, length=length, fill=fill, frames=order)
    return Packed(x_ND, valid_N, first, count)


def frames_of(
    clip: ClipFeatures, clip_id: str, *, length: int | None, fill: str, frames: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return a clip's frames float32 [T, D] and valid bool [T] under a protocol.

    Parameters
    ----------
    clip : ClipFeatures
        The clip.
    clip_id : str
        Seed of the random numbers, so that they are the same on every reading.
    length : int or None
        Frames used of a clip, from its start.
    fill : {"zero", "random"}
        Content of a frame without a face: zeros, or a random unit vector.
    frames : {"in_order", "shuffled", "reversed"}
        Order of the frames.
    """
    x_TD, valid_T = clip.features[:length], clip.valid[:length]
    seed = int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big")
    if not valid_T.all():
        if fill == "random":
            random_TD = np.random.default_rng([seed, 0]).standard_normal(x_TD.shape, np.float32)
            random_TD /= np.linalg.norm(random_TD, axis=1, keepdims=True)
            x_TD = np.where(valid_T[:, None], x_TD, random_TD)
        else:
            x_TD = np.where(valid_T[:, None], x_TD, np.float32(0))
    if frames == "reversed":
        x_TD, valid_T = x_TD[::-1], valid_T[::-1]
    elif frames == "shuffled":
        order = np.random.default_rng([seed, 1]).permutation(len(x_TD))
        x_TD, valid_T = x_TD[order], valid_T[order]
    return x_TD, valid_T


def starts(frames: int, *, window: int, hop: int, length: int | None, tail: str) -> list[int]:
    """Return the first frames of a clip's windows.

    A clip shorter than the window has one window, from frame 0. A clip without frames has none.

    Parameters
    ----------
    frames : int
        Frames of the clip.
    window, hop : int
        Frames of a window, and from one window's start to the next.
    length : int or None
        Frames to which the clip is padded; windows cover the padding too.
    tail : {"cover", "drop"}
        Whether a last window ends with the clip, or the end is left out.

    Examples
    --------
    >>> starts(100, window=40, hop=40, length=None, tail="cover")
    [0, 40, 60]
    """
    if frames == 0:
        return []
    total = frames if length is None else length
    if total <= window:
        return [0]
    regular = list(range(0, total - window + 1, hop))
    if tail == "cover" and regular[-1] + window < total:
        regular.append(total - window)
    return regular


def cut(packed: Packed, clips: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """Return the windows of `clips`, one row each.

    Windows with a smaller share of valid frames than `protocol.min_valid` are left out, but every clip keeps its best
    one.

    Returns
    -------
    DataFrame
        Columns clip_id, window (first frame in the clip), row (first row in `packed`), frames (existing rows; the rest
        of the window is padding) and valid (share of the window's frames with a face).
    """
    rows: list[tuple[str, int, int, int, float]] = []
    for clip_id in clips["clip_id"]:
        first, count = packed.first[clip_id], packed.frames[clip_id]
        own: list[tuple[str, int, int, int, float]] = []
        for start in starts(
            count, window=protocol.window, hop=protocol.hop, length=protocol.length, tail=protocol.tail
        ):
            real = max(0, min(protocol.window, count - start))
            row = first + min(start, count)
            valid = float(packed.valid_N[row : row + real].sum()) / protocol.window
            own.append((clip_id, start, row, real, valid))
        # The share of a short clip is that of its frames, without the padding.
        kept = [w for w in own if w[4] * protocol.window >= protocol.min_valid * max(w[3], 1)]
        rows.extend(kept or sorted(own, key=lambda w: -w[4])[:1])
    return pd.DataFrame(rows, columns=["clip_id", "window", "row", "frames", "valid"])
