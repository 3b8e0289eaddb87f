"""What an extraction is about: a cohort's clips, and how one of them becomes vectors."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder
from lfnet.errors import LfnetError
from lfnet.features.passes import Consumer, Passed, Vectors, run_pass
from lfnet.features.recipe import check, needs_landmarker, recipe
from lfnet.features.sources import Sources
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.video.decode import Frame, frames
from lfnet.video.errors import Unreadable
from lfnet.video.mesh import FaceMesh
from lfnet.video.probe import probe
from lfnet.video.settings import VideoSettings

__all__ = ["Clip", "Job"]


@dataclass(frozen=True)
class Clip:
    """A row of the cohort's clips, as far as an extraction reads it.

    fps, n_frames: None where the manifest is silent.
    """

    clip_id: str
    path: Path
    fps: float | None
    n_frames: int | None


@dataclass(frozen=True)
class Job:
    """A cohort, an encoder (None: the cohort brings its own vectors) and the settings of `extract`."""

    cohort: Cohort
    encoder: Encoder | None
    cache: Path
    mesh_model: Path | None = None
    video: VideoSettings = field(default_factory=VideoSettings)
    stride: int = 1
    batch_size: int = 32

    def __post_init__(self) -> None:
        check(self.cohort, self.encoder, self.stride)
        if self.batch_size < 1:
            raise LfnetError(f"encoder.batch_size must be 1 or more, not {self.batch_size}.")

    def store(self) -> FeatureStore:
        """The store of the cohort's vectors as these settings make them; it may be empty."""
        folder = Path(self.cache) / "features" / self.cohort.name
        if self.cohort.own is not None:
            return FeatureStore(folder, self.cohort.own.stream, self.cohort.own.recipe)
        assert self.encoder is not None
        made = recipe(self.cohort, self.encoder, self.mesh_model, self.video, Path(self.cache), self.stride)
        return FeatureStore(folder, self.encoder.name, made)

    def clips(self) -> list[Clip]:
        """The cohort's clips, in order."""
        table = self.cohort.clips
        columns = (table[name].tolist() for name in ("clip_id", "path", "fps", "n_frames"))
        return [
            Clip(str(clip_id), Path(path), None if pd.isna(fps) else float(fps), None if pd.isna(n) else int(n))
            for clip_id, path, fps, n in zip(*columns, strict=True)
        ]

    def missing(self, store: FeatureStore) -> list[Clip]:
        """The clips whose vectors are not in the store, or were made from another file."""
        sources = Sources(self.cache)
        return [clip for clip in self.clips() if not self._done(store, clip, sources)]

    def _done(self, store: FeatureStore, clip: Clip, sources: Sources) -> bool:
        if store.header(clip.clip_id) is None:
            return False  # known without reading a large video
        try:
            return store.has(clip.clip_id, self.source(clip, sources))
        except Unreadable:
            return False  # its file cannot be read: the pass will say why

    def source(self, clip: Clip, sources: Sources) -> str:
        """Digest of what a clip's vectors come from. Raises `Unreadable` where that cannot be read."""
        if self.cohort.own is None:
            return sources.clip(clip.path, clip.fps)
        try:
            return self.cohort.own.source(clip.clip_id)
        except LfnetError as error:
            raise Unreadable(str(error)) from error

    def looked_at(self, clip: Clip) -> int:
        """How many frames of a clip a pass looks at, as far as the manifest or the file tells; else 0."""
        number = clip.n_frames
        if number is None and self.cohort.own is None:
            try:
                number = probe(clip.path, clip.fps).n_frames
            except Unreadable:
                number = None
        return -(-(number or 0) // self.stride)  # rounded up: frame 0 is always looked at

    def frames(self, clip: Clip, notes: list[str] | None = None) -> Iterator[Frame]:
        """The frames of a clip that are looked at."""
        return frames(clip.path, fps=clip.fps, stride=self.stride, damaged=self.video.damaged, notes=notes)

    def mesh(self) -> AbstractContextManager[FaceMesh | None]:
        """A landmarker for one clip; None inside where no face is to be looked for."""
        if not needs_landmarker(self.cohort, self.encoder):
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
        consumer: Consumer,
        tick: Callable[[], None] | None = None,
    ) -> Passed:
        """One pass with this job's settings."""
        return run_pass(frames, mesh, [consumer], aligned=self.cohort.aligned, batch_size=self.batch_size, tick=tick)

    def vectors(self, clip: Clip, tick: Callable[[], None] | None = None) -> ClipFeatures:
        """One clip's vectors, with what the file's header shall say of them. tick: called once a frame.

        Raises `Unreadable` where the clip cannot be read.
        """
        if self.cohort.own is not None:
            try:
                features, valid, times = self.cohort.own.clip(clip.clip_id)
            except LfnetError as error:
                raise Unreadable(str(error)) from error
            return ClipFeatures(
                features, valid, times, {"unit_norm": _truth(getattr(self.cohort.own, "unit_norm", False))}
            )
        assert self.encoder is not None
        notes: list[str] = []
        vectors = Vectors(self.encoder)
        with self.mesh() as mesh:
            passed = self.run(self.frames(clip, notes), mesh, vectors, tick)
        if self.cohort.aligned and mesh is not None:
            notes.append(
                "the mesh was found in aligned crops: the head's roll and place are what alignment left of them"
            )
        meta = {
            "unit_norm": _truth(self.encoder.unit_norm),
            "coverage": f"{float(passed.valid.mean()):.4f}",
            "frame_size": "{} x {}".format(*passed.size),
            "stride": str(self.stride),
            "batch_size": str(self.batch_size),
            "crowded": str(passed.crowded),
            "notes": "; ".join(notes),
            "versions": ", ".join(f"{name} {version(name)}" for name in ("av", "mediapipe", "onnxruntime")),
        }
        return vectors.clip(passed, meta)


def _truth(value: bool) -> str:
    return "true" if value else "false"
