"""Facial expressions: a classifier of faces in an ONNX file, of which the logits are kept."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from lfnet.encoders.crop_network import CropNetwork
from lfnet.encoders.encoder import checked_crops
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import WeightsFile

__all__ = ["EXPRESSIONS", "Expression"]

# The columns of the network that conf/weights/expression.yaml names. Seen to be right on real faces: angry, happy, sad
# and neutral. The other three stand where networks of this kind have them.
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


class Expression:
    """Aligned face crops through a classifier of expressions: its logits, one column a class.

    Logits and not probabilities: a softmax of most faces is 0 or 1 and no longer says how much, and it can be had from
    logits, not they from it. A turned or lowered head is easily taken for an expression.
    dim: how many classes, checked when the network is loaded. crop_size: its input side; crops are aligned by the
    ArcFace five-point template scaled to it. Pixels, red first, go in as (pixel - mean) / scale.
    device: "cpu", "cuda" or "cuda:N". threads: None lets onnxruntime decide. cache: the folder of weights.
    """

    needs = frozenset({"crops"})
    unit_norm = False
    per_segment = False

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: int = len(EXPRESSIONS),
        crop_size: int = 224,
        mean: float = 0.0,
        scale: float = 255.0,
        batch_size: int = 32,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if not scale > 0:
            raise LfnetError(f"encoder.{name}.scale must be above 0, not {scale}.")
        self.name, self.dim, self.crop_size = name, dim, crop_size
        self._weights, self._cache = weights, Path(cache)
        self._mean, self._scale = float(mean), float(scale)
        self._network = CropNetwork(
            name, weights, self._cache, dim, crop_size, batch_size, device, threads, self._prepare
        )

    def recipe(self) -> dict[str, Any]:
        """Weights and preprocessing as JSON, see `Encoder.recipe`."""
        return {
            "encoder": "Expression",
            "weights": self._weights.digest(self._cache),
            "dim": self.dim,
            "crop_size": self.crop_size,
            "mean": self._mean,
            "scale": self._scale,
            "output": "logits",
        }

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim] logits from crops_NHWC, uint8 RGB [N, crop_size, crop_size, 3].

        Raises `LfnetError` where the weights are missing or wrong, or the device cannot be used.
        """
        return self._network(checked_crops(self, faces))

    def close(self) -> None:
        """Free the network."""
        self._network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _prepare(self, crops: np.ndarray) -> np.ndarray:
        scaled = (crops.astype(np.float32) - np.float32(self._mean)) / np.float32(self._scale)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
