"""Align a face: five points of its mesh, a similarity transform, a warp to an upright crop."""

import numpy as np

from lfnet.video.backends import import_cv2

__all__ = ["TEMPLATE_112", "crop", "five_points", "points_in_crop", "quarter_turns", "similarity"]

# ArcFace's five-point template at 112 × 112: the eyes, the tip of the nose, the corners of the mouth, each pair from
# the image's left. A published constant of ArcFace models (Deng et al., CVPR 2019; InsightFace).
TEMPLATE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)
# Mesh points that average to the template's five. An eye's centre is the middle of its corners instead of the iris:
# corners do not move with gaze or lids, so that the crop does not follow the gaze.
_POINTS = ((33, 133), (362, 263), (1,), (61,), (291,))


def five_points(landmarks_LC: np.ndarray) -> np.ndarray:
    """Compute eye, eye, nose, mouth corner, mouth corner, float64 [5, 2] in pixels, of a mesh [478, 2 or 3]."""
    return np.stack([landmarks_LC[list(points), :2].astype(np.float64).mean(axis=0) for points in _POINTS])


def quarter_turns(landmarks_LC: np.ndarray) -> int:
    """Return by how many quarter turns clockwise a face is turned, 0 to 3; 0 is upright.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.video.align import quarter_turns
    >>> mesh = np.zeros((478, 2))
    >>> mesh[[61, 291]] = 0, -40  # the corners of the mouth, above the eyes
    >>> quarter_turns(mesh)
    2
    """
    points = five_points(landmarks_LC)
    x, y = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    return round(float(np.arctan2(-x, y)) / (np.pi / 2)) % 4


def similarity(source_P2: np.ndarray, target_P2: np.ndarray) -> np.ndarray | None:
    """Fit rotation, scale and shift by least squares.

    In the plane a similarity without reflection is z → a·z + b in complex numbers, and least squares over (a, b) gives
    the solution that [1]_, eq. 40–43, finds by singular values.

    Parameters
    ----------
    source_P2, target_P2 : ndarray, shape [P, 2]
        Points and where they should go.

    Returns
    -------
    ndarray of float64, shape [2, 3], or None
        The transform from source to target; None if all source points coincide.

    References
    ----------
    .. [1] Umeyama, S. "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns." IEEE TPAMI
       13(4), 1991.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.video.align import similarity
    >>> source = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> similarity(source, 2 * source + [3.0, 4.0])
    array([[ 2., -0.,  3.],
           [ 0.,  2.,  4.]])
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
    """Align a face to the ArcFace template, scaled if size is not 112.

    Parameters
    ----------
    rgb_HWC : ndarray of uint8, shape [H, W, 3]
        A frame.
    landmarks_LC : ndarray, shape [478, 2 or 3]
        The face's mesh in pixels of the frame.
    size : int
        Side of the crop in pixels.

    Returns
    -------
    ndarray of uint8, shape [size, size, 3], or None
        Black outside of the frame; None if the mesh has collapsed to a point or lies outside the frame.
    """
    matrix = similarity(five_points(landmarks_LC), TEMPLATE_112 * (size / 112))
    if matrix is None or not matrix[:, :2].any():
        return None
    return _warp(rgb_HWC, matrix, size)


def points_in_crop(landmarks_LC: np.ndarray, size: int = 112) -> np.ndarray:
    """Compute the mesh's points in pixels of the crop that `crop` makes, float32 [478, 2].

    Raises `ValueError` if the mesh has collapsed to a point.
    """
    matrix = similarity(five_points(landmarks_LC), TEMPLATE_112 * (size / 112))
    if matrix is None:
        raise ValueError("the mesh has collapsed to a point")
    return (landmarks_LC[:, :2].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _warp(rgb_HWC: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray | None:
    cv2 = import_cv2()
    # A bilinear warp reads four pixels for each that it writes: a face that fills a full-HD frame would lose most of
    # its pixels and flicker with small shifts. The region is therefore averaged first, by the factor's whole part.
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
    # Averaged pixel k covers pixels k·factor to k·factor + factor - 1, whose middle is k·factor + (factor - 1) / 2.
    grow = np.array([[factor, 0, left + (factor - 1) / 2], [0, factor, top + (factor - 1) / 2], [0, 0, 1.0]])
    return cv2.warpAffine(small, matrix @ grow, (size, size), flags=cv2.INTER_LINEAR)
