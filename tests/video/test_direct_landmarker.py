"""The landmarker's networks run directly: MediaPipe's meshes, and nothing of MediaPipe."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import LfnetWarning
from lfnet.video import settings as settings_module
from lfnet.video.align import five_points
from lfnet.video.backends import has_litert
from lfnet.video.decode import frames
from lfnet.video.direct_landmarker import DirectLandmarker, _join
from lfnet.video.face_networks import Region, _merge
from lfnet.video.faces import Box, Mesh
from lfnet.video.head_pose import HeadPose
from lfnet.video.image_folder import read_image
from lfnet.video.mediapipe_landmarker import MediapipeLandmarker
from lfnet.video.mesh import FaceMesh
from lfnet.video.one_euro import OneEuro
from lfnet.video.settings import VideoSettings

pytestmark = pytest.mark.skipif(not has_litert(), reason="LiteRT is not installed")
RUNTIMES = ("mediapipe", "litert")
CLIPS = ("WolfgangLanger_Pexels.mp4", "face_noface.mov", "no_face.mp4", "noface_face.mov", "single_face.mp4")


@pytest.fixture
def model(shared, libraries):
    return shared / "weights" / "face_landmarker.task"


def distance(one: Mesh, other: Mesh) -> float:
    """Root mean square between two meshes, as a share of the distance of the eyes."""
    eyes = five_points(one.landmarks_LC)[:2]
    squares = ((one.landmarks_LC[:, :2] - other.landmarks_LC[:, :2]) ** 2).sum(axis=1)
    return float(np.sqrt(squares.mean()) / np.linalg.norm(eyes[1] - eyes[0]))


def assert_same(pairs: list[tuple[Mesh | None, Mesh | None]]) -> None:
    """The same frames have a face, and the faces are the same."""
    assert [one is None for one, _ in pairs] == [other is None for _, other in pairs]
    for one, other in pairs:
        if one is not None and other is not None:
            assert distance(one, other) < 0.004
            assert np.abs(one.blendshapes_B - other.blendshapes_B).max() < 0.05
            np.testing.assert_allclose(other.pose_44[:3, :3], one.pose_44[:3, :3], atol=0.005)
            np.testing.assert_allclose(other.pose_44[:3, 3], one.pose_44[:3, 3], atol=0.15)  # cm
            assert one.n_faces == other.n_faces
            assert (one.others is None) == (other.others is None)
            assert len(one.others or ()) == len(other.others or ())


def both(model: Path, images, *, video: bool = True, turns: int = 0, **settings) -> list[tuple[Mesh | None, ...]]:
    """The meshes of frames, by MediaPipe and directly."""
    found = []
    images = [(np.ascontiguousarray(np.rot90(frame.rgb, turns)), frame.time) for frame in images]
    for runtime in RUNTIMES:
        with FaceMesh(model, VideoSettings(runtime=runtime, **settings), video=video) as mesh:
            found.append([mesh.find(rgb, time) for rgb, time in images])
    return list(zip(*found, strict=True))


# A face that moves little, that moves much, and frames before, at and after the first ones with a face: at frame 90 one
# frame has a face that is hardly one.
@pytest.mark.parametrize(
    ("name", "start", "count"),
    [("single_face.mp4", 0, 16), ("WolfgangLanger_Pexels.mp4", 0, 16), ("noface_face.mov", 89, 10)],
)
def test_the_meshes_of_a_film_are_those_of_mediapipe(shared, model, name, start, count):
    assert_same(both(model, islice(frames(shared / "media" / name), start, start + count)))


def test_meshes_with_several_faces_and_of_a_turned_film_are_those_of_mediapipe(shared, model):
    film = list(islice(frames(shared / "media" / "single_face.mp4"), 6))
    assert_same(both(model, film, faces=2))
    assert_same(both(model, film, turns=1))


@pytest.mark.long
@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("settings", [{}, {"faces": 2}, {"check_every": 0.5}])
def test_the_meshes_of_whole_films_are_those_of_mediapipe(shared, model, name, settings):
    assert_same(both(model, frames(shared / "media" / name), **settings))


@pytest.mark.long
def test_the_meshes_of_photographs_are_those_of_mediapipe(shared, model):
    for path in sorted((shared / "media" / "faces").glob("*/*")):
        rgb = read_image(path)
        found = []
        for runtime in RUNTIMES:
            with FaceMesh(model, VideoSettings(runtime=runtime, faces=2), video=False) as mesh:
                found.append(mesh.find(rgb))
        assert_same([tuple(found)])


def test_the_faces_of_a_crowd_are_those_of_mediapipe(shared, model):
    rgb = read_image(shared / "media" / "multi_face.jpg")
    settings = VideoSettings(faces=4, min_detection=0.3, min_presence=0.3)
    ones, others = (made(model, settings, False).find(rgb, 0) for made in (MediapipeLandmarker, DirectLandmarker))
    assert len(ones) == len(others) > 1
    assert_same(list(zip(ones, others, strict=True)))


def test_a_face_is_found_again_where_the_size_of_frames_changes(shared, model):
    """It is tracked in the smaller frames without the detector, whose threshold is out of reach there."""
    with FaceMesh(model, VideoSettings(check_every=None)) as mesh:
        first, second = islice(frames(shared / "media" / "single_face.mp4"), 2)
        large = mesh.find(first.rgb, first.time)
        mesh._landmarker._networks.detector.find = lambda *_: pytest.fail("the detector ran")
        small = mesh.find(np.ascontiguousarray(second.rgb[::2, ::2]), second.time)
    assert 2 * small.box.right == pytest.approx(large.box.right, abs=4)


def test_nothing_of_mediapipe_is_loaded(shared, model):
    code = f"""
