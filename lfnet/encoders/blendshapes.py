"""Blendshapes and head pose from the face mesh."""

from typing import Any

import numpy as np

from lfnet.encoders.encoder import Encoder
from lfnet.video.faces import Faces

__all__ = ["Blendshapes", "head_angles"]

_BLENDSHAPES = 52
_CM = 0.01  # MediaPipe's face geometry is in centimetres


class Blendshapes(Encoder):
    """MediaPipe's 52 blendshapes and, optionally, the head's rotation and translation: 58-D by default.

    Expression without identity, and without a network beyond the face landmarker's. Columns 0 to 51 are the blendshapes
    in MediaPipe's order, "_neutral" first, each in [0, 1]. The landmarker's digest is not in `recipe`: the extraction
    adds it to every stream made from a mesh.

    Parameters
    ----------
    name : str
        Name of the stream.
    rotation : bool
        Append pitch, yaw and roll in radians (`head_angles`).
    translation : bool
        Append the head's position in metres in the coordinates of the camera that MediaPipe assumes: x right, y up,
        z towards the camera, so negative.

    Examples
    --------
    >>> from lfnet.encoders import Blendshapes
    >>> from lfnet.testing.encoder_check import made_up_faces
    >>> Blendshapes().encode(made_up_faces(frames=5, crop_size=None)).shape
    (5, 58)
    """

    needs = frozenset({"mesh"})

    def __init__(self, name: str = "blendshapes", *, rotation: bool = True, translation: bool = True) -> None:
        self.name, self._rotation, self._translation = name, rotation, translation
        self.dim = _BLENDSHAPES + 3 * rotation + 3 * translation

    def recipe(self) -> dict[str, Any]:
        """Describe the settings as JSON."""
        return {"encoder": "Blendshapes", "dim": self.dim, "rotation": self._rotation, "translation": self._translation}

    def encode(self, faces: Faces) -> np.ndarray:
        """Return float32 [N, dim] from blendshapes_NB and pose_N44."""
        shapes, pose = faces.blendshapes_NB, faces.pose_N44
        if shapes is None or shapes.shape[1:] != (_BLENDSHAPES,):
            found = None if shapes is None else shapes.shape
            raise ValueError(f"{self.name} needs blendshapes [N, {_BLENDSHAPES}], got {found}")
        parts = [shapes]
        if self._rotation or self._translation:
            if pose is None or pose.shape != (len(shapes), 4, 4):
                raise ValueError(f"{self.name} needs poses [N, 4, 4], got {None if pose is None else pose.shape}")
            if self._rotation:
                parts.append(head_angles(pose))
            if self._translation:
                parts.append(_CM * pose[:, :3, 3])
        return np.concatenate(parts, axis=1).astype(np.float32)


def head_angles(pose_N44: np.ndarray) -> np.ndarray:
    """Compute the head's angles from its poses.

    R = Ry(yaw) Rx(pitch) Rz(roll), axes x right, y up, z towards the camera. The angles are smooth for |pitch| < 90°,
    which holds for a detected face.

    Parameters
    ----------
    pose_N44 : ndarray, shape [N, 4, 4]
        Facial transformation matrices; their common scale is divided out.

    Returns
    -------
    ndarray of float64, shape [N, 3]
        Pitch, yaw, roll in radians.

    Examples
    --------
    >>> import numpy as np
    >>> from lfnet.encoders.blendshapes import head_angles
    >>> head_angles(2 * np.eye(4)[None]) + 0
    array([[0., 0., 0.]])
    """
    rotation = pose_N44[:, :3, :3].astype(np.float64)
    rotation /= np.maximum(np.linalg.norm(rotation, axis=1, keepdims=True), 1e-12)
    pitch = np.arcsin(np.clip(-rotation[:, 1, 2], -1.0, 1.0))
    yaw = np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2])
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 1, 1])
    return np.stack([pitch, yaw, roll], axis=1)
