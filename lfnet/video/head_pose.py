"""Head pose: the transformation from the canonical face to a face mesh, by MediaPipe's weighted Procrustes fit."""

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np

__all__ = ["HeadPose"]

_FIELD_OF_VIEW = 63.0  # degrees, vertical: MediaPipe's camera. Its image plane is 1 cm in front of it.
_NUMBERS_PER_POINT = 5  # x, y, z and two of the texture


class HeadPose:
    """Fits the canonical face of a landmarker's file to meshes.

    A mesh has no depth of its own: z is on the scale of x. The face's size at the image plane is fitted first, with
    which the points are moved to where rays through them meet a face of the canonical size, and once more from there;
    the pose is the similarity from the canonical face to these points [1]_. Only the points with a weight in the file
    count, 33 of them, which expressions hardly move.

    Parameters
    ----------
    model : Path
        The landmarker's file.

    References
    ----------
    .. [1] Umeyama, S. "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns." IEEE TPAMI
       13(4), 1991.
    """

    def __init__(self, model: Path) -> None:
        with ZipFile(model) as file:
            content = file.read("geometry_pipeline_metadata_landmarks.binarypb")
        weights: dict[int, float] = {}
        numbers: list[bytes] = []
        for field, value in _fields(content):
            if field == 1:  # the canonical face, whose field 3 is its points
                numbers = [each for number, each in _fields(bytes(value)) if number == 3]
            elif field == 2:  # a point and its weight
                pair = dict(_fields(bytes(value)))
                weights[int.from_bytes(pair[1], "little")] = float(np.frombuffer(pair[2], "<f4")[0])
        points_L5 = np.frombuffer(b"".join(numbers), "<f4").reshape(-1, _NUMBERS_PER_POINT)
        self._points = len(points_L5)
        self._chosen = np.array(list(weights))
        weight_K = np.array(list(weights.values()))
        self._share_K = weight_K / weight_K.sum()
        self._face_K3 = points_L5[self._chosen, :3].astype(np.float64)

    def fit(self, landmarks_LC: np.ndarray, width: int, height: int) -> np.ndarray:
        """Return the transformation, float32 [4, 4] in centimetres, of a mesh in pixels of a frame of this size."""
        plane = 2 * np.tan(np.radians(_FIELD_OF_VIEW) / 2) / height  # cm a pixel at the image plane
        seen_L3 = landmarks_LC[: self._points].astype(np.float64)
        depth = seen_L3[:, 2].mean()
        x, y, z = seen_L3[self._chosen].T
        x, y, z = (x - width / 2) * plane, (height / 2 - y) * plane, (z - depth) * plane
        # The camera looks along -z, and a mesh's z grows away from it.
        scale = np.cbrt(np.linalg.det(self._similarity(np.stack([x, y, -z - depth * plane], axis=1))[:3, :3]))
        for last in (False, True):
            away = (z + 1) / scale
            pose = self._similarity(np.stack([x * away, y * away, -away], axis=1))
            if not last:
                scale *= np.cbrt(np.linalg.det(pose[:3, :3]))
        return pose.astype(np.float32)

    def _similarity(self, points_K3: np.ndarray) -> np.ndarray:
        """The transformation, float64 [4, 4], from the canonical face's points to these, by weighted least squares."""
        share = self._share_K
        centre = share @ self._face_K3
        face_K3 = self._face_K3 - centre
        left, _, right = np.linalg.svd((points_K3 * share[:, None]).T @ face_K3)
        if np.linalg.det(left) * np.linalg.det(right) < 0:
            left[:, 2] *= -1
        turn = left @ right
        size = ((face_K3 @ turn.T) * points_K3 * share[:, None]).sum() / (face_K3**2 * share[:, None]).sum()
        pose = np.eye(4)
        pose[:3, :3] = size * turn
        pose[:3, 3] = share @ points_K3 - pose[:3, :3] @ centre
        return pose


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each field of a protocol buffer; a variable integer as little-endian bytes."""
    place = 0

    def integer() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = integer()
        if key & 7 == 0:
            yield key >> 3, integer().to_bytes(8, "little")
        else:
            size = {1: 8, 2: 0, 5: 4}[key & 7] or integer()
            yield key >> 3, message[place : place + size]
            place += size
