"""Line drawing of a face mesh: outline, brows, eyes, nose and lips."""

import numpy as np

__all__ = ["face_lines"]

# Chains of points of MediaPipe's mesh: its published connections of the face oval, brows, eyes, irises, nose and lips.
_CHAINS = (
    (
        *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
        *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10),
    ),
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 70),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276, 300),
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7, 33),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249, 263),
    (469, 470, 471, 472, 469),
    (474, 475, 476, 477, 474),
    (168, 6, 197, 195, 5, 4),
    (64, 98, 97, 2, 326, 327, 294),
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146, 61),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95, 78),
)


def face_lines(landmarks_LC: np.ndarray) -> list[np.ndarray]:
    """Return the lines of a mesh, each float64 [P, 2] in the mesh's own unit.

    Parameters
    ----------
    landmarks_LC : ndarray, shape [478, 2 or 3]
        A face mesh.

    Examples
    --------
    >>> lines = face_lines(np.zeros((478, 3)))
    >>> len(lines), lines[0].shape
    (11, (37, 2))
    """
    points_L2 = np.asarray(landmarks_LC, np.float64)[:, :2]
    return [points_L2[list(chain)] for chain in _CHAINS]
