"""The face mesh on real images and video, and messages if it is unavailable."""

import builtins
import subprocess
import sys
import zipfile
from itertools import islice, product

import numpy as np
import pytest

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.video import backends as system
from lfnet.video.align import crop, five_points, quarter_turns
from lfnet.video.decode import frames
from lfnet.video.faces import Mesh
from lfnet.video.image_folder import read_image
from lfnet.video.mesh import _SURE, FaceMesh, _follow
from lfnet.video.settings import VideoSettings


@pytest.fixture
def model(shared, libraries):
    return shared / "weights" / "face_landmarker.task"


def test_a_single_image(shared, model):
    rgb = read_image(next((shared / "media" / "faces" / "obama").glob("obama.jpg")))
    with FaceMesh(model, video=False) as mesh:
        face = mesh.find(rgb)
        again = mesh.find(rgb)
    assert face.landmarks_LC.shape == (478, 3) and face.landmarks_LC.dtype == np.float32
    assert face.blendshapes_B.shape == (52,) and (face.blendshapes_B >= 0).all() and (face.blendshapes_B <= 1).all()
    assert face.pose_44.shape == (4, 4) and face.pose_44[3].tolist() == [0, 0, 0, 1]
    assert np.array_equal(face.landmarks_LC, again.landmarks_LC)
    height, width = rgb.shape[:2]
    left, top, right, bottom = face.box
    assert 0 < left < right < width and 0 < top < bottom < height
    eye_1, eye_2, nose, mouth_1, mouth_2 = five_points(face.landmarks_LC)
    assert eye_1[0] < nose[0] < eye_2[0] and eye_1[1] < nose[1] < mouth_1[1] and mouth_1[0] < mouth_2[0]
    assert crop(rgb, face.landmarks_LC).std() > 20


@pytest.fixture
def two_people(shared, model):
    """A function of two heights: a frame with two people's faces, `left` and `right` pixels high."""
    from PIL import Image

    faces = []
    for name in ("obama/obama.jpg", "rose_leslie/img1.jpg"):
        rgb = read_image(shared / "media" / "faces" / name)
        with FaceMesh(model, video=False) as mesh:
            left, top, right, bottom = (round(edge) for edge in mesh.find(rgb).box)
        margin = (right - left) // 4
        faces.append(
            Image.fromarray(rgb[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin])
        )

    def frame(*heights: int) -> np.ndarray:
        canvas = np.full((360, 640, 3), 90, np.uint8)
        for column, height, face in zip((20, 340), heights, faces, strict=True):
            width = round(face.width * height / face.height)
            canvas[40 : 40 + height, column : column + width] = np.asarray(face.resize((width, height)))
        return canvas

    return frame


def test_of_two_faces_the_larger_is_taken(two_people, model):
    for left, right, column in ((280, 180, 0), (180, 280, 320)):
        rgb = two_people(left, right)
        with FaceMesh(model, VideoSettings(faces=2), video=False) as mesh:
            face = mesh.find(rgb)
        assert face.n_faces == 2 and column < face.box[0] < column + 320
        with FaceMesh(model, video=False) as mesh:
            assert mesh.find(rgb).n_faces == 1


def test_in_a_video_the_person_stays_the_same(two_people, model):
    """The left person is the larger at first; then the right one is, and the left one is still taken."""
    with FaceMesh(model, VideoSettings(faces=2)) as mesh:
        early = [mesh.find(two_people(240, 180), time / 25) for time in range(3)]
        late = [mesh.find(two_people(240, 300), time / 25) for time in range(3, 6)]
    assert all(face.box[0] < 320 for face in early + late)
    assert early[-1].n_faces == late[-1].n_faces == 2
    with FaceMesh(model, VideoSettings(faces=2), video=False) as mesh:
        assert mesh.find(two_people(240, 300)).box[0] > 320  # whom a picture by itself would give


def test_a_crowd(shared, model):
    rgb = read_image(shared / "media" / "multi_face.jpg")
    with FaceMesh(model, VideoSettings(faces=6), video=False) as mesh:
        assert mesh.find(rgb).n_faces > 1


def at(left: float, top: float, side: float, seen: int = 2) -> Mesh:
    corners = np.array([[left, top, 0], [left + side, top + side, 0]], np.float32)
    return Mesh(np.repeat(corners, 239, axis=0), np.zeros(52, np.float32), np.eye(4, dtype=np.float32), seen)


def test_the_person_is_followed_when_a_larger_face_comes_in():
    person, visitor = at(100, 100, 50), at(300, 80, 90)
    assert _follow([person, visitor], None) is visitor
    assert _follow([visitor, person], at(104, 98, 50).box) is person
    assert _follow([person, visitor], at(600, 600, 50).box) is visitor


