"""Face-recognition embeddings: an ArcFace-style network in an ONNX file."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from lfnet.config import Count, Positive
from lfnet.encoders.encoder import Device
from lfnet.encoders.onnx_network import OnnxEncoder
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import WeightsFile

__all__ = ["FaceEmbedding"]


class FaceEmbedding(OnnxEncoder):
    """Embeddings of a face-recognition network in an ONNX file, scaled to length 1.

    Such a network is trained to identify people; its vectors contain expression only incidentally.

    Parameters
    ----------
    name : str
        Name of the stream.
    weights : WeightsFile
        The ONNX file.
    cache : path
        Folder of weights.
    dim : int
        Length of the network's output; compared with the network when it is loaded.
    mean, scale : float or three floats
        Pixels become (pixel - mean) / scale, with one number or one a channel.
    colour : {"rgb", "bgr"}
        The network's order of channels.
    crop_size : int
        The network's input side; crops are aligned by the ArcFace five-point template [1]_ scaled to it.
    batch_size : int
        Crops encoded together.
    device : str
        "cpu", "cuda" or "cuda:N".
    threads : int or None
        None lets onnxruntime decide.

    References
    ----------
    .. [1] Deng, J., et al. "ArcFace: Additive Angular Margin Loss for Deep Face Recognition." CVPR 2019.

    Examples
    --------
    The attributes are known before the weights are read.

    >>> from lfnet.encoders import FaceEmbedding
    >>> from lfnet.weights.weights_file import WeightsFile
    >>> weights = WeightsFile(name="net", file="net.onnx", sha256=None, licence="MIT", about="a network")
    >>> encoder = FaceEmbedding("embedding", weights, cache="weights", dim=512, mean=127.5, scale=127.5)
    >>> encoder.dim, encoder.crop_size, encoder.unit_norm
    (512, 112, True)
    """

    unit_norm = True

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: Count,
        mean: float | tuple[float, float, float],
        scale: Positive | tuple[Positive, Positive, Positive],
        colour: Literal["rgb", "bgr"] = "rgb",
        crop_size: Count = 112,
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
            colour=colour,
            batch_size=batch_size,
            device=device,
            threads=threads,
        )

    def recipe(self) -> dict[str, Any]:
        """Describe weights and preprocessing as JSON."""
        return {**super().recipe(), "length": 1}

    def encode(self, faces: Faces) -> np.ndarray:
        """Return vectors of length 1, float32 [N, dim], of crops_NHWC. Raises `LfnetError` as `Encoder.encode` does."""
        vectors = self.run(self.check_crops(faces))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        # Zeros of a dead network stay zeros, which the health check of the features reports.
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
