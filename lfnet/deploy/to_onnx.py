"""A head as an ONNX file: any number of windows, of any length, with its mask."""

import contextlib
import io
import logging
import operator
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lfnet.deploy.bundle import FRAMES, SCORE, VALID
from lfnet.errors import LfnetError

__all__ = ["head_to_onnx"]

_SHORTEST = 5  # frames: shorter examples let the exporter take a special case for the rule


def head_to_onnx(head: nn.Module, path: Path, *, frames: int, n_features: int) -> None:
    """Write `head` to `path`: x_BTD float32 [B, T, D] and mask_BT bool [B, T] → y_B float32 [B].

    A head may give several scores a window, [B, K]: they are written as they are. frames: T of the example that the
    graph is traced with, a protocol's window: where a head decides by the length, the graph keeps what it decides
    there. A head that fixes the number of windows is written for one window.
    Raises `LfnetError` where PyTorch cannot export the head.
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
    # A graph traced with one window may take what it sees for the rule: its axis is then left fixed.
    axes: dict[int, Any] = {0: torch.export.Dim("windows")} if windows > 1 else {}
    if frames >= _SHORTEST:
        axes[1] = torch.export.Dim("frames", min=_SHORTEST)
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
            "may do; `torch.compiler.is_compiling()` tells it that it is being exported."
        ) from error


def _floor_divided(a: Any, b: Any) -> Any:
    """Python's a // b of lengths. PyTorch 2.15 exports it as ONNX's Div, which cuts towards zero: −9 // 8 were −1."""
    from onnxscript import opset18 as op

    return op.Div(op.Sub(a, op.Mod(a, b)), b)  # Mod has the divisor's sign, as Python's %


def _sorted(a: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """A stable sort, which PyTorch 2.15 does not export: ONNX's TopK of all, which puts the first of equals first."""
    from onnxscript import opset18

    op: Any = opset18  # its types know no symbolic values
    count = op.Gather(op.Shape(a), op.Constant(value_ints=[dim]))
    return op.TopK(a, count, axis=dim, largest=int(descending), sorted=1)


def _fixed_windows(model: Any) -> bool:
    return any(value.type.tensor_type.shape.dim[0].dim_value for value in model.graph.input)


def _strip(model: Any) -> None:
    """Take the exporter's notes out: they hold this machine's paths and are larger than small heads."""
    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress and warns of its own inner workings."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch")]
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
