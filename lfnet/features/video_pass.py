"""One pass over a clip: each frame is decoded once, its face found once, and every consumer is fed from it.

Changing this file changes the recipe of all streams made from video: the features are extracted anew.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from lfnet.encoders.encoder import Encoder
from lfnet.errors import Unreadable
from lfnet.features.store import ClipFeatures
from lfnet.video.align import crop, points_in_crop
from lfnet.video.decode import Frame
from lfnet.video.faces import Faces
from lfnet.video.mesh import FaceMesh, Mesh

__all__ = ["Consumer", "Passed", "SkinMeans", "Vectors", "run_pass"]

# Below this standard deviation (of 255) a ready-aligned frame is a blank: what aligners write where they saw no face.
_BLANK = 1.0
# Below this mean spread of a pixel's channels (of 255) a frame is grey. A codec's rounding stays below it, and the
# palest skin lies far above.
_GREY = 1.0

# (rgb_HWC, landmarks_LC) -> float32 [3, 4], see `lfnet.video.skin.skin_means`. An encoder of skin has its own.
SkinMeans = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Consumer(Protocol):
    """What is fed batches of faces during a pass.

    needs: the parts of `Faces` that it reads, see `Encoder`. crop_size: side of the crops it wants, None for none.
    most: how many faces it takes; the pass ends when no consumer wants more. None for all.
    `take` is called from another thread than the pass's, batch after batch, never twice at a time.
    """

    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def crop_size(self) -> int | None: ...
    @property
    def most(self) -> int | None: ...

    def take(self, faces: Faces) -> None:
        """Use the faces now; they are not kept after the call."""
        ...


@dataclass(frozen=True)
class Passed:
    """What one consumer saw of a clip; it does not depend on the other consumers of the pass.

    number: int64 [T], frame numbers. time: float64 [T], seconds. valid: bool [T], holds a face.
    crowded: how many frames held more than one face. grey: how many frames with a face are without colour.
    jumps: how often the face was found in a place that does not touch the one before.
    size: width and height of the first frame. ended: whether the clip was seen to its end.
    """

    number: np.ndarray
    time: np.ndarray
    valid: np.ndarray
    crowded: int
    grey: int
    jumps: int
    size: tuple[int, int]
    ended: bool


class Vectors:
    """A consumer that gathers one encoder's vectors: T × D numbers are all that a pass keeps of a clip."""

    most = None

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._rows: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []

    @property
    def needs(self) -> frozenset[str]:
        return self._encoder.needs

    @property
    def crop_size(self) -> int | None:
        return self._encoder.crop_size if "crops" in self._encoder.needs else None

    @property
    def skin_means(self) -> SkinMeans | None:
        """How the encoder wants skin to be measured; None where it does not say."""
        return getattr(self._encoder, "skin_means", None)

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
    skin_means: SkinMeans | None = None,
    tick: Callable[[], None] | None = None,
    every: int = 1,
) -> list[Passed]:
    """Feed frames with a face to the consumers, `batch_size` at a time; memory does not grow with the clip.

    mesh: finds faces; None where no consumer reads a mesh and frames are aligned. aligned: frames are aligned crops
    already, which are resized and not aligned again; for a consumer of crops alone nothing is searched in them
    (detectors made for faces with surroundings find none there: system B's features were all zero for that reason),
    and a blank frame, as aligners write where they saw nobody, counts as one without a face. skin_means: what
    measures skin for all consumers that need it; None: what each has under this name. tick: called once a frame.
    every: faces are searched in every so many frames and in the last, and between two that hold one the mesh is taken
    to move evenly; for consumers of skin alone.
    Each consumer is fed what it would be fed alone, batch by batch, while the next frames are read and searched.
    Returns what each saw, in their order. Raises `Unreadable` where an aligned frame is not square.
    """
    if every != 1 and any(consumer.needs != {"skin"} for consumer in consumers):
        raise ValueError("only the skin is read off a mesh that was not found in the frame itself")
    worker = ThreadPoolExecutor(1, thread_name_prefix="consumers")
    try:
        lanes = [_Lane(consumer, aligned, batch_size, skin_means, worker) for consumer in consumers]
        if mesh is None and any(lane.searches for lane in lanes):
            raise ValueError("frames that are not aligned, and consumers of a mesh, need a mesh")
        return _fed(frames, mesh, lanes, aligned, tick, every)
    finally:  # after Ctrl-C or an error nobody wants the batches that wait
        worker.shutdown(wait=True, cancel_futures=True)


