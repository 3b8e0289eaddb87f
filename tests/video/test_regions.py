"""Regions: the published rectangles to the pixel, and the mesh's, which stay on the face when the head turns."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lfnet.video import regions
from lfnet.video.align import crop, five_points, points_in_crop
from lfnet.video.mesh import FaceMesh, Mesh
from lfnet.video.regions import PUBLISHED, REGIONS, cut_mesh, cut_rectangles, mesh_patch, mesh_polygon, rectangle
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
def test_rectangles_are_the_published_ones_enlarged_by_nearest_neighbours(side):
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
    """A rolled head is aligned back: polygons and patches are the same to a hundredth of a pixel."""
    upright = points_in_crop(mesh.landmarks_LC, SIDE)
    for roll in (-40, 15, 170):
        points = points_in_crop(turned(mesh.landmarks_LC, roll=roll).astype(np.float32), SIDE)
        for name in REGIONS:
            np.testing.assert_allclose(mesh_patch(points, name), mesh_patch(upright, name), atol=0.01)


@pytest.mark.parametrize("roll", [-25, 0, 40])
def test_a_patch_turns_with_the_face_and_contains_its_region(mesh, roll):
    points = turned(mesh.landmarks_LC, roll=roll)[:, :2]
    eyes = five_points(points)
    angle = np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))
    for name in REGIONS:
        across, down, _ = mesh_patch(points, name).T
        assert np.degrees(np.arctan2(*across[::-1])) == pytest.approx(angle, abs=8)
        assert np.degrees(np.arctan2(*down[::-1])) == pytest.approx(angle + 90, abs=8)
        polygon = places(points, name, mesh_polygon(points, name))
        assert polygon.min() > -0.02 and polygon.max() < 1.02 and (np.ptp(polygon, axis=0) > 0.7).all()


def places(points: np.ndarray, name: str, of: np.ndarray) -> np.ndarray:
    """Where some points of the picture lie in a region's unit square."""
    patch = mesh_patch(points, name)
    return np.linalg.solve(patch[:, :2], (of - patch[:, 2]).T).T


def flat_face() -> np.ndarray:
    """A face without depth, [478, 2]: the points that regions are made of in their places, others in its middle."""
    points = np.zeros((478, 2))
    for number, place in regions._PLACE.items():
        points[number] = place
    return points


number = st.floats(-3, 3).filter(lambda x: abs(x) > 0.05)


@given(st.tuples(number, number, number, number), st.tuples(number, number))
def test_a_flat_face_is_cut_the_same_in_any_pose(matrix, shift):
    """Seen from afar, a plane turned in space is an affine picture of itself: every point keeps its place."""
    face, seen = flat_face(), np.array(matrix).reshape(2, 2)
    if abs(np.linalg.det(seen)) < 1e-3:
        return
    there = face @ seen.T + 50 * np.array(shift)
    for name in REGIONS:
        np.testing.assert_allclose(places(there, name, there), places(face, name, face), atol=1e-6)
        low, high = (f(places(face, name, mesh_polygon(face, name)), axis=0) for f in (np.min, np.max))
        np.testing.assert_allclose([low, high], [[1 / 12] * 2, [11 / 12] * 2], atol=1e-6)


@pytest.fixture(scope="module")
def model_face(shared) -> np.ndarray:
    """The face model in the landmarker's file, float64 [468, 3]: right, down, away, in centimetres."""
    raw = ZipFile(shared / "weights" / "face_landmarker.task").read("geometry_pipeline_metadata_landmarks.binarypb")
    # Vertices of 5 numbers (x, y, z, u, v), each behind its one-byte tag: the first run of that many alike.
    tags = np.frombuffer(raw, np.uint8)
    start = next(k for k in range(64) if len(set(tags[k : k + 5 * 2340 : 5].tolist())) == 1)
    cells = np.frombuffer(raw[start : start + 5 * 2340], np.dtype([("tag", "u1"), ("value", "<f4")]))
    return cells["value"].reshape(468, 5)[:, :3].astype(float) * [1, -1, -1]


