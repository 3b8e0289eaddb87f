"""The face mesh of frames and pictures: MediaPipe's FaceLandmarker."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from lfnet.errors import LfnetError
from lfnet.offline import call_offline
from lfnet.video.backends import import_mediapipe, quiet
from lfnet.video.settings import VideoSettings

__all__ = ["FaceMesh", "Mesh"]


@dataclass(frozen=True)
class Mesh:
    """One face. landmarks_LC: float32 [478, 3], pixels of the frame, from its upper left corner (z on the scale of x).

    blendshapes_B: float32 [52] in MediaPipe's order, `_neutral` first. pose_44: float32 [4, 4], the facial
    transformation matrix (canonical face to camera, centimetres). seen: how many faces the frame held, at most `faces`.
    """

    landmarks_LC: np.ndarray
    blendshapes_B: np.ndarray
    pose_44: np.ndarray
    seen: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the landmarks."""
        low, high = self.landmarks_LC[:, :2].min(axis=0), self.landmarks_LC[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


class FaceMesh:
    """A landmarker for one clip (video=True: faces are tracked) or for single pictures (video=False).

    One clip a landmarker: tracking carries over from frame to frame and must not from clip to clip; making one takes
    some 20 ms. To be closed, best by `with`.

    Where a frame holds several faces: with settings.faces = 1, MediaPipe keeps to one, the surest at first (none, where
    no mesh fits that one) and then, by tracking, the same as long as it is seen. With more, all are found, and the
    clip's person is the largest face at first and then the face that overlaps most with the last one chosen; where none
    overlaps, the largest again. MediaPipe smooths landmarks over time for faces = 1 only, so the two settings differ on
    a clip of one person too.

    Raises `LfnetError` where the model or the system's libraries are missing.
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
            min_face_detection_confidence=settings.detection,
            min_face_presence_confidence=settings.presence,
            min_tracking_confidence=settings.tracking,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self._mediapipe = mediapipe
        self._video = video
        self._millisecond = -1
        self._last: Mesh | None = None
        try:
            with quiet():
                self._landmarker: Any = call_offline(tasks.vision.FaceLandmarker.create_from_options, options)
        except (RuntimeError, ValueError) as error:
            raise LfnetError(f"{model} cannot be used as a face landmarker ({error}). Fetch it anew.") from error

    def find(self, rgb_HWC: np.ndarray, time: float = 0.0) -> Mesh | None:
        """The person's face in a frame, uint8 RGB [H, W, 3]; None where there is none.

        time: seconds, not decreasing within a clip; of no meaning for single pictures.
        """
        image = self._mediapipe.Image(self._mediapipe.ImageFormat.SRGB, np.ascontiguousarray(rgb_HWC))
        if self._video:
            # MediaPipe counts whole milliseconds and wants them to increase; two frames of a fast camera may share one.
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
        chosen = _follow(faces, self._last) if self._video else max(faces, key=lambda face: _area(face.box))
        self._last = chosen
        return chosen

    def close(self) -> None:
        """Free the landmarker, once and for all. MediaPipe may hang at the interpreter's end if this is left to it."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def __enter__(self) -> "FaceMesh":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _mesh(result: Any, face: int, width: int, height: int) -> Mesh:
    points = np.array([(point.x, point.y, point.z) for point in result.face_landmarks[face]], np.float64)
    scores = np.array([shape.score for shape in result.face_blendshapes[face]], np.float32)
    pose = np.asarray(result.facial_transformation_matrixes[face], np.float32)
    return Mesh((points * (width, height, width)).astype(np.float32), scores, pose, len(result.face_landmarks))


def _follow(faces: list[Mesh], last: Mesh | None) -> Mesh:
    if last is not None:
        best = max(faces, key=lambda face: _overlap(face.box, last.box))
        if _overlap(best.box, last.box) > 0:
            return best
    return max(faces, key=lambda face: _area(face.box))


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes."""
    across = max(0.0, min(one[2], two[2]) - max(one[0], two[0]))
    down = max(0.0, min(one[3], two[3]) - max(one[1], two[1]))
    shared = across * down
    return shared / (_area(one) + _area(two) - shared) if shared else 0.0
