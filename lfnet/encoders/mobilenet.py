"""MobileNetV3-Small's pooled features: what an ImageNet network sees in a face (LightFusionNet's frame encoder)."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from lfnet.encoders.encoder import checked_crops
from lfnet.encoders.trunk import Cost, Trunk
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import WeightsFile

__all__ = ["MobileNet"]


class MobileNet:
    """Face crops through MobileNetV3-Small (Howard et al., ICCV 2019), averaged over the crop: 576-D at its last block.

    weights, cut, device, threads, backend, cache: as in `lfnet.encoders.trunk.Trunk`; cut "whole" is the last block.
    dim: checked against the cut.
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
        dim: int | None = None,
        cut: str = "whole",
        crop_size: int = 224,
        batch_size: int = 32,
        device: str = "cpu",
        threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        self.name, self.crop_size = name, crop_size
        self._trunk = Trunk(
            weights,
            cache,
            setting=f"encoder.{name}",
            cut=cut,
            side=crop_size,
            batch_size=batch_size,
            device=device,
            threads=threads,
            backend=backend,
        )
        self.dim = self._trunk.dim
        if dim not in (None, self.dim):
            raise LfnetError(
                f"encoder.{name}.cut={cut} gives {self.dim} numbers a face where encoder.{name}.dim says {dim}: "
                f"set encoder.{name}.dim={self.dim}."
            )

    def recipe(self) -> dict[str, Any]:
        """Weights and preprocessing as JSON, see `Encoder.recipe`."""
        return {"encoder": "MobileNet", **self._trunk.recipe(), "dim": self.dim, "crop_size": self.crop_size}

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim] from crops_NHWC, uint8 RGB [N, crop_size, crop_size, 3].

        Raises `LfnetError` where the weights are missing, wrong or of another network, or the device cannot be used.
        """
        return self._trunk(checked_crops(self, faces))

    def cost(self) -> Cost:
        """Parameters, and FLOPs of one frame, measured."""
        return self._trunk.cost()

    def close(self) -> None:
        """Free the network."""
        self._trunk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
