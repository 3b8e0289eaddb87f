"""Facial expressions: the logits of a classifier of faces."""

from pathlib import Path
from typing import Any

import numpy as np

from lfnet.config import Count, Positive
from lfnet.encoders.encoder import Device
from lfnet.encoders.onnx_network import OnnxEncoder
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import WeightsFile

__all__ = ["EXPRESSIONS", "Expression"]

# The columns of the network that conf/weights/expression.yaml names. Angry, happy, sad and neutral were verified on
# real faces; the other three stand in the usual order of such networks.
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


class Expression(OnnxEncoder):
    """Logits of a classifier of expressions in an ONNX file, one column a class.

    Logits instead of probabilities: a softmax is 0 or 1 for most faces, and can be computed from logits but not the
    other way round. The network may mistake a turned or lowered head for an expression.

    Parameters
    ----------
    name : str
        Name of the stream.
    weights : WeightsFile
        The ONNX file.
    cache : path
        Folder of weights.
    dim : int
        Number of classes; compared with the network when it is loaded.
    crop_size : int
        The network's input side; crops are aligned by the ArcFace five-point template scaled to it.
    mean, scale : float
        RGB pixels become (pixel - mean) / scale.
    batch_size : int
        Crops encoded together.
    device : str
        "cpu", "cuda" or "cuda:N".
    threads : int or None
        None lets onnxruntime decide.

    Examples
    --------
    The attributes are known before the weights are read.

    >>> from lfnet.encoders import Expression
    >>> from lfnet.weights.weights_file import WeightsFile
    >>> weights = WeightsFile(name="net", file="net.onnx", sha256=None, licence="MIT", about="a network")
    >>> encoder = Expression("expression", weights, cache="weights")
    >>> encoder.dim, encoder.crop_size
    (7, 224)
    """

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: Count = 7,
        crop_size: Count = 224,
        mean: float = 0.0,
        scale: Positive = 255.0,
        batch_size: Count = 32,
        device: Device = "cpu",
        threads: Count | None = None,
    ) -> None:
        super().__init__(
            name,
            weights,
            cache,
            dim=dim,
            crop_size=crop_size,
            mean=mean,
            scale=scale,
            batch_size=batch_size,
            device=device,
            threads=threads,
        )

    def recipe(self) -> dict[str, Any]:
        """Describe weights and preprocessing as JSON."""
        return {**super().recipe(), "output": "logits"}

    def encode(self, faces: Faces) -> np.ndarray:
        """Return the logits, float32 [N, dim], of crops_NHWC. Raises `LfnetError` as `Encoder.encode` does."""
        return self.run(self.check_crops(faces))
