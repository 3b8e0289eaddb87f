"""Alignment: the transform against a closed form, and pictures whose marks must land on the template."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfnet.video import align
from lfnet.video.align import TEMPLATE_112, crop, five_points, similarity

MESH = (33, 133, 362, 263, 1, 61, 291)


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Umeyama (1991), eq. 38-43, by singular values."""
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    covariance = (target - mean_t).T @ (source - mean_s) / len(source)
    u, d, vt = np.linalg.svd(covariance)
    s = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ s @ vt
    scale = np.trace(np.diag(d) @ s) / (source - mean_s).var(axis=0).sum()
    return np.column_stack([scale * rotation, mean_t - scale * rotation @ mean_s])


def moved(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(angle=st.floats(-np.pi, np.pi), scale=st.floats(0.05, 20), x=st.floats(-2000, 2000), y=st.floats(-2000, 2000))
def test_a_planted_similarity_is_recovered(angle, scale, x, y):
    planted = moved(angle, scale, (x, y))
    np.testing.assert_allclose(similarity(TEMPLATE_112, apply(planted, TEMPLATE_112)), planted, atol=1e-8, rtol=1e-8)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000))
def test_noisy_points_give_umeyamas_least_squares(seed):
    rng = np.random.default_rng(seed)
    source = rng.normal(scale=50, size=(5, 2))
    target = rng.normal(scale=50, size=(5, 2))
    if np.linalg.det((target - target.mean(0)).T @ (source - source.mean(0))) < 0:
        target[:, 0] *= -1  # beyond a mirror Umeyama's solution is the same, but not his formula's conditioning
    np.testing.assert_allclose(similarity(source, target), umeyama(source, target), atol=1e-7)


def test_a_mirrored_face_is_turned_and_never_mirrored():
    mirrored = TEMPLATE_112 * [-1, 1]
    matrix = similarity(mirrored, TEMPLATE_112)
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix, umeyama(mirrored, TEMPLATE_112), atol=1e-9)


def test_points_that_coincide_have_no_transform():
    assert similarity(np.full((5, 2), 3.0), TEMPLATE_112) is None
    assert similarity(np.full((5, 2), np.nan), TEMPLATE_112) is None


def mesh_at(points: np.ndarray) -> np.ndarray:
    """A mesh [478, 3] whose five points lie at `points`: the eyes' corners to both sides of their centres."""
    landmarks = np.zeros((478, 3), np.float32)
    half = np.array([7, 2])
    for (outer, inner), centre in zip(((33, 133), (362, 263)), points[:2], strict=True):
        landmarks[outer, :2], landmarks[inner, :2] = centre - half, centre + half
    landmarks[[1, 61, 291], :2] = points[2:]
    return landmarks


def test_five_points_are_eyes_nose_and_mouth():
    np.testing.assert_allclose(five_points(mesh_at(TEMPLATE_112)), TEMPLATE_112, atol=1e-5)


def blobs(points: np.ndarray, radius: float, width: int, height: int) -> np.ndarray:
    """Soft spots at `points`, one channel each for eyes, nose and mouth."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rgb = np.zeros((height, width, 3))
    for number, (px, py) in enumerate(points):
        spot = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2))
        rgb[..., (0, 1, 2, 0, 1)[number]] += 255 * spot
    return rgb.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [112, 224])
@pytest.mark.parametrize(("scale", "angle"), [(0.8, 0.0), (1.0, 0.4), (3.0, -0.3), (6.3, 0.9)])
def test_the_face_lands_on_the_template(libraries, size, scale, angle):
    """Small, equal and far larger faces than the crop, turned: the marks land where the template says."""
    placed = apply(moved(angle, scale, (0, 0)), TEMPLATE_112 - 56) + np.array([500, 470])
    picture = blobs(placed, 3 * scale, 1000, 940)
    found = crop(picture, mesh_at(placed), size)
    assert found.shape == (size, size, 3) and found.dtype == np.uint8
    for number, wanted in enumerate(TEMPLATE_112 * size / 112):
        column, row = np.round(wanted).astype(int)
        reach = 8 * size // 112
        part = found[row - reach : row + reach + 1, column - reach : column + reach + 1, (0, 1, 2, 0, 1)[number]]
        y, x = np.mgrid[row - reach : row + reach + 1, column - reach : column + reach + 1]
        centre = np.array([(x * part).sum(), (y * part).sum()]) / part.sum()
        # The warp interpolates in fixed point, 1/32 of a pixel, and the spots are cut off at the reach.
        np.testing.assert_allclose(centre, wanted, atol=0.3 * size / 112)


def test_a_large_face_is_averaged_and_not_sampled(libraries):
    """A chequerboard finer than the crop becomes grey; a plain bilinear warp would leave a pattern of it."""
    board = (np.indices((900, 900)).sum(axis=0) % 2 * 255).astype(np.uint8)
    picture = np.repeat(board[..., None], 3, axis=2)
    found = crop(picture, mesh_at(apply(moved(0.2, 5.3, (150, 150)), TEMPLATE_112)), 112)
    inside = found[20:90, 20:90].astype(float)
    assert inside.std() < 3 and abs(inside.mean() - 127.5) < 2


def test_beyond_the_frame_is_black_and_outside_is_no_face(libraries):
    picture = np.full((112, 112, 3), 200, np.uint8)
    half = crop(picture, mesh_at(TEMPLATE_112 - [56, 0]), 112)
    assert (half[:, :50] == 0).all() and (half[:, 60:] == 200).all()
    assert crop(picture, np.zeros((478, 3), np.float32), 112) is None
    assert crop(picture, mesh_at(apply(moved(0, 4, (5000, 5000)), TEMPLATE_112)), 112) is None


def test_the_mesh_points_are_those_the_docstring_names():
    assert tuple(point for points in align._POINTS for point in points) == MESH
