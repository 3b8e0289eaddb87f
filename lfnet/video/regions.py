"""Regions of an aligned face: rectangles as published, or cut along the face mesh."""

import numpy as np

from lfnet.video.backends import import_cv2

__all__ = ["PUBLISHED", "REGIONS", "cut_mesh", "cut_rectangles", "mesh_patch", "mesh_polygon", "rectangle"]

REGIONS = ("eyes", "mouth", "left_cheek", "right_cheek")
# Left and right are the image's. LightFusionNet's published weight of each region in the descriptor.
PUBLISHED = {"eyes": 0.35, "mouth": 0.30, "left_cheek": 0.15, "right_cheek": 0.20}

# What surrounds a region cut along the mesh: ImageNet's mean colour, which is zero after normalisation.
_OUTSIDE = (124, 116, 104)
# Points of MediaPipe's mesh whose convex hull is the region: eyes with lids, brows and the skin below them; mouth with
# the skin between nose, chin and nasolabial folds; each cheek between eye bag, nose and jaw.
_LEFT_CHEEK = (116, 117, 118, 119, 100, 126, 142, 203, 206, 207, 187, 147, 123, 50, 205, 192)
_RIGHT_CHEEK = (345, 346, 347, 348, 329, 355, 371, 423, 426, 427, 411, 376, 352, 280, 425, 416)
_POINTS = {
    "eyes": (
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
        *(226, 143, 111, 117, 118, 119, 120, 121, 446, 372, 340, 346, 347, 348, 349, 350),
    ),
    "mouth": (2, 97, 326, 203, 423, 206, 426, 216, 436, 212, 432, 202, 422, 204, 424, 194, 418, 200, 61, 291),
    "left_cheek": _LEFT_CHEEK,
    "right_cheek": _RIGHT_CHEEK,
}
# The points that fix a region's patch, on or near bone. Eyes: the corners, the bridge of the nose, the cheekbones' edge
# and the forehead, without brows and lids. Mouth: nose, folds and chin, without the lips.
_ANCHORS = {
    "eyes": (33, 133, 362, 263, 168, 6, 9, 8, 117, 346, 119, 348, 121, 350, 104, 69, 108, 337, 299, 333),
    "mouth": (2, 97, 326, 203, 423, 206, 426, 216, 436, 212, 432, 202, 422, 204, 424, 194, 418, 200),
    "left_cheek": _LEFT_CHEEK,
    "right_cheek": _RIGHT_CHEEK,
}
# Where these points lie in a face seen from the front: a point on the left and its partner on the right, and the
# partner's centimetres to the right of the middle and downwards. From the face model in the landmarker's file.
_FACE = (
    *((2, 2, 0, 2.09), (6, 6, 0, -2.47), (8, 8, 0, -4.02), (9, 9, 0, -4.89), (168, 168, 0, -3.27), (200, 200, 0, 6.99)),
    *((33, 263, 4.45, -2.66), (50, 280, 4.77, 0.70), (61, 291, 2.46, 4.34), (63, 293, 4.99, -4.80)),
    *((66, 296, 2.76, -5.10), (69, 299, 3.06, -6.57), (70, 300, 5.72, -4.25), (97, 326, 0.60, 2.01)),
    *((100, 329, 2.34, -0.57), (104, 333, 4.54, -6.32), (105, 334, 3.99, -5.11), (107, 336, 1.40, -5.01)),
    *((108, 337, 1.62, -6.60), (111, 340, 5.73, -1.41), (116, 345, 6.47, -0.94), (117, 346, 5.26, -0.95)),
    *((118, 347, 4.43, -0.72), (119, 348, 3.30, -0.86), (120, 349, 2.43, -1.13), (121, 350, 1.82, -1.47)),
    *((123, 352, 6.34, 0.53), (126, 355, 1.61, -0.34), (133, 362, 1.86, -2.59), (142, 371, 2.10, 0.16)),
    *((143, 372, 6.41, -2.24), (147, 376, 6.23, 1.94), (187, 411, 5.28, 2.24), (192, 416, 5.44, 4.03)),
    *((194, 418, 1.94, 6.61), (202, 422, 3.29, 5.38), (203, 423, 2.31, 1.57), (204, 424, 2.68, 6.11)),
    *((205, 425, 3.83, 1.54), (206, 426, 2.96, 2.27), (207, 427, 4.39, 2.68), (212, 432, 3.75, 4.50)),
    *((216, 436, 3.49, 3.20), (226, 446, 5.17, -2.54)),
)
_PLACE = {left: (-x, y) for left, _, x, y in _FACE} | {right: (x, y) for _, right, x, y in _FACE}
_MARGIN = 0.1  # of a region's width and height, on each side: regions of other people and of turned heads are larger


