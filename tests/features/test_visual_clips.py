"""The visual stream of real clips, good and bad: what each leaves in the store, and what the store says of it."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfnet.encoders.visual import Visual
from lfnet.encoders.visual_settings import VisualSettings
from lfnet.features import health
from lfnet.features.extract import extract
from lfnet.video.decode import frames
from lfnet.video.settings import VideoSettings
from lfnet.weights.weights_file import WeightsFile
from tests.features.fakes import cohort_of
from tests.video.media import write_folder

pytestmark = [pytest.mark.usefixtures("libraries"), pytest.mark.slow]
FPS = 4.0


def pictures(path: Path, stride: int, start: int = 0, stop: int | None = None) -> list[np.ndarray]:
    return [frame.rgb for frame in frames(path, stride=stride)][start:stop]


@pytest.fixture(scope="module")
def stores(shared, libraries, tmp_path_factory):
    """Segments of eight frames, of which three are selected, of six clips: both kinds of regions from one pass."""
    folder, media = tmp_path_factory.mktemp("clips"), shared / "media"
    face = pictures(media / "single_face.mp4", 4)
    grey = [np.repeat(rgb.mean(-1, keepdims=True).astype(np.uint8), 3, -1) for rgb in face[:8]]
    with Image.open(media / "multi_face.jpg") as picture:
        crowd = np.asarray(picture.convert("RGB"))
    lost = pictures(media / "face_noface.mov", 12, 0, 5) + pictures(media / "no_face.mp4", 24)[:3] * 4
    lost += pictures(media / "noface_face.mov", 12, -5)
    clips = {
        "good": write_folder(folder / "good", face),
        "short": write_folder(folder / "short", face[:3]),
        "grey": write_folder(folder / "grey", grey),
        "lost": write_folder(folder / "lost", lost),
        "nobody": write_folder(folder / "nobody", pictures(media / "no_face.mp4", 20)),
        "crowd": write_folder(folder / "crowd", [np.roll(crowd, 3 * shift, axis=1) for shift in range(4)]),
    }
    path = shared / "weights" / "mobilenetv3_small_features.pt"
    weights = WeightsFile(name="mobilenetv3_small", file=path.name, sha256=None, licence="", about="", path=path)
    settings = {"segment_frames": 8, "min_frames": 4, "segments": "all", "keep": 3}
    encoders = [
        Visual(regions, VisualSettings(regions=regions, **settings), weights, folder, threads=1)
        for regions in ("published", "mesh")
    ]
    return extract(
        cohort_of(clips, aligned=False, fps=FPS),
        encoders,
        cache=folder / "cache",
        mesh_model=shared / "weights" / "face_landmarker.task",
        video=VideoSettings(faces=2),
    )


@pytest.fixture(params=["published", "mesh"])
def store(stores, request):
    return stores[request.param]


def test_a_good_clip(store):
    clip = store.read("good")
    assert clip.features.shape == (2, 2304) and clip.valid.all() and np.isfinite(clip.features).all()
    assert clip.time.tolist() == [0, 8 / FPS] and clip.meta["segment_frames"] == "8, 8"
    assert clip.meta["notes"] == "2 frames with a face at the end, too few for a segment, were left out"
    assert clip.meta["parameters"] == "927008" and int(clip.meta["flops_per_segment"]) == 109_793_152 * (8 + 4 * 3)
    assert health.check(store, ["good"]).problems == []


def test_a_clip_shorter_than_a_segment_is_one_short_segment(store):
    clip = store.read("short")
    assert clip.features.shape == (1, 2304) and clip.valid.all()
    assert clip.meta["notes"] == "the clip is shorter than a segment: 3 frames with a face instead of 8"


def test_a_greyscale_clip_is_described_and_named(store):
    clip = store.read("grey")
    assert np.isfinite(clip.features).all() and "greyscale: no frame with a face has colour" in clip.meta["notes"]
    coloured = store.read("good").features[0]
    assert not np.allclose(clip.features[0], coloured, rtol=0.01)


def test_a_face_lost_for_seconds_is_named(store):
    clip = store.read("lost")
    assert clip.valid.all() and np.isfinite(clip.features).all()
    assert "no face for a second or more: " in clip.meta["notes"]
    assert "segment 1 contains " in clip.meta["notes"] and " s without a face" in clip.meta["notes"]


def test_a_clip_without_a_face_is_missing_and_not_zero(store):
    clip = store.read("nobody")
    assert clip.features.shape == (1, 2304) and np.isnan(clip.features).all() and not clip.valid.any()
    assert health.check(store, ["nobody"]).problems[0].what.startswith("no face")


def test_two_faces_are_named(store):
    clip = store.read("crowd")
    # In how many frames MediaPipe finds the second one is its own affair; the clip's person is followed all along.
    assert re.search(
        "more than one face in [1-4] of 4 frames: the one of video.person was taken first", clip.meta["notes"]
    )
    assert clip.meta["coverage"] == "1.0000" and "jumped" not in clip.meta["notes"]
    assert np.isfinite(clip.features).all()


def test_regions_along_the_mesh_are_others(stores):
    one, other = (stores[name].read("good").features for name in ("published", "mesh"))
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert (cosine < 0.98).all() and (cosine > 0.2).all()
