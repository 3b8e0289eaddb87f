"""What a network in an ONNX file costs: its parameters and the arithmetic of one answer."""

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["flops", "parameters"]


def parameters(path: Path) -> int:
    """Entries of all weights: constants that hold numbers, not shapes or indices; scales of quantisation included."""
    import onnx

    graph = onnx.load(str(path)).graph
    tensors = [tensor for tensor in graph.initializer if tensor.data_type != onnx.TensorProto.INT64]
    return int(sum(np.prod(tensor.dims, dtype=np.int64) for tensor in tensors))


def flops(path: Path, shapes: dict[str, tuple[int, ...]]) -> int | None:
    """Of one run with inputs of these shapes: 2 for each multiply-add of convolutions and matrix products.

    None where a shape between cannot be inferred.
    """
    import onnx
    from onnx import shape_inference

    model = onnx.load(str(path))
    for value in model.graph.input:
        for axis, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            axis.dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    known: dict[str, list[int]] = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        known[value.name] = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            one = _node(node, known)
            if one is None:
                return None
            total += one
    return total


def _node(node: Any, known: dict[str, list[int]]) -> int | None:
    """An answer's entries times the multiply-adds of each; None where a size is unknown."""
    answer, first, weights = (known.get(name, [0]) for name in (node.output[0], node.input[0], node.input[1]))
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Conv":
        each = int(np.prod(weights[1:], dtype=np.int64))
    else:
        each = first[-2] if flags.get("transA") else first[-1]
    whole = int(np.prod(answer, dtype=np.int64)) * each
    return 2 * whole if whole > 0 else None
