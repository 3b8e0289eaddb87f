"""The face landmarker as MediaPipe runs it: the reference of `lfnet.video.direct_landmarker`."""

from pathlib import Path
from typing import Any

import numpy as np

from lfnet.offline import call_offline
from lfnet.video.backends import import_mediapipe, quiet
from lfnet.video.faces import Mesh
from lfnet.video.settings import VideoSettings

__all__ = ["MediapipeLandmarker"]


class MediapipeLandmarker:
    """MediaPipe's face landmarker. Its threads cannot open sockets (`lfnet.offline`).

    Parameters
    ----------
    model : Path
        The landmarker's file.
    settings : VideoSettings
        Number of faces and minimum confidences.
    video : bool
        Whether frames belong to one clip.
    blendshapes : bool
        Whether blendshapes are computed.

    Raises
    ------
    LfnetError
        A library is missing.
    RuntimeError, ValueError
        The file is not a landmarker's.
    """

    def __init__(self, model: Path, settings: VideoSettings, video: bool, blendshapes: bool = True) -> None:
        self._mediapipe = import_mediapipe()
        self._video = video
        self._begun = False
        tasks = self._mediapipe.tasks
        modes = tasks.vision.RunningMode
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)),
            running_mode=modes.VIDEO if video else modes.IMAGE,
            num_faces=settings.faces,
            min_face_detection_confidence=settings.min_detection,
            min_face_presence_confidence=settings.min_presence,
            min_tracking_confidence=settings.min_tracking,
            output_face_blendshapes=blendshapes,
            output_facial_transformation_matrixes=True,
        )
        with quiet():
            self._landmarker = call_offline(tasks.vision.FaceLandmarker.create_from_options, options)

    def find(self, rgb_HWC: np.ndarray, millisecond: int) -> list[Mesh]:
        """Find the faces of a frame; milliseconds increase within a clip, and do not count for single images."""
        image = self._mediapipe.Image(self._mediapipe.ImageFormat.SRGB, np.ascontiguousarray(rgb_HWC))
        if not self._video:
            result = self._landmarker.detect(image)
        elif self._begun:
            result = self._landmarker.detect_for_video(image, millisecond)
        else:
            self._begun = True
            with quiet():
                result = self._landmarker.detect_for_video(image, millisecond)
        height, width = rgb_HWC.shape[:2]
        return [_mesh(result, face, width, height) for face in range(len(result.face_landmarks))]

    def close(self) -> None:
        """Free the landmarker; it may hang at the interpreter's exit otherwise."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None


def _mesh(result: Any, face: int, width: int, height: int) -> Mesh:
    points = np.array([(point.x, point.y, point.z) for point in result.face_landmarks[face]], np.float64)
    landmarks_LC = (points * (width, height, width)).astype(np.float32)
    scores = None
    if result.face_blendshapes:
        scores = np.array([shape.score for shape in result.face_blendshapes[face]], np.float32)
    pose = np.asarray(result.facial_transformation_matrixes[face], np.float32)
    return Mesh(landmarks_LC, scores, pose, len(result.face_landmarks))
