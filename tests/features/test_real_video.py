"""Real video and real networks: coverage, the temporal ablation's empty features, and the same bytes twice."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.encoders.blendshapes import Blendshapes
from lfnet.encoders.face_embedding import FaceEmbedding
from lfnet.errors import LfnetError
from lfnet.features import health
from lfnet.features.filming import read_filming
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.video.align import crop
from lfnet.video.decode import frames
from lfnet.video.mesh import FaceMesh
from lfnet.weights.weights_file import WeightsFile
from tests.features.fakes import Brightness, cohort_of, estimate, extract, files_of
from tests.video.media import write_folder

pytestmark = pytest.mark.usefixtures("libraries")


@pytest.fixture(scope="module")
def model(shared) -> Path:
    return shared / "weights" / "face_landmarker.task"


@pytest.fixture(scope="module")
def mobileface(shared, tmp_path_factory):
    cache = tmp_path_factory.mktemp("weights")
    path = shared / "weights" / "face_embedding_512.onnx"
    weights = WeightsFile(name="mobileface", file=path.name, sha256=None, licence="", about="", path=path)
    with FaceEmbedding("mobileface", weights, cache, dim=512, mean=127, scale=128, threads=1) as encoder:
        yield encoder


@pytest.fixture(scope="module")
def crops(shared, model, tmp_path_factory) -> Path:
    """Every eighth frame of a real clip, aligned: a frame folder as data sets hand them out."""
    found = []
    with FaceMesh(model) as mesh:
        for frame in frames(shared / "media" / "single_face.mp4", stride=8):
            found.append(crop(frame.rgb, mesh.find(frame.rgb, frame.time).landmarks_LC))
    return write_folder(tmp_path_factory.mktemp("aligned") / "clip", found)


def test_coverage_of_real_clips(shared, model, tmp_path):
    names = ["single_face.mp4", "no_face.mp4", "noface_face.mov", "face_noface.mov"]
    cohort = cohort_of({Path(name).stem: shared / "media" / name for name in names}, aligned=False, fps=None)
    expected = estimate(cohort, Blendshapes(), cache=tmp_path, mesh_model=model, stride=3)
    assert expected.frames == 24 + 32 + 57 + 57 and expected.seconds > 0
    store = extract(cohort, Blendshapes(), cache=tmp_path, mesh_model=model, stride=3)
    clips = {name: store.read(name) for name in cohort.clips["clip_id"]}
    assert clips["single_face"].coverage == 1 and clips["no_face"].coverage == 0
    late, early = clips["noface_face"], clips["face_noface"]
    assert 0.3 < late.coverage < 0.6 and not late.valid[:10].any() and late.valid[-15:].mean() > 0.8
    assert 0.3 < early.coverage < 0.6 and early.valid[:15].mean() > 0.8 and not early.valid[-10:].any()
    for clip in clips.values():
        assert clip.features.shape[1] == 58 and np.isnan(clip.features[~clip.valid]).all()
        assert (np.diff(clip.time) > 0).all()
    filmed = read_filming(store, clips)
    assert filmed["single_face"]["codec"] == "h264" and filmed["single_face"]["fps"] == pytest.approx(30)
    assert "face_x" not in filmed["no_face"] and filmed["no_face"]["width"] == 960
    # The encoder's own numbers of the same clip, whose pose is the same: pitch, yaw, roll.
    angles = np.degrees(clips["single_face"].features[:, 52:55])
    for name, column in (("pitch", 0), ("yaw", 1), ("roll", 2)):
        low, high = angles[:, column].min(), angles[:, column].max()
        assert low - 0.1 <= filmed["single_face"][name] <= high + 0.1
    assert 0.1 < filmed["single_face"]["face_size"] < 0.9 and 0.1 < filmed["single_face"]["face_x"] < 0.9
    problems = health.check(store, list(clips), health.Health(min_coverage=0.05)).problems
    assert [(problem.clip_id, problem.what) for problem in problems] == [("no_face", "no face in any of 32 frames")]
    with pytest.raises(LfnetError, match=r"no_face: no face in any of 32 frames .*cohort\.aligned=true"):
        health.refuse(problems)


def test_the_same_video_gives_the_same_bytes(shared, model, mobileface, tmp_path):
    cohort = cohort_of({"a": shared / "media" / "noface_face.mov"}, aligned=False)
    for encoder, stride in ((Blendshapes(), 4), (mobileface, 24)):
        one, two = (
            extract(cohort, encoder, cache=tmp_path / name, mesh_model=model, stride=stride) for name in ("one", "two")
        )
        assert files_of(one.folder) == files_of(two.folder) and len(files_of(one.folder)) == 1


def test_system_bs_bug_cannot_be_trained_on(crops, tmp_path):
    """A detector run on aligned crops saw nobody, and all 512-D features were written as zeros."""
    count = len(list(crops.iterdir()))
    store = FeatureStore(tmp_path, "webface", "r" * 64)
    zeros = np.zeros((count, 512), np.float32)
    store.write("clip", ClipFeatures(zeros, np.ones(count, bool), np.arange(count) / 30), "source")
    with pytest.raises(LfnetError, match=f"all-zero vectors in {count} of {count} frames"):
        health.refuse(health.check(store, ["clip"]).problems)


def test_a_detector_that_sees_nobody_leaves_no_vectors(crops, model, tmp_path, monkeypatch):
    """The same bug in this pass: aligned crops passed off as video, and a detector that finds no face in them."""
    monkeypatch.setattr(FaceMesh, "find", lambda self, rgb, time=0.0: None)
    store = extract(cohort_of({"clip": crops}, aligned=False), Brightness(), cache=tmp_path, mesh_model=model)
    clip = store.read("clip")
    assert clip.coverage == 0 and np.isnan(clip.features).all()
    with pytest.raises(LfnetError, match=r"no face in any of 9 frames .*cohort\.aligned=true"):
        health.refuse(health.check(store, ["clip"]).problems)


def test_aligned_crops_give_live_features(shared, crops, model, mobileface, tmp_path):
    """Crops handed over as crops need no landmarker and give the vectors that the video itself gives."""
    ready = extract(cohort_of({"clip": crops}), mobileface, cache=tmp_path).read("clip")
    assert ready.valid.all() and ready.meta["unit_norm"] == "true"
    store = extract(cohort_of({"clip": crops}), mobileface, cache=tmp_path)
    assert health.check(store, ["clip"], health.Health(min_coverage=1.0)).problems == []
    video = cohort_of({"clip": shared / "media" / "single_face.mp4"}, aligned=False)
    direct = extract(video, mobileface, cache=tmp_path, mesh_model=model, stride=8).read("clip")
    np.testing.assert_allclose(ready.features, direct.features, atol=1e-5)


def test_the_mesh_is_found_in_aligned_crops(crops, model, tmp_path):
    """Blendshapes of aligned crops are live, and the file says what alignment took away."""
    cohort = cohort_of({"clip": crops})
    with pytest.raises(LfnetError, match="landmarker"):
        extract(cohort, Blendshapes(), cache=tmp_path)
    store = extract(cohort, Blendshapes(), cache=tmp_path, mesh_model=model)
    assert store.read("clip").coverage == 1 and health.check(store, ["clip"]).problems == []
    assert "alignment has removed most of the head's roll and position" in store.read("clip").meta["notes"]
