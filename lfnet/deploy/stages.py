"""Stages before the head: put the face landmarker and the encoder into a bundle, and open them without PyTorch."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from lfnet.config import instantiate
from lfnet.deploy.bundle_json import EncoderCost, EncoderFacts, VideoFacts, WeightsFacts
from lfnet.encoders.encoder import Encoder
from lfnet.encoders.onnx_network import open_session
from lfnet.encoders.sound_encoder import hears
from lfnet.encoders.trunk import MEAN, STD, Trunk, TrunkEncoder
from lfnet.encoders.trunk_network import cut_network, load_trunk
from lfnet.errors import LfnetError
from lfnet.video.settings import VideoSettings, with_runtime
from lfnet.weights.weights_file import WeightsFile

__all__ = ["bundle_encoder", "bundle_landmarker", "open_encoder", "video_settings"]

_CLOSE = 1e-3  # of the largest number of a vector


def bundle_landmarker(config: dict[str, Any], folder: Path) -> VideoFacts:
    """Copy the face landmarker into the bundle in `folder`."""
    video = instantiate(config["video"], "video")
    path, file = video.find_landmarker(Path(config["paths"]["weights"])), video.landmarker.file
    shutil.copyfile(path, folder / file)  # by the name in conf/weights: that of the user's own copy may tell something
    node = {name: value for name, value in config["video"].items() if name != "landmarker"}
    node["runtime"] = video.used_runtime
    return VideoFacts(node=node, file=file, weights=_describe(video.landmarker))


def bundle_encoder(name: str, config: dict[str, Any], folder: Path) -> EncoderFacts:
    """Put the encoder's network into the bundle in `folder`: an ONNX file as it is, MobileNetV3 converted to ONNX.

    Raises
    ------
    LfnetError
        The network needs PyTorch, or the converted one gives other vectors, or the encoder reads sound.
    """
    if Path(name).name != name:
        raise LfnetError(f"encoder={name!r}: a name with a / cannot be the name of a file.")
    node = {**config["encoder"][name]}
    encoder: Any = instantiate(node, f"encoder.{name}")
    if hears(encoder):
        raise LfnetError(
            f"encoder {name} reads sound, and bundles score images: train a head on the face to export it."
        )
    file, described, difference = None, None, None
    if "weights" in node:
        weights: WeightsFile = instantiate(node["weights"])
        cache = Path(node.get("cache") or config["paths"]["weights"])
        path = weights.fetch(cache)
        described = _describe(weights, weights.digest(cache))
        if isinstance(encoder, TrunkEncoder):
            file = f"{name}.onnx"
            difference = _convert(encoder.trunk, path, folder / file)
        elif path.suffix == ".onnx":
            file = weights.file
            shutil.copyfile(path, folder / file)
        else:
            raise LfnetError(
                f"encoder {name} has its network in {path.name}, which needs PyTorch, and bundles are scored without. "
                "Bundles take ONNX networks, MobileNetV3-Small, and encoders without a network."
            )
        node["weights"] = {**node["weights"], "path": None, "sources": []}
    if "cache" in node:
        node["cache"] = None
    cost = encoder.cost() if hasattr(encoder, "cost") else None
    return EncoderFacts(
        name=name,
        node=node,
        file=file,
        dim=encoder.dim,
        needs=tuple(sorted(encoder.needs)),
        crop_size=encoder.crop_size,
        unit_norm=encoder.unit_norm,
        stride=config["encoder"]["stride"],
        batch_size=config["encoder"]["batch_size"],
        weights=described,
        cost=cost and EncoderCost(parameters=cost.parameters, flops_per_frame=cost.flops),
        parity=difference,
    )


def open_encoder(facts: EncoderFacts, folder: Path, threads: int | None) -> Encoder:
    """Open the encoder of the bundle in `folder`, with its network from there."""
    node = {**facts.node}
    if facts.file is not None:
        node["weights"] = {**node["weights"], "path": str(folder / facts.file), "sha256": None}
        node["cache"] = os.devnull  # digests are checked already, and none is to be written into the bundle's folder
    own = {"threads": threads, "device": "cpu"}
    node |= {name: value for name, value in own.items() if name in node}
    return cast(Encoder, instantiate(node, "encoder.node"))


def video_settings(facts: VideoFacts, replaced: Mapping[str, Any] | None = None) -> VideoSettings:
    """Read the settings of videos and of the face landmarker; replaced: settings that replace those of the bundle."""
    node = {**with_runtime(facts.node), **(replaced or {}), "_target_": "lfnet.video.settings.VideoSettings"}
    return cast(VideoSettings, instantiate(node, "video"))


def _convert(trunk: Trunk, weights: Path, target: Path) -> float:
    """Write MobileNetV3 as ONNX; returns the largest difference from PyTorch, as a share of the largest number."""
    import torch

    from lfnet.encoders.trunk_onnx import to_onnx

    network = cut_network(load_trunk(weights), trunk.cut)
    target.write_bytes(to_onnx(network, MEAN, STD))
    images_NHWC = np.random.default_rng(0).integers(0, 256, (4, trunk.side, trunk.side, 3), dtype=np.uint8)
    with torch.inference_mode():
        images = torch.from_numpy(images_NHWC).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
        expected = network((images - mean) / std).numpy()
    session = open_session(target, "cpu", 1)
    (found,) = session.run(None, {session.get_inputs()[0].name: images_NHWC})
    difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not difference <= _CLOSE:
        raise LfnetError(f"the exported encoder's vectors differ by {difference:.2g} of the largest number.")
    return float(f"{difference:.2g}")


def _describe(weights: WeightsFile, sha256: str | None = None) -> WeightsFacts:
    return WeightsFacts(
        name=weights.name,
        file=weights.file,
        licence=weights.licence,
        about=weights.about,
        notice=weights.notice,
        sha256=sha256,
    )