def test_the_places_are_those_of_the_landmarkers_face_model(model_face):
    for number, place in regions._PLACE.items():
        np.testing.assert_allclose(model_face[number, :2], place, atol=0.006)


SIDEWAYS = [(0, 15), (0, -15), (0, 30), (0, -30), (15, 0), (-15, 0), (30, 0), (-30, 0), (15, 25), (-15, -25), (20, -20)]
# Root mean square shift, in sides of the region, of what is in a region's square when the head turns so (pitch, yaw).
SHIFT = {"eyes": 0.064, "mouth": 0.054, "left_cheek": 0.030, "right_cheek": 0.030}


def box_places(points: np.ndarray, name: str, of: np.ndarray) -> np.ndarray:
    """Where some points lie in the upright box around a region's points: what a patch is compared with."""
    polygon = mesh_polygon(points, name)
    return (of - polygon.min(axis=0)) / np.ptp(polygon, axis=0)


@pytest.mark.parametrize("name", REGIONS)
def test_a_turned_head_moves_little_within_a_patch(model_face, name):
    def seen(*pose) -> np.ndarray:
        points = turned(model_face, *pose)
        return points_in_crop(np.vstack([points, points[:10]]).astype(np.float32), SIDE).astype(float)

    def shift(where, grown: float) -> float:
        moved = [np.sum((where(p, name, p) - where(front, name, front))[held] ** 2, axis=1).mean() for p in poses]
        return grown * float(np.sqrt(moved).mean())

    front, poses = seen(), [seen(*pose) for pose in SIDEWAYS]
    held = np.flatnonzero(inside(mesh_polygon(front, name), front[:468]))
    patch, box = shift(places, 1 + 2 * regions._MARGIN), shift(box_places, 1)
    assert patch == pytest.approx(SHIFT[name], abs=0.004)
    assert patch < (0.5 if "cheek" in name else 0.8) * box


@pytest.mark.slow
def test_on_real_video_the_content_of_a_patch_stays(shared, model):
    """An actor who looks around by some 15 degrees: points of bone move less than in the regions' upright boxes."""
    from lfnet.video.decode import frames

    bone = {
        "eyes": (33, 133, 362, 263, 168),
        "mouth": (2, 326, 97, 164),
        **{name: MIDDLE[name] for name in REGIONS[2:]},
    }
    with FaceMesh(model, video=False) as landmarker:
        found = [landmarker.find(f.rgb) for f in frames(shared / "media" / "WolfgangLanger_Pexels.mp4", stride=24)]
    points = [points_in_crop(mesh.landmarks_LC, SIDE).astype(float) for mesh in found if mesh is not None]
    assert len(points) >= 15
    for name in REGIONS:
        patch, box = (
            np.std([where(p, name, p[list(bone[name])]) for p in points], axis=0).mean()
            for where in (places, box_places)
        )
        assert (1 + 2 * regions._MARGIN) * patch < 0.8 * box, name


def test_a_turned_image_gives_the_same_regions(frame, mesh, model):
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

    points = (flat_face() @ [[8, 2], [-1, 7]] + 112).astype(np.float32)
    for name in REGIONS:
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
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        found = [rows[0], columns[0], SIDE - 1 - rows[-1], SIDE - 1 - columns[-1]]
        np.testing.assert_allclose(found, [(SIDE - 1) / 12] * 4, atol=2)


def test_a_region_that_is_turned_away_shows_nothing(libraries):
    """All points in one place, or the region seen from behind: a picture all the same, of the colour outside."""
    for points in (np.full((478, 2), 50.0), flat_face() * [-8, 8] + 48):
        for name in REGIONS:
            cut = cut_mesh(picture(3, 96, 96)[None], points[None].astype(np.float32), name)
            assert cut.shape == (1, 96, 96, 3) and cut.dtype == np.uint8 and (cut == (124, 116, 104)).all()
