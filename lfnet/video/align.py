"""From a face mesh to an upright crop: five points, a similarity transform, a warp."""

import numpy as np

from lfnet.video.backends import import_cv2

__all__ = ["TEMPLATE_112", "crop", "five_points", "points_in_crop", "similarity"]

# ArcFace's five-point template at 112 × 112: the eyes, the tip of the nose, the corners of the mouth, each pair from
# the picture's left. A published constant of the ArcFace line of models (Deng et al., 2019; InsightFace).
TEMPLATE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)
# Mesh points that average to the template's five. An eye's centre is the middle of its corners, not the iris: corners
# stay where they are when the gaze wanders or the lids close, and so the crop does not follow the gaze.
_POINTS = ((33, 133), (362, 263), (1,), (61,), (291,))


def five_points(landmarks_LC: np.ndarray) -> np.ndarray:
    """Eye, eye, nose, mouth corner, mouth corner, float64 [5, 2], in pixels, of a 478-point mesh [478, 2 or 3]."""
    return np.stack([landmarks_LC[list(points), :2].astype(np.float64).mean(axis=0) for points in _POINTS])


def similarity(source_P2: np.ndarray, target_P2: np.ndarray) -> np.ndarray | None:
    """The rotation, scale and shift, float64 [2, 3], that takes `source` to `target` with the least squared error.

    None where all source points coincide. In the plane a similarity without mirror is z → a·z + b in complex numbers,
    and least squares over (a, b) gives what Umeyama (1991, eq. 40–43) gives by singular values.
    """
    source = source_P2[:, 0] + 1j * source_P2[:, 1]
    target = target_P2[:, 0] + 1j * target_P2[:, 1]
    centred = source - source.mean()
    spread = float((np.abs(centred) ** 2).sum())
    if not np.isfinite(spread) or spread < 1e-12:
        return None
    a = (np.conj(centred) * (target - target.mean())).sum() / spread
    b = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop(rgb_HWC: np.ndarray, landmarks_LC: np.ndarray, size: int = 112) -> np.ndarray | None:
    """The aligned face, uint8 RGB [size, size, 3]: the ArcFace template, scaled where size is not 112.

    Black where the frame ends. None where the mesh has collapsed to a point and there is no face to align.
    """
    matrix = similarity(five_points(landmarks_LC), TEMPLATE_112 * (size / 112))
    if matrix is None or not matrix[:, :2].any():
        return None
    return _warp(rgb_HWC, matrix, size)


def points_in_crop(landmarks_LC: np.ndarray, size: int = 112) -> np.ndarray:
    """The mesh's points in pixels of the crop that `crop` makes, float32 [478, 2].

    Raises `ValueError` where there is no such crop.
    """
    matrix = similarity(five_points(landmarks_LC), TEMPLATE_112 * (size / 112))
    if matrix is None:
        raise ValueError("the mesh has collapsed to a point")
    return (landmarks_LC[:, :2].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _warp(rgb_HWC: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray | None:
    cv2 = import_cv2()
    # A bilinear warp reads four pixels for each it writes: a face that fills a full-HD frame would lose most of its
    # pixels and flicker with every small shift. So the region is first averaged down by the whole part of the factor.
    factor = int(1 / np.hypot(matrix[0, 0], matrix[1, 0]))
    if factor < 2:
        return cv2.warpAffine(rgb_HWC, matrix, (size, size), flags=cv2.INTER_LINEAR)
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ inverse.T
    height, width = rgb_HWC.shape[:2]
    # One averaged pixel of margin on each side; left and top on the grid of the averaged pixels, so that a face that
    # moves within the frame is averaged by the same grid.
    left, top = (np.floor(corners.min(axis=0) / factor - 1) * factor).astype(int).clip(0)
    right, bottom = (np.ceil(corners.max(axis=0) / factor + 1) * factor).astype(int).clip(0)
    region = rgb_HWC[top : min(bottom, height), left : min(right, width)]
    if min(region.shape[:2]) < factor:
        return None  # the mesh lies outside the frame
    region = region[: region.shape[0] // factor * factor, : region.shape[1] // factor * factor]
    small = cv2.resize(region, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    # Averaged pixel k covers pixels k·factor … k·factor + factor - 1, whose middle is k·factor + (factor - 1) / 2.
    grow = np.array([[factor, 0, left + (factor - 1) / 2], [0, factor, top + (factor - 1) / 2], [0, 0, 1.0]])
    return cv2.warpAffine(small, matrix @ grow, (size, size), flags=cv2.INTER_LINEAR)
