"""Two parts of a pass by themselves, compared with libraries for them: decoding (torchcodec) and images (OpenVINO)."""

import json
import sys
from pathlib import Path

import numpy as np

from experiments.benchmarks.extraction import CLIP, loop, work
from experiments.benchmarks.installed import install_beside
from experiments.benchmarks.measure import Failed, command
from experiments.benchmarks.report import Row, of_pairs

__all__ = ["decoding", "network"]

_PEERS = Path("experiments/benchmarks/peers")
_TRUNK, _BATCH = "mobilenetv3_embed_batch.onnx", 8


def decoding(folder: Path, shared: Path, quick: bool = False) -> list[Row]:
    """Measure frames per second of decoding to RGB, alternately, and compare the pixels of all frames by their sum."""
    try:
        path = install_beside(folder / "torchcodec", ["torchcodec"])
    except Failed as error:
        return [_missing("decoding", "torchcodec", error)]
    video = loop(shared / "media" / CLIP, folder / "clip" / "looped.mp4", 1 if quick else 4)
    peer, own = [], []
    for _ in range(1 if quick else 5):
        used = command([sys.executable, _PEERS / "torchcodec_decode.py", video], path=[path])
        peer.append(json.loads(used.out.strip().splitlines()[-1]))
        own.append(work("decode", video))
    one, other = peer[0], own[0]
    pixels = "equal" if (one["frames"], one["sum"]) == (other["frames"], other["sum"]) else "NOT equal"
    return [
        Row(
            "decoding",
            "decoding to RGB vs torchcodec, 640 × 360",
            unit="ms a frame",
            **of_pairs(*([1000 * each["seconds"] / each["frames"] for each in found] for found in (peer, own))),  # type: ignore[arg-type]
            load=used.load,
            note=f"{other['frames']} frames; the sums of their pixels are {pixels}",
        )
    ]


def network(folder: Path, shared: Path, quick: bool = False) -> list[Row]:
    """Measure MobileNet's images per second, alternately, and the difference of the outputs."""
    try:
        path = install_beside(folder / "openvino", ["openvino", "openvino-telemetry"])
    except Failed as error:
        return [_missing("network", "OpenVINO", error)]
    trunk, file = shared / "weights" / _TRUNK, folder / "images.npy"
    np.save(file, np.random.default_rng(0).standard_normal((_BATCH, 3, 224, 224), dtype=np.float32))
    rates: dict[str, list[float]] = {"fp32": [], "default": []}
    own = []
    for _ in range(1 if quick else 5):
        used = command([sys.executable, _PEERS / "openvino_images.py", trunk, file, folder], path=[path])
        for name, rate in json.loads(used.out.strip().splitlines()[-1]).items():
            rates[name].append(rate)
        own.append(work("images", trunk, file, folder / "own.npy")["rate"])
    rows = []
    expected = np.load(folder / "own.npy").ravel()
    for name, what in (("fp32", "in fp32"), ("default", "in the precision that OpenVINO chooses, own in fp32")):
        found = np.load(folder / f"openvino_{name}.npy").ravel()
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        rows.append(
            Row(
                "network",
                f"MobileNet vs OpenVINO, {what}",
                unit="ms an image",
                **of_pairs([1000 / rate for rate in rates[name]], [1000 / rate for rate in own]),  # type: ignore[arg-type]
                load=used.load,
                note=f"batches of {_BATCH}; outputs differ by {100 * error:.2g} %",
            )
        )
    return rows


def _missing(stage: str, peer: str, error: Failed) -> Row:
    return Row(stage, peer, note=f"not installed: {str(error).splitlines()[0]}")
