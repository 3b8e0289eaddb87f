"""The visual descriptor: selection, pooling and weights by their definitions, and the plain script on real video."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from lfnet.config import instantiate, read
from lfnet.encoders.visual import Visual, VisualFrames, score_expression, select_frames
from lfnet.encoders.visual_settings import VisualSettings
from lfnet.errors import LfnetError
from lfnet.testing.encoder_check import check_encoder, made_up_faces
from lfnet.video.faces import Faces
from lfnet.video.regions import REGIONS
from tests.encoders.networks import own
from tests.encoders.test_trunk import weights as weights  # the fixture

CONF = Path(__file__).resolve().parents[2] / "conf"
SIDE = 48


def visual(path: Path, settings: VisualSettings | None = None, **more: Any) -> Visual:
    given = {"crop_size": SIDE, "batch_size": 4, "threads": 1} | more
    return Visual("visual", settings or VisualSettings(), own(path), path.parent, **given)


def parts(encoder: Visual, faces: Faces) -> dict[str, np.ndarray]:
    """The descriptor by regions."""
    vector = encoder.describe(faces).vector
    return dict(zip(encoder.settings.names, vector.reshape(len(encoder.settings.names), -1), strict=True))


# --- selection --------------------------------------------------------------------------------------------------------


def test_expression_is_the_published_statistic() -> None:
    f = np.random.default_rng(0).normal(size=(20, 150)).astype(np.float32)
    t = torch.from_numpy(f).double()
    expected = 0.5 * t.norm(dim=1) + 0.3 * (t - t.mean(0)).norm(dim=1) + 0.2 * t[:, :100].std(1)
    np.testing.assert_allclose(score_expression(f, 0.5, 0.3, 0.2, 100), expected.numpy())
    assert np.isfinite(score_expression(f[:1, :1], 0.5, 0.3, 0.2, 1)).all()


def test_frames_are_selected() -> None:
    score = np.array([1.0, 5, 3, 5, 2])
    assert select_frames("expression", 2, 5, score).tolist() == [1, 3]
    assert select_frames("expression", 1, 5, score).tolist() == [1], "of equal ones the earlier"
    assert select_frames("expression", 9, 5, score).tolist() == [0, 1, 2, 3, 4]
    assert select_frames("uniform", 2, 10).tolist() == [2, 7] and select_frames("uniform", 3, 3).tolist() == [0, 1, 2]
    assert select_frames("none", 2, 5).tolist() == [0, 1, 2, 3, 4]


# --- the descriptor ---------------------------------------------------------------------------------------------------


def test_every_published_constant_is_a_default_and_a_setting() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings = instantiate(compose(overrides=["+visual=published"]).visual)
    assert settings == VisualSettings()
    assert (settings.segment_frames, settings.segments, settings.keep) == (500, "first", 100)
    assert (settings.length, settings.deviation, settings.spread, settings.channels) == (0.5, 0.3, 0.2, 100)
    assert settings.weights == {"eyes": 0.35, "mouth": 0.3, "right_cheek": 0.2, "left_cheek": 0.15}
    assert settings.count_images(500) == 900 and settings.count_images(60) == 300


@pytest.mark.parametrize("name", sorted(file.stem for file in (CONF / "visual").glob("*.yaml")))
def test_every_yaml_makes_an_encoder(name: str, weights: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings = instantiate(compose(overrides=[f"+visual={name}"]).visual)
    encoder = visual(weights, settings)
    assert encoder.dim == 2304
    cost = encoder.cost()
    assert cost.parameters == (354_368 if name == "truncated" else 927_008) and cost.flops % 900 == 0


@pytest.mark.parametrize("regions", ["published", "mesh", "whole"])
def test_it_keeps_the_contract(weights: Path, regions: str) -> None:
    if regions == "mesh":
        pytest.importorskip("cv2", reason="needs OpenCV's system libraries: see lfnet doctor", exc_type=ImportError)
    check_encoder(visual(weights, VisualSettings(keep=3, regions=regions)))
    check_encoder(VisualFrames("frames", own(weights), weights.parent, regions=regions, crop_size=SIDE, batch_size=2))


def test_settings_do_what_they_say(weights: Path) -> None:
    faces = made_up_faces(9, SIDE)
    encoder = visual(weights, VisualSettings(keep=4))
    found = encoder.describe(faces)
    assert found.vector.shape == (2304,) and found.images == 9 + 4 * 4 and len(found.selected) == 4
    published = parts(encoder, faces)
    equal = parts(visual(weights, VisualSettings(keep=4, weights="uniform")), faces)
    for region, weight in VisualSettings().weights.items():
        np.testing.assert_allclose(published[region] / weight, equal[region] / 0.25, rtol=1e-5)

    everything = visual(weights, VisualSettings(selection="none")).describe(faces)
    assert everything.selected.tolist() == list(range(9)) and everything.images == 45
    evenly = visual(weights, VisualSettings(selection="uniform", keep=3)).describe(faces)
    assert evenly.selected.tolist() == [1, 4, 7] and evenly.images == 9 + 12

    frames = VisualFrames("f", own(weights), weights.parent, crop_size=SIDE).encode(faces).reshape(9, 5, 576)
    whole = visual(weights, VisualSettings(regions="whole", selection="none", pooling="mean"))
    assert whole.dim == 576 and whole.describe(faces).images == 9
    np.testing.assert_allclose(whole.encode(faces)[0], frames[:, 0].mean(0), rtol=1e-4, atol=1e-5)
    means = parts(visual(weights, VisualSettings(selection="none", pooling="mean")), faces)
    for number, region in enumerate(REGIONS, start=1):
        expected = VisualSettings().weights[region] * frames[:, number].mean(0)
        np.testing.assert_allclose(means[region], expected, rtol=1e-4, atol=1e-5)
    softmax = torch.from_numpy(frames[:, 2]).double()
    expected = 0.3 * (softmax * softmax.std(1).softmax(0)[:, None]).sum(0)
    pooled = parts(visual(weights, VisualSettings(selection="none")), faces)["mouth"]
    np.testing.assert_allclose(pooled, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_one_frame_is_a_segment_too(weights: Path) -> None:
    faces = made_up_faces(1, SIDE)
    assert np.isfinite(visual(weights).encode(faces)).all()
    assert visual(weights).encode(made_up_faces(0, SIDE)).shape == (0, 2304)


def test_greyscale_images_have_a_descriptor(weights: Path) -> None:
    faces = made_up_faces(4, SIDE)
    grey = replace(faces, crops_NHWC=np.repeat(faces.crops_NHWC[..., :1], 3, axis=-1))
    assert np.isfinite(visual(weights).encode(grey)).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"cut": "block7"}, r"visual\.cut=block7: choose one of stem, "),
        ({"selection": "best"}, r"visual\.selection=best: give one of expression, uniform, none\."),
        ({"regions": "ears"}, r"visual\.regions=ears: give one of published, mesh, whole\."),
        ({"pooling": "max"}, r"visual\.pooling=max: give one of softmax, mean\."),
        ({"segments": 3}, r"visual\.segments=3: give one of first, all\."),
        ({"keep": 0}, r"visual\.keep=0: give a whole number of 1 or more\."),
        ({"segment_frames": 1.5}, r"visual\.segment_frames=1\.5: give a whole number of 1 or more\."),
        ({"weights": "learned"}, r"visual\.weights=learned: give names and their values"),
        (
            {"weights": {"eyes": 1}},
            r"visual\.weights={eyes: 1}: give uniform, or a weight for each of eyes, mouth, ",
        ),
    ],
)
def test_wrong_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        read(VisualSettings, setting, "visual")


# --- the plain script -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def naive(shared: Path) -> Any:
    """shared/bench/naive_lightfusion.py: the descriptor as its published recipe reads, written by another author."""
    spec = importlib.util.spec_from_file_location("naive_lightfusion", shared / "bench" / "naive_lightfusion.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def real_crops(shared: Path, name: str, max_crops: int) -> np.ndarray:
    """Aligned crops of a real video's first faces."""
    pytest.importorskip("cv2", reason="needs OpenCV's system libraries: see lfnet doctor", exc_type=ImportError)
    from lfnet.video.align import crop
    from lfnet.video.decode import frames
    from lfnet.video.mesh import FaceMesh

    found: list[np.ndarray] = []
    with FaceMesh(shared / "weights" / "face_landmarker.task") as landmarker:
        for frame in frames(shared / "media" / name):
            mesh = landmarker.find(frame.rgb, frame.time)
            if mesh is not None and (image := crop(frame.rgb, mesh.landmarks_LC, 224)) is not None:
                found.append(image)
            if len(found) == max_crops:
                break
    return np.stack(found)


