"""The skin's polygons and their means, against scikit-image's polygons and pictures whose colour is known."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.video.align import five_points
from lfnet.video.mesh import FaceMesh
from lfnet.video.skin import _FOREHEAD, _LEFT, _RIGHT, BRIGHT, DARK, REGIONS, skin_means, skin_polygons

pytestmark = pytest.mark.usefixtures("libraries")


def face(size: float = 100.0, left: float = 40.0, top: float = 30.0) -> np.ndarray:
    """A mesh whose skin's corners lie on three circles, as far as these tests look: landmarks float64 [478, 3]."""
    points = np.zeros((478, 3))
    middles = {0: (0.5, 0.2), 1: (0.2, 0.6), 2: (0.8, 0.6)}
    corners = (
        (103, 67, 109, 10, 338, 297, 332, 293, 334, 296, 9, 66, 105, 63),
        (116, 117, 118, 119, 100, 142, 203, 206, 207, 187, 147, 123),
        (345, 352, 376, 411, 427, 426, 423, 371, 329, 348, 347, 346),
    )
    for region, names in enumerate(corners):
        for k, name in enumerate(names):
            turn = 2 * np.pi * k / len(names) - 2.5
            x, y = middles[region]
            points[name, :2] = left + size * (x + 0.12 * np.cos(turn)), top + size * (y + 0.12 * np.sin(turn))
    # The forehead's corners are means with points of the row between; put those on the same spots.
    pairs = {104: 103, 69: 67, 108: 109, 151: 10, 337: 338, 299: 297, 333: 332}
    for row, edge in pairs.items():
        points[row] = points[edge]
    return points


@pytest.mark.parametrize("scale", [1.0, 3.3])
def test_means_and_counts_are_those_of_the_polygons(scale: float) -> None:
    draw = pytest.importorskip("skimage.draw")
    rng = np.random.default_rng(0)
    landmarks = face(100 * scale, 40.3, 30.7)
    rgb = rng.integers(DARK, BRIGHT, (int(200 * scale), int(220 * scale), 3)).astype(np.uint8)
    found = skin_means(rgb, landmarks)
    assert found.shape == (3, 4) and found.dtype == np.float32
    for region, corners in enumerate(skin_polygons(landmarks)):
        inside = draw.polygon2mask(rgb.shape[:2], corners[:, ::-1])
        # fillPoly counts pixels that the outline touches, too.
        length = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).sum()
        assert 0 <= found[region, 3] - inside.sum() <= 1.2 * length
        np.testing.assert_allclose(found[region, :3], rgb[inside].mean(axis=0), atol=60 / np.sqrt(inside.sum()) * 2)


def test_corners_are_the_means_of_their_points() -> None:
    landmarks = np.random.default_rng(0).normal(300, 80, (478, 3))
    for corners_P2, of in zip(skin_polygons(landmarks), (_FOREHEAD, _LEFT, _RIGHT), strict=True):
        wanted_P2 = [landmarks[list(points), :2].mean(axis=0) for points in of]
        np.testing.assert_allclose(corners_P2, wanted_P2, rtol=1e-14, atol=1e-12)


def test_each_region_has_its_own_colour_to_the_last_digit() -> None:
    landmarks = face()
    rgb = np.zeros((160, 180, 3), np.uint8)
    rgb[:70] = (200, 120, 90)
    rgb[70:, :90] = (150, 100, 80)
    rgb[70:, 90:] = (160, 110, 85)
    found = skin_means(rgb, landmarks)
    np.testing.assert_array_equal(found[:, :3], [(200, 120, 90), (150, 100, 80), (160, 110, 85)])
    assert (found[:, 3] > 300).all()


def test_saturated_and_dark_pixels_do_not_count() -> None:
    landmarks = face()
    rgb = np.full((160, 180, 3), (180, 120, 90), np.uint8)
    rgb[::2] = (BRIGHT, 120, 90)
    whole, half = skin_means(np.full_like(rgb, 100), landmarks), skin_means(rgb, landmarks)
    np.testing.assert_array_equal(half[:, :3], [(180, 120, 90)] * 3)
    np.testing.assert_allclose(half[:, 3] / whole[:, 3], 0.5, atol=0.1)
    for colour in ((255, 255, 255), (DARK - 1, 5, 0), (BRIGHT, 0, 0)):
        np.testing.assert_array_equal(skin_means(np.full_like(rgb, colour), landmarks), np.zeros((3, 4)))
    lenient = skin_means(np.full_like(rgb, (255, 5, 0)), landmarks, bright=256, dark=0)
    assert (lenient[:, 3] == whole[:, 3]).all()
    # Dark skin in warm light has little blue: the brightest channel decides.
    assert (skin_means(np.full_like(rgb, (60, 30, 5)), landmarks)[:, 3] == whole[:, 3]).all()


def test_a_face_that_leaves_the_image_keeps_its_visible_part() -> None:
    rgb = np.full((160, 180, 3), 100, np.uint8)
    whole = skin_means(rgb, face())[:, 3]
    cut = skin_means(rgb, face(left=-20.0))  # the left cheek's middle lies on the edge
    assert cut[1, 3] == pytest.approx(whole[1] / 2, rel=0.15) and cut[2, 3] == pytest.approx(whole[2], rel=0.02)
    np.testing.assert_array_equal(skin_means(rgb, face(left=-500.0)), np.zeros((3, 4)))
    np.testing.assert_array_equal(skin_means(rgb, face(top=5000.0)), np.zeros((3, 4)))


def test_a_cheek_that_is_turned_away_does_not_count() -> None:
    landmarks = face()
    names = [116, 117, 118, 119, 100, 142, 203, 206, 207, 187, 147, 123]
    landmarks[names, 0] = 2 * landmarks[names, 0].mean() - landmarks[names, 0]
    found = skin_means(np.full((160, 180, 3), 100, np.uint8), landmarks)
    assert found[1].tolist() == [0, 0, 0, 0] and (found[[0, 2], 3] > 0).all()


def test_broken_landmarks_give_nothing() -> None:
    np.testing.assert_array_equal(
        skin_means(np.full((99, 99, 3), 100, np.uint8), np.full((478, 3), np.nan)), np.zeros((3, 4))
    )


def test_on_real_faces_the_regions_are_skin_at_their_places(shared: Path) -> None:
    from PIL import Image

    colours = []
    with FaceMesh(shared / "weights" / "face_landmarker.task", video=False) as mesh:
        for name in ("obama/obama.jpg", "biden/biden.jpg", "rose_leslie/img1.jpg"):
            rgb = np.asarray(Image.open(shared / "media" / "faces" / name).convert("RGB"))
            found = mesh.find(rgb)
            assert found is not None
            means = skin_means(rgb, found.landmarks_LC)
            red, green, blue, pixels = means.T
            assert (red > green).all() and (green > blue).all() and (pixels > 40).all(), name
            colours.append(means)
            eyes, nose = five_points(found.landmarks_LC)[:2], five_points(found.landmarks_LC)[2]
            forehead, left, right = (corners.mean(axis=0) for corners in skin_polygons(found.landmarks_LC))
            assert forehead[1] < eyes[:, 1].min() < min(left[1], right[1])
            assert left[0] < nose[0] < right[0]
    assert len(REGIONS) == len(colours[0])
