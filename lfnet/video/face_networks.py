"""The three networks of the face landmarker's file, each run by LiteRT in the calling thread.

Coordinates are pixels of the frame, as everywhere in this package; the networks' own are converted here. What is done
to an image before and to numbers after a network follows MediaPipe's graph [1]_, which is the reference
(`lfnet.video.mediapipe_landmarker`).

References
----------
.. [1] Lugaresi, C. et al. "MediaPipe: A Framework for Building Perception Pipelines." arXiv:1906.08172, 2019;
   `mediapipe/tasks/cc/vision` at version 1.2.
"""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lfnet.video.backends import import_cv2, import_litert, quiet
from lfnet.video.faces import Box

__all__ = ["BlendshapeNetwork", "DetectorNetwork", "FaceNetworks", "LandmarkNetwork", "Region"]

# Detections that overlap more than this (intersection over union) are one face.
_SAME_FACE = 0.5
# A region is this many times larger than the face's box: the face stays inside it although it moves.
_MARGIN = 1.5
# Points on the eyes' outer corners, left and right as in the image, which set a region's angle.
_EYES = [33, 263]
# Points of the mesh that the blendshapes are computed from.
_POINTS = np.array(
    [
        *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78),
        *(80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150),
        *(152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197),
        *(234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308),
        *(310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377),
        *(378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466),
        *range(468, 478),
    ]
)


class Region(NamedTuple):
    """The part of a frame that a network sees: a box, turned clockwise by an angle in radians around its centre."""

    box: Box
    angle: float = 0.0

    def matrix(self, side: int) -> np.ndarray:
        """Return the affine map, float64 [2, 3], from pixels of a square image of the region to pixels of the frame."""
        width, height = self.box.right - self.box.left, self.box.bottom - self.box.top
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cos * width, -sin * height], [sin * width, cos * height]])
        centre = (self.box.left + self.box.right) / 2, (self.box.top + self.box.bottom) / 2
        return np.column_stack([turn / side, centre - turn.sum(axis=1) / 2])