def compare(naive: Any, crops: np.ndarray, shared: Path, keep: int, *backends: str) -> None:
    """The same selected frames, regions within 1 %, the same number of images."""
    path = shared / "weights" / "mobilenetv3_small_features.pt"
    network = naive.trunk(path)
    encoded: list[torch.Tensor] = []
    original = naive.encode
    naive.encode = lambda net, images, **more: encoded.append(images) or original(net, images, **more)
    try:
        expected = naive.descriptor(network, crops).numpy().reshape(4, 576)
    finally:
        naive.encode = original
    images = sum(len(some) for some in encoded)
    # Which frames the script kept is seen from the rows of what it encoded second, the eyes: the upper half of the
    # face, each row twice.
    upper = (torch.from_numpy(crops[:500, :112]).permute(0, 3, 1, 2).float() / 255 - naive.MEAN) / naive.STD
    theirs = {int((upper - eyes[:, ::2]).abs().amax((1, 2, 3)).argmin()) for eyes in encoded[1]}
    encoded.clear()
    count = np.arange(min(500, len(crops)))
    kept = min(keep, len(count))
    assert len(theirs) == kept
    for backend in backends:
        settings = VisualSettings(keep=keep)
        with Visual("visual", settings, own(path), path.parent, threads=1, backend=backend) as encoder:
            found = encoder.describe(Faces(count, count / 30, crops[:500]))
        assert found.images == images == settings.count_images(len(count))
        same = len(theirs & set(found.selected.tolist()))
        assert same >= 0.98 * kept, f"{backend}: {same} of {kept} frames"
        for number, region in enumerate(REGIONS):
            mine = found.vector.reshape(4, 576)[number]
            off = np.linalg.norm(mine - expected[number]) / np.linalg.norm(expected[number])
            assert off <= 0.01, f"{backend}, {region}: {off}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "backend"),
    [("single_face.mp4", "onnx"), ("face_noface.mov", "torch"), ("WolfgangLanger_Pexels.mp4", "onnx")],
)
def test_parity_with_the_plain_script(naive: Any, shared: Path, name: str, backend: str, monkeypatch: Any) -> None:
    """The first 60 faces of three real videos, of which 24 are kept; the script itself keeps 100."""
    monkeypatch.setattr(naive, "min", lambda *given: 24, raising=False)
    compare(naive, real_crops(shared, name, 60), shared, 24, backend)


@pytest.mark.long
@pytest.mark.parametrize("clip", ["long", "long, mirrored and backwards", "three short ones", "500 of all"])
def test_parity_with_the_plain_script_at_full_size(naive: Any, shared: Path, clip: str) -> None:
    """Up to 500 frames, 100 kept, of real videos."""
    long = real_crops(shared, "WolfgangLanger_Pexels.mp4", 500) if clip != "three short ones" else np.zeros(0)
    if clip == "long, mirrored and backwards":
        long = np.ascontiguousarray(long[::-1, :, ::-1])
    elif not clip.startswith("long"):
        names = ("face_noface.mov", "noface_face.mov", "single_face.mp4")
        short = np.concatenate([real_crops(shared, name, 200) for name in names])
        long = short if clip == "three short ones" else np.concatenate([long[:300], short])
    assert len(long) > 200
    compare(naive, long, shared, 100, "onnx", "torch")
