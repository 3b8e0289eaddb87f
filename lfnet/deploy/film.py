"""Evenly spread frames of a clip: the mesh of the face in each, and the frame itself only where it is asked for."""

import io
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lfnet.video.faces import Mesh

__all__ = ["Film", "Filmed", "Still"]

_WIDTH = 200  # pixels of a kept frame
_QUALITY = 80  # of its JPEG


class Still(NamedTuple):
    """One frame of a film.

    Attributes
    ----------
    time : float
        Seconds.
    landmarks_L2 : ndarray of float32, shape [478, 2], or None
        The mesh in pixels of the frame; None without a face.
    size : (int, int)
        Width and height of the frame in pixels.
    jpeg : bytes or None
        The frame, small; None where faces are not shown.
    """

    time: float
    landmarks_L2: np.ndarray | None
    size: tuple[int, int]
    jpeg: bytes | None


@dataclass
class Film:
    """Keeps some frames of a clip, evenly spread over its duration.

    Parameters
    ----------
    count : int
        Number of frames; a clip of hardly more frames gives fewer.
    show_face : bool
        Whether the frames themselves are kept, and not only the meshes.

    Examples
    --------
    >>> film = Film(count=2)
    >>> for number in range(8):
    ...     film.add(np.zeros((4, 6, 3), np.uint8), float(number), None, duration=8.0)
    >>> [still.time for still in film.stills], film.stills[0].size
    ([2.0, 6.0], (6, 4))
    """

    count: int = 10
    show_face: bool = False
    stills: list[Still] = field(default_factory=list)

    def add(self, rgb_HWC: np.ndarray, time: float, mesh: Mesh | None, duration: float) -> None:
        """Keep the frame if it is the first one at or after the time of the next still."""
        if len(self.stills) == self.count or time < (len(self.stills) + 0.5) * duration / self.count:
            return
        landmarks_L2 = None if mesh is None else mesh.landmarks_LC[:, :2].copy()
        size = (rgb_HWC.shape[1], rgb_HWC.shape[0])
        self.stills.append(Still(time, landmarks_L2, size, _jpeg(rgb_HWC) if self.show_face else None))


class Filmed:
    """A finder of faces, such as `FaceMesh`, that shows each frame with its face to a film."""

    def __init__(self, finder: Any, film: Film, duration: float) -> None:
        self._finder, self._film, self._duration = finder, film, duration

    def find(self, rgb_HWC: np.ndarray, time: float) -> Mesh | None:
        """Find the face, as the finder does."""
        mesh: Mesh | None = self._finder.find(rgb_HWC, time)
        self._film.add(rgb_HWC, time, mesh, self._duration)
        return mesh


def _jpeg(rgb_HWC: np.ndarray) -> bytes:
    from PIL import Image

    image = Image.fromarray(rgb_HWC)
    image.thumbnail((_WIDTH, _WIDTH))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()
