"""Mean skin colour in three regions of a face mesh, from which a pulse is estimated."""

from math import ceil, floor

import numpy as np

from lfnet.video.backends import import_cv2

__all__ = ["BRIGHT", "DARK", "REGIONS", "skin_means", "skin_polygons"]

REGIONS = ("forehead", "left_cheek", "right_cheek")
# A pixel with a channel at or above BRIGHT is saturated; one whose brightest channel is below DARK is mostly noise.
BRIGHT = 250
DARK = 20
# Each polygon's corners, clockwise as seen in the image; a corner of several points is their mean. The forehead extends
# from a third of the way between the brows and the row of points above them to half of the way between that row and the
# mesh's edge, where many people's hair begins. The cheeks extend from below the eye bags to the nose's wing and to
# above the corner of the mouth. Eyes, brows, nose, mouth and beard are excluded. Left and right are the image's.
_FOREHEAD = (
    *((103, 104), (67, 69), (109, 108), (10, 151), (338, 337), (297, 299), (332, 333)),
    *((293, 293, 333), (334, 334, 299), (296, 296, 337), (9, 9, 151), (66, 66, 108), (105, 105, 69), (63, 63, 104)),
)
_LEFT = tuple((point,) for point in (116, 117, 118, 119, 100, 142, 203, 206, 207, 187, 147, 123))
_RIGHT = tuple((point,) for point in (345, 352, 376, 411, 427, 426, 423, 371, 329, 348, 347, 346))
_SHIFT = 4  # cv2.fillPoly reads corners in sixteenths of a pixel


def _means(corners: tuple[tuple[int, ...], ...]) -> tuple[list[int], np.ndarray]:
    """The points of K that a polygon needs, and weights float64 [P, K] whose product with them gives its corners."""
    points = sorted({point for corner in corners for point in corner})
    weights_PK = np.array([[corner.count(point) / len(corner) for point in points] for corner in corners])
    return points, weights_PK


_POLYGONS = [_means(corners) for corners in (_FOREHEAD, _LEFT, _RIGHT)]


def skin_polygons(landmarks_LC: np.ndarray) -> list[np.ndarray]:
    """Compute the corners of forehead, left and right cheek, each float64 [P, 2] in pixels, of a mesh [478, 2 or 3]."""
    points = np.asarray(landmarks_LC, np.float64)[:, :2]
    return [weights_PK @ points[chosen] for chosen, weights_PK in _POLYGONS]


def skin_means(rgb_HWC: np.ndarray, landmarks_LC: np.ndarray, *, bright: int = BRIGHT, dark: int = DARK) -> np.ndarray:
    """Average the skin's colour in three regions.

    Parameters
    ----------
    rgb_HWC : ndarray of uint8, shape [H, W, 3]
        A frame.
    landmarks_LC : ndarray, shape [478, 2 or 3]
        A face mesh in pixels of the frame.
    bright, dark : int
        A pixel counts if all its channels are below `bright` and one of them is `dark` or more.

    Returns
    -------
    ndarray of float32, shape [3, 4]
        Mean red, green, blue (0–255) and number of skin pixels of forehead, left and right cheek (the image's left and
        right). All zeros for a region without such a pixel: outside of the frame, saturated, dark, or turned away from
        the camera, which reverses the order of its corners.
    """
    cv2 = import_cv2()
    means_RC = np.zeros((len(REGIONS), 4), np.float32)
    height, width = rgb_HWC.shape[:2]
    for region, corners_P2 in enumerate(skin_polygons(landmarks_LC)):
        if not 0 < _area(corners_P2) < np.inf:
            continue
        x, y = corners_P2.T.tolist()  # plain numbers: NumPy takes ten times as long for a dozen
        left, top = max(0, floor(min(x))), max(0, floor(min(y)))
        right, bottom = min(width, ceil(max(x)) + 1), min(height, ceil(max(y)) + 1)
        if right <= left or bottom <= top:
            continue
        part = np.ascontiguousarray(rgb_HWC[top:bottom, left:right])
        mask = np.zeros(part.shape[:2], np.uint8)
        fixed = np.round((corners_P2 - (left, top)) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, shift=_SHIFT)
        red, green, blue = cv2.split(part)
        brightest = cv2.max(cv2.max(red, green), blue)
        mask &= cv2.inRange(brightest, dark, bright - 1)
        count = cv2.countNonZero(mask)
        if count:
            means_RC[region, :3] = cv2.mean(part, mask)[:3]
            means_RC[region, 3] = count
    return means_RC


def _area(corners_P2: np.ndarray) -> float:
    """Twice the signed area, positive for corners clockwise as seen in an image, whose y points down."""
    x, y = corners_P2.T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1])
