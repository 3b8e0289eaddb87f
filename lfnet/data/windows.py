"""Windows: slices of clips.

A window is a first frame of a clip and a number of frames. Overlapping windows therefore need no memory, and a batch is
a few slice copies.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lfnet.data.protocol import Protocol
from lfnet.features.store import ClipFeatures

__all__ = ["Layout", "cut", "fill_of", "frames_of", "order_of", "starts"]


@dataclass(frozen=True)
class Layout:
    """Where the frames of each clip are, as if those of all clips lay end to end.

    Attributes
    ----------
    valid_N : ndarray of bool, shape (N,)
        Frames with a face.
    first : dict
        Row of each clip's first frame.
    frames : dict
        Number of frames of each clip.
    """

    valid_N: np.ndarray
    first: dict[str, int]
    frames: dict[str, int]

    @classmethod
    def of(cls, valid: Mapping[str, np.ndarray]) -> "Layout":
        """Lay clips end to end; valid: which frames of each have a face.

        Examples
        --------
        >>> layout = Layout.of({"a": np.array([True, False]), "b": np.array([True])})
        >>> layout.first, layout.frames
        ({'a': 0, 'b': 2}, {'a': 2, 'b': 1})
        """
        frames = {clip_id: len(valid_T) for clip_id, valid_T in valid.items()}
        starts = np.cumsum([0, *frames.values()]).tolist()
        valid_N = np.concatenate([np.empty(0, bool), *valid.values()])
        return cls(valid_N, dict(zip(frames, starts[:-1], strict=True)), frames)

    @property
    def coverage(self) -> float:
        """Share of frames with a face."""
        return float(self.valid_N.mean()) if len(self.valid_N) else 0.0

    def valid_of(self, clip_id: str) -> np.ndarray:
        """Which frames of a clip have a face, bool [T]."""
        return self.valid_N[self.first[clip_id] : self.first[clip_id] + self.frames[clip_id]]


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
    if not valid_T.all():
        fill_TD = fill_of(clip_id, x_TD.shape, fill)
        x_TD = np.where(valid_T[:, None], x_TD, np.float32(0) if fill_TD is None else fill_TD)
    order_T = order_of(clip_id, len(x_TD), frames)
    return (x_TD, valid_T) if order_T is None else (x_TD[order_T], valid_T[order_T])


def fill_of(clip_id: str, shape: tuple[int, ...], fill: str) -> np.ndarray | None:
    """What stands in each frame of a clip if it is lost, float32 [T, D]; None for zeros. See `frames_of`."""
    if fill != "random":
        return None
    random_TD = np.random.default_rng([_seed(clip_id), 0]).standard_normal(shape, np.float32)
    random_TD /= np.linalg.norm(random_TD, axis=1, keepdims=True)
    return random_TD


def order_of(clip_id: str, count: int, frames: str) -> np.ndarray | None:
    """The stored row of each of `count` frames of a clip; None where they are in order. See `frames_of`."""
    if frames == "reversed":
        return np.arange(count)[::-1]
    if frames == "shuffled":
        return np.random.default_rng([_seed(clip_id), 1]).permutation(count)
    return None


def _seed(clip_id: str) -> int:
    return int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big")


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


def cut(layout: Layout, clips: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """Return the windows of `clips`, one row each.

    Windows with a smaller share of valid frames than `protocol.min_valid` are left out, but every clip keeps its best
    one.

    Returns
    -------
    DataFrame
        Columns clip_id, window (first frame in the clip), row (its place in `layout`), frames (existing rows; the rest
        of the window is padding) and valid (share of the window's frames with a face).
    """
    rows: list[tuple[str, int, int, int, float]] = []
    for clip_id in clips["clip_id"]:
        first, count = layout.first[clip_id], layout.frames[clip_id]
        own: list[tuple[str, int, int, int, float]] = []
        for start in starts(
            count, window=protocol.window, hop=protocol.hop, length=protocol.length, tail=protocol.tail
        ):
            real = max(0, min(protocol.window, count - start))
            row = first + min(start, count)
            valid = float(layout.valid_N[row : row + real].sum()) / protocol.window
            own.append((clip_id, start, row, real, valid))
        # The share of a short clip is that of its frames, without the padding.
        kept = [w for w in own if w[4] * protocol.window >= protocol.min_valid * max(w[3], 1)]
        rows.extend(kept or sorted(own, key=lambda w: -w[4])[:1])
    return pd.DataFrame(rows, columns=["clip_id", "window", "row", "frames", "valid"])
