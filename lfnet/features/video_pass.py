"""One pass over a clip: each frame is decoded once, its face is found once, and all consumers are fed.

Changing this file changes the recipe of all streams made from video: their features are extracted again.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lfnet.errors import Unreadable
from lfnet.features.consumers import Consumer, PassSummary, SkinMeans
from lfnet.features.people import People
from lfnet.video.align import crop, points_in_crop
from lfnet.video.decode import Frame
from lfnet.video.faces import Box, Faces, Mesh
from lfnet.video.mesh import FaceMesh

__all__ = ["run_pass"]

# Below this standard deviation (of 255) an aligned frame is blank: aligners write such frames if they find no face.
_BLANK = 1.0
# Below this mean range of a pixel's channels (of 255) a frame is grey. A codec's rounding stays below it; the palest
# skin is far above.
_GREY = 1.0


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
    check_people: bool = False,
) -> list[PassSummary]:
    """Feed frames with a face to consumers; memory does not grow with the clip.

    Each consumer gets what it would get alone, batch by batch, while the next frames are decoded and searched.

    Parameters
    ----------
    frames : iterable of Frame
        The clip.
    mesh : FaceMesh or None
        Finds faces; None if no consumer reads a mesh and frames are aligned.
    consumers : sequence of Consumer
    aligned : bool
        Frames are aligned crops, which are resized and not aligned again. For a consumer of crops alone no face is
        searched in them, since detectors made for faces with surroundings find none there, and a blank frame, as
        aligners write without a face, counts as one without a face.
    batch_size : int
        Faces handed over together.
    skin_means : callable, optional
        Measures skin for all consumers that need it; by default each consumer's own `skin_means`.
    tick : callable, optional
        Called once a frame.
    every : int
        Faces are searched in every so many frames and in the last; the mesh is interpolated linearly between two frames
        with a face. For consumers of skin alone.
    check_people : bool
        Check whether the clip shows one person (`lfnet.features.people`).

    Returns
    -------
    list of PassSummary
        In the order of the consumers.

    Raises
    ------
    Unreadable
        An aligned frame is not square.
    """
    if every != 1 and any(consumer.needs != {"skin"} for consumer in consumers):
        raise ValueError("an interpolated mesh serves consumers of skin only")
    worker = ThreadPoolExecutor(1, thread_name_prefix="consumers")
    try:
        lanes = [_Lane(consumer, aligned, batch_size, skin_means, worker) for consumer in consumers]
        if mesh is None and any(lane.searches for lane in lanes):
            raise ValueError("frames that are not aligned, and consumers of a mesh, need a mesh")
        people = People() if check_people else None
        return _feed(frames, mesh, lanes, aligned, tick, every, people)
    finally:  # after Ctrl-C or an error: drop pending batches
        worker.shutdown(wait=True, cancel_futures=True)


def _feed(
    frames: Iterable[Frame],
    mesh: FaceMesh | None,
    lanes: list["_Lane"],
    aligned: bool,
    tick: Callable[[], None] | None,
    every: int,
    people: People | None,
) -> list[PassSummary]:
    open_lanes = list(lanes)

    def find(frame: Frame) -> Mesh | None:
        searching = mesh is not None and any(lane.searches for lane in open_lanes)
        return mesh.find(frame.rgb, frame.time) if mesh is not None and searching else None

    for frame, face in _with_meshes(frames, find, every):
        view = _FrameView(frame, face, aligned)
        if people is not None:
            people.add(frame, face)
        for lane in open_lanes:
            lane.add(view)
        if tick is not None:
            tick()
        del frame, view  # otherwise the generator decodes the next frame while this one is in memory
        for lane in (full := [lane for lane in open_lanes if lane.full]):
            lane.add_people(people)
        open_lanes = [lane for lane in open_lanes if lane not in full]
        if not open_lanes:
            break
    for lane in open_lanes:
        lane.add_people(people)
    return [lane.end(ended=lane in open_lanes) for lane in lanes]


def _with_meshes(
    frames: Iterable[Frame], find: Callable[[Frame], Mesh | None], every: int
) -> Iterator[tuple[Frame, Mesh | None]]:
    """Yield each frame with its mesh; for every > 1 so many frames are buffered, and the last of them is searched."""
    buffer: list[Frame] = []
    previous: _Searched | None = None
    for frame in frames:
        buffer.append(frame)
        del frame
        if previous is None or len(buffer) == every:
            previous = yield from _interpolated(buffer, previous, find)
    if buffer:
        yield from _interpolated(buffer, previous, find)


class _Searched(NamedTuple):
    """Time, mesh and size of a frame in which faces were searched."""

    time: float
    mesh: Mesh | None
    size: tuple[int, int]


def _interpolated(
    buffer: list[Frame], previous: _Searched | None, find: Callable[[Frame], Mesh | None]
) -> Generator[tuple[Frame, Mesh | None], None, _Searched]:
    """Yield and drop the buffered frames one by one; return the last."""
    end, last, size = buffer[-1].time, find(buffer[-1]), _size(buffer[-1])
    start, first, before = previous or _Searched(end, None, size)
    # Faces that do not touch are two people, or a cut: the frames between are unknown. So are those where the size of
    # the frames changes.
    joined = before == size and first is not None and last is not None and first.box.touches(last.box)
    while buffer:
        frame, face = buffer.pop(0), last
        if buffer:
            face = None
            if joined and _size(frame) == size:
                assert first is not None and last is not None  # as `joined` says
                face = _move(first, last, (frame.time - start) / (end - start))
        yield frame, face
        del frame
    return _Searched(end, last, size)


def _size(frame: Frame) -> tuple[int, int]:
    """Width and height of a frame."""
    return frame.rgb.shape[1], frame.rgb.shape[0]


def _move(one: Mesh, other: Mesh, share: float) -> Mesh:
    """The first mesh with its points moved by a share of the way to the second's."""
    way = other.landmarks_LC - one.landmarks_LC
    landmarks_LC = one.landmarks_LC + np.float32(share) * way
    # Other faces were looked for in the searched frames alone.
    return replace(one, landmarks_LC=landmarks_LC, n_faces=max(one.n_faces, other.n_faces), others=None)