def test_frames_within_one_millisecond(shared, model):
    """MediaPipe refuses a time that does not increase: the mesh counts on, and never goes back."""
    rgb = next(frames(shared / "media" / "single_face.mp4")).rgb
    with FaceMesh(model, VideoSettings(runtime="mediapipe")) as mesh:
        found = [mesh.find(rgb, time) for time in (0.0, 0.0002, 0.0004, 0.001, 0.5)]
    assert all(face is not None for face in found)


def test_the_same_clip_gives_the_same_mesh(shared, model):
    def run() -> np.ndarray:
        with FaceMesh(model) as mesh:
            return np.stack(
                [mesh.find(f.rgb, f.time).landmarks_LC for f in frames(shared / "media" / "single_face.mp4", stride=6)]
            )

    assert np.array_equal(run(), run())


@pytest.mark.parametrize("runtime", ["litert", "mediapipe"])
def test_closing_twice_is_harmless(model, runtime):
    mesh = FaceMesh(model, VideoSettings(runtime=runtime))
    mesh.close()
    mesh.close()


def test_models_that_cannot_be_used(tmp_path, libraries):
    with pytest.raises(LfnetError, match=r"gone\.task does not exist.*lfnet weights fetch face_landmarker"):
        FaceMesh(tmp_path / "gone.task")
    broken = tmp_path / "broken.task"
    broken.write_bytes(b"not a model")
    other = tmp_path / "other.task"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("face_detector.tflite", b"not a network")
    for path, runtime in product((broken, other), ("litert", "mediapipe")):
        with pytest.raises(LfnetError, match=rf"{path.name} cannot be used as a face landmarker"):
            FaceMesh(path, VideoSettings(runtime=runtime))


@pytest.mark.parametrize("module", ["cv2", "mediapipe"])
def test_missing_system_libraries_are_named(monkeypatch, module):
    original = builtins.__import__

    def failing(name, *rest, **more):
        if name == module:
            raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", failing)
    load = {"cv2": system.import_cv2, "mediapipe": system.import_mediapipe}[module]
    with pytest.raises(LfnetError, match=r"libGL\.so\.1.*apt-get install libgl1 libglib2\.0-0 libegl1 libgles2"):
        load()
    assert any("libGL" in sentence for sentence in system.missing())


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(LfnetError, match="not installed"):
        system.import_cv2()


