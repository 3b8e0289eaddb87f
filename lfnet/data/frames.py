"""Frames of all clips of a cohort, read where their features are stored."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from lfnet.data.windows import Layout, fill_of, order_of
from lfnet.features.store import Readable

__all__ = ["Frames"]

_MAX_MAPS = 20_000  # of a process, which Linux allows some 65,000; of more clips the frames are copied


class _Clip(NamedTuple):
    """One clip: its stored rows, the row of each frame (None: in order), and what lost frames hold (None: zeros)."""

    x_TD: np.ndarray
    order_T: np.ndarray | None
    fill_LD: np.ndarray | None


class Frames:
    """Frames of all clips under a protocol.

    Vectors of a feature store are not copied: windows are read from its mapped files, so that all processes of a
    machine share one copy in memory. Vectors that are computed when they are read (joined or normalised streams) are
    kept.

    Parameters
    ----------
    store : Readable
    clip_ids : iterable of str
    length, fill, frames
        As for `lfnet.data.windows.frames_of`; `frames` is one order for all clips, or one by clip_id.

    Attributes
    ----------
    layout : Layout
        Where each clip's frames are, and which are valid.
    n_features : int
        Number D of features.

    Examples
    --------
    >>> import tempfile
    >>> from lfnet.features.store import ClipFeatures, FeatureStore
    >>> store = FeatureStore(tempfile.mkdtemp(), "mine", "0" * 64)
    >>> x_TD, valid_T = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([True, False, True])
    >>> store.write("a", ClipFeatures(x_TD, valid_T, np.arange(3) / 30), "source")
    >>> frames = Frames(store, ["a"], length=None, fill="zero", frames="in_order")
    >>> frames.read("a", 1, np.empty((2, 2), np.float32)).tolist()
    [[0.0, 0.0], [4.0, 5.0]]
    """

    def __init__(
        self,
        store: Readable,
        clip_ids: Iterable[str],
        *,
        length: int | None,
        fill: str,
        frames: str | Mapping[str, str],
    ) -> None:
        self._clips: dict[str, _Clip] = {}
        self.n_features = 0
        valid: dict[str, np.ndarray] = {}
        for clip_id in clip_ids:
            clip = store.read(clip_id)
            x_TD, valid_T = clip.features[:length], clip.valid[:length]
            order_T = order_of(clip_id, len(x_TD), frames if isinstance(frames, str) else frames[clip_id])
            fill_LD = None if valid_T.all() else fill_of(clip_id, x_TD.shape, fill)
            if fill_LD is not None:
                fill_LD = fill_LD[~valid_T] if order_T is None else fill_LD[order_T][~valid_T[order_T]]
            mapped = not x_TD.flags.writeable and len(self._clips) < _MAX_MAPS
            self._clips[clip_id] = _Clip(x_TD if mapped else x_TD.copy(), order_T, fill_LD)
            valid[clip_id] = valid_T if order_T is None else valid_T[order_T]
            self.n_features = x_TD.shape[1]
        self.layout = Layout.of(valid)

    def read(self, clip_id: str, start: int, out_TD: np.ndarray) -> np.ndarray:
        """Copy frames of a clip, from frame `start` on, into `out_TD` float32 [T, D], which is returned."""
        clip, stop = self._clips[clip_id], start + len(out_TD)
        valid_T = self.layout.valid_of(clip_id)[start:stop]
        if clip.order_T is None:
            out_TD[:] = clip.x_TD[start:stop]
        else:
            np.take(clip.x_TD, clip.order_T[start:stop], axis=0, out=out_TD, mode="clip")  # "raise" copies once more
        lost_T = ~valid_T
        if clip.fill_LD is None:
            out_TD[lost_T] = 0
        else:
            before = np.count_nonzero(~self.layout.valid_of(clip_id)[:start])
            out_TD[lost_T] = clip.fill_LD[before : before + np.count_nonzero(lost_T)]
        return out_TD

    def whole(self, clip_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a copy of all frames of a clip, float32 [T, D], and which are valid, bool [T]."""
        valid_T = self.layout.valid_of(clip_id)
        return self.read(clip_id, 0, np.empty((len(valid_T), self.n_features), np.float32)), valid_T