import sys
from pathlib import Path
from lfnet.video.decode import frames
from lfnet.video.mesh import FaceMesh

with FaceMesh(Path({str(model)!r})) as mesh:
    assert mesh.find(next(frames(Path({str(shared / "media" / "single_face.mp4")!r}))).rgb) is not None
assert not any(name.partition(".")[0] == "mediapipe" for name in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "LiteRT's start-up message is not shown"


def test_without_blendshapes_the_rest_is_the_same(shared, model):
    rgb = next(frames(shared / "media" / "single_face.mp4")).rgb
    for runtime in RUNTIMES:
        with (
            FaceMesh(model, VideoSettings(runtime=runtime)) as mesh,
            FaceMesh(model, VideoSettings(runtime=runtime), blendshapes=False) as bare,
        ):
            one, other = mesh.find(rgb), bare.find(rgb)
        assert other.blendshapes_B is None
        assert np.array_equal(one.landmarks_LC, other.landmarks_LC) and np.array_equal(one.pose_44, other.pose_44)


def test_without_litert_mediapipe_is_used_and_features_are_named_so(model, monkeypatch):
    direct, reference = VideoSettings(), VideoSettings(runtime="mediapipe")
    assert direct.recipe(True) != reference.recipe(True)
    assert direct.recipe(False) == reference.recipe(False)
    monkeypatch.setattr(settings_module, "has_litert", lambda: False)
    assert VideoSettings().recipe(True) == reference.recipe(True)
    with (
        pytest.warns(LfnetWarning, match=r"LiteRT is not installed, so that MediaPipe finds faces"),
        FaceMesh(model) as mesh,
    ):
        assert isinstance(mesh._landmarker, MediapipeLandmarker)


def test_a_region_is_read_upright_in_the_direction_of_its_angle():
    """A box of 40 × 20 around (100, 50), turned clockwise by 90°: its upper left corner is then at the right."""
    matrix = Region(Box(80, 40, 120, 60), np.pi / 2).matrix(10)
    for corner, place in (((0, 0), (110, 30)), ((10, 0), (110, 70)), ((0, 10), (90, 30)), ((5, 5), (100, 50))):
        np.testing.assert_allclose(matrix @ [*corner, 1], place, atol=1e-12)


def test_detections_of_one_face_are_averaged_by_their_scores():
    def at(left: float) -> np.ndarray:
        return np.array([[left, 0], [left + 10, 10], *([[left, 5]] * 6)])

    first, second = _merge(np.stack([at(1), at(50), at(0)]), np.array([0.6, 0.7, 0.9]))
    np.testing.assert_allclose(first, at(0.4))  # (0.6 · 1 + 0.9 · 0) / 1.5
    np.testing.assert_allclose(second, at(50))


def test_a_later_region_takes_the_place_of_one_that_it_overlaps():
    one, same, other = Region(Box(0, 0, 10, 10)), Region(Box(1, 0, 11, 10)), Region(Box(30, 0, 40, 10))
    assert _join([one, other, same], 0.5) == [other, same]
    assert _join([one, same], 0.9) == [one, same]


def test_the_filter_follows_movement_and_smooths_rest():
    """The speed of 200 sizes a second is followed at once; a jump of a thousandth of the size after rest hardly."""
    fast, slow = OneEuro(), OneEuro()
    for number in range(10):
        moved = fast(np.array([10.0 * number]), number / 20, 1.0)
        rested = slow(np.array([0.0]), number / 20, 1.0)
    assert moved[0] == pytest.approx(90, abs=0.1)
    assert rested[0] == 0
    assert 0 < slow(np.array([0.001]), 10 / 20, 1.0)[0] < 0.0005


def test_the_pose_of_the_canonical_face_is_found(model):
    """The face of the file, turned and moved, as the camera sees it; an estimate, since z of a mesh is relative."""
    pose = HeadPose(model)
    yaw, pitch = np.radians([12.0, -8.0])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn = turn @ [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    centre = np.array([3.0, -2.0, -45.0])
    seen_K3 = pose._face_K3 @ turn.T + centre
    width, height = 640, 360
    plane = 2 * np.tan(np.radians(31.5)) / height
    away = -seen_K3[:, 2]
    mesh = np.zeros((478, 3))
    mesh[pose._chosen, 0] = width / 2 + seen_K3[:, 0] / away / plane
    mesh[pose._chosen, 1] = height / 2 - seen_K3[:, 1] / away / plane
    mesh[pose._chosen, 2] = (away / 45 - 1) / plane
    found = pose.fit(mesh, width, height)
    np.testing.assert_allclose(found[:3, :3], turn, atol=0.02)
    np.testing.assert_allclose(found[:3, 3], centre, rtol=0.03)
    assert found[3].tolist() == [0, 0, 0, 1]