def rectangle(name: str, side: int) -> tuple[slice, slice]:
    """Return rows and columns of a published region in an aligned crop of side × side pixels.

    Eyes: the upper half. Mouth: the lower third. Cheeks: the halves of the middle third (LightFusionNet's published
    code).

    Examples
    --------
    >>> from lfnet.video.regions import rectangle
    >>> rectangle("mouth", 224)
    (slice(149, 224, None), slice(0, 224, None))
    """
    rows = {"eyes": slice(0, side // 2), "mouth": slice(2 * side // 3, side)}.get(name, slice(side // 3, 2 * side // 3))
    columns = {"left_cheek": slice(0, side // 2), "right_cheek": slice(side // 2, side)}.get(name, slice(0, side))
    return rows, columns


def cut_rectangles(crops_NHWC: np.ndarray, name: str) -> np.ndarray:
    """Cut a published region out of aligned crops, uint8 [N, S, S, 3], and enlarge it to their side.

    Each pixel is repeated as torch's `interpolate` (mode "nearest") does, so that no pixel value is new.
    """
    side = crops_NHWC.shape[1]
    down, across = rectangle(name, side)
    rows, columns = (np.arange(side) * (part.stop - part.start) // side for part in (down, across))
    enlarged = crops_NHWC[:, down, across]
    if enlarged.shape[2] < side:  # columns first, while there are few rows; copying whole rows is fast
        enlarged = np.take(enlarged, columns, axis=2)
    return np.take(enlarged, rows, axis=1)


def cut_mesh(crops_NHWC: np.ndarray, points_NL2: np.ndarray, name: str) -> np.ndarray:
    """Cut a region out of aligned crops along the mesh.

    The region's patch (`mesh_patch`) fills the image, so that each part of the face is at the same place for any pose
    of the head. One neutral colour covers what lies outside the region's polygon, and all of a region that is turned
    away from the camera.

    Parameters
    ----------
    crops_NHWC : ndarray of uint8, shape [N, S, S, 3]
        RGB crops.
    points_NL2 : ndarray, shape [N, 478, 2]
        Their meshes in pixels of the crops.
    name : str
        One of `REGIONS`.

    Returns
    -------
    ndarray of uint8, shape [N, S, S, 3]
    """
    cv2 = import_cv2()
    side = crops_NHWC.shape[1]
    cut = np.empty_like(crops_NHWC)
    cut[:] = _OUTSIDE
    for number, (crop, points) in enumerate(zip(crops_NHWC, points_NL2, strict=True)):
        patch = mesh_patch(points, name)
        if np.linalg.det(patch[:, :2]) < 1:  # less than a pixel, or seen from behind
            continue
        patch[:, :2] /= side - 1
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        square = cv2.warpAffine(crop, patch, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((side, side), np.uint8)
        corners = np.linalg.solve(patch[:, :2], (mesh_polygon(points, name) - patch[:, 2]).T).T
        cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
        cut[number][mask == 1] = square[mask == 1]
    return cut


def mesh_polygon(points_L2: np.ndarray, name: str) -> np.ndarray:
    """Return the corners of a region's polygon, float64 [P, 2]: the convex hull of its mesh points."""
    cv2 = import_cv2()
    chosen = np.ascontiguousarray(points_L2[list(_POINTS[name]), :2], np.float32)
    return cv2.convexHull(chosen).reshape(-1, 2).astype(np.float64)


def mesh_patch(points_L2: np.ndarray, name: str) -> np.ndarray:
    """Fit the affine map, float64 [2, 3], from a region's unit square to its patch of the image, in pixels.

    The square is the region's upright box, with a margin, in a face seen from the front (`_FACE`); the map takes the
    region's anchors (`_ANCHORS`) from there to where they are, by least squares. The patch of a flat, distant face is
    found exactly for any pose. For the model of a whole face turned by up to 30° in any direction, the content of a
    square moves by .064 (eyes), .054 (mouth) and .030 (cheeks) of the region's side (root mean square); in the upright
    box of the region's points it would be .093, .074 and .091. Over a clip of an actor it is .033, .044 and .019
    instead of .049, .058 and .045. Expressions move within the patch and hardly move it.
    """
    return (_FITS[name] @ points_L2[list(_ANCHORS[name]), :2].astype(np.float64)).T


def _fit(name: str) -> np.ndarray:
    """float64 [3, K]: the pseudo-inverse that maps the anchors' positions to the rows across, down and corner."""
    corners_P2, anchor_K2 = (np.array([_PLACE[point] for point in points[name]]) for points in (_POINTS, _ANCHORS))
    size = np.ptp(corners_P2, axis=0)
    unit_K2 = (anchor_K2 - corners_P2.min(axis=0) + _MARGIN * size) / ((1 + 2 * _MARGIN) * size)
    return np.linalg.pinv(np.column_stack([unit_K2, np.ones(len(unit_K2))]))


_FITS = {name: _fit(name) for name in REGIONS}
