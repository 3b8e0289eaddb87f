"""Extraction of features from video: the descriptor and its peer, the whole pass, and memory over length."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.benchmarks.measure import Usage, command
from experiments.benchmarks.report import Row, Target, energy_row, of_pairs

__all__ = ["CLIP", "descriptor", "loop", "memory", "parity", "passes", "stream_settings", "work"]

_PEER = Path("experiments/benchmarks/peers/lightfusion.py")
CLIP = "WolfgangLanger_Pexels.mp4"  # 640 × 360, 19.7 s, a face in every frame
_FRAMES_A_MINUTE = 60 * 24_000 / 1001
_STREAMS = {
    "whole pass: decode, mesh, alignment, blendshapes, MobileNet frames and regions, skin": (
        "blendshapes",
        "visual",
        "skin",
    ),
    "the same with a stream of MobileNet's frames": ("blendshapes", "mobilenet", "visual", "skin"),
    "skin alone": ("skin",),
    "blendshapes alone": ("blendshapes",),
    "visual alone": ("visual",),
    "mobilenet alone": ("mobilenet",),
    "face embedding alone": ("mobileface",),
}
_TRUNK, _FACES, _LANDMARKER = "mobilenetv3_small_features.pt", "face_embedding_512.onnx", "face_landmarker.task"


def descriptor(folder: Path, shared: Path, pairs: int) -> list[Row]:
    """Measure both on 500 frames and 400 regions, alternately, and the difference of their outputs."""
    weights, crops = shared / "weights" / _TRUNK, folder / "crops.npy"
    work("crops", shared / "media" / CLIP, shared / "weights" / _LANDMARKER, crops)
    times: dict[str, list[float]] = {"peer": [], "onnx": [], "torch": []}
    loads, images = [], 0
    for _ in range(pairs):
        used = command([sys.executable, _PEER, crops, "--weights", weights, "--out", folder / "peer.npy"])
        found = re.search(r"(\d+) images encoded, ([\d.]+) s", used.out)
        assert found is not None, used.out
        images = int(found[1])
        times["peer"].append(float(found[2]))
        loads.append(used.load)
        for backend in ("onnx", "torch"):
            result = work("describe", crops, weights, folder / f"{backend}.npy", backend)
            assert result["images"] == images, (result, images)
            times[backend].append(result["seconds"])
    rows = []
    for backend in ("onnx", "torch"):
        pair = of_pairs(times["peer"], times[backend])
        error = parity(np.load(folder / "peer.npy"), np.load(folder / f"{backend}.npy"))
        rows.append(
            Row(
                "descriptor",
                f"visual descriptor of 500 frames, fp32, {backend}",
                unit="s",
                **pair,  # type: ignore[arg-type]
                target=Target("min", 4.0) if backend == "onnx" else None,
                load=sum(loads) / len(loads),
                note=f"{images} images by both; regions differ by at most {100 * error:.2g} %",
            )
        )
    return rows


def parity(peer: np.ndarray, project: np.ndarray, regions: int = 4) -> float:
    """Return the largest difference of a region's vector, as a share of its length. Both: [regions × dim]."""
    one, other = peer.reshape(regions, -1).astype(float), project.reshape(regions, -1).astype(float)
    return float((np.linalg.norm(one - other, axis=1) / np.linalg.norm(one, axis=1)).max())


