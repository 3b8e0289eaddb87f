"""Face-recognition embeddings: any ArcFace-style network in an ONNX file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from lfnet.encoders.crop_network import CropNetwork
from lfnet.encoders.encoder import checked_crops
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import WeightsFile

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
        self._network = CropNetwork(
            name, weights, self._cache, dim, crop_size, batch_size, device, threads, self._prepare
        )

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
        vectors = self._network(checked_crops(self, faces))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        # A dead network's zeros stay zeros, for the features' health check to find.
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)

    def close(self) -> None:
        """Free the network."""
        self._network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _prepare(self, crops: np.ndarray) -> np.ndarray:
        ordered = crops[..., ::-1] if self._colour == "bgr" else crops
        scaled = (ordered.astype(np.float32) - self._mean) / self._scale
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def _channels(value: float | Sequence[float], setting: str) -> np.ndarray:
    numbers = np.asarray([value] * 3 if isinstance(value, int | float) else list(value), np.float32)
    if numbers.shape != (3,) or not np.all(np.isfinite(numbers)):
        raise LfnetError(f"{setting} must be one number or three, not {value}.")
    return numbers
