"""Smaller versions of an exported head: 8-bit integers, calibrated on training windows, and half precision."""

import contextlib
import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lfnet.deploy.bundle import FRAMES
from lfnet.errors import LfnetError

__all__ = ["VARIANTS", "to_fp16", "to_int8"]

VARIANTS = ("fp32", "fp16", "int8")
_PRODUCTS = ["MatMul", "Gemm", "Conv"]  # where the weights and the arithmetic are


def to_int8(source: Path, target: Path, windows: Sequence[dict[str, np.ndarray]]) -> None:
    """Static quantisation (Jacob et al. 2018): 8-bit weights a channel and activations, ranges seen in `windows`.

    windows: feeds of the graph, each of one window. Products with weights alone are quantised, by what goes into them;
    what comes out, norms, softmax, sums and products of two activations stay in float32. So do, with 8-bit weights,
    the products that read the frames themselves: a frame's features have uneven ranges, and those of people who are in
    no training window lie outside what was seen, so that 8 bits for all of them at once lost up to 1.5 points
    (experiments/targets). The product with one result, the score, stays as it is: it is a handful of multiplications,
    and 8 bits of it would be a step of the scale.
    Raises `LfnetError` where onnxruntime cannot, or there is no window.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not windows:
        raise LfnetError("--int8 is calibrated on training windows, and there are none.")

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._rest = iter(windows)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._rest, None)

    with TemporaryDirectory() as folder, _quiet(), _explained("int8"):
        prepared = Path(folder) / "prepared.onnx"
        # Symbolic shape inference refuses graphs that it does not need to understand.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(str(prepared)).graph
        reading, scores = _reading_frames(graph), _scores(graph)
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_PRODUCTS,
            nodes_to_exclude=[*reading, *scores],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "OpTypesToExcludeOutputQuantization": _PRODUCTS},
        )
        model = onnx.load(str(target))
        _weights_alone(model.graph, set(reading) - set(scores))
        onnx.save(model, str(target))


def to_fp16(source: Path, target: Path) -> None:
    """Weights and arithmetic in half precision; inputs and scores stay float32. Raises `LfnetError` where it fails."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _quiet(), _explained("fp16"):
        model = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
        onnx.save(model, str(target))


def _scores(graph: Any) -> list[str]:
    """Names of the products whose weights have a single column (or, transposed, row)."""
    sizes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and 1 in sizes.get(node.input[1], ())[-2:]
    ]


def _reading_frames(graph: Any) -> list[str]:
    """Names of the products that the frames, or their number, reach through no other product."""
    reached, found = {FRAMES}, []
    for node in graph.node:  # in an order in which they can be computed
        if not reached.isdisjoint(node.input):
            if node.op_type in _PRODUCTS:
                found.append(node.name)
            else:
                reached.update(node.output)
    return found


def _weights_alone(graph: Any, names: Collection[str]) -> None:
    """Store the weights of these products in 8 bits a channel, symmetric; their arithmetic stays in float32."""
    from onnx import helper, numpy_helper

    weights = {tensor.name: tensor for tensor in graph.initializer}
    widened: dict[str, str] = {}
    for node in [node for node in graph.node if node.name in names and node.input[1] in weights]:
        name = node.input[1]
        if name not in widened:
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            values = numpy_helper.to_array(weights[name])
            axis = 0 if node.op_type == "Conv" or transposed else values.ndim - 1
            others = tuple(other for other in range(values.ndim) if other != axis)
            step = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / 127
            parts = {
                f"{name}_int8": np.clip(np.round(values / step), -127, 127).astype(np.int8),
                f"{name}_step": step.reshape(-1).astype(np.float32),
                f"{name}_zero": np.zeros(values.shape[axis], np.int8),
            }
            graph.initializer.extend(numpy_helper.from_array(value, part) for part, value in parts.items())
            made = helper.make_node("DequantizeLinear", list(parts), [f"{name}_float"], axis=axis)
            graph.node.insert(list(graph.node).index(node), made)
            widened[name] = made.output[0]
        node.input[1] = widened[name]
    used = {name for node in graph.node for name in node.input}
    for name in set(widened) - used:
        graph.initializer.remove(weights[name])


@contextlib.contextmanager
def _explained(variant: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # onnxruntime raises many kinds
        raise LfnetError(
            f"onnxruntime cannot make the {variant} variant of this head ({type(error).__name__}: {error}). "
            f"Export without --{variant}."
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Both tools advise on the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
