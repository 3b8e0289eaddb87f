"""What comes before the head in a bundle: the face landmarker and the encoder, their files and licences."""

import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np

from lfnet.config import instantiate
from lfnet.deploy.encoders import ReadyTrunk
from lfnet.encoders.trunk import MEAN, STD, Trunk
from lfnet.encoders.trunk_network import cut_network, load_trunk
from lfnet.errors import LfnetError
from lfnet.weights.weights_file import WeightsFile

__all__ = ["bundle_encoder", "bundle_landmarker"]

_CLOSE = 1e-3  # of the largest number of a vector


def bundle_landmarker(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Copy the face landmarker into the bundle. Returns `video` of bundle.json: settings, file, licence."""
    video = instantiate(config["video"])
    path = video.find_landmarker(Path(config["paths"]["weights"]))
    shutil.copyfile(path, folder / path.name)
    settings = {name: value for name, value in config["video"].items() if name != "landmarker"}
    return {"node": settings, "file": path.name, "weights": _told(video.landmarker)}


def bundle_encoder(name: str, config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Put the encoder's network into the bundle. Returns `encoder` of bundle.json.

    node: how it is made. file: its network, None for none. trunk: its width, where the network is MobileNetV3's and
    was written as ONNX here, else 0. parity: of that ONNX, share of the largest number.
    """
    if Path(name).name != name:
        raise LfnetError(f"encoder={name!r}: a name with a / cannot be the name of a file.")
    node = {**config["encoder"][name]}
    encoder = instantiate(node)
    facts: dict[str, Any] = {
        "name": name,
        "node": node,
        "file": None,
        "trunk": 0,
        "dim": encoder.dim,
        "needs": sorted(encoder.needs),
        "crop_size": encoder.crop_size,
        "unit_norm": encoder.unit_norm,
        "stride": config["encoder"]["stride"],
        "batch_size": config["encoder"]["batch_size"],
        "weights": None,
        "cost": None,
        "parity": None,
    }
    if cost := getattr(encoder, "cost", None):
        measured = cost()
        facts["cost"] = {"parameters": measured.parameters, "flops_per_frame": measured.flops}
    if "weights" in node:
        weights = instantiate(node["weights"])
        cache = Path(node.get("cache") or config["paths"]["weights"])
        path = weights.fetch(cache)
        facts["weights"] = {**_told(weights), "sha256": weights.digest(cache)}
        trunk = getattr(encoder, "trunk", None)
        if isinstance(trunk, Trunk):
            facts["file"], facts["trunk"] = f"{name}.onnx", trunk.dim
            facts["parity"] = _trunk(trunk, path, folder / facts["file"])
        elif path.suffix == ".onnx":
            facts["file"] = path.name
            shutil.copyfile(path, folder / path.name)
        else:
            raise LfnetError(
                f"encoder {name} has its network in {path.name}, which needs torch: a bundle is to be scored without. "
                "Bundles take ONNX networks, MobileNetV3-Small, and encoders without a network."
            )
        facts["node"]["weights"] = {**node["weights"], "path": None, "sources": []}
    return facts


def _trunk(trunk: Trunk, weights: Path, target: Path) -> float:
    """Write the trunk as ONNX; the largest difference from torch's answer, as a share of the largest number."""
    import torch

    from lfnet.encoders.trunk_onnx import to_onnx

    network = cut_network(load_trunk(weights), trunk.cut)
    target.write_bytes(to_onnx(network, MEAN, STD))
    pictures = np.random.default_rng(0).integers(0, 256, (4, trunk.side, trunk.side, 3), dtype=np.uint8)
    shape = (1, 3, 1, 1)
    with torch.inference_mode():
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        expected = network((images - torch.tensor(MEAN).view(shape)) / torch.tensor(STD).view(shape)).numpy()
    off = float(np.abs(ReadyTrunk(target, trunk.dim, 4, 1)(pictures) - expected).max() / np.abs(expected).max())
    if not off <= _CLOSE:
        raise LfnetError(f"the exported encoder's vectors are {off:.2g} (of the largest number) from torch's.")
    return float(f"{off:.2g}")


def _told(weights: Any) -> dict[str, Any]:
    file = cast(WeightsFile, weights)
    return {"name": file.name, "file": file.file, "licence": file.licence, "about": file.about, "notice": file.notice}
