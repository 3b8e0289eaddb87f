"""The face landmarker's networks run directly: what MediaPipe's graph computes, without the graph.

The graph passes packets between some sixty calculators and their threads, which takes as long as the networks. Here a
frame is warped once and the landmark network runs once, in the calling thread; the detector runs where a face is
missing. The results are those of MediaPipe (`lfnet.video.mediapipe_landmarker`) but for rounding.
No connection is ever opened.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lfnet.video.face_networks import FaceNetworks, LandmarkNetwork, Region
from lfnet.video.faces import Mesh
from lfnet.video.head_pose import HeadPose
from lfnet.video.one_euro import OneEuro
from lfnet.video.settings import VideoSettings

__all__ = ["DirectLandmarker"]


class DirectLandmarker:
    """Finds and tracks the faces of a clip, or finds those of single images.

    Parameters
    ----------
    model : Path
        The landmarker's file.
    settings : VideoSettings
        Number of faces and minimum confidences.
    video : bool
        Whether frames belong to one clip. Then a face is looked for where it was in the previous frame, and with one
        face landmarks are smoothed over time.
    blendshapes : bool
        Whether blendshapes are computed.

    Raises
    ------
    LfnetError
        A library is missing.
    OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile
        The file is not a landmarker's.
    """

    def __init__(self, model: Path, settings: VideoSettings, video: bool, blendshapes: bool = True) -> None:
        self._networks = FaceNetworks(model)
        self._pose = HeadPose(model)
        self._settings = settings
        self._video, self._blendshapes = video, blendshapes
        self._tracked: list[Region] = []
        self._size = (0, 0)
        self._smooth = OneEuro()

    def find(self, rgb_HWC: np.ndarray, millisecond: int) -> list[Mesh]:
        """Find the faces of a frame; milliseconds increase within a clip, and do not count for single images."""
        settings, networks = self._settings, self._networks
        height, width = rgb_HWC.shape[:2]
        regions = [Region(box.between_sizes(self._size, (width, height)), angle) for box, angle in self._tracked]
        if len(regions) < settings.faces:
            regions += networks.detector.find(rgb_HWC, settings.min_detection)[: settings.faces]
        regions = _join(regions, settings.min_tracking)[: settings.faces]
        scored = [networks.landmarks.find(rgb_HWC, region) for region in regions]
        faces = [landmarks_LC for score, landmarks_LC in scored if score > settings.min_presence]
        if self._video:
            self._tracked, self._size = [LandmarkNetwork.next_region(face) for face in faces], (width, height)
            if settings.faces == 1:
                faces = self._smoothed(faces, millisecond / 1000)
        return [self._mesh(landmarks_LC, width, height, len(faces)) for landmarks_LC in faces]

    def _mesh(self, landmarks_LC: np.ndarray, width: int, height: int, n_faces: int) -> Mesh:
        blendshapes_B = self._networks.blendshapes.find(landmarks_LC) if self._blendshapes else None
        pose_44 = self._pose.fit(landmarks_LC, width, height)
        return Mesh(landmarks_LC.astype(np.float32), blendshapes_B, pose_44, n_faces)

    def _smoothed(self, faces: list[np.ndarray], time: float) -> list[np.ndarray]:
        if not faces:
            self._smooth = OneEuro()
            return []
        size = float(np.ptp(faces[0][:, :2], axis=0).mean())
        return [self._smooth(faces[0], time, size)]

    def close(self) -> None:
        """Nothing has to be freed."""


def _join(regions: Sequence[Region], min_overlap: float) -> list[Region]:
    """Leave out regions that a later one overlaps by more than `min_overlap` (intersection over union)."""
    joined: list[Region] = []
    for region in regions:
        joined = [other for other in joined if region.box.overlap(other.box) <= min_overlap]
        joined.append(region)
    return joined
