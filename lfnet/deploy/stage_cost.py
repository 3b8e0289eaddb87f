"""Measure each stage of a bundle in a process of its own: parameters, FLOPs, bytes, time per frame, memory."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.deploy.bundle import FRAMES, VALID, Bundle, Windows
from lfnet.deploy.bundle_json import EncoderFacts
from lfnet.deploy.stages import open_encoder, video_settings
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces

__all__ = ["STAGES", "count_flops", "count_parameters", "measure_stage", "measure_stages"]

STAGES = ("landmarker", "encoder", "head")
# `-m` and `-c` alone would put the current folder in front of the libraries.
_CHILD = """\
import json, sys
sys.path = json.loads(sys.argv[1])
from lfnet.deploy.stage_cost import print_stage
print_stage(sys.argv[2:])
"""
_MIN_SECONDS, _MIN_CALLS = 1.0, 5  # of measuring a stage
_MIB = 1024 * 1024
_SIDES = (640, 480)  # of the random image for the landmarker


def measure_stages(bundle: Bundle, *, threads: int | None = None, trust: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Measure each stage of a bundle in a new process, so that memory is the stage's own.

    Parameters
    ----------
    bundle : Bundle
    threads : int or None
        Of the networks; None lets onnxruntime decide.
    trust : sequence of str
        As in `Bundle.open`, which each process calls again.

    Returns
    -------
    list of dict
        One per stage. ms_per_frame: median wall time per decoded frame; the landmarker's is of an image without a
        face, which costs its detector, the encoder's of a batch of faces, the head's of a window divided by the frames
        by which windows advance. peak_mib: growth of the process from before the network was loaded. load: runnable
        processes per core during the measurement; above 1, times are too long.
    """
    rows = []
    for stage in STAGES:
        if stage != "head" and bundle.facts.encoder is None:
            continue
        arguments = [json.dumps(sys.path), str(bundle.folder), stage, str(threads or 0), *trust]
        command = [sys.executable, "-P", "-c", _CHILD, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            lines = ran.stderr.strip().splitlines() or ["it printed nothing"]
            raise LfnetError(f"the {stage} of {bundle.folder} could not be measured: {lines[-1]}")
        rows.append(json.loads(ran.stdout.strip().splitlines()[-1]))
    return rows


def measure_stage(bundle: Bundle, stage: str, threads: int | None) -> dict[str, Any]:
    """Measure one stage in this process: a row of `measure_stages`."""
    before = _peak()
    call, frames, facts = {"landmarker": _landmarker, "encoder": _encoder, "head": _head}[stage](bundle, threads)
    call()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < _MIN_CALLS or time.perf_counter() - started < _MIN_SECONDS:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return {
        "stage": stage,
        **facts,
        "ms_per_frame": round(1000 * statistics.median(times) / frames, 5),
        "ms_per_call": round(1000 * statistics.median(times), 4),
        "peak_mib": round((_peak() - before) / _MIB, 1),
        "threads": threads,
        "load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2),
    }


def print_stage(arguments: Sequence[str]) -> None:
    """Measure a stage and print its row as JSON: what each process of `measure_stages` does."""
    folder, stage, threads, *trust = arguments
    print(json.dumps(measure_stage(Bundle.open(Path(folder), trust=trust), stage, int(threads) or None)))


_Stage = tuple[Callable[[], Any], float, dict[str, Any]]


def _landmarker(bundle: Bundle, threads: int | None) -> _Stage:
    from lfnet.video.mesh import FaceMesh

    facts = bundle.facts.video
    assert facts is not None
    path = bundle.folder / facts.file
    mesh = FaceMesh(path, video_settings(facts), video=False)
    image = np.random.default_rng(0).integers(0, 256, (_SIDES[1], _SIDES[0], 3), dtype=np.uint8)
    # MediaPipe's task files are archives of TFLite networks, whose weights onnx cannot count.
    row = {"name": path.name, "parameters": None, "flops_per_frame": None, "bytes": path.stat().st_size}
    return lambda: mesh.find(image), 1, row


def _encoder(bundle: Bundle, threads: int | None) -> _Stage:
    facts, random = bundle.facts.encoder, np.random.default_rng(0)
    assert facts is not None
    encoder, count = open_encoder(facts, bundle.folder, threads), facts.batch_size
    crops = None
    if facts.crop_size is not None:
        crops = random.integers(0, 256, (count, facts.crop_size, facts.crop_size, 3), dtype=np.uint8)
    faces = Faces(
        np.arange(count),
        np.arange(count) / 30,
        crops,
        random.random((count, 52), np.float32),
        np.tile(np.eye(4, dtype=np.float32), (count, 1, 1)),
        random.random((count, 478, 3), np.float32) * 100,
        None if crops is None else random.random((count, 478, 2), np.float32) * crops.shape[1],
    )
    row: dict[str, Any] = {"name": facts.name, "parameters": 0, "flops_per_frame": 0, "bytes": 0}
    if facts.file is not None:
        path = bundle.folder / facts.file
        row |= asdict(facts.cost) if facts.cost else _count_crop(path, facts)
        row["bytes"] = path.stat().st_size
    return lambda: encoder.encode(faces), count, row


def _count_crop(path: Path, facts: EncoderFacts) -> dict[str, int | None]:
    """Return parameters, and FLOPs of one crop."""
    import onnx

    side, graph = facts.crop_size or 0, onnx.load(str(path)).graph
    constants = {tensor.name for tensor in graph.initializer}
    name = next(value.name for value in graph.input if value.name not in constants)
    return {"parameters": count_parameters(path), "flops_per_frame": count_flops(path, {name: (1, 3, side, side)})}


def _head(bundle: Bundle, threads: int | None) -> _Stage:
    facts, session = bundle.facts, bundle.head(threads)
    frames = facts.protocol.window
    x_BTD = np.random.default_rng(0).standard_normal((1, frames, facts.features.dim), np.float32)
    windows = Windows(x_BTD, np.ones((1, frames), bool))
    path = bundle.folder / facts.head.file
    flops = facts.head.flops_per_window or count_flops(path, {FRAMES: x_BTD.shape, VALID: (1, frames)})
    advance = facts.protocol.hop * (facts.encoder.stride if facts.encoder else 1)
    row = {
        "name": f"{facts.run.model} ({facts.head.variant})",
        "parameters": facts.head.parameters,
        "flops_per_frame": None if flops is None else round(flops / advance),
        "bytes": path.stat().st_size,
    }
    return lambda: session(windows), advance, row


def _peak() -> int:
    """Return the peak memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage's number is inherited: a child of a large process begins with its parent's peak.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def count_parameters(path: Path) -> int:
    """Count the entries of all weights of an ONNX file, without shapes and indices, with scales of quantisation."""
    import onnx

    graph = onnx.load(str(path)).graph
    tensors = [tensor for tensor in graph.initializer if tensor.data_type != onnx.TensorProto.INT64]
    return int(sum(np.prod(tensor.dims, dtype=np.int64) for tensor in tensors))


def count_flops(path: Path, shapes: dict[str, tuple[int, ...]]) -> int | None:
    """Count the FLOPs of one run of an ONNX file: 2 per multiply-add of convolutions and matrix products.

    `shapes` are those of the inputs. None where a shape in between cannot be inferred.
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
            one = _node_flops(node, known)
            if one is None:
                return None
            total += one
    return total


def _node_flops(node: Any, known: dict[str, list[int]]) -> int | None:
    """Return the entries of the output times the multiply-adds of each; None where a size is unknown."""
    output, first, weights = (known.get(name, [0]) for name in (node.output[0], node.input[0], node.input[1]))
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Conv":
        each = int(np.prod(weights[1:], dtype=np.int64))
    else:
        each = first[-2] if flags.get("transA") else first[-1]
    whole = int(np.prod(output, dtype=np.int64)) * each
    return 2 * whole if whole > 0 else None
