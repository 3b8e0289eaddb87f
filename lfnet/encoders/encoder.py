"""What an encoder is. No base class: whatever has these attributes is one (`lfnet.testing.encoder_check` tells)."""

from typing import Any, Protocol, Self

import numpy as np

from lfnet.video.faces import Faces

__all__ = ["Encoder", "SegmentEncoder", "checked_crops", "per_segment"]


class Encoder(Protocol):
    """Turns frames that hold a face into one vector each, every frame by itself; or, per segment, many into one.

    name: the stream's name in the feature store. dim: length of a vector, known before any network is loaded.
    needs: what it reads of `Faces`: "crops" (crops_NHWC at `crop_size`), "mesh" (blendshapes_NB, pose_N44 and
    landmarks_NLC; with "crops" also points_NL2), "skin" (skin_NRC).
    per_segment: whether it is a `SegmentEncoder`; an encoder that does not say is not.
    crop_size: side of the aligned crops in pixels, None without "crops". unit_norm: vectors have Euclidean length 1.
    An encoder of "skin" also has `skin_means`, a function that measures it: `lfnet.video.skin.skin_means` or its like.

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

    @property
    def per_segment(self) -> bool: ...

    def recipe(self) -> dict[str, Any]:
        """What makes the vectors what they are, as JSON: sha256 of the weights, preprocessing settings.

        Not in it: device, threads and batch size, which change the last bits and not the meaning.
        """
        ...

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim], one row a frame ([1, dim] per segment); [0, dim] for no frames.

        Called by one thread at a time, but not always by the one that made the encoder: what a library keeps for each
        thread (PyTorch's gradient mode) is set in here. Raises `LfnetError` where it cannot.
        """
        ...

    def close(self) -> None:
        """Free the network; a later `encode` loads it again."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class SegmentEncoder(Encoder, Protocol):
    """An encoder whose `encode` turns all the faces it is given, one segment of a clip, into one row [1, dim].

    segment_frames: how many frames with a face make a segment. segments: how many of a clip, from its start; None for
    all. shortest: a last segment of fewer frames is left out, unless it is the clip's only one.
    """

    @property
    def segment_frames(self) -> int: ...
    @property
    def segments(self) -> int | None: ...
    @property
    def shortest(self) -> int: ...


def per_segment(encoder: Encoder) -> bool:
    """Whether an encoder turns whole segments into vectors: a `SegmentEncoder`."""
    return bool(getattr(encoder, "per_segment", False))


def checked_crops(encoder: Encoder, faces: Faces) -> np.ndarray:
    """The crops, uint8 [N, S, S, 3] with the side the encoder asked for. Raises `ValueError` where they are not."""
    crops, side = faces.crops_NHWC, encoder.crop_size
    if crops is None or crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
        found = "none" if crops is None else f"{crops.dtype} {crops.shape}"
        raise ValueError(f"{encoder.name} needs crops uint8 [N, {side}, {side}, 3], got {found}")
    return crops
