"""What the video room hands to the encoders: the frames of a clip that do hold a face."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Faces"]


@dataclass(frozen=True)
class Faces:
    """N frames that hold a face, in the clip's order. What nobody asked for is None.

    index: int64 [N], frame number in the clip. time: float64 [N], seconds from the clip's first frame.
    crops_NHWC: uint8 RGB, aligned crops of the side asked for (at 112: the ArcFace template).
    blendshapes_NB: float32 [N, 52]. pose_N44: float32 [N, 4, 4], the facial transformation matrix.
    landmarks_NLC: float32 [N, 478, 3], pixels of the full frame (z on the scale of x, smaller is nearer).
    points_NL2: float32 [N, 478, 2], the same points in pixels of the crops, where both were asked for.
    skin_NRC: float32 [N, 3, 4], see `lfnet.video.skin.skin_means`: forehead, left and right cheek, each mean red,
    green, blue (0–255) and number of pixels.
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
