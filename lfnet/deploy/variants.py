"""Smaller versions of an exported head: 8-bit integers, calibrated on training windows, and half precision."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lfnet.errors import LfnetError

__all__ = ["VARIANTS", "to_fp16", "to_int8"]

VARIANTS = ("fp32", "fp16", "int8")
_PRODUCTS = ["MatMul", "Gemm", "Conv"]  # where the weights and the arithmetic are


def to_int8(source: Path, target: Path, windows: Sequence[dict[str, np.ndarray]]) -> None:
    """Static quantisation (Jacob et al. 2018): 8-bit weights a channel and activations, ranges seen in `windows`.

    windows: feeds of the graph, each of one window. Matrix products and convolutions alone are quantised; norms,
    softmax and sums stay in float32, and so does a product with one result, the score: it is a handful of
    multiplications, and 8 bits of it would be a step of the scale.
    Raises `LfnetError` where onnxruntime cannot, or there is no window.
    """
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
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_PRODUCTS,
            nodes_to_exclude=_scores(prepared),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )


def to_fp16(source: Path, target: Path) -> None:
    """Weights and arithmetic in half precision; inputs and scores stay float32. Raises `LfnetError` where it fails."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _quiet(), _explained("fp16"):
        model = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
        onnx.save(model, str(target))


def _scores(path: Path) -> list[str]:
    """Names of the products whose weights have a single column (or, transposed, row)."""
    import onnx

    graph = onnx.load(str(path)).graph
    sizes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and 1 in sizes.get(node.input[1], ())[-2:]
    ]


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
