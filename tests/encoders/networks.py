"""Tiny ONNX networks with the shape of a face-recognition network: image [B, 3, S, S] in, vector [B, D] out."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lfnet.weights.weights_file import WeightsFile

SIDE = 16
DIM = 8


def network(path: Path, *, batch: int | str = 1, tail: str = "fixed", dim: int = DIM, inputs: int = 1) -> Path:
    """Convolution, PReLU, mean over the image, a reshape to [batch, 6], a linear layer.

    tail: how the reshape says its shape. "fixed": [1, 6] as an initializer; "constant": [1, 6] as a Constant node;
    "open": [-1, 6]; "flatten": no reshape but a Flatten, and an output that says [1, D] whatever the input says;
    "hidden": [1, 6] put together by a Concat, which refuses larger batches; "mixing": open, but each vector gets the
    batch's mean added, so that batches give other numbers than single images.
    """
    rng = np.random.default_rng(0)
    tensors = {
        "kernel": rng.normal(size=(6, 3, 3, 3)).astype(np.float32),
        "slope": np.full((6, 1, 1), 0.25, np.float32),
        "linear": rng.normal(size=(6, dim)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["a"], strides=[2, 2]),
        helper.make_node("PRelu", ["a", "slope"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
    ]
    shape = np.array([-1 if tail in ("open", "mixing") else 1, 6], np.int64)
    if tail == "constant":
        nodes.append(helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(shape)))
    elif tail == "hidden":
        tensors |= {"one": shape[:1], "six": shape[1:]}
        nodes.append(helper.make_node("Concat", ["one", "six"], ["shape"], axis=0))
    elif tail != "flatten":
        tensors["shape"] = shape
    if tail == "flatten":
        nodes.append(helper.make_node("Flatten", ["c"], ["d"], axis=1))
    else:
        nodes.append(helper.make_node("Reshape", ["c", "shape"], ["d"]))
    if tail == "mixing":
        nodes.append(helper.make_node("ReduceMean", ["d"], ["mean"], axes=[0], keepdims=1))
        nodes.append(helper.make_node("Add", ["d", "mean"], ["e"]))
    nodes.append(helper.make_node("MatMul", ["e" if tail == "mixing" else "d", "linear"], ["vector"]))
    images = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3, SIDE, SIDE])
        for name in ("image", "second")[:inputs]
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        images,
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1 if tail == "flatten" else batch, dim])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def own(path: Path) -> WeightsFile:
    """The file as weights with an explicit path and its own digest."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightsFile(name="tiny", file=path.name, sha256=sha256, licence="none", about="a test's network", path=path)


def write_sound_network(path: Path, *, bands: int | None, dim: int = DIM, samples: int = 16000) -> Path:
    """A network of sound: the waveform [1, samples], or a spectrogram [1, bands, T] of any length, to [1, dim].

    The waveform's vector is the mean of rectified convolutions, the spectrogram's a linear map of its mean over time.
    """
    rng = np.random.default_rng(0)
    if bands is None:
        tensors = {
            "shape": np.array([1, 1, -1], np.int64),
            "kernel": rng.normal(size=(dim, 1, 16)).astype(np.float32),
        }
        nodes = [
            helper.make_node("Reshape", ["sound", "shape"], ["a"]),
            helper.make_node("Conv", ["a", "kernel"], ["b"], strides=[16]),
            helper.make_node("Relu", ["b"], ["c"]),
            helper.make_node("ReduceMean", ["c"], ["vector"], axes=[2], keepdims=0),
        ]
        given: list[int | str] = [1, samples]
    else:
        tensors = {"linear": rng.normal(size=(bands, dim)).astype(np.float32)}
        nodes = [
            helper.make_node("ReduceMean", ["sound"], ["a"], axes=[2], keepdims=0),
            helper.make_node("MatMul", ["a", "linear"], ["vector"]),
        ]
        given = [1, bands, "frames"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, dim])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
