"""MobileNetV3-Small's pooled features, LightFusionNet's frame encoder."""

from pathlib import Path

import numpy as np

from lfnet.config import Count
from lfnet.encoders.encoder import Device
from lfnet.encoders.trunk import Backend, TrunkEncoder
from lfnet.encoders.trunk_network import Cut
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import WeightsFile

__all__ = ["MobileNet"]


class MobileNet(TrunkEncoder):
    """Face crops through MobileNetV3-Small [1]_, averaged over the crop: 576-D at its last block.

    Parameters
    ----------
    name : str
        Name of the stream.
    weights : WeightsFile
        The network's weights, in torchvision's layout or timm's.
    cache : path
        Folder of weights.
    dim : int or None
        Compared with the width at the cut, where given.
    cut : str
        Where the network ends, a key of `lfnet.encoders.trunk_network.CUTS`; "whole" is its last block.
    crop_size, batch_size, device, threads, backend
        See `lfnet.encoders.trunk.Trunk`.

    Raises
    ------
    LfnetError
        `dim` is not the width at the cut.

    References
    ----------
    .. [1] Howard, A., et al. "Searching for MobileNetV3." ICCV 2019.

    Examples
    --------
    The attributes are known before the weights are read.

    >>> from lfnet.encoders import MobileNet
    >>> from lfnet.weights.weights_file import WeightsFile
    >>> weights = WeightsFile(name="net", file="net.pth", sha256=None, licence="MIT", about="a network")
    >>> encoder = MobileNet("mobilenet", weights, cache="weights", cut="block4.1.depthwise")
    >>> encoder.dim, encoder.crop_size
    (576, 224)
    """

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: Count | None = None,
        cut: Cut = "whole",
        crop_size: Count = 224,
        batch_size: Count = 32,
        device: Device = "cpu",
        threads: Count | None = None,
        backend: Backend = "auto",
    ) -> None:
        super().__init__(
            name,
            weights,
            cache,
            cut=cut,
            crop_size=crop_size,
            batch_size=batch_size,
            device=device,
            threads=threads,
            backend=backend,
        )
        if dim not in (None, self.dim):
            raise LfnetError(
                f"encoder.{name}.dim={dim}: encoder.{name}.cut={cut} gives {self.dim} numbers a face, "
                f"set encoder.{name}.dim={self.dim}."
            )

    def encode(self, faces: Faces) -> np.ndarray:
        """Return float32 [N, dim] from crops_NHWC. Raises `LfnetError` as `Encoder.encode` does."""
        return self.trunk(self.check_crops(faces))
