"""Films of photographed people whose heads move: alone, side by side, and one after another."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lfnet.features.consumers import PassSummary
from lfnet.features.video_pass import run_pass
from lfnet.video.decode import Frame
from lfnet.video.image_folder import read_image
from lfnet.video.mesh import FaceMesh
from lfnet.video.settings import VideoSettings

HEIGHT, WIDTH = 360, 640


def head(shared: Path, name: str) -> np.ndarray:
    """uint8 [320, 320, 3]: the head of a photograph of shared/media/faces, with its surroundings."""
    import cv2

    rgb = read_image(shared / "media" / "faces" / name)
    with FaceMesh(landmarker(shared), video=False) as mesh:
        box = mesh.find(rgb).box
    half = int(0.8 * max(box.right - box.left, box.bottom - box.top))
    x, y = int(box.left + box.right) // 2 + half, int(box.top + box.bottom) // 2 + half
    wide = cv2.copyMakeBorder(rgb, half, half, half, half, cv2.BORDER_REPLICATE)
    return cv2.resize(wide[y - half : y + half, x - half : x + half], (320, 320), interpolation=cv2.INTER_AREA)


def landmarker(shared: Path) -> Path:
    return shared / "weights" / "face_landmarker.task"


def place(head_HWC: np.ndarray, time: float, column: int = 320, size: int = 320, onto: np.ndarray | None = None):
    """A frame at a time in seconds, onto which a head of so many pixels is drawn; it nods, leans and shifts slowly."""
    import cv2

    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8) if onto is None else onto.copy()
    angle = 6 * np.sin(0.9 * time) + 3 * np.sin(2.3 * time)
    matrix = cv2.getRotationMatrix2D((160, 160), angle, size / 320)
    matrix[:, 2] += [column - 160 + 8 * np.sin(0.7 * time), HEIGHT / 2 - 160 + 6 * np.sin(1.1 * time)]
    shape = (WIDTH, HEIGHT)
    return cv2.warpAffine(head_HWC, matrix, shape, dst=frame, borderMode=cv2.BORDER_TRANSPARENT)


def film(images: Sequence[np.ndarray], rate: float = 5.0) -> Iterator[Frame]:
    for number, rgb in enumerate(images):
        yield Frame(number, number / rate, rgb)


class Meshes:
    """A consumer of meshes, which keeps none."""

    needs, crop_size = frozenset({"mesh"}), None

    def __init__(self, max_faces: int | None = None) -> None:
        self.max_faces = max_faces

    def take(self, faces) -> None:
        pass


def checked(shared: Path, images: Sequence[np.ndarray], **settings) -> PassSummary:
    """The summary of a pass over a film whose people are checked."""
    with FaceMesh(landmarker(shared), VideoSettings(**settings)) as mesh:
        return run_pass(film(images), mesh, [Meshes()], check_people=True)[0]
