"""The way up: what a video's metadata says about turning and mirroring its pictures."""

from typing import Any

import numpy as np

__all__ = ["display_matrix", "orient", "turned"]


def display_matrix(frame: Any, metadata: dict[str, str]) -> np.ndarray:
    """The 2 × 2 part [[a, b], [c, d]] of a frame's display matrix, identity where there is none.

    frame: a PyAV VideoFrame. metadata: its stream's, where files of old say `rotate` (degrees clockwise) instead.
    A stored pixel offset (x, y), y downwards, is shown at (a·x + c·y, b·x + d·y): FFmpeg's libavutil/display.h.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(data, np.int32)[:5]
            return np.array([[a, b], [c, d]], np.float64)
    turns = {"90": [[0, 1], [-1, 0]], "180": [[-1, 0], [0, -1]], "270": [[0, -1], [1, 0]]}
    return np.array(turns.get(metadata.get("rotate", ""), [[1, 0], [0, 1]]), np.float64)


def turned(matrix: np.ndarray) -> bool:
    """Whether width and height change places."""
    return bool(abs(matrix[0, 1]) + abs(matrix[1, 0]) > abs(matrix[0, 0]) + abs(matrix[1, 1]))


def orient(rgb_HWC: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The picture as it is meant to be seen.

    Quarter turns and mirrors, all eight of them, are exact and so cost no resampling; an angle between them, which no
    camera writes, goes to the nearest. PyAV's `rotation` alone would miss the mirror of a front camera.
    """
    (a, b), (c, d) = matrix
    if turned(matrix):
        rgb_HWC = rgb_HWC.transpose(1, 0, 2)
        across, down = c < 0, b < 0
    else:
        across, down = a < 0, d < 0
    return np.ascontiguousarray(rgb_HWC[:: -1 if down else 1, :: -1 if across else 1])
