"""A bundle for examples and tests, without a trained head."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lfnet.deploy.bundle import FRAMES, SCORE, VALID
from lfnet.deploy.replace import BUNDLE, CARD
from lfnet.fingerprints import file_digest
from lfnet.seals import write_sealed_json

__all__ = ["DIM", "HALF_WIDTH", "MEAN", "SD", "make_toy_bundle"]

DIM, MEAN, SD, HALF_WIDTH = 3, 20.0, 10.0, 5.0


def make_toy_bundle(folder: Path | str) -> dict[str, Any]:
    """Write a bundle that scores three features per frame at 20 to 40 frames a second.

    A window's score is 20 + 10 · the mean of the first feature over valid frames, 20 without any; the interval is ± 5
    points.

    Parameters
    ----------
    folder : path
        Folder of the bundle; made where it does not exist.

    Returns
    -------
    dict
        What its bundle.json contains.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     facts = make_toy_bundle(folder)
    >>> facts["scale"]["name"], facts["features"]["dim"]
    ('BDI-II', 3)
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write_head(folder / "head.onnx")
    (folder / CARD).write_text("# A toy\n", encoding="utf-8")
    parity: dict[str, Any] = dict.fromkeys(("real_max", "real_mean", "random_max", "random_mean"), 0.0)
    parity |= {"real_windows": 1, "random_windows": 1, "lengths": [4], "tolerance": 0.01}
    facts: dict[str, Any] = {
        "format": 3,
        "made": "2026-01-01 00:00 UTC",
        "versions": {"lfnet": "0.1.0"},
        "run": {
            "fingerprint": "0" * 64,
            "model": "mean",
            "seed": 0,
            "members": [{"fingerprint": "0" * 64, "seed": 0}],
            "head": "lfnet.heads.mean_mlp.TemporalMeanMLP",
            "cohort": "toy",
            "simulated": True,
            "marks": [],
        },
        "scale": {"name": "BDI-II", "min": 0, "max": 63},
        "labels": {"mean": MEAN, "sd": SD},
        "protocol": {"name": "toy", "window": 4, "hop": 2},
        "features": {"stream": "ready", "dim": DIM},
        "head": {
            "file": "head.onnx",
            "variant": "fp32",
            "members": 1,
            "parameters": 0,
            "flops_per_window": 24,
            "windows": "any",
            "frames": "any",
            "parity": parity,
        },
        "encoder": None,
        "video": None,
        "pulse": None,
        "limits": {
            "rows_per_second": [20.0, 40.0],
            "trained_rows_per_second": [25.0, 30.0],
            "min_frames": 4,
            "min_coverage": 0.05,
        },
        "conformal": {
            "level": 0.9,
            "half_width": HALF_WIDTH,
            "n": 19,
            "coverage": 0.9,
            "reachable": 0.95,
            "typical": None,
        },
        "no_interval": "",
        "files": {name: _file(folder / name) for name in ("head.onnx", CARD)},
    }
    write_sealed_json(folder / BUNDLE, facts, personal=False)
    return facts


def _file(path: Path) -> dict[str, Any]:
    return {"sha256": file_digest(path), "bytes": path.stat().st_size}


def _write_head(path: Path) -> None:
    constants = {"first": [0], "second": [1], "last": [2], "time": [1]}
    nodes = [
        helper.make_node("Slice", [FRAMES, "first", "second", "last"], ["x_BT1"]),
        helper.make_node("Squeeze", ["x_BT1", "last"], ["x_BT"]),
        helper.make_node("Cast", [VALID], ["m_BT"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x_BT", "m_BT"], ["valid_BT"]),
        helper.make_node("ReduceSum", ["valid_BT", "time"], ["sum_B"], keepdims=0),
        helper.make_node("ReduceSum", ["m_BT", "time"], ["count_B"], keepdims=0),
        helper.make_node("Max", ["count_B", "one"], ["divisor_B"]),
        helper.make_node("Div", ["sum_B", "divisor_B"], [SCORE]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [
            helper.make_tensor_value_info(FRAMES, TensorProto.FLOAT, ["b", "t", DIM]),
            helper.make_tensor_value_info(VALID, TensorProto.BOOL, ["b", "t"]),
        ],
        [helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["b"])],
        [
            *(numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()),
            numpy_helper.from_array(np.ones(1, np.float32), "one"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))
