"""FaceEmbedding: preprocessing, batches for files of batch 1, unit length, devices, and messages."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from lfnet.config import check_target
from lfnet.encoders.face_embedding import FaceEmbedding
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.testing.encoder_check import check_encoder, made_up_faces
from tests.encoders.networks import DIM, SIDE, network, own


def encoder(path: Path, **settings: Any) -> FaceEmbedding:
    defaults = {"dim": DIM, "mean": 127.5, "scale": 128, "crop_size": SIDE, "batch_size": 2, "threads": 1}
    return FaceEmbedding("tiny", own(path), path.parent, **(defaults | settings))


def expected(path: Path, crops: np.ndarray, mean: Any, scale: Any, colour: str) -> np.ndarray:
    """The same by onnx's own interpreter, one image at a time, in double precision before the network."""
    run = ReferenceEvaluator(onnx.load(path))
    vectors = []
    for crop in crops.astype(np.float64):
        image = crop[:, :, [2, 1, 0]] if colour == "bgr" else crop
        image = (image - np.asarray(mean)) / np.asarray(scale)
        vector = run.run(None, {"image": image.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        vectors.append(vector / np.sqrt((vector**2).sum()))
    return np.stack(vectors)


@pytest.mark.parametrize(
    ("mean", "scale", "colour"), [(127.5, 127.5, "rgb"), (127, 128, "bgr"), ([120, 110, 100], [60, 50, 40], "rgb")]
)
@pytest.mark.parametrize(
    ("batch", "tail"), [(1, "fixed"), (1, "constant"), (1, "open"), ("n", "open"), ("n", "flatten")]
)
def test_vectors_are_those_of_the_file(
    tmp_path: Path, batch: int | str, tail: str, mean: Any, scale: Any, colour: str
) -> None:
    path = network(tmp_path / "tiny.onnx", batch=batch, tail=tail)
    faces = made_up_faces(5, SIDE)
    with encoder(path, mean=mean, scale=scale, colour=colour) as tiny:
        vectors = tiny.encode(faces)
    assert faces.crops_NHWC is not None
    np.testing.assert_allclose(vectors, expected(path, faces.crops_NHWC, mean, scale, colour), atol=2e-6)


@pytest.mark.parametrize("tail", ["fixed", "constant", "open"])
def test_a_file_of_batch_one_runs_in_batches(tmp_path: Path, tail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = encoder(network(tmp_path / "tiny.onnx", tail=tail), batch_size=4)
    tiny.encode(made_up_faces(1, SIDE))
    assert tiny._network is not None and tiny._network.batched
    sizes = []
    monkeypatch.setattr(
        type(tiny._network),
        "__call__",
        lambda self, images: sizes.append(len(images)) or np.ones((len(images), DIM)),
    )
    tiny.encode(made_up_faces(10, SIDE))
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize("tail", ["hidden", "mixing"])
def test_a_graph_that_cannot_be_batched_runs_singly_with_a_warning(tmp_path: Path, tail: str) -> None:
    path = network(tmp_path / "tiny.onnx", tail=tail)
    faces = made_up_faces(5, SIDE)
    with pytest.warns(LfnetWarning, match=r"tiny\.onnx refuses batches"):
        vectors = encoder(path).encode(faces)
    assert faces.crops_NHWC is not None
    np.testing.assert_allclose(vectors, expected(path, faces.crops_NHWC, 127.5, 128, "rgb"), atol=2e-6)


@pytest.mark.parametrize("tail", ["fixed", "hidden"])
def test_it_keeps_the_contract(tmp_path: Path, tail: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LfnetWarning)
        check_encoder(encoder(network(tmp_path / "tiny.onnx", tail=tail)))


def test_a_dead_network_gives_zeros_not_nan(tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx")
    model = onnx.load(path)
    linear = next(tensor for tensor in model.graph.initializer if tensor.name == "linear")
    linear.CopyFrom(onnx.numpy_helper.from_array(np.zeros((6, DIM), np.float32), "linear"))
    onnx.save(model, str(path))
    assert not encoder(path).encode(made_up_faces(3, SIDE)).any()


def test_attributes_and_recipe_load_nothing(tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx")
    tiny = encoder(path, mean=[1, 2, 3])
    path.unlink()
    assert (tiny.name, tiny.dim, tiny.crop_size, tiny.needs) == ("tiny", DIM, SIDE, {"crops"})
    assert tiny.recipe()["mean"] == [1, 2, 3]
    with pytest.raises(LfnetError, match=r"tiny\.onnx does not exist"):
        tiny.encode(made_up_faces(1, SIDE))


def test_the_recipe_changes_with_the_vectors_only(tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx")
    recipe = encoder(path).recipe()
    assert encoder(path, batch_size=7, threads=2, device="cuda").recipe() == recipe
    for change in ({"mean": 1}, {"scale": 1}, {"colour": "bgr"}, {"crop_size": 20}, {"dim": 9}):
        assert encoder(path, **change).recipe() != recipe
    assert encoder(network(tmp_path / "other.onnx", dim=9)).recipe() != recipe


@pytest.mark.parametrize(
    ("made", "settings", "message"),
    [
        ({"dim": 9}, {}, r"tiny\.onnx gives 9 numbers.*set encoder\.tiny\.dim=9"),
        ({}, {"crop_size": 20}, r"tiny\.onnx takes images \[1, 3, 16, 16\].*crop_size"),
        ({}, {"device": "mps"}, "encoder.device=mps is unknown"),
        ({}, {"device": "cuda:x"}, "encoder.device=cuda:x is unknown"),
    ],
)
def test_unfit_networks_and_devices_are_refused(tmp_path: Path, made: Any, settings: Any, message: str) -> None:
    tiny = encoder(network(tmp_path / "tiny.onnx", **made), **settings)
    with pytest.raises(LfnetError, match=message):
        tiny.encode(made_up_faces(1, tiny.crop_size))


def test_a_file_without_a_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"no network at all")
    with pytest.raises(LfnetError, match=r"tiny\.onnx is not an ONNX file"):
        encoder(tmp_path / "tiny.onnx").encode(made_up_faces(1, SIDE))


def test_cuda_without_provider_is_refused_before_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    absent = replace(own(network(tmp_path / "tiny.onnx")), path=None, sources=[{"url": "http://127.0.0.1:1/x"}])
    tiny = FaceEmbedding("tiny", absent, tmp_path / "c", dim=DIM, mean=0, scale=1, crop_size=SIDE, device="cuda")
    with pytest.raises(LfnetError, match=r"encoder\.device=cuda.*lfnet\[gpu\].*encoder\.device=cpu"):
        tiny.encode(made_up_faces(1, SIDE))


def test_a_silent_fall_back_to_the_cpu_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime only logs where CUDA is built in and cannot start; here the session is made to end up there."""
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda source, options, providers: real(source, options, providers=providers[1:]),
    )
    with pytest.raises(LfnetError, match="could not start CUDA"):
        encoder(network(tmp_path / "tiny.onnx"), device="cuda").encode(made_up_faces(1, SIDE))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"colour": "grey"}, r"encoder\.tiny\.colour=grey: give one of rgb, bgr\."),
        ({"mean": [1, 2]}, r"encoder\.tiny\.mean=\[1, 2\]: give a number, or a list of a number, a number, a number\."),
        ({"mean": float("nan")}, r"encoder\.tiny\.mean=nan: give a number"),
        ({"scale": 0}, r"encoder\.tiny\.scale=0: give a number above 0"),
        ({"scale": [1, 0, 1]}, r"encoder\.tiny\.scale.*: give a number above 0"),
    ],
)
def test_wrong_settings_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        check_target({"_target_": "lfnet.encoders.face_embedding.FaceEmbedding", **settings}, "encoder.tiny")


def test_crops_of_another_kind_are_a_defect(tmp_path: Path) -> None:
    tiny = encoder(network(tmp_path / "tiny.onnx"))
    faces = made_up_faces(2, SIDE)
    assert faces.crops_NHWC is not None
    for crops in (None, faces.crops_NHWC.astype(np.float32), faces.crops_NHWC[:, :8]):
        with pytest.raises(ValueError, match="needs crops uint8"):
            tiny.encode(replace(faces, crops_NHWC=crops))
