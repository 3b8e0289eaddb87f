"""Base classes of encoders."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator

from lfnet.video.faces import Faces

__all__ = ["Cost", "Device", "Encoder", "SegmentEncoder", "per_segment"]


def _check_device(device: str) -> str:
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise ValueError("choose cpu, cuda, cuda:N or mps.")
    return device


# Where a network runs: a setting of all encoders that have one.
Device = Annotated[str, AfterValidator(_check_device)]


@dataclass(frozen=True)
class Cost:
    """Cost of an encoder's network.

    Attributes
    ----------
    parameters : int
        All weights.
    flops : int
        Floating-point operations of one vector, 2 for each multiply-add.

    Examples
    --------
    >>> from lfnet.encoders import Cost
    >>> frame = Cost(parameters=354_368, flops=86_042_368)
    >>> f"{30 * frame.flops / 1e9:.1f} GFLOP for a second of 30 frames"
    '2.6 GFLOP for a second of 30 frames'
    """

    parameters: int
    flops: int


class Encoder(ABC):
    """Base class of encoders that turn each frame with a face into one vector, independently of other frames.

    Subclasses set the attributes and implement `recipe` and `encode`; an object of another class with the same
    attributes and methods works too. Networks are loaded by the first `encode` and freed by `close`; neither the
    attributes nor `recipe` load one. `lfnet.testing.check_encoder` checks the whole contract.

    Two members are optional: `cost() -> Cost`, measured without the weights, and, for encoders of "skin",
    `skin_means(rgb_HWC, landmarks_LC)`, which measures it (`lfnet.video.skin.skin_means`).

    Attributes
    ----------
    name : str
        Name of the stream in the feature store.
    dim : int
        Length of a vector; known before a network is loaded.
    needs : frozenset of str
        Parts of `Faces` that `encode` reads: "crops" (crops_NHWC at `crop_size`), "mesh" (blendshapes_NB, pose_N44
        and landmarks_NLC; with "crops" also points_NL2), "skin" (skin_NRC).
    crop_size : int or None
        Side of the aligned crops in pixels; None without "crops".
    unit_norm : bool
        Whether vectors have Euclidean length 1.
    sparse : bool
        Whether zero and constant vectors are values, as counts and one-hot vectors are; else they are taken for faults.
    per_segment : bool
        Whether it is a `SegmentEncoder`.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.encoders import Encoder
    >>> from lfnet.testing import check_encoder
    >>> class MeanColour(Encoder):
    ...     name, dim, needs, crop_size = "mean_colour", 3, frozenset({"crops"}), 32
    ...
    ...     def recipe(self):
    ...         return {"encoder": "MeanColour"}
    ...
    ...     def encode(self, faces):
    ...         return self.check_crops(faces).mean(axis=(1, 2)).astype(np.float32)
    >>> check_encoder(MeanColour())
    """

    name: str
    dim: int
    needs: frozenset[str]
    crop_size: int | None = None
    unit_norm: bool = False
    sparse: bool = False
    per_segment: bool = False

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Describe as JSON what determines the vectors: SHA-256 of the weights, preprocessing settings.

        Device, threads and batch size are left out: they change the last bits only.
        """

    @abstractmethod
    def encode(self, faces: Faces) -> np.ndarray:
        """Encode faces.

        It is called by one thread at a time, which need not be the thread that made the encoder: state that a library
        keeps for each thread, such as PyTorch's gradient mode, is set in here.

        Parameters
        ----------
        faces : Faces
            N frames with a face; N may be 0.

        Returns
        -------
        ndarray of float32, shape [N, dim]
            One row a frame; a `SegmentEncoder` returns [1, dim], or [0, dim] for no frames.

        Raises
        ------
        LfnetError
            Weights are missing or wrong, or the device cannot be used.
        """

    def close(self) -> None:  # noqa: B027  most encoders have nothing to free
        """Free the network; a later `encode` loads it again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def check_crops(self, faces: Faces) -> np.ndarray:
        """Return the crops, uint8 [N, S, S, 3]. Raises `ValueError` where their side S is not `crop_size`."""
        crops, side = faces.crops_NHWC, self.crop_size
        if crops is None or crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
            found = "none" if crops is None else f"{crops.dtype} {crops.shape}"
            raise ValueError(f"{self.name} needs crops uint8 [N, {side}, {side}, 3], got {found}")
        return crops


class SegmentEncoder(Encoder):
    """Base class of encoders that turn a segment of a clip, all frames that `encode` is given, into one vector.

    Attributes
    ----------
    segment_frames : int
        Frames with a face that make a segment.
    segments : int or None
        Segments of a clip that are encoded, from its start; None for all.
    min_frames : int
        A last segment with fewer frames is left out, unless it is the clip's only one.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.encoders import SegmentEncoder
    >>> from lfnet.testing import check_encoder
    >>> class ColourSpread(SegmentEncoder):
    ...     name, dim, needs, crop_size = "colour_spread", 3, frozenset({"crops"}), 32
    ...     segment_frames, segments, min_frames = 500, None, 250
    ...
    ...     def recipe(self):
    ...         return {"encoder": "ColourSpread"}
    ...
    ...     def encode(self, faces):
    ...         if not len(faces):
    ...             return np.zeros((0, 3), np.float32)
    ...         return self.check_crops(faces).std(axis=(0, 1, 2))[None].astype(np.float32)
    >>> check_encoder(ColourSpread())
    """

    per_segment = True
    segment_frames: int
    segments: int | None
    min_frames: int


def per_segment(encoder: Encoder) -> bool:
    """Return whether an encoder turns segments into vectors; one without the attribute does not."""
    return bool(getattr(encoder, "per_segment", False))
