"""Faces found in frames: the mesh of one face, and the batch of faces that an encoder gets."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

__all__ = ["Box", "Faces", "Mesh"]


class Box(NamedTuple):
    """A rectangle around a face, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)

    def between_sizes(self, before: tuple[int, int], after: tuple[int, int]) -> "Box":
        """Return the same part of a frame after a change of the frames' width and height."""
        if before == after:
            return self
        across, down = after[0] / before[0], after[1] / before[1]
        return Box(self.left * across, self.top * down, self.right * across, self.bottom * down)

    def touches(self, other: "Box") -> bool:
        """Return whether two boxes overlap or touch."""
        across = self.right < other.left or other.right < self.left
        return not (across or self.bottom < other.top or other.bottom < self.top)

    def holds_centre(self, other: "Box") -> bool:
        """Return whether the other box's centre lies inside this one."""
        x, y = (other.left + other.right) / 2, (other.top + other.bottom) / 2
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def overlap(self, other: "Box") -> float:
        """Return the intersection over union of two boxes."""
        across = max(0.0, min(self.right, other.right) - max(self.left, other.left))
        down = max(0.0, min(self.bottom, other.bottom) - max(self.top, other.top))
        shared = across * down
        return shared / (self.area + other.area - shared) if shared else 0.0


@dataclass(frozen=True)
class Mesh:
    """The mesh of one face.

    Attributes
    ----------
    landmarks_LC : ndarray of float32, shape [478, 3]
        Pixels of the frame from its upper left corner; z on the scale of x.
    blendshapes_B : ndarray of float32, shape [52], or None
        In MediaPipe's order, `_neutral` first; None where they were not asked for (`FaceMesh`).
    pose_44 : ndarray of float32, shape [4, 4]
        Facial transformation matrix: canonical face to camera, in centimetres.
    n_faces : int
        Faces found in the frame, at most `VideoSettings.faces`.
    others : tuple of Box, optional
        Other faces of a frame that was searched for them; None in frames that were not.
    """

    landmarks_LC: np.ndarray
    blendshapes_B: np.ndarray | None
    pose_44: np.ndarray
    n_faces: int
    others: tuple[Box, ...] | None = None

    @cached_property
    def box(self) -> Box:
        """The landmarks' bounding box."""
        low, high = self.landmarks_LC[:, :2].min(axis=0), self.landmarks_LC[:, :2].max(axis=0)
        return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


@dataclass(frozen=True)
class Faces:
    """N frames with a face, in the clip's order; parts that no encoder needs are None.

    Attributes
    ----------
    index : ndarray of int64, shape [N]
        Frame numbers in the clip.
    time : ndarray of float64, shape [N]
        Seconds from the clip's first frame.
    crops_NHWC : ndarray of uint8, optional
        Aligned RGB crops of the encoder's `crop_size` (at 112: the ArcFace template).
    blendshapes_NB : ndarray of float32, shape [N, 52], optional
    pose_N44 : ndarray of float32, shape [N, 4, 4], optional
        Facial transformation matrices.
    landmarks_NLC : ndarray of float32, shape [N, 478, 3], optional
        Pixels of the full frame; z on the scale of x, smaller is nearer.
    points_NL2 : ndarray of float32, shape [N, 478, 2], optional
        The same points in pixels of the crops, for encoders that need both.
    skin_NRC : ndarray of float32, shape [N, 3, 4], optional
        Mean red, green, blue (0–255) and number of pixels of forehead, left and right cheek
        (`lfnet.video.skin.skin_means`).
    """

    index: np.ndarray
    time: np.ndarray
    crops_NHWC: np.ndarray | None = None
    blendshapes_NB: np.ndarray | None = None
    pose_N44: np.ndarray | None = None
    landmarks_NLC: np.ndarray | None = None
    points_NL2: np.ndarray | None = None
    skin_NRC: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.index)
