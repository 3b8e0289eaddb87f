"""What an extraction is about: a cohort's clips, and how one of them becomes the vectors of its streams."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder, SegmentEncoder, per_segment
from lfnet.errors import LfnetError, Unreadable
from lfnet.features.provenance import Sources, check, needs_landmarker, recipe
from lfnet.features.segments import Segments
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.features.video_pass import Passed, Vectors, run_pass
from lfnet.video.decode import Frame, frames
from lfnet.video.mesh import FaceMesh
from lfnet.video.probe import probe
from lfnet.video.settings import VideoSettings

__all__ = ["Clip", "Job", "Missing", "notes_of"]

_LOST = 1.0  # seconds without a face that are worth a word
_NAMED = 3


def notes_of(passed: Passed) -> list[str]:
    """Sentences on what a pass met: no face for seconds, several faces, a face that jumps, no colour."""
    notes = []
    held = int(passed.valid.sum())
    if not held:
        return [f"no face in any of {len(passed.valid)} frames"]
    gaps = _gaps(passed.time, passed.valid)
    if gaps:
        longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:_NAMED]
        named = ", ".join(f"{start:.1f}–{end:.1f} s" for start, end in sorted(longest))
        more = f" and {len(gaps) - _NAMED} times more" if len(gaps) > _NAMED else ""
        notes.append(f"no face for a second or more: {named}{more}")
    if passed.crowded:
        notes.append(
            f"more than one face in {passed.crowded} of {len(passed.valid)} frames: the largest at first, and then the "
            "face that overlaps most with the one before, was taken"
        )
    if passed.jumps:
        times = "once" if passed.jumps == 1 else f"{passed.jumps} times"
        notes.append(f"the face jumped to another place {times}: it may be another person's")
    if passed.grey == held:
        notes.append("greyscale: no frame with a face holds colour, so nothing here speaks of the skin's colour")
    elif passed.grey:
        notes.append(f"{passed.grey} of {held} frames with a face are greyscale")
    return notes


def _gaps(time: np.ndarray, valid: np.ndarray) -> list[tuple[float, float]]:
    """Stretches without a face, from the first frame without one to the next with one (or to the clip's last frame)."""
    edges = np.diff(np.concatenate([[0], (~valid).astype(np.int8), [0]]))
    ends = np.minimum(np.flatnonzero(edges == -1), len(time) - 1)
    gaps = zip(time[np.flatnonzero(edges == 1)].tolist(), time[ends].tolist(), strict=True)
    return [(start, end) for start, end in gaps if end - start >= _LOST]


@dataclass(frozen=True)
class Clip:
    """A row of the cohort's clips, as far as an extraction reads it.

    fps, n_frames: None where the manifest is silent.
    """

    clip_id: str
    path: Path
    fps: float | None
    n_frames: int | None


class Missing(NamedTuple):
    """A clip and the streams that hold no vectors of it yet."""

    clip: Clip
    streams: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A cohort, its encoders (none: the cohort brings its own vectors) and the settings of `extract`."""

    cohort: Cohort
    encoders: Sequence[Encoder]
    cache: Path
    mesh_model: Path | None = None
    video: VideoSettings = field(default_factory=VideoSettings)
    stride: int = 1
    batch_size: int = 32

    def __post_init__(self) -> None:
        check(self.cohort, self.encoders, self.stride)
        if self.batch_size < 1:
            raise LfnetError(f"encoder.batch_size must be 1 or more, not {self.batch_size}.")

    def stores(self) -> dict[str, FeatureStore]:
        """The stores of the cohort's vectors as these settings make them, by stream; they may be empty."""
        folder = Path(self.cache) / "features" / self.cohort.name
        if self.cohort.own is not None:
            return {self.cohort.own.stream: FeatureStore(folder, self.cohort.own.stream, self.cohort.own.recipe)}
        cache, stores = Path(self.cache), {}
        for encoder in self.encoders:
            made = recipe(self.cohort, encoder, self.mesh_model, self.video, cache, self.stride)
            stores[encoder.name] = FeatureStore(folder, encoder.name, made)
        return stores

    def named(self, streams: Iterable[str]) -> list[Encoder]:
        """The encoders of these streams."""
        wanted = set(streams)
        return [encoder for encoder in self.encoders if encoder.name in wanted]

    def clips(self) -> list[Clip]:
        """The cohort's clips, in order."""
        table = self.cohort.clips
        columns = (table[name].tolist() for name in ("clip_id", "path", "fps", "n_frames"))
        return [
            Clip(str(clip_id), Path(path), None if pd.isna(fps) else float(fps), None if pd.isna(n) else int(n))
            for clip_id, path, fps, n in zip(*columns, strict=True)
        ]

    def missing(self, stores: dict[str, FeatureStore]) -> list[Missing]:
        """The clips whose vectors are not in every store, or were made from another file."""
        sources = Sources(self.cache)
        found = (Missing(clip, self._undone(stores, clip, sources)) for clip in self.clips())
        return [missing for missing in found if missing.streams]

    def _undone(self, stores: dict[str, FeatureStore], clip: Clip, sources: Sources) -> tuple[str, ...]:
        headers = {stream: store.header(clip.clip_id) for stream, store in stores.items()}
        if all(header is None for header in headers.values()):
            return tuple(stores)  # known without reading a large video
        try:
            source = self.source(clip, sources)
        except Unreadable:
            return tuple(stores)  # its file cannot be read: the pass will say why
        return tuple(stream for stream, store in stores.items() if not store.has(clip.clip_id, source))

    def source(self, clip: Clip, sources: Sources) -> str:
        """Digest of what a clip's vectors come from. Raises `Unreadable` where that cannot be read."""
        if self.cohort.own is None:
            return sources.clip(clip.path, clip.fps)
        try:
            return self.cohort.own.source(clip.clip_id)
        except LfnetError as error:
            raise Unreadable(str(error)) from error

    def looked_at(self, missing: Missing) -> int:
        """How many frames of a clip a pass looks at, as far as the manifest or the file tells; else 0.

        Where all streams that are missing end with their first segments, no more than these hold: with a face in each.
        """
        clip = missing.clip
        number = clip.n_frames
        if number is None and self.cohort.own is None:
            try:
                number = probe(clip.path, clip.fps).n_frames
            except Unreadable:
                number = None
        frames = -(-(number or 0) // self.stride)  # rounded up: frame 0 is always looked at
        wanted = [self.consumer(encoder).most for encoder in self.named(missing.streams)]
        most = [count for count in wanted if count is not None]
        return min(frames, max(most)) if wanted and len(most) == len(wanted) else frames

    def frames(self, clip: Clip, notes: list[str] | None = None) -> Iterator[Frame]:
        """The frames of a clip that are looked at."""
        return frames(clip.path, fps=clip.fps, stride=self.stride, damaged=self.video.damaged, notes=notes)

    def mesh(self, encoders: Sequence[Encoder]) -> AbstractContextManager[FaceMesh | None]:
        """A landmarker for one clip; None inside where no face is to be looked for."""
        if not needs_landmarker(self.cohort, encoders):
            return nullcontext()
        if self.mesh_model is None:
            raise LfnetError(
                "faces are to be found, but no face landmarker is at hand: `lfnet weights fetch face_landmarker`."
            )
        return FaceMesh(self.mesh_model, self.video)

    def run(
        self,
        frames: Iterable[Frame],
        mesh: FaceMesh | None,
        consumers: Sequence[Vectors | Segments],
        tick: Callable[[], None] | None = None,
    ) -> list[Passed]:
        """One pass with this job's settings."""
        aligned, size = self.cohort.aligned, self.batch_size
        return run_pass(frames, mesh, consumers, aligned=aligned, batch_size=size, tick=tick)

    def own_vectors(self, clip: Clip) -> ClipFeatures:
        """One clip's vectors of a cohort that brings its own. Raises `Unreadable` where they cannot be read."""
        own = self.cohort.own
        assert own is not None
        try:
            features, valid, times = own.clip(clip.clip_id)
        except LfnetError as error:
            raise Unreadable(str(error)) from error
        meta = {"unit_norm": _truth(getattr(own, "unit_norm", False)), **getattr(own, "meta", {})}
        return ClipFeatures(features, valid, times, meta)

    def vectors(
        self, clip: Clip, streams: Sequence[str], tick: Callable[[], None] | None = None
    ) -> dict[str, ClipFeatures]:
        """One clip's vectors by stream, from one pass, with what the files' headers shall say of them.

        What a stream gets does not depend on the others. tick: called once a frame.
        Raises `Unreadable` where the clip cannot be read.
        """
        if self.cohort.own is not None:
            return {self.cohort.own.stream: self.own_vectors(clip)}
        encoders = self.named(streams)
        said: list[str] = []
        consumers = [self.consumer(encoder) for encoder in encoders]
        with self.mesh(encoders) as mesh:
            everything = self.run(self.frames(clip, said), mesh, consumers, tick)
        return {
            encoder.name: consumer.clip(passed, self._meta(encoder, passed, said))
            for encoder, consumer, passed in zip(encoders, consumers, everything, strict=True)
        }

    def consumer(self, encoder: Encoder) -> Vectors | Segments:
        """What gathers an encoder's vectors during a pass."""
        return Segments(cast(SegmentEncoder, encoder)) if per_segment(encoder) else Vectors(encoder)

    def _meta(self, encoder: Encoder, passed: Passed, said: list[str]) -> dict[str, str]:
        # What the decoder says at a clip's end is not for a stream that did not go there: alone, it would not know.
        notes = [*(said if passed.ended else []), *notes_of(passed)]
        if self.cohort.aligned and needs_landmarker(self.cohort, [encoder]):
            notes.append(
                "the mesh was found in aligned crops: the head's roll and place are what alignment left of them"
            )
        measured = {}
        if measure := getattr(encoder, "cost", None):
            cost = measure()
            of = "segment" if per_segment(encoder) else "frame"
            measured = {"parameters": str(cost.parameters), f"flops_per_{of}": str(cost.flops)}
        return {
            **measured,
            "unit_norm": _truth(encoder.unit_norm),
            "coverage": f"{float(passed.valid.mean()):.4f}",
            "frame_size": "{} x {}".format(*passed.size),
            "stride": str(self.stride),
            "batch_size": str(self.batch_size),
            "crowded": str(passed.crowded),
            "notes": "; ".join(notes),
            "versions": ", ".join(f"{name} {version(name)}" for name in ("av", "mediapipe", "onnxruntime")),
        }


def _truth(value: bool) -> str:
    return "true" if value else "false"