def test_start_up_messages_are_suppressed_unless_something_fails(capfd):
    import os

    with system.quiet():
        os.write(2, b"W0000 start-up line\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError), system.quiet():
        os.write(2, b"E0000 the reason\n")
        raise RuntimeError
    assert capfd.readouterr().err == "E0000 the reason\n"
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"faces": 0}, r"video\.faces=0: give a whole number of 1 or more\."),
        ({"min_tracking": 1.5}, r"video\.min_tracking=1\.5: give a number from 0 to 1\."),
        ({"damaged": "ignore"}, r"video\.damaged=ignore: give one of refuse, keep\."),
        ({"person": "left"}, r"video\.person=left: set faces=2 or more"),
        ({"check_every": 0}, r"video\.check_every=0: give a number above 0"),
        ({"tracking": 0.5}, r"video\.tracking: there is no such setting; known: faces, min_detection"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(LfnetError, match=message):
        read(VideoSettings, settings, "video")


def test_settings_of_the_search_do_not_count_without_a_search():
    one, two = VideoSettings(min_detection=0.2), VideoSettings(min_detection=0.8)
    assert one.recipe(True) != two.recipe(True) and one.recipe(False) == two.recipe(False)
    assert VideoSettings(damaged="keep").recipe(False) != one.recipe(False)


def test_the_yaml_matches_the_settings():
    from hydra import compose, initialize_config_dir

    from lfnet.config import instantiate
    from tests.conftest import ROOT

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        node = compose(overrides=["+video=default"]).video
    made = instantiate(node)
    assert made == VideoSettings(landmarker=made.landmarker)
    assert made.landmarker.name == "face_landmarker"


def test_a_training_between_two_clips_does_not_kill_the_process(shared, model):
    """MediaPipe's threads carry profiling timers; Lightning resets all signals' handlers when a training ends."""
    code = f"""
import signal
from itertools import islice
from pathlib import Path
from lfnet.video.decode import frames
from lfnet.video.mesh import FaceMesh
from lfnet.video.settings import VideoSettings

def look():
    with FaceMesh(Path({str(model)!r}), VideoSettings(runtime="mediapipe")) as mesh:
        for frame in islice(frames(Path({str(shared / "media" / "single_face.mp4")!r})), 30):
            assert mesh.find(frame.rgb, frame.time) is not None

look()
for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}:
    if (handler := signal.getsignal(number)) is not None:
        signal.signal(number, handler)
look()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def meshes_of(shared, name: str, count: int = 20, turns: int = 0, stride: int = 1, **settings) -> list[Mesh | None]:
    """Meshes of the first frames of a real clip, turned counterclockwise by quarter turns."""
    with FaceMesh(shared / "weights" / "face_landmarker.task", VideoSettings(**settings)) as mesh:
        images = islice(frames(shared / "media" / name, stride=stride), count)
        return [mesh.find(np.ascontiguousarray(np.rot90(frame.rgb, turns)), frame.time) for frame in images]


@pytest.mark.parametrize("name", ["single_face.mp4", "WolfgangLanger_Pexels.mp4"])
def test_a_film_upside_down_has_the_mesh_of_the_upright_film(shared, model, name):
    """The second film's face was found upside down before, with its mouth on its forehead."""
    upright, turned = meshes_of(shared, name), meshes_of(shared, name, turns=2)
    height, width = next(frames(shared / "media" / name)).rgb.shape[:2]
    for one, other in zip(upright, turned, strict=True):
        assert np.array_equal(one.blendshapes_B, other.blendshapes_B)
        back_LC = [width - 1, height - 1, 0] + other.landmarks_LC * [-1, -1, 1]
        np.testing.assert_allclose(back_LC, one.landmarks_LC, atol=1e-3)
        assert quarter_turns(one.landmarks_LC) == 0 and quarter_turns(other.landmarks_LC) == 2
        # The camera is turned around its axis: the same head, rolled by 180°.
        camera = np.diag([-1.0, -1.0, 1.0, 1.0])
        np.testing.assert_allclose(camera @ other.pose_44, one.pose_44, atol=1e-4)


def test_a_film_that_is_turned_upside_down_is_found_at_the_next_check(shared, model):
    """The face is turned after 1 s of 2; checks are every 0.5 s."""
    with FaceMesh(model, VideoSettings(check_every=0.5)) as mesh:
        found = [
            mesh.find(np.rot90(frame.rgb, 2 * (frame.number >= 30)), frame.time)
            for frame in islice(frames(shared / "media" / "single_face.mp4"), 60)
        ]
    assert [quarter_turns(face.landmarks_LC) for face in found[:30]] == [0] * 30
    assert [quarter_turns(face.landmarks_LC) for face in found[-15:]] == [2] * 15


@pytest.mark.parametrize("turns", [1, 3])
def test_a_face_on_its_side_is_found_as_before(shared, model, turns):
    for name in ("single_face.mp4", "WolfgangLanger_Pexels.mp4"):
        faces = meshes_of(shared, name, 8, turns)
        before = meshes_of(shared, name, 8, turns, check_every=None)
        assert {quarter_turns(face.landmarks_LC) for face in faces} == {4 - turns}
        assert all(np.array_equal(a.landmarks_LC, b.landmarks_LC) for a, b in zip(faces, before, strict=True))


def test_checks_change_no_mesh_of_an_upright_film_and_are_as_often_as_asked(shared, model):
    """Of films whose face is there from the start, comes late, or is never there."""
    for name, count in (("single_face.mp4", 30), ("noface_face.mov", 28), ("no_face.mp4", 10)):
        often, never = (
            meshes_of(shared, name, count, stride=6 if count == 28 else 1, check_every=every) for every in (0.2, None)
        )
        assert [face is None for face in often] == [face is None for face in never]
        assert all(
            np.array_equal(a.landmarks_LC, b.landmarks_LC) and np.array_equal(a.blendshapes_B, b.blendshapes_B)
            for a, b in zip(often, never, strict=True)
            if a is not None
        )
        assert all(face is None or face.others is None for face in never)
    checks = [face.others for face in meshes_of(shared, "single_face.mp4", 40, check_every=0.5)]
    assert [number for number, others in enumerate(checks) if others is not None] == [0, 15, 30]
    assert not any(checks)


def test_others_are_the_other_faces_of_the_frame(two_people, model):
    with FaceMesh(model) as mesh:
        face = mesh.find(two_people(280, 260))
    (other,) = face.others
    assert abs(other.left - face.box.left) > 200 and other.area > 0.5 * face.box.area


def test_which_of_several_faces_is_taken_first():
    faces = [at(300, 80, 60), at(100, 100, 90), at(500, 100, 50)]
    for person, chosen in (("largest", 1), ("left", 1), ("right", 2)):
        assert _follow(faces, None, person) is faces[chosen]
    assert _follow(faces, at(310, 90, 60).box, "right") is faces[0]


@pytest.mark.long
def test_clear_faces_are_found_upright_and_not_upside_down(shared, model):
    """The numbers that the confidences of a clear face rest on: photographs, and every 20th frame of films."""
    media = shared / "media"
    images = [read_image(path) for path in sorted((media / "faces").glob("*/*"))]
    for name in ("WolfgangLanger_Pexels.mp4", "single_face.mp4", "noface_face.mov"):
        images += [frame.rgb for frame in frames(media / name) if frame.number % 20 == 0]

    def count(turns: int, **settings: float) -> int:
        with FaceMesh(model, VideoSettings(faces=2, **settings), video=False) as mesh:
            return sum(mesh.find(np.rot90(image, turns)) is not None for image in images)

    assert (count(0), count(0, **_SURE)) == (41, 41)
    assert (count(2), count(2, **_SURE)) == (11, 0)
