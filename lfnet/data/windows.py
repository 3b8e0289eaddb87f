"""Windows: slices of clips, with a mask of the frames that are real.

Frames of all clips lie in one array, packed end to end; a window is a first row, a number of rows and nothing more, so
that overlapping windows cost no memory and a batch is a handful of slice copies.
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
    """All clips' frames, end to end.

    x_ND: float32 [N, D], finite everywhere. valid_N: bool [N], frames with a face.
    first: row of each clip's first frame. frames: each clip's number of frames. coverage: share of valid frames.
    """

    x_ND: np.ndarray
    valid_N: np.ndarray
    first: dict[str, int]
    frames: dict[str, int]

    @property
    def coverage(self) -> float:
        """The share of all frames that hold a face."""
        return float(self.valid_N.mean()) if len(self.valid_N) else 0.0


def pack(
    store: Readable, clip_ids: Iterable[str], *, length: int | None, fill: str, frames: str | Mapping[str, str]
) -> Packed:
    """Read clips and lay their frames end to end. frames: for all clips, or by clip_id; the rest as for `frames_of`."""
    clip_ids = list(clip_ids)
    first: dict[str, int] = {}
    count: dict[str, int] = {}
    row, dim = 0, 0
    for clip_id in clip_ids:
        total, dim = store.shape(clip_id)
        first[clip_id] = row
        count[clip_id] = total if length is None else min(total, length)
        row += count[clip_id]
    # Allocated once and filled clip by clip: the peak is one cohort and one clip, not two cohorts.
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
    """A clip's frames float32 [T, D] and valid bool [T], as a protocol wants them.

    length: frames kept of a clip, from its start. fill: what stands in a frame without a face: `zero`, or `random`
    unit vectors, the same for a clip on every reading. frames: `in_order`, `shuffled` (seeded by the clip's name) or
    `reversed`.
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
    """First frames of a clip's windows.

    frames: frames the clip has. length: where given, the clip counts as padded to so many frames and windows are laid
    over the padding too. tail: `cover` adds a last window that ends with the clip, `drop` leaves its end out.
    A clip shorter than the window has one window, from frame 0. Without frames there is no window.
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
    """The windows of `clips`, one row each.

    Columns: clip_id, window (first frame in the clip), row (first row in `packed`), frames (rows that exist; the
    rest of the window is padding), valid (share of the window's frames that hold a face).
    Windows with fewer valid frames than `protocol.min_valid` are left out, but every clip keeps its best one.
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
        # A short clip is judged by the frames it has, not by the padding behind them.
        kept = [w for w in own if w[4] * protocol.window >= protocol.min_valid * max(w[3], 1)]
        rows.extend(kept or sorted(own, key=lambda w: -w[4])[:1])
    return pd.DataFrame(rows, columns=["clip_id", "window", "row", "frames", "valid"])
