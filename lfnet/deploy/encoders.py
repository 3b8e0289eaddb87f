"""The encoder of a bundle: the run's own class with the bundle's files, and never torch."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.config import instantiate
from lfnet.encoders.encoder import Encoder
from lfnet.encoders.onnx_network import open_session

__all__ = ["ReadyTrunk", "open_encoder"]


class ReadyTrunk:
    """`lfnet.encoders.trunk.Trunk` from the ONNX file it would make of its weights: uint8 [N, S, S, 3] → [N, dim]."""

    def __init__(self, path: Path, dim: int, batch_size: int, threads: int | None) -> None:
        self.dim, self.batch_size = dim, batch_size
        self._path, self._threads = path, threads
        self._session: Any = None

    def __call__(self, images_NHWC: np.ndarray) -> np.ndarray:
        if self._session is None:
            self._session = open_session(self._path, "cpu", self._threads)
        vectors = np.empty((len(images_NHWC), self.dim), np.float32)
        for start in range(0, len(images_NHWC), self.batch_size):
            part = slice(start, start + self.batch_size)
            images = np.ascontiguousarray(images_NHWC[part])
            vectors[part] = self._session.run(None, {self._session.get_inputs()[0].name: images})[0]
        return vectors

    def close(self) -> None:
        self._session = None


def open_encoder(facts: dict[str, Any], folder: Path, threads: int | None) -> Encoder:
    """The encoder that bundle.json describes (`lfnet.deploy.stages`), with its weights from the bundle's folder."""
    node = {**facts["node"]}
    if facts["file"] is not None:
        node["weights"] = {**node["weights"], "path": str(folder / facts["file"]), "sha256": None}
        node["cache"] = os.devnull  # digests are checked already; nothing is to be noted in the bundle's folder
    if "threads" in node:
        node["threads"] = threads
    encoder: Any = instantiate(node)
    if facts["trunk"]:
        # The trunk makes its ONNX graph from PyTorch's weights: here it is made already.
        encoder.trunk = ReadyTrunk(folder / facts["file"], facts["trunk"], node.get("batch_size") or 32, threads)
    made: Encoder = encoder
    return made
