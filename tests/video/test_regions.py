"""Regions: the published rectangles to the pixel, and the mesh's, which stay on the face when the head turns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lfnet.video.align import crop, five_points, points_in_crop
from lfnet.video.mesh import FaceMesh, Mesh
from lfnet.video.regions import PUBLISHED, REGIONS, cut_mesh, cut_rectangles, mesh_box, mesh_polygon, rectangle
from tests.video.media import picture

SIDE = 224
# Points of MediaPipe's mesh on the rims of the eyes and of the lips; few of them are corners of a region's polygon.
EYES = [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246]
EYES += [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466]
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
NOSE = [1, 4, 5]
MIDDLE = {"eyes": EYES, "mouth": LIPS, "left_cheek": [50, 101, 205, 36], "right_cheek": [280, 330, 425, 266]}


# --- rectangles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [224, 112, 48, 25])
def test_rectangles_are_the_published_ones_grown_by_nearest_neighbours(side):
    crops = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    x = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
    third, half = side // 3, side // 2
    published = {
        "eyes": x[:, :, :half],
        "mouth": x[:, :, 2 * side // 3 :],
        "left_cheek": x[:, :, third : 2 * side // 3, :half],
        "right_cheek": x[:, :, third : 2 * side // 3, half:],
    }
    for name in REGIONS:
        expected = torch.nn.functional.interpolate(published[name], (side, side)).permute(0, 2, 3, 1).numpy()
        assert np.array_equal(cut_rectangles(crops, name), expected), name


def test_the_weights_are_the_published_ones():
    assert tuple(PUBLISHED) == REGIONS and sum(PUBLISHED.values()) == pytest.approx(1)
    assert PUBLISHED["left_cheek"] == 0.15 and PUBLISHED["right_cheek"] == 0.2
    assert rectangle("left_cheek", 224)[1] == slice(0, 112), "left is the picture's"


# --- along the mesh ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def libraries() -> None:
    pytest.importorskip("cv2", reason="needs OpenCV's system libraries: see lfnet doctor", exc_type=ImportError)


@pytest.fixture(scope="module")
def model(shared, libraries) -> Path:
    return shared / "weights" / "face_landmarker.task"


@pytest.fixture(scope="module")
def frame(shared) -> np.ndarray:
    """A frame of a real clip, face on."""
    from lfnet.video.decode import frames

    return next(iter(frames(shared / "media" / "single_face.mp4"))).rgb


def found(rgb: np.ndarray, model: Path) -> Mesh:
    with FaceMesh(model, video=False) as landmarker:
        mesh = landmarker.find(rgb)
    assert mesh is not None
    return mesh


@pytest.fixture(scope="module")
def mesh(frame, model) -> Mesh:
    return found(frame, model)


def turned(landmarks_LC: np.ndarray, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """The mesh of the same head turned by so many degrees, as a far camera sees it."""
    a, b, c = np.radians([pitch, yaw, roll])
    around_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    around_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    around_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    centre = landmarks_LC.mean(axis=0)
    return (landmarks_LC - centre) @ (around_z @ around_y @ around_x).T + centre


def inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    import cv2

    corners = polygon.astype(np.float32)
    return np.array([cv2.pointPolygonTest(corners, tuple(map(float, point)), True) >= -0.5 for point in points])


POSES = [(0, 0, 0), (20, 0, 0), (-20, 0, 0), (0, 30, 0), (0, -30, 0), (0, 0, 35), (15, 25, -30)]


@pytest.mark.parametrize("pose", POSES)
def test_regions_stay_on_eyes_mouth_and_cheeks_when_the_head_turns(mesh, pose):
    points = points_in_crop(turned(mesh.landmarks_LC, *pose).astype(np.float32), SIDE)
    for name in REGIONS:
        polygon = mesh_polygon(points, name)
        assert inside(polygon, points[MIDDLE[name]]).all(), name
        for other in set(REGIONS) - {name}:
            assert inside(polygon, points[MIDDLE[other]]).mean() <= 0.25, f"{other} in {name}"
        if pose == (0, 0, 0):
            assert not inside(polygon, points[NOSE]).any(), "the nose belongs to no region"


def test_published_rectangles_miss_part_of_the_cheeks(mesh):
    """What the mesh is for: no alignment by five points puts the whole of a cheek into its half of the middle third."""
    for pose in POSES:
        points = points_in_crop(turned(mesh.landmarks_LC, *pose).astype(np.float32), SIDE)
        shares = []
        for name in ("left_cheek", "right_cheek"):
            rows, columns = rectangle(name, SIDE)
            x, y = points[MIDDLE[name]].T
            held = (x >= columns.start) & (x < columns.stop) & (y >= rows.start) & (y < rows.stop)
            shares.append(held.mean())
            assert inside(mesh_polygon(points, name), points[MIDDLE[name]]).all()
        assert min(shares) <= 0.75


def test_turning_in_the_plane_moves_nothing(mesh):
    """A rolled head is aligned back: polygons and boxes are the same to a hundredth of a pixel."""
    upright = points_in_crop(mesh.landmarks_LC, SIDE)
    for roll in (-40, 15, 170):
        points = points_in_crop(turned(mesh.landmarks_LC, roll=roll).astype(np.float32), SIDE)
        for name in REGIONS:
            np.testing.assert_allclose(mesh_box(points, name), mesh_box(upright, name), atol=0.01)


@pytest.mark.parametrize("roll", [-25, 0, 40])
def test_a_box_turns_with_the_face(mesh, roll):
    points = turned(mesh.landmarks_LC, roll=roll)[:, :2]
    eyes = five_points(points)
    angle = np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))
    for name in REGIONS:
        corner, right, down = mesh_box(points, name)
        assert np.degrees(np.arctan2(*(right - corner)[::-1])) == pytest.approx(angle, abs=8)
        (a, b), (c, d) = right - corner, down - corner
        assert a * d - b * c > 0 and a * c + b * d == pytest.approx(0, abs=1e-6)
        polygon = mesh_polygon(points, name) - corner
        for side in (right - corner, down - corner):
            along = polygon @ side / (side @ side)
            assert along.min() == pytest.approx(0, abs=1e-4) and along.max() == pytest.approx(1, abs=1e-4)


def test_a_turned_picture_gives_the_same_regions(frame, mesh, model):
    """Through detection and alignment: the frame turned by 20 degrees, its mesh found anew."""
    import cv2

    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1.0)
    rolled = cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    pairs = []
    for rgb, face in ((frame, mesh), (rolled, found(rolled, model))):
        pairs.append((crop(rgb, face.landmarks_LC, SIDE)[None], points_in_crop(face.landmarks_LC, SIDE)[None]))
    for name in REGIONS:
        one, other = (cut_mesh(*pair, name)[0].astype(float) for pair in pairs)
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert correlation > 0.9, f"{name}: {correlation:.3f}"


def test_a_region_fills_its_square_and_shows_nothing_else(libraries):
    """Of a picture that is red within the polygon and blue without, red alone is left, and the colour outside."""
    import cv2

    rng = np.random.default_rng(0)
    points = (60 + 100 * rng.random((478, 2))).astype(np.float32)
    points[33], points[263] = (60, 100), (160, 120)
    for name in ("eyes", "left_cheek"):
        polygon = mesh_polygon(points, name)
        rgb = np.zeros((SIDE, SIDE, 3), np.uint8)
        rgb[..., 2] = 255
        grown = cv2.dilate(
            cv2.fillConvexPoly(np.zeros((SIDE, SIDE), np.uint8), np.round(polygon).astype(np.int32), 1),
            np.ones((5, 5), np.uint8),
        )
        rgb[grown == 1] = (255, 0, 0)
        cut = cut_mesh(rgb[None], points[None], name)[0]
        red, outside = (cut == (255, 0, 0)).all(-1), (cut == (124, 116, 104)).all(-1)
        assert (red | outside).all() and red.mean() > 0.4 and outside.mean() > 0.03
        for edge in (red[0], red[-1], red[:, 0], red[:, -1]):
            assert edge.any(), "the polygon touches all sides of its box"


def test_a_region_that_is_turned_away_is_still_a_picture(libraries):
    points = np.zeros((478, 2), np.float32) + 50
    for name in REGIONS:
        cut = cut_mesh(picture(3, 96, 96)[None], points[None], name)
        assert cut.shape == (1, 96, 96, 3) and cut.dtype == np.uint8
