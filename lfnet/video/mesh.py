"""Face landmarker: the face mesh of video frames and images, by MediaPipe."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from lfnet.errors import LfnetError
from lfnet.offline import call_offline
from lfnet.video.backends import import_mediapipe, quiet
from lfnet.video.faces import Box, Mesh
from lfnet.video.settings import VideoSettings

__all__ = ["FaceMesh"]


class FaceMesh:
    """A face landmarker for one clip, or for single images. Close it, preferably with a `with` block.

    Tracking carries over from frame to frame, so that each clip needs its own landmarker; making one takes about 20 ms.

    If a frame holds several faces: with settings.faces = 1, MediaPipe takes the most certain face first (none if no
    mesh fits it) and then tracks it while it is visible. With more, all are found; the clip's person is the largest
    face first and then the face with the largest overlap with the previous one, or the largest again if none overlaps.
    MediaPipe smooths landmarks over time for faces = 1 only, so that both settings differ for a single person too.

    Parameters
    ----------
    model : Path
        The landmarker's file.
    settings : VideoSettings, optional
        Number of faces and minimum confidences.
    video : bool
        Whether frames belong to one clip, in which the face is tracked.

    Raises
    ------
    LfnetError
        The model or a system library is missing.
    """

    def __init__(self, model: Path, settings: VideoSettings | None = None, *, video: bool = True) -> None:
        settings = settings or VideoSettings()
        if not Path(model).is_file():
            raise LfnetError(
                f"{model} does not exist: the face landmarker's model is needed. `lfnet weights fetch face_landmarker`"
            )
        mediapipe = import_mediapipe()
        tasks = mediapipe.tasks
        modes = tasks.vision.RunningMode
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)),
            running_mode=modes.VIDEO if video else modes.IMAGE,
            num_faces=settings.faces,
            min_face_detection_confidence=settings.min_detection,
            min_face_presence_confidence=settings.min_presence,
            min_tracking_confidence=settings.min_tracking,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self._mediapipe = mediapipe
        self._video = video
        self._millisecond = -1
        self._last: Box | None = None
        self._size = (0, 0)
        try:
            with quiet():
                self._landmarker: Any = call_offline(tasks.vision.FaceLandmarker.create_from_options, options)
        except (RuntimeError, ValueError) as error:
            raise LfnetError(f"{model} cannot be used as a face landmarker ({error}). Fetch it again.") from error

    def find(self, rgb_HWC: np.ndarray, time: float = 0.0) -> Mesh | None:
        """Find the person's face.

        Parameters
        ----------
        rgb_HWC : ndarray of uint8, shape [H, W, 3]
            A frame.
        time : float
            Seconds, not decreasing within a clip; ignored for single images.

        Returns
        -------
        Mesh or None
            None if there is no face.
        """
        image = self._mediapipe.Image(self._mediapipe.ImageFormat.SRGB, np.ascontiguousarray(rgb_HWC))
        if self._video:
            # MediaPipe counts whole milliseconds, which must increase; two frames of a fast camera may share one.
            first, self._millisecond = self._millisecond < 0, max(round(time * 1000), self._millisecond + 1)
            if first:
                with quiet():
                    result = self._landmarker.detect_for_video(image, self._millisecond)
            else:
                result = self._landmarker.detect_for_video(image, self._millisecond)
        else:
            result = self._landmarker.detect(image)
        height, width = rgb_HWC.shape[:2]
        faces = [_mesh(result, k, width, height) for k in range(len(result.face_landmarks))]
        if not faces:
            return None
        last = self._last.between_sizes(self._size, (width, height)) if self._video and self._last is not None else None
        face = _follow(faces, last)
        self._last, self._size = face.box, (width, height)
        return face

    def close(self) -> None:
        """Free the landmarker for good; MediaPipe may hang at the interpreter's exit otherwise."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _mesh(result: Any, face: int, width: int, height: int) -> Mesh:
    points = np.array([(point.x, point.y, point.z) for point in result.face_landmarks[face]], np.float64)
    scores = np.array([shape.score for shape in result.face_blendshapes[face]], np.float32)
    pose = np.asarray(result.facial_transformation_matrixes[face], np.float32)
    return Mesh((points * (width, height, width)).astype(np.float32), scores, pose, len(result.face_landmarks))


def _follow(faces: list[Mesh], last: Box | None) -> Mesh:
    """The face with the largest overlap with the last one; the largest face if none overlaps."""
    if last is not None:
        best = max(faces, key=lambda face: face.box.overlap(last))
        if best.box.overlap(last) > 0:
            return best
    return max(faces, key=lambda face: face.box.area)
