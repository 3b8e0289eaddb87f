"""What each stage of a bundle costs: parameters, FLOPs, file size, time a frame, memory, in a process of its own."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.deploy.bundle import FRAMES, VALID, Bundle, Windows
from lfnet.deploy.cost import flops, parameters
from lfnet.deploy.encoders import open_encoder
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.video.settings import VideoSettings

__all__ = ["STAGES", "bench", "measure"]

STAGES = ("landmarker", "encoder", "head")
# `-m` and `-c` alone would put the current folder in front of the libraries.
_CHILD = """\
import json, sys
sys.path = json.loads(sys.argv[1])
from lfnet.deploy.bench import print_stage
print_stage(sys.argv[2:])
"""
_SECONDS = 1.0  # of measuring a stage
_LEAST = 5  # calls
_MIB = 1024 * 1024
_SIDES = (640, 480)  # of the made picture that the landmarker looks at


def bench(bundle: Bundle, *, threads: int | None = None, trust: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row a stage that the bundle has; each is measured in a fresh process, so that memory is the stage's own.

    ms_per_frame: wall time of a decoded frame, the median over calls: the landmarker's of a picture without a face (its
    detector, the dearest part when no face is tracked), the encoder's of a face in batches, the head's of a window
    spread over the frames by which windows advance. peak_mib: what the process grew by from before the network was
    loaded. load: runnable processes a core when it was measured: above 1 the times are too long.
    trust: as in `Bundle.open`, which each process calls again.
    """
    rows = []
    for stage in STAGES:
        if stage != "head" and bundle.facts["encoder"] is None:
            continue
        given = [json.dumps(sys.path), str(bundle.folder), stage, str(threads or 0), *trust]
        command = [sys.executable, "-P", "-c", _CHILD, *given]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            lines = ran.stderr.strip().splitlines() or ["it said nothing"]
            raise LfnetError(f"the {stage} of {bundle.folder} could not be measured: {lines[-1]}")
        rows.append(json.loads(ran.stdout.strip().splitlines()[-1]))
    return rows


def measure(bundle: Bundle, stage: str, threads: int | None) -> dict[str, Any]:
    """One stage, in this process: a row of `bench`."""
    before = _peak()
    call, frames, facts = {"landmarker": _landmarker, "encoder": _encoder, "head": _head}[stage](bundle, threads)
    call()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < _LEAST or time.perf_counter() - started < _SECONDS:
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
    """Measure a stage and print its row as JSON: what each process of `bench` does."""
    folder, stage, threads, *trust = arguments
    print(json.dumps(measure(Bundle.open(Path(folder), trust=trust), stage, int(threads) or None)))


_Stage = tuple[Callable[[], Any], float, dict[str, Any]]


def _landmarker(bundle: Bundle, threads: int | None) -> _Stage:
    from lfnet.video.mesh import FaceMesh

    path = bundle.folder / bundle.facts["video"]["file"]
    settings = {name: value for name, value in bundle.facts["video"]["node"].items() if not name.startswith("_")}
    mesh = FaceMesh(path, VideoSettings(**settings), video=False)
    picture = np.random.default_rng(0).integers(0, 256, (_SIDES[1], _SIDES[0], 3), dtype=np.uint8)
    # MediaPipe's task files are archives of TFLite networks, whose weights onnx cannot count.
    facts = {"name": path.name, "parameters": None, "flops_per_frame": None, "bytes": path.stat().st_size}
    return lambda: mesh.find(picture), 1, facts


def _encoder(bundle: Bundle, threads: int | None) -> _Stage:
    facts, random = bundle.facts["encoder"], np.random.default_rng(0)
    encoder, count = open_encoder(facts, bundle.folder, threads), int(facts["batch_size"])
    crops = None
    if facts["crop_size"] is not None:
        crops = random.integers(0, 256, (count, facts["crop_size"], facts["crop_size"], 3), dtype=np.uint8)
    faces = Faces(
        np.arange(count),
        np.arange(count) / 30,
        crops,
        random.random((count, 52), np.float32),
        np.tile(np.eye(4, dtype=np.float32), (count, 1, 1)),
        random.random((count, 478, 3), np.float32) * 100,
        None if crops is None else random.random((count, 478, 2), np.float32) * facts["crop_size"],
    )
    numbers = {"parameters": 0, "flops_per_frame": 0}
    size = 0
    if facts["file"] is not None:
        path = bundle.folder / facts["file"]
        size = path.stat().st_size
        numbers = facts["cost"] or {"parameters": parameters(path), "flops_per_frame": _flops_of_crop(path, facts)}
    return lambda: encoder.encode(faces), count, {"name": facts["name"], **numbers, "bytes": size}


def _flops_of_crop(path: Path, facts: dict[str, Any]) -> int | None:
    import onnx

    side, graph = facts["crop_size"], onnx.load(str(path)).graph
    constants = {tensor.name for tensor in graph.initializer}
    name = next(value.name for value in graph.input if value.name not in constants)
    return flops(path, {name: (1, 3, side, side)})


def _head(bundle: Bundle, threads: int | None) -> _Stage:
    session, protocol, dim = bundle.head(threads), bundle.protocol, bundle.facts["features"]["dim"]
    frames = protocol.window
    x_BTD = np.random.default_rng(0).standard_normal((1, frames, dim), np.float32)
    windows = Windows(x_BTD, np.ones((1, frames), bool))
    facts, path = bundle.facts["head"], bundle.folder / bundle.facts["head"]["file"]
    whole = facts["flops_per_window"] or flops(path, {FRAMES: x_BTD.shape, VALID: (1, frames)})
    stride = (bundle.facts["encoder"] or {}).get("stride", 1)
    advance = protocol.hop * stride
    told = {
        "name": f"{bundle.facts['run']['model']} ({facts['variant']})",
        "parameters": facts["parameters"],
        "flops_per_frame": None if whole is None else round(whole / advance),
        "bytes": path.stat().st_size,
    }
    return lambda: session(windows), advance, told


def _peak() -> int:
    """Bytes this process has held at most."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage's number is handed down: a child of a large process begins with its parent's peak.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
