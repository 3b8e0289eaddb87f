"""Expression and head pose from the face mesh: affect without identity, and no network beyond the landmarker."""

from typing import Any, Self

import numpy as np

from lfnet.video.faces import Faces

__all__ = ["Blendshapes", "head_angles"]

_BLENDSHAPES = 52
_CM = 0.01  # MediaPipe's face geometry is in centimetres


class Blendshapes:
    """MediaPipe's 52 blendshapes and, by choice, the head's rotation and translation.

    Columns: 0-51 the blendshapes in MediaPipe's order, "_neutral" first, each in [0, 1]; then, with `rotation`, three
    angles in radians (`head_angles`: pitch, yaw, roll); then, with `translation`, the head's place before the camera
    in metres of the camera that MediaPipe assumes (x right, y up, z towards the camera, so negative). 58 in all by
    default. The landmarker's own digest is not in `recipe`: the extraction adds it to every stream made of a mesh.
    """

    needs = frozenset({"mesh"})
    crop_size = None
    unit_norm = False
    per_segment = False

    def __init__(self, name: str = "blendshapes", *, rotation: bool = True, translation: bool = True) -> None:
        self.name, self._rotation, self._translation = name, rotation, translation
        self.dim = _BLENDSHAPES + 3 * rotation + 3 * translation

    def recipe(self) -> dict[str, Any]:
        """Settings as JSON, see `Encoder.recipe`."""
        return {"encoder": "Blendshapes", "dim": self.dim, "rotation": self._rotation, "translation": self._translation}

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, dim] from blendshapes_NB and pose_N44."""
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

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def head_angles(pose_N44: np.ndarray) -> np.ndarray:
    """float64 [N, 3] pitch, yaw, roll in radians of the rotations in pose_N44 [:3, :3], a common scale divided out.

    R = Ry(yaw) Rx(pitch) Rz(roll), axes x right, y up, z to the camera. Smooth where |pitch| < 90 degrees, which a
    detected face keeps.
    """
    rotation = pose_N44[:, :3, :3].astype(np.float64)
    rotation /= np.maximum(np.linalg.norm(rotation, axis=1, keepdims=True), 1e-12)
    pitch = np.arcsin(np.clip(-rotation[:, 1, 2], -1.0, 1.0))
    yaw = np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2])
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 1, 1])
    return np.stack([pitch, yaw, roll], axis=1)
