"""Write a head as ONNX in float32, float16 or 8-bit integers: any number of windows, of any length, with a mask."""

import contextlib
import io
import logging
import operator
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from lfnet.deploy.bundle import FRAMES, SCORE, VALID
from lfnet.errors import LfnetError

__all__ = ["head_to_onnx", "to_fp16", "to_int8"]

_MIN_FRAMES = 5  # shorter examples let the exporter generalise from a special case
_PRODUCTS = ["MatMul", "Gemm", "Conv"]  # with the weights and most of the arithmetic


def head_to_onnx(head: nn.Module, path: Path, *, frames: int, n_features: int) -> None:
    """Write a head as ONNX: x_BTD float32 [B, T, D] and mask_BT bool [B, T] → y_B float32 [B].

    A head that fixes the number of windows is written for one window; several scores per window, [B, K], are kept.

    Parameters
    ----------
    head : nn.Module
        It is moved to the CPU and to evaluation mode.
    path : Path
        The file to write.
    frames : int
        T of the example that the graph is traced with, a protocol's window; where the head branches on the length, the
        graph keeps the branch of this length.
    n_features : int
        D.

    Raises
    ------
    LfnetError
        PyTorch cannot export the head.
    """
    head = head.to("cpu").eval()
    model = _exported(head, frames, n_features, windows=2)
    if _fixed_windows(model):
        model = _exported(head, frames, n_features, windows=1)
    _strip(model)
    import onnx

    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _exported(head: nn.Module, frames: int, n_features: int, windows: int) -> Any:
    x_BTD, mask_BT = torch.zeros(windows, frames, n_features), torch.ones(windows, frames, dtype=torch.bool)
    mask_BT[:, frames // 2 :: 3] = False
    # Traced with one window, a graph may generalise from it: its axis is then left fixed.
    axes: dict[int, Any] = {0: torch.export.Dim("windows")} if windows > 1 else {}
    if frames >= _MIN_FRAMES:
        axes[1] = torch.export.Dim("frames", min=_MIN_FRAMES)
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                head,
                (x_BTD, mask_BT),
                dynamo=True,
                dynamic_shapes=(axes, axes),
                input_names=[FRAMES, VALID],
                output_names=[SCORE],
                custom_translation_table={operator.floordiv: _floor_divided, torch.ops.aten.sort.stable: _sorted},
                external_data=False,
                verbose=False,
            )
        assert program is not None
        return program.model_proto
    except Exception as error:  # the exporter's own kinds, and whatever the head's code raises under it
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise LfnetError(
            f"PyTorch cannot export {type(head).__name__} to ONNX: {first} See `torch.export` on what a head's forward "
            "may do; `torch.compiler.is_compiling()` is true during the export."
        ) from error


def _floor_divided(a: Any, b: Any) -> Any:
    """Python's a // b of lengths. PyTorch 2.15 exports it as ONNX's Div, which rounds to zero: −9 // 8 becomes −1."""
    from onnxscript import opset18 as op

    return op.Div(op.Sub(a, op.Mod(a, b)), b)  # Mod has the divisor's sign, as Python's %


def _sorted(a: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """A stable sort, which PyTorch 2.15 does not export: ONNX's TopK of all, which keeps the order of equals."""
    from onnxscript import opset18

    op: Any = opset18  # its types know no symbolic values
    count = op.Gather(op.Shape(a), op.Constant(value_ints=[dim]))
    return op.TopK(a, count, axis=dim, largest=int(descending), sorted=1)


def _fixed_windows(model: Any) -> bool:
    return any(value.type.tensor_type.shape.dim[0].dim_value for value in model.graph.input)


def _strip(model: Any) -> None:
    """Remove the exporter's notes: they contain this machine's paths and are larger than small heads."""
    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]


def to_int8(source: Path, target: Path, windows: Sequence[dict[str, np.ndarray]]) -> None:
    """Quantise statically [1]_: 8-bit weights per channel, and 8-bit activations with ranges from `windows`.

    Only products with weights are quantised, at their inputs; their outputs, norms, softmax, sums and products of two
    activations stay in float32. Two kinds of products are treated apart:

    - those that read the frames have 8-bit weights and float32 arithmetic: features have uneven ranges, which in new
      people exceed those of training; with 8 bits for all features, errors reached 1.5 points (experiments/targets).
    - those with one output, the score, stay in float32: 8 bits would be a step of the scale, and they cost little.

    Parameters
    ----------
    source, target : Path
        The float32 graph, and the file to write.
    windows : sequence of dict
        Inputs of the graph by name, of one window each.

    Raises
    ------
    LfnetError
        There is no window, or onnxruntime cannot quantise the graph.

    References
    ----------
    .. [1] Jacob, B., et al. "Quantization and training of neural networks for efficient integer-arithmetic-only
       inference." CVPR 2018.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not windows:
        raise LfnetError("--int8 is calibrated on training windows, and there are none: export without --int8.")

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._rest = iter(windows)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._rest, None)

    with TemporaryDirectory() as folder, _quiet(), _named("int8"):
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
        _quantise_weights(model.graph, set(reading) - set(scores))
        onnx.save(model, str(target))


def to_fp16(source: Path, target: Path) -> None:
    """Convert weights and arithmetic to half precision; inputs and scores stay float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _quiet(), _named("fp16"):
        model = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
        onnx.save(model, str(target))


def _scores(graph: Any) -> list[str]:
    """Return names of the products whose weights have a single column (or, transposed, row)."""
    sizes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and 1 in sizes.get(node.input[1], ())[-2:]
    ]


def _reading_frames(graph: Any) -> list[str]:
    """Return names of the products that the frames, or their number, reach through no other product."""
    reached, found = {FRAMES}, []
    for node in graph.node:  # in topological order
        if not reached.isdisjoint(node.input):
            if node.op_type in _PRODUCTS:
                found.append(node.name)
            else:
                reached.update(node.output)
    return found


def _quantise_weights(graph: Any, names: Collection[str]) -> None:
    """Store the weights of these products in 8 bits a channel, symmetric; their arithmetic stays in float32."""
    from onnx import helper, numpy_helper

    weights = {tensor.name: tensor for tensor in graph.initializer}
    dequantised: dict[str, str] = {}
    for node in [node for node in graph.node if node.name in names and node.input[1] in weights]:
        name = node.input[1]
        if name not in dequantised:
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
            dequantised[name] = made.output[0]
        node.input[1] = dequantised[name]
    used = {name for node in graph.node for name in node.input}
    for name in set(dequantised) - used:
        graph.initializer.remove(weights[name])


@contextlib.contextmanager
def _named(variant: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # onnxruntime raises errors of many kinds
        raise LfnetError(
            f"onnxruntime cannot make the {variant} variant of this head ({type(error).__name__}: {error}). "
            f"Export without --{variant}."
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the progress and advice of the exporter and of onnxruntime's tools, some of it on the root logger."""
    names = (None, "torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