class _Network:
    """One TFLite network that takes one array."""

    def __init__(self, content: bytes) -> None:
        with quiet():
            self._interpreter: Any = import_litert().Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.tensor(self._interpreter.get_input_details()[0]["index"])
        self._outputs = [each["index"] for each in self._interpreter.get_output_details()]

    def _run(self) -> list[np.ndarray]:
        """Run the network on what was written into its input; return copies of its outputs."""
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class DetectorNetwork(_Network):
    """Finds faces in a whole frame (BlazeFace [1]_, for faces within 2 m).

    References
    ----------
    .. [1] Bazarevsky, V. et al. "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs." arXiv:1907.05047,
       2019.
    """

    _SIDE = 128

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        # Two boxes in each cell of a grid of 16 × 16, and six in each of one of 8 × 8.
        grids = []
        for cells, boxes in ((16, 2), (8, 6)):
            y, x = np.mgrid[:cells, :cells].reshape(2, -1)
            grids.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / cells, boxes, axis=0))
        self._anchors_A2 = np.concatenate(grids)

    def find(self, rgb_HWC: np.ndarray, min_score: float) -> list[Region]:
        """Find the regions of faces, the most certain first."""
        height, width = rgb_HWC.shape[:2]
        side = max(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        square = Region(Box(left, top, left + side, top + side))
        seen_HWC = _warp(rgb_HWC, square.matrix(self._SIDE), self._SIDE, import_cv2().BORDER_CONSTANT)
        self._input()[0] = seen_HWC * np.float32(2 / 255) - np.float32(1)
        boxes_1A16, logits_1A1 = self._run()
        score_A = 1 / (1 + np.exp(-logits_1A1[0, :, 0].astype(np.float64).clip(-100, 100)))
        points_A82 = boxes_1A16[0].reshape(-1, 8, 2).astype(np.float64) / self._SIDE
        centre_A2, size_A2 = points_A82[:, 0] + self._anchors_A2, points_A82[:, 1]
        kept = (score_A >= min_score) & (size_A2 >= 0).all(axis=1)
        # Corners of the box, then six points, of which the first two are the eyes.
        found_N82 = points_A82[kept] + self._anchors_A2[kept, None]
        found_N82[:, 0], found_N82[:, 1] = (centre_A2 - size_A2 / 2)[kept], (centre_A2 + size_A2 / 2)[kept]
        faces = _merge(found_N82 * side + (left, top), score_A[kept])
        return [_region(face_82[:2], face_82[2], face_82[3]) for face_82 in faces]


class LandmarkNetwork(_Network):
    """Finds the mesh of the face in a region (attention mesh [1]_).

    References
    ----------
    .. [1] Grishchenko, I. et al. "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time." CVPR Workshop on
       Computer Vision for AR/VR, 2020. arXiv:2006.10962.
    """

    _SIDE = 256

    def find(self, rgb_HWC: np.ndarray, region: Region) -> tuple[float, np.ndarray]:
        """Return the score of a face's presence, 0 to 1, and landmarks float64 [478, 3], z on the scale of x."""
        matrix = region.matrix(self._SIDE)
        seen_HWC = _warp(rgb_HWC, matrix, self._SIDE, import_cv2().BORDER_REPLICATE)
        np.multiply(seen_HWC, np.float32(1 / 255), out=self._input()[0])
        points, presence, *_ = self._run()
        found_LC = points.reshape(-1, 3).astype(np.float64)
        found_LC[:, :2] = found_LC[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        # MediaPipe measures the region's upper edge in shares of the frame's sides, and takes it as one of the width.
        found_LC[:, 2] *= np.hypot(matrix[0, 0], matrix[1, 0] * rgb_HWC.shape[1] / rgb_HWC.shape[0])
        return float(1 / (1 + np.exp(-presence.astype(np.float64).item()))), found_LC

    @staticmethod
    def next_region(landmarks_LC: np.ndarray) -> Region:
        """Return the region in which the same face is looked for in the next frame: a square around its mesh."""
        points_L2 = landmarks_LC[:, :2]
        low, high = points_L2.min(axis=0), points_L2.max(axis=0)
        centre, half = (low + high) / 2, (high - low).max() / 2
        return _region(np.stack([centre - half, centre + half]), *points_L2[_EYES])


class BlendshapeNetwork(_Network):
    """Computes the 52 blendshapes of a mesh."""

    def find(self, landmarks_LC: np.ndarray) -> np.ndarray:
        """Return the blendshapes, float32 [52], of a mesh in pixels."""
        self._input()[0] = landmarks_LC[_POINTS, :2]
        return self._run()[0]


class FaceNetworks:
    """The networks of one landmarker's file.

    Parameters
    ----------
    model : Path
        The landmarker's file (`face_landmarker.task`).

    Raises
    ------
    LfnetError
        LiteRT cannot be loaded.
    OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile
        The file is not a landmarker's.
    """

    def __init__(self, model: Path) -> None:
        with zipfile.ZipFile(model) as file:
            self.detector = DetectorNetwork(file.read("face_detector.tflite"))
            self.landmarks = LandmarkNetwork(file.read("face_landmarks_detector.tflite"))
            self.blendshapes = BlendshapeNetwork(file.read("face_blendshapes.tflite"))


def _region(corners_22: np.ndarray, left_eye_2: np.ndarray, right_eye_2: np.ndarray) -> Region:
    """The region around a face's box, upright in the direction of its eyes."""
    centre, half = corners_22.mean(axis=0), _MARGIN * (corners_22[1] - corners_22[0]) / 2
    across, down = right_eye_2 - left_eye_2
    return Region(Box(*(centre - half).tolist(), *(centre + half).tolist()), float(np.arctan2(down, across)))


def _warp(rgb_HWC: np.ndarray, matrix: np.ndarray, side: int, border: int) -> np.ndarray:
    """Read a square image from a frame, at positions rounded to 1/32 pixel.

    MediaPipe's OpenCV rounds them, newer ones do not. The box of a face that is hardly one moves by a pixel without it,
    and the mesh that is found from there by up to a tenth of the distance of the eyes.
    """
    cv2, steps = import_cv2(), np.arange(side)
    x_HW, y_HW = (
        np.add.outer((down * steps + start).astype(np.float32), (across * steps).astype(np.float32))
        for across, down, start in matrix
    )
    positions = cv2.convertMaps(x_HW, y_HW, cv2.CV_16SC2)
    return cv2.remap(rgb_HWC, *positions, cv2.INTER_LINEAR, borderMode=border)


def _merge(found_N82: np.ndarray, score_N: np.ndarray) -> list[np.ndarray]:
    """Average detections of one face, weighted by their scores; the face with the best detection first."""
    faces = []
    order = np.argsort(-score_N, kind="stable")
    while len(order):
        boxes = [Box(*found_N82[each, :2].ravel().tolist()) for each in order]
        same = np.array([box.overlap(boxes[0]) > _SAME_FACE for box in boxes])
        same[0] = True
        faces.append(np.average(found_N82[order[same]], axis=0, weights=score_N[order[same]]))
        order = order[~same]
    return faces
