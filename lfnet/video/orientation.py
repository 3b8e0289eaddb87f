"""Show a video's frames upright: the display matrix of a stream, and images turned and mirrored by it."""

import contextlib
from typing import Any

import numpy as np

__all__ = ["display_matrix", "is_turned", "orient"]


def display_matrix(frame: Any, metadata: dict[str, str]) -> np.ndarray:
    """Read the 2 × 2 part [[a, b], [c, d]] of a frame's display matrix.

    A stored pixel offset (x, y), y downwards, is shown at (a·x + c·y, b·x + d·y), see FFmpeg's libavutil/display.h.

    Parameters
    ----------
    frame : av.VideoFrame
    metadata : dict
        Its stream's metadata, which in old files has `rotate` (degrees clockwise) instead.

    Returns
    -------
    ndarray of float64, shape [2, 2]
        The identity if neither exists.
    """
    with contextlib.suppress(ValueError):  # PyAV does not know every kind of side data
        for data in frame.side_data:
            if data.type.name == "DISPLAYMATRIX":
                a, b, _, c, d = np.frombuffer(data, np.int32)[:5]
                return np.array([[a, b], [c, d]], np.float64)
    turns = {"90": [[0, 1], [-1, 0]], "180": [[-1, 0], [0, -1]], "270": [[0, -1], [1, 0]]}
    return np.array(turns.get(metadata.get("rotate", ""), [[1, 0], [0, 1]]), np.float64)


def is_turned(matrix: np.ndarray) -> bool:
    """Return whether width and height are swapped."""
    return bool(abs(matrix[0, 1]) + abs(matrix[1, 0]) > abs(matrix[0, 0]) + abs(matrix[1, 1]))


def orient(rgb_HWC: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a display matrix: rotate and mirror an image as it is meant to be seen.

    All eight quarter turns and reflections are exact, without resampling; an angle between them, which no camera
    writes, is rounded to the nearest. PyAV's `rotation` alone would miss the reflection of a front camera.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.video.orientation import orient
    >>> orient(np.arange(6).reshape(2, 3, 1), np.array([[-1, 0], [0, 1]]))[..., 0]  # mirrored
    array([[2, 1, 0],
           [5, 4, 3]])
    """
    (a, b), (c, d) = matrix
    if is_turned(matrix):
        rgb_HWC = rgb_HWC.transpose(1, 0, 2)
        across, down = c < 0, b < 0
    else:
        across, down = a < 0, d < 0
    return np.ascontiguousarray(rgb_HWC[:: -1 if down else 1, :: -1 if across else 1])