def _fed(
    frames: Iterable[Frame],
    mesh: FaceMesh | None,
    lanes: list["_Lane"],
    aligned: bool,
    tick: Callable[[], None] | None,
    every: int,
) -> list[Passed]:
    waiting = list(lanes)

    def find(frame: Frame) -> Mesh | None:
        searching = mesh is not None and any(lane.searches for lane in waiting)
        return mesh.find(frame.rgb, frame.time) if mesh is not None and searching else None

    for frame, face in _found(frames, find, every):
        seen = _Seen(frame, face, aligned)
        for lane in waiting:
            lane.look(seen)
        if tick is not None:
            tick()
        del frame, seen  # else the generator would decode the next one while this one is still held
        waiting = [lane for lane in waiting if not lane.full]
        if not waiting:
            break
    return [lane.end(ended=lane in waiting) for lane in lanes]


def _found(
    frames: Iterable[Frame], find: Callable[[Frame], Mesh | None], every: int
) -> Iterator[tuple[Frame, Mesh | None]]:
    """Each frame with its mesh; every > 1: so many frames are held at a time, and the mesh is found in the last."""
    held: list[Frame] = []
    before: tuple[float, Mesh | None] | None = None
    for frame in frames:
        held.append(frame)
        del frame
        if before is None or len(held) == every:
            before = yield from _followed(held, before, find)
    if held:
        yield from _followed(held, before, find)


def _followed(
    held: list[Frame], before: tuple[float, Mesh | None] | None, find: Callable[[Frame], Mesh | None]
) -> Generator[tuple[Frame, Mesh | None], None, tuple[float, Mesh | None]]:
    """The frames that are held, let go one by one, and time and mesh of the last of them."""
    end, last = held[-1].time, find(held[-1])
    while held:
        frame, face = held.pop(0), last
        if held:
            start, first = before or (frame.time, None)
            # Two faces apart are two people, or a cut: nothing is known of the frames between.
            near = first is not None and last is not None and not _apart(first.box, last.box)
            face = _moved(first, last, (frame.time - start) / (end - start)) if near else None  # type: ignore[arg-type]
        yield frame, face
        del frame
    return end, last


def _moved(one: Mesh, other: Mesh, share: float) -> Mesh:
    """The first mesh, its points moved by this share of their way to the second's."""
    way = other.landmarks_LC - one.landmarks_LC
    return replace(one, landmarks_LC=one.landmarks_LC + np.float32(share) * way, seen=max(one.seen, other.seen))


class _Seen:
    """A frame and what is made of it, each thing once, when the first consumer asks for it."""

    def __init__(self, frame: Frame, mesh: Mesh | None, aligned: bool) -> None:
        self.frame, self.mesh, self._aligned = frame, mesh, aligned
        self._crops: dict[int, np.ndarray | None] = {}
        self._skins: dict[SkinMeans, np.ndarray] = {}
        self._blank: bool | None = None
        self._grey: bool | None = None

    def crop(self, size: int) -> np.ndarray | None:
        """The face at this size; None where the mesh allows no alignment."""
        if size not in self._crops:
            rgb = self.frame.rgb
            if self._aligned:
                self._crops[size] = _resized(rgb, size)
            else:
                self._crops[size] = None if self.mesh is None else crop(rgb, self.mesh.landmarks_LC, size)
        return self._crops[size]

    def points(self, size: int) -> np.ndarray:
        """The mesh in pixels of that crop, float32 [478, 2]."""
        assert self.mesh is not None
        if self._aligned:
            scale = size / self.frame.rgb.shape[0]
            return ((self.mesh.landmarks_LC[:, :2] + 0.5) * scale - 0.5).astype(np.float32)
        return points_in_crop(self.mesh.landmarks_LC, size)

    def skin(self, measure: SkinMeans) -> np.ndarray:
        """What `measure` finds in the whole frame."""
        if measure not in self._skins:
            assert self.mesh is not None
            self._skins[measure] = measure(self.frame.rgb, self.mesh.landmarks_LC)
        return self._skins[measure]

    @property
    def blank(self) -> bool:
        if self._blank is None:
            self._blank = bool(self.frame.rgb.std() < _BLANK)
        return self._blank

    @property
    def grey(self) -> bool:
        if self._grey is None:
            some = self.frame.rgb[::8, ::8].astype(np.int16)
            self._grey = bool(np.ptp(some, axis=-1).mean() < _GREY)
        return self._grey