class _FrameView:
    """A frame and what is computed from it, each once, when the first consumer needs it."""

    def __init__(self, frame: Frame, mesh: Mesh | None, aligned: bool) -> None:
        self.frame, self.mesh, self._aligned = frame, mesh, aligned
        self._crops: dict[int, np.ndarray | None] = {}
        self._skins: dict[SkinMeans, np.ndarray] = {}
        self._blank: bool | None = None
        self._grey: bool | None = None

    def crop(self, size: int) -> np.ndarray | None:
        """The face at this size; None if the mesh allows no alignment."""
        if size not in self._crops:
            rgb = self.frame.rgb
            if self._aligned:
                self._crops[size] = _resize(rgb, size)
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
        """The result of `measure` on the whole frame."""
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
            red, green, blue = np.moveaxis(self.frame.rgb[::8, ::8], -1, 0)
            range_HW = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
            self._grey = bool(range_HW.mean() < _GREY)
        return self._grey


class _Lane:
    """One consumer's state during a pass: its batch of faces, never whole frames, and its summary."""

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
        self._pending: Future[None] | None = None
        self._batch_size = batch_size
        self._parts: list[dict[str, np.ndarray]] = []
        self._numbers: list[int] = []
        self._times: list[float] = []
        self._valid: list[bool] = []
        self._faces = self._crowded = self._grey = self._jumps = 0
        self._box: Box | None = None
        self._box_size = self._size = (0, 0)
        self._people: tuple[str, ...] | None = None

    @property
    def full(self) -> bool:
        """Whether the consumer takes no more faces."""
        return self._consumer.max_faces is not None and self._faces >= self._consumer.max_faces

    def add(self, view: _FrameView) -> None:
        """Add a frame: hand its face on, or note that it has none."""
        frame, mesh = view.frame, view.mesh
        if not self._numbers:
            self._size = _size(frame)
        if self.searches:
            valid = mesh is not None
            self._crowded += mesh is not None and mesh.n_faces > 1
        else:
            valid = not view.blank
        valid = valid and self._add_face(view)
        self._numbers.append(frame.number)
        self._times.append(frame.time)
        self._valid.append(valid)
        if valid:
            self._faces += 1
            self._grey += view.grey
            if self.searches and mesh is not None:
                size = _size(frame)
                last = None if self._box is None else self._box.between_sizes(self._box_size, size)
                self._jumps += last is not None and not last.touches(mesh.box)
                self._box, self._box_size = mesh.box, size
        if len(self._parts) >= self._batch_size or self.full:
            self._hand_over()

    def add_people(self, people: People | None) -> None:
        """Keep the notes on people after the last frame, so that they do not depend on longer streams."""
        if people is not None and self.searches:
            self._people = tuple(people.notes())

    def end(self, *, ended: bool) -> PassSummary:
        """Hand over the rest and summarise. ended: whether the pass reached the clip's end."""
        self._hand_over()
        if self._pending is not None:
            self._pending.result()
        return PassSummary(
            np.array(self._numbers, np.int64),
            np.array(self._times, np.float64),
            np.array(self._valid, bool),
            self._crowded,
            self._grey,
            self._jumps,
            self._size,
            ended,
            self._people,
        )

    def _add_face(self, view: _FrameView) -> bool:
        """Keep what the consumer needs of a face; return whether there is a face."""
        part: dict[str, np.ndarray] = {
            "index": np.array(view.frame.number, np.int64),
            "time": np.array(view.frame.time, np.float64),
        }
        size, needs = self._consumer.crop_size, self._consumer.needs
        if size is not None:
            image = view.crop(size)
            if image is None:
                return False
            part["crops_NHWC"] = image
        if view.mesh is not None and "mesh" in needs:
            assert view.mesh.blendshapes_B is not None
            part["blendshapes_NB"] = view.mesh.blendshapes_B
            part["pose_N44"] = view.mesh.pose_44
            part["landmarks_NLC"] = view.mesh.landmarks_LC
            if size is not None:
                part["points_NL2"] = view.points(size)
        if "skin" in needs:
            assert self._skin_means is not None
            part["skin_NRC"] = view.skin(self._skin_means)
        self._parts.append(part)
        return True

    def _hand_over(self) -> None:
        """Give the batch to the consumer's thread, waiting only while that still has the previous batch.

        The first batch is taken in this thread: it loads, and perhaps fetches, networks, which Ctrl-C must interrupt.
        """
        if self._parts:
            arrays = {name: np.stack([part[name] for part in self._parts]) for name in self._parts[0]}
            self._parts.clear()
            if not self._begun:
                self._begun = True
                self._consumer.take(Faces(**arrays))
                return
            if self._pending is not None:
                self._pending.result()
            self._pending = self._worker.submit(self._consumer.take, Faces(**arrays))


def _resize(rgb_HWC: np.ndarray, size: int) -> np.ndarray:
    height, width = rgb_HWC.shape[:2]
    if height != width:
        raise Unreadable(
            f"its frames are {width} × {height}, but aligned crops must be square. "
            "Crop them to squares, or set cohort.aligned=false to have faces found and aligned."
        )
    if height == size:
        return rgb_HWC
    from PIL import Image

    # Pillow's bilinear filter widens with the factor when it shrinks an image, so that no pixel is skipped; and aligned
    # crops, which need no detection, then need none of OpenCV's system libraries either.
    return np.asarray(Image.fromarray(rgb_HWC).resize((size, size), Image.Resampling.BILINEAR))
