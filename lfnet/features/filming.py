"""Measure how a clip was filmed: place, size, pose and skin of the face, light, sharpness, noise, facts of the file.

The numbers are measured during the one pass over a video, on a frame a second, and kept as JSON in the headers of the
clip's feature files. They are no part of a recipe: features that were made without them stay valid, and have none.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.encoders.blendshapes import head_angles
from lfnet.features.skin_tone import SKIN_TONE, skin_tone
from lfnet.features.store import Readable
from lfnet.video.decode import Frame
from lfnet.video.faces import Mesh
from lfnet.video.file_facts import file_facts
from lfnet.video.skin import skin_means

__all__ = ["KEY", "FilmingMeter", "extracted", "parse", "read_filming", "sharpness_and_noise"]

KEY = "filming"  # of a feature file's header
_PERIOD = 1.0  # seconds between two frames that are measured
_STEP = 8  # every so many pixels and lines of a frame give its brightness
_SIDE = 256  # pixels of the square in the middle of a frame that gives sharpness and noise
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_IMAGE = ("brightness", "sharpness", "noise")
_FACE = ("face_x", "face_y", "face_size", "yaw", "pitch", "roll")


class FilmingMeter:
    """Measures a clip while its frames are read and its face is searched.

    Parameters
    ----------
    aligned : bool
        Whether frames are face crops already: the place and the pose of the face are then unknown.
    """

    def __init__(self, aligned: bool = False) -> None:
        self._aligned = aligned
        self._due = -np.inf
        self._size = (0, 0)
        self._image: list[tuple[float, ...]] = []
        self._face: list[tuple[float, ...]] = []
        self._skin: list[tuple[float, ...]] = []
        self._number: int | None = None  # of the frame that is measured now
        self._file: dict[str, float | str] | None = None

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames, and measure one a second."""
        for frame in frames:
            self._number = None
            if not self._image:
                self._size = frame.rgb.shape[1], frame.rgb.shape[0]
            if frame.time >= self._due:
                self._due = frame.time + _PERIOD * 0.999  # times are rounded
                self._number = frame.number
                self._image.append((frame.number, _brightness(frame.rgb), *sharpness_and_noise(frame.rgb)))
            yield frame
            del frame  # otherwise the next one is decoded while this one is in memory

    def searching(self, mesh: Any) -> Any:
        """The landmarker `mesh`, whose faces in measured frames are measured, too; None stays None."""
        return None if mesh is None else _Watched(mesh, self)

    def add_face(self, face: Mesh | None, rgb_HWC: np.ndarray) -> None:
        """Measure the face that was found in the current frame."""
        if face is None or self._number is None or self._aligned:
            return
        if np.isfinite(tone := skin_tone(skin_means(rgb_HWC, face.landmarks_LC))):
            self._skin.append((self._number, tone))
        (height, width), box = rgb_HWC.shape[:2], face.box
        pitch, yaw, roll = np.degrees(head_angles(face.pose_44[None])[0]).tolist()
        centre = (box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / height
        self._face.append((self._number, *centre, box.area**0.5 / width, yaw, pitch, roll))

    def numbers(self, last: int | None = None) -> dict[str, float | str]:
        """Medians over the measured frames up to number `last`; None for all.

        face_x, face_y (of the face's box, in widths and heights of the frame), face_size (root of its area, in widths),
        yaw, pitch, roll (degrees), skin_tone (`lfnet.features.skin_tone`, degrees), brightness (mean luma, 0 to 255),
        sharpness, noise (`sharpness_and_noise`), width and height.
        """
        found: dict[str, float | str] = {}
        for names, rows in ((_IMAGE, self._image), (_FACE, self._face), ((SKIN_TONE,), self._skin)):
            kept = [row[1:] for row in rows if last is None or row[0] <= last]
            if kept:
                medians = np.median(np.array(kept, float), axis=0)
                found |= {name: round(float(value), 4) for name, value in zip(names, medians, strict=True)}
        if self._image:
            found |= {"width": float(self._size[0]), "height": float(self._size[1])}
        return found

    def text(self, path: Path, fps: float | None, last: int | None = None) -> str:
        """The numbers, those of the file at `path`, which is read once, and its frame rate, as JSON for a header."""
        if self._file is None:
            self._file = file_facts(path)
        rate = {} if fps is None else {"fps": round(float(fps), 4)}
        return json.dumps({**self.numbers(last), **rate, **self._file}, sort_keys=True)


class _Watched:
    """A landmarker whose faces are also measured."""

    def __init__(self, mesh: Any, measured: FilmingMeter) -> None:
        self._mesh, self._measured = mesh, measured

    def find(self, rgb_HWC: np.ndarray, time: float) -> Mesh | None:
        face: Mesh | None = self._mesh.find(rgb_HWC, time)
        self._measured.add_face(face, rgb_HWC)
        return face


def parse(text: str | None) -> dict[str, float | str]:
    """Read the JSON of a header; {} where there is none, as in files of earlier versions.

    Examples
    --------
    >>> parse('{"fps": 25.0}'), parse(None), parse("")
    ({'fps': 25.0}, {}, {})
    """
    found: dict[str, float | str] = json.loads(text) if text else {}
    return found


def extracted(store: Readable) -> Readable:
    """The store that a stream was made from: the first of joined ones, and without normalisation."""
    while (inner := getattr(store, "parts", (None,))[0] or getattr(store, "store", None)) is not None:
        store = getattr(inner, "store", inner)
    return store


def read_filming(store: Readable, clip_ids: Iterable[str]) -> dict[str, Mapping[str, float | str]]:
    """Read clip_id → numbers from the headers of a store; clips without numbers are left out.

    Of joined or normalised streams, those of the first stream that was extracted. Headers of earlier versions have the
    size of the frames alone.
    """
    store = extracted(store)
    found: dict[str, Mapping[str, float | str]] = {}
    for clip_id in clip_ids:
        header = store.header(clip_id) or {}
        numbers = parse(header.get(KEY))
        if not numbers and " x " in header.get("frame_size", ""):
            width, height = header["frame_size"].split(" x ")
            numbers = {"width": float(width), "height": float(height)}
        if numbers:
            found[clip_id] = numbers
    return found


def sharpness_and_noise(rgb_HWC: np.ndarray) -> tuple[float, float]:
    """Measure an image in its middle 256 × 256 pixels.

    Parameters
    ----------
    rgb_HWC : ndarray of uint8, shape [H, W, 3]

    Returns
    -------
    sharpness : float
        Variance of the Laplacian of the luma (0 to 255). It is small where the image is blurred.
    noise : float
        Estimated standard deviation of the noise of the luma.

    References
    ----------
    Pech-Pacheco, Cristóbal, Chamorro-Martínez and Fernández-Valdivia (2000), "Diatom autofocusing in brightfield
    microscopy: a comparative study", ICPR. Immerkær (1996), "Fast noise variance estimation", Computer Vision and Image
    Understanding 64.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(100, 5, (256, 256, 1)).repeat(3, axis=2)
    >>> round(sharpness_and_noise(np.rint(noisy).astype(np.uint8))[1])
    5
    """
    height, width = rgb_HWC.shape[:2]
    top, left = max(0, height - _SIDE) // 2, max(0, width - _SIDE) // 2
    luma = rgb_HWC[top : top + _SIDE, left : left + _SIDE].astype(np.float32) @ _LUMA
    if min(luma.shape) < 3:
        return 0.0, 0.0
    second = luma[:, :-2] - 2 * luma[:, 1:-1] + luma[:, 2:]
    across = second[1:-1]
    down = luma[:-2, 1:-1] - 2 * luma[1:-1, 1:-1] + luma[2:, 1:-1]
    mask = second[:-2] - 2 * second[1:-1] + second[2:]  # the difference of two Laplacians: it ignores edges
    return float((across + down).var()), float(np.sqrt(np.pi / 2) / 6 * np.abs(mask).mean())


def _brightness(rgb_HWC: np.ndarray) -> float:
    return float(rgb_HWC[::_STEP, ::_STEP].reshape(-1, 3).mean(axis=0) @ _LUMA)
