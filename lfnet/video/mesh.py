"""Face landmarker: the face mesh of video frames and images."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self
from zipfile import BadZipFile

import numpy as np

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.video.align import quarter_turns
from lfnet.video.direct_landmarker import DirectLandmarker
from lfnet.video.faces import Box, Mesh
from lfnet.video.mediapipe_landmarker import MediapipeLandmarker
from lfnet.video.settings import VideoSettings

__all__ = ["FaceMesh"]

# Minimum confidences of a clear face: with them 41 of 41 upright faces of photographs and films are found, and none of
# them upside down; at 0.5 there are 11 of these, some with the mouth on the forehead (tests/video/test_mesh.py).
_SURE = {"min_detection": 0.8, "min_presence": 0.99}
# A turn by 180° around the camera's axis: x and y change their signs.
_HALF_TURN = np.diag(np.array([-1, -1, 1, 1], np.float32))
_FIRST: dict[str, Callable[[Mesh], float]] = {
    "largest": lambda face: face.box.area,
    "left": lambda face: -(face.box.left + face.box.right),
    "right": lambda face: face.box.left + face.box.right,
}


class _Landmarker(Protocol):
    """What runs the landmarker's networks."""

    def find(self, rgb_HWC: np.ndarray, millisecond: int) -> list[Mesh]: ...

    def close(self) -> None: ...


_RUNTIMES: dict[str, Callable[[Path, VideoSettings, bool, bool], _Landmarker]] = {
    "litert": DirectLandmarker,
    "mediapipe": MediapipeLandmarker,
}


class FaceMesh:
    """A face landmarker for one clip, or for single images. Close it, preferably with a `with` block.

    Tracking carries over from frame to frame, so that each clip needs its own landmarker; making one takes about 20 ms.
    settings.runtime says what runs its networks.

    If a frame holds several faces: with settings.faces = 1, the landmarker takes the most certain face first (none if
    no mesh fits it) and then tracks it while it is visible. With more, all are found; the clip's person is first the
    face that settings.person names, and then the face with the largest overlap with the previous one, or again the one
    of settings.person if none overlaps. Landmarks are smoothed over time for faces = 1 only, so that both settings
    differ for a single person too.

    Every settings.check_every seconds of a clip a frame is also searched by itself, for other faces than the person's
    (`Mesh.others`) and for the way up. Faces turned by 90° either way are found; of faces turned by 180°
    few are, and often with a wrong mesh. If a frame shows no clear face, but does if it is turned by 180°, it and the
    following ones are searched turned. All meshes are in pixels of the frame as it is.

    Parameters
    ----------
    model : Path
        The landmarker's file.
    settings : VideoSettings, optional
        Number of faces and minimum confidences.
    video : bool
        Whether frames belong to one clip, in which the face is tracked.
    blendshapes : bool
        Whether blendshapes are computed, which takes a twelfth of the time.

    Raises
    ------
    LfnetError
        The model or a system library is missing.
    """

    def __init__(
        self,
        model: Path,
        settings: VideoSettings | None = None,
        *,
        video: bool = True,
        blendshapes: bool = True,
    ) -> None:
        settings = settings or VideoSettings()
        if settings.used_runtime != settings.runtime:
            warnings.warn(
                "LiteRT is not installed, so that MediaPipe finds faces: the same meshes, more slowly, and as other "
                "features than with LiteRT. `pip install ai-edge-litert`, or set video.runtime=mediapipe.",
                LfnetWarning,
                stacklevel=2,
            )
        if not Path(model).is_file():
            raise LfnetError(
                f"{model} does not exist: the face landmarker's model is needed. `lfnet weights fetch face_landmarker`"
            )
        self._model = model
        self._settings = settings
        self._video = video
        self._blendshapes = blendshapes
        self._millisecond = -1
        self._last: Box | None = None
        self._size = (0, 0)
        self._turned = False
        self._checked: float | None = None
        self._images: FaceMesh | None = None
        self._landmarker = self._open()

    def _open(self) -> _Landmarker:
        try:
            return _RUNTIMES[self._settings.used_runtime](self._model, self._settings, self._video, self._blendshapes)
        except (OSError, RuntimeError, ValueError, KeyError, BadZipFile) as error:
            raise LfnetError(f"{self._model} cannot be used as a face landmarker ({error}). Fetch it again.") from error

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
        others = self._check(rgb_HWC, time) if self._video else None
        faces = self._search(rgb_HWC, time, self._turned)
        if not faces:
            return None
        size = rgb_HWC.shape[1], rgb_HWC.shape[0]
        last = self._last.between_sizes(self._size, size) if self._video and self._last is not None else None
        face = _follow(faces, last, self._settings.person)
        self._last, self._size = face.box, size
        if others is None or self._settings.faces > 1:
            return face
        return replace(face, others=tuple(box for box in others if not box.holds_centre(face.box)))

    def _check(self, rgb_HWC: np.ndarray, time: float) -> list[Box] | None:
        """Find the boxes of all clear faces in a frame of which a check is due, and which way up they are."""
        every = self._settings.check_every
        if every is None or (self._checked is not None and time - self._checked < every):
            return None
        self._checked = time
        if self._images is None:
            sure = {name: max(least, getattr(self._settings, name)) for name, least in _SURE.items()}
            number = max(2, self._settings.faces)
            self._images = FaceMesh(
                self._model, replace(self._settings, faces=number, **sure), video=False, blendshapes=False
            )
        faces = self._images._search(rgb_HWC, time, self._turned)
        if not faces:
            faces = self._images._search(rgb_HWC, time, not self._turned)
            if any(quarter_turns(face.landmarks_LC) == (0 if self._turned else 2) for face in faces):
                self._turned = not self._turned
                self._landmarker.close()
                self._landmarker = self._open()  # its tracking would go on where the face was before the turn
        return [face.box for face in faces]

    def _search(self, rgb_HWC: np.ndarray, time: float, turned: bool) -> list[Mesh]:
        """Find the faces of a frame, or of the frame turned by 180°; their meshes are those of the frame as it is."""
        seen_HWC = rgb_HWC[::-1, ::-1] if turned else rgb_HWC
        # Whole milliseconds, as MediaPipe counts them, which must increase; two frames of a fast camera may share one.
        self._millisecond = max(round(time * 1000), self._millisecond + 1)
        faces = self._landmarker.find(seen_HWC, self._millisecond)
        height, width = rgb_HWC.shape[:2]
        return [_turn(face, width, height) for face in faces] if turned else faces

    def close(self) -> None:
        """Free the landmarker; MediaPipe may hang at the interpreter's exit otherwise. No frame can follow."""
        self._landmarker.close()
        if self._images is not None:
            self._images.close()
            self._images = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _turn(face: Mesh, width: int, height: int) -> Mesh:
    """The mesh in a frame as it is, from the mesh in the frame turned by 180°."""
    landmarks_LC = face.landmarks_LC * np.array([-1, -1, 1]) + np.array([width - 1, height - 1, 0])
    return replace(face, landmarks_LC=landmarks_LC.astype(np.float32), pose_44=_HALF_TURN @ face.pose_44)


def _follow(faces: list[Mesh], last: Box | None, person: str = "largest") -> Mesh:
    """The face with the largest overlap with the last one; if none overlaps, the one of video.person."""
    if last is not None:
        best = max(faces, key=lambda face: face.box.overlap(last))
        if best.box.overlap(last) > 0:
            return best
    return max(faces, key=_FIRST[person])