def passes(folder: Path, shared: Path, quick: bool = False) -> list[Row]:
    """Measure frames per second of each part of the pass, and of the whole pass."""
    video = loop(shared / "media" / CLIP, folder / "clip" / "looped.mp4", 1 if quick else 4)
    rows = []
    for name, arguments in (
        ("decode alone", ("decode", video)),
        ("decode and mesh", ("mesh", video, shared / "weights" / _LANDMARKER)),
    ):
        result = work(*arguments)
        rows.append(Row("extraction", name, result["frames"] / result["seconds"], "frames/s"))
    network = shared / "weights" / _FACES
    trunk = shared / "weights" / "mobilenetv3_embed_batch.onnx"
    ceiling = {}
    for name, graph, side in (("face embedding alone", network, 112), ("mobilenet alone", trunk, 224)):
        batch = np.random.default_rng(0).standard_normal((32, 3, side, side), dtype=np.float32)
        np.save(folder / "images.npy", batch)
        ceiling[name] = work("images", graph, folder / "images.npy")["rate"]
    for number, (name, streams) in enumerate(list(_STREAMS.items())[: 1 if quick else None]):
        used, frames, seconds = _extract(folder, shared, video, streams)
        rate = frames / seconds
        if number == 0:
            minutes = frames / _FRAMES_A_MINUTE
            rows.append(energy_row("extraction", f"energy of a minute of video, {name}", used, minutes))
        rows.append(
            Row(
                "extraction",
                f"{name}, 640 × 360",
                rate,
                "frames/s",
                target=Target("min", 45.0) if number == 0 else None,
                share=rate / ceiling[name] if name in ceiling else None,
                load=used.load,
                note=f"{frames} frames"
                + (f"; the network alone: {ceiling[name]:.0f} images/s" if name in ceiling else ""),
            )
        )
    return rows


def memory(folder: Path, shared: Path, minutes: float = 30.0) -> list[Row]:
    """Measure peak memory on the clip and on many minutes of it, every sixth frame encoded."""
    clip = shared / "media" / CLIP
    streams = next(iter(_STREAMS.values()))
    rows, peaks = [], []
    for name, repeats in (("the clip", 1), (f"{minutes:g} minutes of it", round(minutes * 60 / 19.685))):
        video = loop(clip, folder / "long" / "looped.mp4", repeats)
        used, frames, _ = _extract(folder, shared, video, streams, "encoder.stride=6")
        peaks.append(used.peak_mb)
        rows.append(
            Row(
                "memory",
                f"peak memory of the whole pass, {name}",
                used.peak_mb / 1000,
                "GB",
                target=Target("max", 1.5) if repeats > 1 else None,
                load=used.load,
                note=f"{frames} frames looked at, every sixth",
            )
        )
    rows.append(Row("memory", "the long clip's peak memory, times the short one's", peaks[1] / peaks[0], ""))
    return rows


def stream_settings(shared: Path, streams: Sequence[str]) -> list[str]:
    """Return the settings of `lfnet extract` for streams by the networks of `shared`."""
    weights = shared / "weights"
    settings = [f"encoder=[{','.join(streams)}]", f"video.landmarker.path={weights / _LANDMARKER}"]
    for stream, file in (("visual", _TRUNK), ("mobilenet", _TRUNK), ("mobileface", _FACES)):
        if stream in streams:
            settings += [f"encoder.{stream}.weights.path={weights / file}", f"encoder.{stream}.weights.sha256=null"]
    if "visual" in streams:
        settings.append("visual=segments")
    return settings


def _extract(folder: Path, shared: Path, video: Path, streams: tuple[str, ...], *more: str) -> tuple[Usage, int, float]:
    """Run one pass in its own process; return its usage, number of frames, and seconds."""
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    used, result = _measured("extract", video, cache, *stream_settings(shared, streams), *more)
    stride = next((int(word.partition("=")[2]) for word in more if word.startswith("encoder.stride=")), 1)
    return used, result["frames"] or -(-_measured("decode", video)[1]["frames"] // stride), result["seconds"]


def work(*words: object) -> dict:
    """Run a function of `experiments.benchmarks.work` in its own process; return its result."""
    return _measured(*words)[1]


def _measured(*words: object) -> tuple[Usage, dict]:
    """Run a function of `work` in its own process; return its usage and result."""
    used = command([sys.executable, "-m", "experiments.benchmarks.work", *map(str, words)])
    result: dict = json.loads(used.out.strip().splitlines()[-1])
    return used, result


def loop(clip: Path, out: Path, times: int) -> Path:
    """Repeat a clip without encoding it again."""
    import av

    out.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(out), "w") as target:
        to, offset = None, 0
        for _ in range(times):
            with av.open(str(clip)) as source:
                stream = source.streams.video[0]
                to = to or target.add_stream_from_template(stream)
                end = 0
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = to
                    target.mux(packet)
                offset += end
    return out
