"""An ONNX network of aligned crops: fetched and loaded at the first call, a batch at a time, its width checked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lfnet.encoders.onnx_session import BatchedNetwork, providers
from lfnet.errors import LfnetError
from lfnet.weights.weights_file import WeightsFile

__all__ = ["CropNetwork"]


@dataclass
class CropNetwork:
    """What an encoder of crops has in its ONNX file.

    name: the encoder's, for messages. dim: numbers a face, as its settings say. prepare: uint8 crops [N, S, S, 3] to
    the network's input float32 [N, 3, S, S].
    """

    name: str
    weights: WeightsFile
    cache: Path
    dim: int
    crop_size: int
    batch_size: int
    device: str
    threads: int | None
    prepare: Callable[[np.ndarray], np.ndarray]
    _loaded: BatchedNetwork | None = field(default=None, init=False)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """float32 [N, dim] from uint8 crops; `LfnetError` where weights are missing or wrong, or the device."""
        rows = np.empty((len(crops), self.dim), np.float32)
        for start in range(0, len(crops), self.batch_size):
            part = slice(start, start + self.batch_size)
            rows[part] = self._load()(self.prepare(crops[part]))
        return rows

    def close(self) -> None:
        """Free the network; a later call loads it again."""
        self._loaded = None

    def _probe(self, count: int) -> np.ndarray:
        shape = (count, self.crop_size, self.crop_size, 3)
        return self.prepare(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))

    def _load(self) -> BatchedNetwork:
        if self._loaded is None:
            providers(self.device)  # a wrong device should not cost a download first
            path = self.weights.fetch(self.cache)
            network = BatchedNetwork(path, self.device, self.threads, self._probe)
            if network.dim != self.dim:
                raise LfnetError(
                    f"{path} gives {network.dim} numbers a face where encoder.{self.name}.dim says {self.dim}: "
                    f"set encoder.{self.name}.dim={network.dim}."
                )
            self._loaded = network
        return self._loaded
