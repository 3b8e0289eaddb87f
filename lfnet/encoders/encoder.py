"""What an encoder is. No base class: whatever has these attributes is one (`lfnet.testing.encoder_check` tells)."""

from typing import Any, Protocol, Self

import numpy as np

from lfnet.video.faces import Faces

__all__ = ["Encoder", "checked_crops"]


class Encoder(Protocol):
    """Turns frames that hold a face into one vector each, every frame by itself.

    name: the stream's name in the feature store. dim: length of a vector, known before any network is loaded.
    needs: what it reads of `Faces`: "crops" (crops_NHWC at `crop_size`) and/or "mesh" (blendshapes_NB and pose_N44).
    crop_size: side of the aligned crops in pixels, None without "crops". unit_norm: vectors have Euclidean length 1.

    Networks are loaded by the first `encode` and freed by `close`; the attributes and `recipe` never load one.
    """

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def crop_size(self) -> int | None: ...
    @property
    def unit_norm(self) -> bool: ...

    def recipe(self) -> dict[str, Any]:
        """What makes the vectors what they are, as JSON: sha256 of the weights, preprocessing settings.

        Not in it: device, threads and batch size, which change the last bits and not the meaning.
        """
        ...

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim], one row a frame; [0, dim] for no frames. Raises `LfnetError` where it cannot."""
        ...

    def close(self) -> None:
        """Free the network; a later `encode` loads it again."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


def checked_crops(encoder: Encoder, faces: Faces) -> np.ndarray:
    """The crops, uint8 [N, S, S, 3] with the side the encoder asked for. Raises `ValueError` where they are not."""
    crops, side = faces.crops_NHWC, encoder.crop_size
    if crops is None or crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
        found = "none" if crops is None else f"{crops.dtype} {crops.shape}"
        raise ValueError(f"{encoder.name} needs crops uint8 [N, {side}, {side}, 3], got {found}")
    return crops
