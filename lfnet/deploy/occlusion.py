"""Scores of a clip with some of its frames or features hidden, by the bundle's own head, windows and aggregation.

A hidden frame is what the protocol makes of a frame without a face: no frame for the mask, or zeros or a random vector
where the protocol has no mask. The head was trained on clips with such frames, and its score of the rest is one that it
could give to a real clip. A mean over the clip in their place would leave no change at all to a head that averages.
"""

from collections.abc import Mapping

import numpy as np

from lfnet.data.windows import fill_of
from lfnet.deploy.bundle import CLIP, Windows, clip_windows, window_rows
from lfnet.deploy.scoring import Stages
from lfnet.features.store import ClipFeatures

__all__ = ["OccludedClip", "time_segments"]

_SECONDS = 1.0  # of a segment, unless there are too few or too many of them
_MIN_SEGMENTS, _MAX_SEGMENTS = 20, 40
_BATCH, _BATCH_NUMBERS = 64, 1 << 24  # windows given to the head at once, and the numbers in them


def time_segments(time_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut a clip into segments of equal duration: of about 1 s, but 20 to 40 of them.

    Returns
    -------
    segment_T : ndarray of int, shape [T]
        The segment of each frame.
    edge_S : ndarray, shape [S + 1]
        Where segments begin, and where the last one ends, in seconds.

    Examples
    --------
    >>> segment_T, edge_S = time_segments(np.arange(300) / 10)
    >>> len(edge_S) - 1, segment_T[[0, 9, 10, -1]].tolist(), edge_S[-1].round(6).item()
    (30, [0, 0, 1, 29], 30.0)
    """
    step = float(np.median(np.diff(time_T))) if len(time_T) > 1 else _SECONDS
    start, end = float(time_T[0]), float(time_T[-1]) + step
    count = min(len(time_T), max(_MIN_SEGMENTS, min(_MAX_SEGMENTS, round((end - start) / _SECONDS))))
    edge_S = np.linspace(start, end, count + 1)
    # Half a millisecond: a frame at an edge must not fall before it by a rounding error.
    segment_T = np.searchsorted(edge_S, time_T + 5e-4, side="right") - 1
    return segment_T.clip(0, count - 1), edge_S


class OccludedClip:
    """A clip whose segments can be hidden.

    A window of which too little is left is left out, as the protocol does (`min_valid`), also one without any frame
    that had one; the last window stays.

    Parameters
    ----------
    stages : Stages
        What to score with.
    clip : ClipFeatures
        The clip; at least one frame has a face.
    segment_T : ndarray of int, shape [T]
        The segment of each frame.
    """

    def __init__(self, stages: Stages, clip: ClipFeatures, segment_T: np.ndarray) -> None:
        self._stages, self._protocol = stages, stages.protocol
        self._windows = clip_windows(clip, stages.protocol)
        row_BT = window_rows(clip, stages.protocol)
        self._real_BT = row_BT >= 0
        self._valid_BT = self._real_BT & clip.valid[row_BT]
        self._segment_BT = np.where(self._real_BT, segment_T[row_BT], -1)
        fill_TD = fill_of(CLIP, clip.features[: stages.protocol.length].shape, stages.protocol.fill)
        self._fill_BTD = None if fill_TD is None else fill_TD[row_BT]
        self.whole_values = self._head(self._windows)
        self.whole = self._score(self.whole_values)

    @property
    def how_hidden(self) -> str:
        """What a hidden frame is to the head, as a sentence."""
        if self._protocol.mask:
            return "A hidden frame is to the model a frame without a face, which its mask leaves out."
        what = "a random vector" if self._fill_BTD is not None else "zeros"
        return f"A hidden frame is to the model a frame without a face: {what}, as in training, without a mask."

    def scores(self, hidden_NS: np.ndarray) -> np.ndarray:
        """Return the clip's score with segments hidden, float64 [N], for N sets of segments, bool [N, S]."""
        left_BN = np.zeros((len(self._windows.x_BTD), len(hidden_NS)), np.int64)
        values_BN = []
        for b in range(len(left_BN)):
            present = np.unique(self._segment_BT[b][self._valid_BT[b]])
            # Sets that hide the same segments of this window have the same score of it.
            pattern_PS, which_N = _distinct(hidden_NS[:, present])
            hidden_PT = np.zeros((len(pattern_PS), self._segment_BT.shape[1]), bool)
            for s, segment in enumerate(present):
                hidden_PT |= pattern_PS[:, s : s + 1] & (self._segment_BT[b] == segment)
            left_BN[b] = (self._valid_BT[b] & ~hidden_PT).sum(axis=1)[which_N]
            values_BN.append(self._hidden_values(b, hidden_PT)[which_N])
        values_BNK = np.stack(values_BN)
        kept_BN = self._kept(left_BN)
        return np.array([self._score(values_BNK[kept_BN[:, n], n]) for n in range(len(hidden_NS))])

    def part_effects(self, parts: Mapping[str, np.ndarray], typical_D: np.ndarray) -> dict[str, float]:
        """Return by how much the score falls if features of a part take their typical values.

        Parameters
        ----------
        parts : mapping
            Name of a part → its columns.
        typical_D : ndarray, shape [D]
            A typical value of each column.
        """
        effects = {}
        for name, columns in parts.items():
            x_BTD = self._windows.x_BTD.copy()
            x_BTC = x_BTD[..., columns]
            x_BTC[self._valid_BT] = typical_D[columns]
            x_BTD[..., columns] = x_BTC
            effects[name] = self.whole - self._score(self._head(self._windows._replace(x_BTD=x_BTD)))
        return effects

    def window_weights(self) -> np.ndarray | None:
        """Return each window's weight in the pooling's attention, mean over heads, [B]; None where none attends."""
        if not self._stages.attends:
            return None
        log_BK = self.whole_values[..., 1]
        weight_BK = np.exp(log_BK - log_BK.max(axis=0))
        weights: np.ndarray = (weight_BK / weight_BK.sum(axis=0)).mean(axis=1)
        return weights

    def window_segments(self) -> list[tuple[int, int] | None]:
        """Return the first and the last segment of each window; None for a window of padding alone."""
        own = [segments[segments >= 0] for segments in self._segment_BT]
        return [(int(segments.min()), int(segments.max())) if len(segments) else None for segments in own]

    def seen(self, count: int) -> np.ndarray:
        """Return which of `count` segments have a frame with a face that a window reads, bool [S]."""
        return np.bincount(self._segment_BT[self._valid_BT], minlength=count) > 0

    def _hidden_values(self, b: int, hidden_PT: np.ndarray) -> np.ndarray:
        """Return what the head gives for one window with P sets of frames hidden."""
        parts, window = [], self._windows
        step = max(1, min(_BATCH, _BATCH_NUMBERS // window.x_BTD[0].size))
        lost_TD = 0.0 if self._fill_BTD is None else self._fill_BTD[b]
        for first in range(0, len(hidden_PT), step):
            some_PT = hidden_PT[first : first + step]
            x_PTD = np.where(some_PT[..., None], lost_TD, window.x_BTD[b]).astype(np.float32)
            mask_PT = window.mask_BT[b] & ~some_PT if self._protocol.mask else np.ones_like(some_PT)
            parts.append(self._head(Windows(x_PTD, mask_PT)))
        return np.concatenate(parts)

    def _kept(self, left_BN: np.ndarray) -> np.ndarray:
        """Return which windows count, from the numbers of their frames that are left."""
        before_B1 = self._valid_BT.sum(axis=1)[:, None]
        least_B1 = self._protocol.min_valid * np.maximum(self._real_BT.sum(axis=1), 1)[:, None]
        kept_BN = (left_BN == before_B1) | ((left_BN > 0) & (left_BN >= least_B1))
        none_N = ~(kept_BN & (left_BN > 0)).any(axis=0)
        kept_BN[left_BN.argmax(axis=0)[none_N], none_N] = True
        return kept_BN

    def _head(self, windows: Windows) -> np.ndarray:
        return self._stages.values(windows)

    def _score(self, values: np.ndarray) -> float:
        return float(np.mean(self._stages.aggregate(values, self._protocol.aggregate.clip)[0]))


def _distinct(hidden_NS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows [P, S], and which of them each row is [N]."""
    if not hidden_NS.shape[1]:
        return hidden_NS[:1], np.zeros(len(hidden_NS), np.int64)
    pattern_PS, which_N = np.unique(hidden_NS, axis=0, return_inverse=True)
    return pattern_PS, which_N.reshape(-1)