class _Lane:
    """One consumer's way through a clip: its batch of faces, crops and never whole frames, and what it saw."""

    def __init__(
        self,
        consumer: Consumer,
        aligned: bool,
        batch_size: int,
        skin_means: SkinMeans | None,
        worker: ThreadPoolExecutor,
    ) -> None:
        self._consumer = consumer
        self._skin_means: SkinMeans | None = skin_means or getattr(consumer, "skin_means", None)
        if "skin" in consumer.needs and self._skin_means is None:
            raise ValueError("consumers of skin need skin_means")
        self.searches = not aligned or bool(consumer.needs & {"mesh", "skin"})
        self._worker = worker
        self._begun = False
        self._taken: Future[None] | None = None
        self._batch_size = batch_size
        self._parts: list[dict[str, np.ndarray]] = []
        self._numbers: list[int] = []
        self._times: list[float] = []
        self._valid: list[bool] = []
        self._faces = self._crowded = self._grey = self._jumps = 0
        self._box: tuple[float, float, float, float] | None = None
        self._size = (0, 0)

    @property
    def full(self) -> bool:
        """Whether the consumer wants no more faces."""
        return self._consumer.most is not None and self._faces >= self._consumer.most

    def look(self, seen: _Seen) -> None:
        """Take a frame: hand its face on, or note that it holds none."""
        frame, mesh = seen.frame, seen.mesh
        if not self._numbers:
            self._size = frame.rgb.shape[1], frame.rgb.shape[0]
        if self.searches:
            held = mesh is not None
            self._crowded += mesh is not None and mesh.seen > 1
        else:
            held = not seen.blank
        held = held and self._add(seen)
        self._numbers.append(frame.number)
        self._times.append(frame.time)
        self._valid.append(held)
        if held:
            self._faces += 1
            self._grey += seen.grey
            if self.searches and mesh is not None:
                self._jumps += self._box is not None and _apart(self._box, mesh.box)
                self._box = mesh.box
        if len(self._parts) >= self._batch_size or self.full:
            self._hand_over()

    def end(self, *, ended: bool) -> Passed:
        """What was seen, when the consumer has taken the rest. ended: whether the clip is over."""
        self._hand_over()
        if self._taken is not None:
            self._taken.result()
        return Passed(
            np.array(self._numbers, np.int64),
            np.array(self._times, np.float64),
            np.array(self._valid, bool),
            self._crowded,
            self._grey,
            self._jumps,
            self._size,
            ended,
        )

    def _add(self, seen: _Seen) -> bool:
        """Keep what the consumer needs of a face; whether there is a face to keep."""
        part: dict[str, np.ndarray] = {
            "index": np.array(seen.frame.number, np.int64),
            "time": np.array(seen.frame.time, np.float64),
        }
        size, needs = self._consumer.crop_size, self._consumer.needs
        if size is not None:
            picture = seen.crop(size)
            if picture is None:
                return False
            part["crops_NHWC"] = picture
        if seen.mesh is not None and "mesh" in needs:
            part["blendshapes_NB"] = seen.mesh.blendshapes_B
            part["pose_N44"] = seen.mesh.pose_44
            part["landmarks_NLC"] = seen.mesh.landmarks_LC
            if size is not None:
                part["points_NL2"] = seen.points(size)
        if "skin" in needs:
            assert self._skin_means is not None
            part["skin_NRC"] = seen.skin(self._skin_means)
        self._parts.append(part)
        return True

    def _hand_over(self) -> None:
        """Feed what was gathered to the consumer and forget it; wait only where it still has the batch before.

        The first batch is taken at once: with it networks are loaded, and perhaps fetched, which Ctrl-C must end.
        """
        if self._parts:
            arrays = {name: np.stack([part[name] for part in self._parts]) for name in self._parts[0]}
            self._parts.clear()
            if not self._begun:
                self._begun = True
                self._consumer.take(Faces(**arrays))
                return
            if self._taken is not None:
                self._taken.result()
            self._taken = self._worker.submit(self._consumer.take, Faces(**arrays))


def _apart(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (left, top, right, bottom) do not touch."""
    return one[2] < two[0] or two[2] < one[0] or one[3] < two[1] or two[3] < one[1]


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
