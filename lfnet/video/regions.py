"""Regions of an aligned face: rectangles as published, or cut out along the face mesh."""

import numpy as np

from lfnet.video.system import import_cv2

__all__ = ["PUBLISHED", "REGIONS", "cut_mesh", "cut_rectangles", "mesh_box", "mesh_polygon", "rectangle"]

REGIONS = ("eyes", "mouth", "left_cheek", "right_cheek")
# Left and right are the picture's. The published weight of each region in the descriptor (research.md, section A).
PUBLISHED = {"eyes": 0.35, "mouth": 0.30, "left_cheek": 0.15, "right_cheek": 0.20}

# What surrounds a region cut along the mesh: ImageNet's mean colour, which is zero once pictures are normalised.
_OUTSIDE = (124, 116, 104)
# Points of MediaPipe's mesh whose convex hull is the region: eyes with lids, brows and the skin below them; mouth with
# the skin between nose, chin and the folds beside it; each cheek between eye bag, nose and jaw.
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
# The two points whose line is a region's horizontal: the outer corners of the eyes, the corners of the mouth. A line
# of the face's own turns with it and, unlike a box of least area, never flips by 90 degrees between two frames.
_AXES = {"eyes": (33, 263), "mouth": (61, 291), "left_cheek": (33, 263), "right_cheek": (33, 263)}


def rectangle(name: str, side: int) -> tuple[slice, slice]:
    """Rows and columns of a published region in an aligned crop of side × side pixels.

    Eyes: the upper half. Mouth: the lower third. Cheeks: the middle third, split in half (LightFusionNet's published
    code; research.md, section A).
    """
    rows = {"eyes": slice(0, side // 2), "mouth": slice(2 * side // 3, side)}.get(name, slice(side // 3, 2 * side // 3))
    columns = {"left_cheek": slice(0, side // 2), "right_cheek": slice(side // 2, side)}.get(name, slice(0, side))
    return rows, columns


def cut_rectangles(crops_NHWC: np.ndarray, name: str) -> np.ndarray:
    """A published region of aligned crops, uint8 [N, S, S, 3], grown to their side by nearest neighbours.

    Each pixel is repeated as torch's `interpolate` (mode "nearest") does, so no pixel value is new.
    """
    side = crops_NHWC.shape[1]
    rows, columns = (part.start + np.arange(side) * (part.stop - part.start) // side for part in rectangle(name, side))
    return crops_NHWC[:, rows][:, :, columns]


def cut_mesh(crops_NHWC: np.ndarray, points_NL2: np.ndarray, name: str) -> np.ndarray:
    """A region of aligned crops cut out along the mesh, uint8 [N, S, S, 3].

    crops_NHWC: uint8 RGB. points_NL2: their meshes in pixels of the crops. The region's polygon in its oriented box is
    stretched over the whole square, and what lies outside the polygon is one colour that says nothing.
    """
    cv2 = import_cv2()
    side = crops_NHWC.shape[1]
    cut = np.empty_like(crops_NHWC)
    for number, (crop, points) in enumerate(zip(crops_NHWC, points_NL2, strict=True)):
        polygon = mesh_polygon(points, name)
        matrix = _to_square(mesh_box(points, name), side)
        square = cv2.warpAffine(crop, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((side, side), np.uint8)
        corners = polygon @ matrix[:, :2].T + matrix[:, 2]
        cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
        cut[number] = np.where(mask[..., None] == 1, square, np.array(_OUTSIDE, np.uint8))
    return cut


def mesh_polygon(points_L2: np.ndarray, name: str) -> np.ndarray:
    """The corners of a region's polygon, float64 [P, 2]: the convex hull of its mesh points."""
    cv2 = import_cv2()
    chosen = np.ascontiguousarray(points_L2[list(_POINTS[name]), :2], np.float32)
    return cv2.convexHull(chosen).reshape(-1, 2).astype(np.float64)


def mesh_box(points_L2: np.ndarray, name: str) -> np.ndarray:
    """Upper left, upper right and lower left corner of a region's oriented box, float64 [3, 2].

    Its horizontal is the face's own line, see `_AXES`; its sides touch the region's points. No side is shorter than a
    pixel, so that a region that is turned away from the camera stays a picture.
    """
    first, last = (points_L2[point, :2].astype(np.float64) for point in _AXES[name])
    along = last - first
    length = float(np.hypot(*along))
    along = along / length if length > 0 else np.array([1.0, 0.0])
    down = np.array([-along[1], along[0]])
    chosen = points_L2[list(_POINTS[name]), :2].astype(np.float64)
    across_P, down_P = chosen @ along, chosen @ down
    left, top = across_P.min(), down_P.min()
    width, height = max(np.ptp(across_P), 1.0), max(np.ptp(down_P), 1.0)
    corner = left * along + top * down
    return np.stack([corner, corner + width * along, corner + height * down])


def _to_square(box_32: np.ndarray, side: int) -> np.ndarray:
    """The affine map, float64 [2, 3], of a box onto a square of side × side pixels."""
    corner, across, down = box_32[0], box_32[1] - box_32[0], box_32[2] - box_32[0]
    rows = np.stack([across / (across @ across), down / (down @ down)]) * (side - 1)
    return np.column_stack([rows, -rows @ corner])
