"""Settings of reading videos: conf/video."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import model_validator

from lfnet.config import Count, Positive, Share, Target, settings
from lfnet.errors import LfnetError
from lfnet.video.backends import has_litert
from lfnet.weights.weights_file import WeightsFile

__all__ = ["VideoSettings", "with_runtime"]


def with_runtime(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return saved settings of conf/video with `runtime`; those from before this setting ran MediaPipe.

    Examples
    --------
    >>> from lfnet.video.settings import with_runtime
    >>> with_runtime({"faces": 1})
    {'runtime': 'mediapipe', 'faces': 1}
    """
    return {"runtime": "mediapipe", **node}


@settings
class VideoSettings:
    """Settings of conf/video.

    Parameters
    ----------
    faces : int
        Maximum number of faces that the landmarker finds; the clip's person is tracked among them (`FaceMesh`).
    person : {"largest", "left", "right"}
        Which of several faces is taken first, left and right as in the image.
    check_every : float or None
        Seconds between two checks for other people (`lfnet.features.people`), and between two searches for a face
        upside down while none is found. None: neither.
    runtime : {"litert", "mediapipe"}
        What runs the landmarker's networks: LiteRT without a graph (`lfnet.video.direct_landmarker`), or MediaPipe,
        whose meshes differ by rounding. It is part of what identifies features.
    min_detection, min_presence, min_tracking : float
        The landmarker's minimum confidences, 0 to 1.
    damaged : {"refuse", "keep"}
        Refuse a damaged video, or keep what precedes its first damage.
    times : {"stamps", "rebuild"}
        Times of a video's frames: its own timestamps, or a count of frames at the stated rate.
    landmarker : WeightsFile, optional
        Weights of the face landmarker.

    Examples
    --------
    >>> from lfnet.video.settings import VideoSettings
    >>> VideoSettings(damaged="keep").faces
    1
    """

    faces: Count = 1
    min_detection: Share = 0.5
    min_presence: Share = 0.5
    min_tracking: Share = 0.5
    runtime: Literal["litert", "mediapipe"] = "litert"
    person: Literal["largest", "left", "right"] = "largest"
    check_every: Positive | None = 5.0
    damaged: Literal["refuse", "keep"] = "refuse"
    times: Literal["stamps", "rebuild"] = "stamps"
    landmarker: Annotated[WeightsFile, Target] | None = None

    @model_validator(mode="after")
    def _check(self) -> "VideoSettings":
        if self.person != "largest" and self.faces == 1:
            raise ValueError(f".person={self.person}: set faces=2 or more, so that there are several to choose from.")
        return self

    @property
    def used_runtime(self) -> str:
        """What runs the landmarker's networks here: MediaPipe where LiteRT is not installed, too."""
        return self.runtime if has_litert() else "mediapipe"

    def recipe(self, mesh: bool) -> dict[str, Any]:
        """Describe as JSON what determines the vectors; without a mesh the landmarker's settings do not."""
        values: dict[str, Any] = {"damaged": self.damaged, "times": self.times}
        if mesh:
            names = ("faces", "person", "check_every", "min_detection", "min_presence", "min_tracking", "used_runtime")
            values |= {name: getattr(self, name) for name in names}
        return values

    def find_landmarker(self, cache: Path) -> Path:
        """Return the landmarker's checked file, fetched into the folder `cache` if it is not there."""
        if self.landmarker is None:
            raise LfnetError("video.landmarker=null: use conf/video/default.yaml, or add a node of conf/weights.")
        return self.landmarker.fetch(cache)
