"""One pass over a clip: each frame is decoded once, its face found once, and every consumer is fed from it.

Changing this file changes the recipe of all streams made from video: the features are extracted anew.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lfnet.encoders.encoder import Encoder
from lfnet.features.store import ClipFeatures
from lfnet.video.align import crop
from lfnet.video.decode import Frame
from lfnet.video.errors import Unreadable
from lfnet.video.faces import Faces
from lfnet.video.mesh import FaceMesh, Mesh

__all__ = ["Consumer", "Passed", "Vectors", "run_pass"]

# Below this standard deviation (of 255) a ready-aligned frame is a blank: what aligners write where they saw no face.
_BLANK = 1.0


class Consumer(Protocol):
    """What is fed batches of faces during a pass. crop_size: side of the crops it wants, None for none."""

    @property
    def crop_size(self) -> int | None: ...

    def take(self, faces: Faces) -> None:
        """Use the faces now; they are not kept after the call."""
        ...


@dataclass(frozen=True)
class Passed:
    """What a pass saw. number: int64 [T], frame numbers; time: float64 [T], seconds; valid: bool [T], holds a face.

    crowded: how many frames held more than one face. size: width and height of the first frame.
    """

    number: np.ndarray
    time: np.ndarray
    valid: np.ndarray
    crowded: int
    size: tuple[int, int]


class Vectors:
    """A consumer that gathers one encoder's vectors: T × D numbers are all that a pass keeps of a clip."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._rows: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []

    @property
    def crop_size(self) -> int | None:
        return self._encoder.crop_size if "crops" in self._encoder.needs else None

    def take(self, faces: Faces) -> None:
        """Encode a batch. Raises `ValueError` where the encoder breaks its contract."""
        rows = self._encoder.encode(faces)
        wanted = (len(faces), self._encoder.dim)
        if rows.shape != wanted or rows.dtype != np.float32:
            raise ValueError(f"{self._encoder.name} must give float32 {wanted}, gave {rows.dtype} {rows.shape}")
        self._rows.append(rows.copy())
        self._numbers.append(faces.index)

    def clip(self, passed: Passed, meta: dict[str, str]) -> ClipFeatures:
        """The clip's vectors; a frame without a face is NaN and not valid, so that whoever forgets the mask notices."""
        features = np.full((len(passed.number), self._encoder.dim), np.nan, np.float32)
        if self._rows:
            rows = np.searchsorted(passed.number, np.concatenate(self._numbers))
            features[rows] = np.concatenate(self._rows)
        return ClipFeatures(features, passed.valid, passed.time, meta)


def run_pass(
    frames: Iterable[Frame],
    mesh: FaceMesh | None,
    consumers: Sequence[Consumer],
    *,
    aligned: bool = False,
    batch_size: int = 32,
    tick: Callable[[], None] | None = None,
) -> Passed:
    """Feed all frames with a face to the consumers, `batch_size` at a time; memory does not grow with the clip.

    mesh: finds faces; None where no consumer reads a mesh and frames are aligned. aligned: frames are aligned crops
    already, which are resized and not aligned again; without a mesh, nothing is searched in them (detectors made for
    faces with surroundings find none there: system B's features were all zero for that reason), and a blank frame, as
    aligners write where they saw nobody, counts as one without a face. tick: called once a frame.
    Raises `Unreadable` where an aligned frame is not square.
    """
    if mesh is None and not aligned:
        raise ValueError("frames that are not aligned need a mesh")
    batch = _Batch(consumers)
    numbers: list[int] = []
    times: list[float] = []
    valid: list[bool] = []
    crowded = 0
    size = (0, 0)
    for frame in frames:
        if not numbers:
            size = frame.rgb.shape[1], frame.rgb.shape[0]
        if mesh is None:
            held = not _blank(frame) and batch.add(frame, None, aligned)
        else:
            face = mesh.find(frame.rgb, frame.time)
            crowded += face is not None and face.seen > 1
            held = face is not None and batch.add(frame, face, aligned)
        numbers.append(frame.number)
        times.append(frame.time)
        valid.append(held)
        if len(batch) >= batch_size:
            batch.hand_over()
        if tick is not None:
            tick()
        del frame  # else the generator would decode the next one while this one is still held
    batch.hand_over()
    return Passed(np.array(numbers, np.int64), np.array(times, np.float64), np.array(valid, bool), crowded, size)


class _Batch:
    """Faces gathered until there are enough to encode together; crops, never whole frames."""

    def __init__(self, consumers: Sequence[Consumer]) -> None:
        self._consumers = consumers
        self._crops: dict[int, list[np.ndarray]] = {c.crop_size: [] for c in consumers if c.crop_size is not None}
        self._meshes: list[Mesh] = []
        self._numbers: list[int] = []
        self._times: list[float] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, frame: Frame, mesh: Mesh | None, aligned: bool) -> bool:
        """Keep the frame's crops and mesh; whether there is a face to keep."""
        found = {size: _crop(frame, mesh, aligned, size) for size in self._crops}
        crops = {size: picture for size, picture in found.items() if picture is not None}
        if len(crops) < len(found):
            return False
        for size, picture in crops.items():
            self._crops[size].append(picture)
        if mesh is not None:
            self._meshes.append(mesh)
        self._numbers.append(frame.number)
        self._times.append(frame.time)
        return True

    def hand_over(self) -> None:
        """Feed what was gathered to the consumers and forget it."""
        if not self._numbers:
            return
        number, time = np.array(self._numbers, np.int64), np.array(self._times, np.float64)
        crops = {size: np.stack(pictures) for size, pictures in self._crops.items()}
        shapes = pose = landmarks = None
        if self._meshes:
            shapes = np.stack([mesh.blendshapes_B for mesh in self._meshes])
            pose = np.stack([mesh.pose_44 for mesh in self._meshes])
            landmarks = np.stack([mesh.landmarks_LC for mesh in self._meshes])
        for consumer in self._consumers:
            own = None if consumer.crop_size is None else crops[consumer.crop_size]
            consumer.take(Faces(number, time, own, shapes, pose, landmarks))
        for pictures in self._crops.values():
            pictures.clear()
        self._meshes.clear()
        self._numbers.clear()
        self._times.clear()


def _blank(frame: Frame) -> bool:
    return bool(frame.rgb.std() < _BLANK)


def _crop(frame: Frame, mesh: Mesh | None, aligned: bool, size: int) -> np.ndarray | None:
    if aligned:
        return _resized(frame.rgb, size)
    return None if mesh is None else crop(frame.rgb, mesh.landmarks_LC, size)


def _resized(rgb_HWC: np.ndarray, size: int) -> np.ndarray:
    height, width = rgb_HWC.shape[:2]
    if height != width:
        raise Unreadable(
            f"its frames are {width} × {height} and said to be aligned crops, which must be square. "
            "Cut them to squares, or say aligned=false to have faces found and aligned."
        )
    if height == size:
        return rgb_HWC
    from PIL import Image

    # Pillow's bilinear filter widens with the factor when it shrinks, so nothing is skipped; and aligned crops, which
    # need no detection, then need none of OpenCV's system libraries either.
    return np.asarray(Image.fromarray(rgb_HWC).resize((size, size), Image.Resampling.BILINEAR))
