"""Face-recognition embeddings: any ArcFace-style network in an ONNX file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from lfnet.encoders.encoder import checked_crops
from lfnet.encoders.onnx_session import BatchedNetwork, providers
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.weights.files import WeightsFile

__all__ = ["FaceEmbedding"]


class FaceEmbedding:
    """Aligned face crops through a face-recognition network, vectors of length 1.

    dim: length of the network's output, checked when it is loaded. crop_size: the network's input side; crops are
    aligned by the ArcFace five-point template (Deng et al., CVPR 2019) scaled to it. Pixels go in as
    (pixel - mean) / scale, each one number or one a channel, in the order `colour` ("rgb" or "bgr").
    device: "cpu", "cuda" or "cuda:N". threads: None lets onnxruntime decide. cache: the folder of weights.
    Identity is what such a network was trained for: it tells people apart, and expression only by the way.
    """

    needs = frozenset({"crops"})
    unit_norm = True
    per_segment = False

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: int,
        mean: float | Sequence[float],
        scale: float | Sequence[float],
        colour: str = "rgb",
        crop_size: int = 112,
        batch_size: int = 32,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if colour not in ("rgb", "bgr"):
            raise LfnetError(f"encoder.{name}.colour must be rgb or bgr, not {colour!r}.")
        self.name, self.dim, self.crop_size = name, dim, crop_size
        self._weights, self._cache, self._colour = weights, Path(cache), colour
        self._mean, self._scale = _channels(mean, f"encoder.{name}.mean"), _channels(scale, f"encoder.{name}.scale")
        if not np.all(self._scale > 0):
            raise LfnetError(f"encoder.{name}.scale must be above 0, not {scale}.")
        self._batch_size, self._device, self._threads = batch_size, device, threads
        self._network: BatchedNetwork | None = None

    def recipe(self) -> dict[str, Any]:
        """Weights and preprocessing as JSON, see `Encoder.recipe`."""
        return {
            "encoder": "FaceEmbedding",
            "weights": self._weights.digest(self._cache),
            "dim": self.dim,
            "crop_size": self.crop_size,
            "mean": self._mean.tolist(),
            "scale": self._scale.tolist(),
            "colour": self._colour,
            "length": 1,
        }

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim] of length 1 from crops_NHWC, uint8 RGB [N, crop_size, crop_size, 3].

        Raises `LfnetError` where the weights are missing or wrong, or the device cannot be used.
        """
        crops = checked_crops(self, faces)
        vectors = np.empty((len(crops), self.dim), np.float32)
        for start in range(0, len(crops), self._batch_size):
            part = slice(start, start + self._batch_size)
            vectors[part] = self._load()(self._prepare(crops[part]))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        # A dead network's zeros stay zeros, for the features' health check to find.
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)

    def close(self) -> None:
        """Free the network."""
        self._network = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _prepare(self, crops: np.ndarray) -> np.ndarray:
        ordered = crops[..., ::-1] if self._colour == "bgr" else crops
        scaled = (ordered.astype(np.float32) - self._mean) / self._scale
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def _probe(self, count: int) -> np.ndarray:
        shape = (count, self.crop_size, self.crop_size, 3)
        return self._prepare(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))

    def _load(self) -> BatchedNetwork:
        if self._network is None:
            providers(self._device)  # a wrong device should not cost a download first
            path = self._weights.fetch(self._cache)
            network = BatchedNetwork(path, self._device, self._threads, self._probe)
            if network.dim != self.dim:
                raise LfnetError(
                    f"{path} gives {network.dim} numbers a face where encoder.{self.name}.dim says {self.dim}: "
                    f"set encoder.{self.name}.dim={network.dim}."
                )
            self._network = network
        return self._network


def _channels(value: float | Sequence[float], setting: str) -> np.ndarray:
    numbers = np.asarray([value] * 3 if isinstance(value, int | float) else list(value), np.float32)
    if numbers.shape != (3,) or not np.all(np.isfinite(numbers)):
        raise LfnetError(f"{setting} must be one number or three, not {value}.")
    return numbers
