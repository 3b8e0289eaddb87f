"""How videos are read: conf/video."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.video.decode import DAMAGED
from lfnet.weights.weights_file import WeightsFile

__all__ = ["VideoSettings"]


@dataclass(frozen=True)
class VideoSettings:
    """The settings of conf/video/*.yaml.

    faces: how many faces the landmarker looks for; the clip's person is then followed among them, see `FaceMesh`.
    detection, presence, tracking: MediaPipe's least confidences, 0 to 1.
    damaged: "refuse" | "keep" what comes before a video's first damage.
    landmarker: the weights of the face landmarker.
    Raises `LfnetError` for values out of range.
    """

    faces: int = 1
    detection: float = 0.5
    presence: float = 0.5
    tracking: float = 0.5
    damaged: str = "refuse"
    landmarker: WeightsFile | None = None

    def __post_init__(self) -> None:
        if self.faces < 1:
            raise LfnetError(f"video.faces must be 1 or more, not {self.faces}.")
        for name in ("detection", "presence", "tracking"):
            if not 0 <= getattr(self, name) <= 1:
                raise LfnetError(f"video.{name} must lie between 0 and 1, not {getattr(self, name)}.")
        if self.damaged not in DAMAGED:
            raise LfnetError(f"video.damaged must be one of {', '.join(DAMAGED)}, not {self.damaged!r}.")

    def recipe(self, mesh: bool) -> dict[str, Any]:
        """What of these settings makes the vectors. mesh: whether faces are looked for; crops need no landmarker."""
        settings: dict[str, Any] = {"damaged": self.damaged}
        if mesh:
            settings |= {key: getattr(self, key) for key in ("faces", "detection", "presence", "tracking")}
        return settings

    def find_landmarker(self, cache: Path) -> Path:
        """The landmarker's checked file, fetched into the folder `cache` where it is not at hand."""
        if self.landmarker is None:
            raise LfnetError("video.landmarker names no weights: use conf/video/default.yaml, or name face_landmarker.")
        return self.landmarker.fetch(cache)
