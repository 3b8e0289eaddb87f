"""An extraction: a cohort's clips, and how one clip becomes the features of its streams."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, cast

import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder, SegmentEncoder, per_segment
from lfnet.encoders.sound_encoder import SoundEncoder, hears
from lfnet.errors import LfnetError, Unreadable
from lfnet.features.consumers import FrameConsumer, PassSummary, SegmentConsumer
from lfnet.features.filming import KEY as FILMING
from lfnet.features.filming import FilmingMeter
from lfnet.features.provenance import Sources, check, needs_landmarker, recipe
from lfnet.features.sound import SoundTracks, sound_features
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.features.video_pass import run_pass
from lfnet.video.decode import Frame, frames
from lfnet.video.mesh import FaceMesh
from lfnet.video.probe import probe
from lfnet.video.settings import VideoSettings
from lfnet.video.survey import Survey, survey

__all__ = ["Clip", "Job", "Missing", "by_stream"]


@dataclass(frozen=True)
class Clip:
    """A clip as an extraction reads it; fps and n_frames are None if they are not in the manifest."""

    clip_id: str
    path: Path
    fps: float | None
    n_frames: int | None


class Missing(NamedTuple):
    """A clip and the streams that lack its vectors."""

    clip: Clip
    streams: tuple[str, ...]


def by_stream(missing: Iterable[Missing]) -> dict[str, list[str]]:
    """Return the ids of the clips that each stream lacks."""
    lacking: dict[str, list[str]] = {}
    for clip, streams in missing:
        for stream in streams:
            lacking.setdefault(stream, []).append(clip.clip_id)
    return lacking


@dataclass(frozen=True)
class Job:
    """A cohort, its encoders (none if the cohort has its own vectors) and the settings of `extract`."""

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
            raise LfnetError(f"encoder.batch_size={self.batch_size}: give a whole number of 1 or more.")

    def stores(self) -> dict[str, FeatureStore]:
        """Return the stores of the cohort's vectors by stream; they may be empty."""
        folder = Path(self.cache) / "features" / self.cohort.name
        if self.cohort.own is not None:
            return {self.cohort.own.stream: FeatureStore(folder, self.cohort.own.stream, self.cohort.own.recipe)}
        cache, stores = Path(self.cache), {}
        for encoder in self.encoders:
            made = recipe(self.cohort, encoder, self.mesh_model, self.video, cache, self.stride)
            stores[encoder.name] = FeatureStore(folder, encoder.name, made)
        return stores

    def named(self, streams: Iterable[str]) -> list[Encoder]:
        """Return the encoders of these streams."""
        wanted = set(streams)
        return [encoder for encoder in self.encoders if encoder.name in wanted]

    def seeing(self, streams: Iterable[str]) -> list[Encoder]:
        """Return the encoders of these streams that read images."""
        return [encoder for encoder in self.named(streams) if not hears(encoder)]

    def hearing(self, streams: Iterable[str]) -> list[SoundEncoder]:
        """Return the encoders of these streams that read sound."""
        return [cast(SoundEncoder, encoder) for encoder in self.named(streams) if hears(encoder)]

    def clips(self) -> list[Clip]:
        """List the cohort's clips, in order."""
        table = self.cohort.clips
        columns = (table[name].tolist() for name in ("clip_id", "path", "fps", "n_frames"))
        return [
            Clip(str(clip_id), Path(path), None if pd.isna(fps) else float(fps), None if pd.isna(n) else int(n))
            for clip_id, path, fps, n in zip(*columns, strict=True)
        ]

    def missing(self, stores: dict[str, FeatureStore]) -> list[Missing]:
        """List the clips whose vectors are not in every store, or were made from another file."""
        sources = Sources(self.cache)
        found = (Missing(clip, self._lacking_streams(stores, clip, sources)) for clip in self.clips())
        return [missing for missing in found if missing.streams]

    def _lacking_streams(self, stores: dict[str, FeatureStore], clip: Clip, sources: Sources) -> tuple[str, ...]:
        headers = {stream: store.header(clip.clip_id) for stream, store in stores.items()}
        if all(header is None for header in headers.values()):
            return tuple(stores)  # found without reading a large video
        try:
            source = self.source(clip, sources)
        except Unreadable:
            return tuple(stores)  # its file cannot be read: the pass will report why
        return tuple(stream for stream, store in stores.items() if not store.has(clip.clip_id, source))

    def source(self, clip: Clip, sources: Sources) -> str:
        """Return the digest of a clip's source. Raises `Unreadable` if it cannot be read."""
        if self.cohort.own is None:
            return sources.clip(clip.path, clip.fps)
        try:
            return self.cohort.own.source(clip.clip_id)
        except LfnetError as error:
            raise Unreadable(str(error)) from error

    def count_frames(self, missing: Missing) -> int:
        """Count the frames of a clip that a pass reads; 0 if neither the manifest nor the file states their number.

        If all missing streams end with their first segments, at most the frames of these, assuming a face in each.
        """
        clip = missing.clip
        number = clip.n_frames
        if number is None and self.cohort.own is None:
            try:
                number = probe(clip.path, clip.fps, self.video.times, self.video.damaged).n_frames
            except Unreadable:
                number = None
        frames = -(-(number or 0) // self.stride)  # rounded up: frame 0 is always read
        limits = [self.consumer(encoder).max_faces for encoder in self.seeing(missing.streams)]
        known = [limit for limit in limits if limit is not None]
        return min(frames, max(known)) if limits and len(known) == len(limits) else frames

    def survey(self, clip: Clip) -> Survey | None:
        """Survey a clip's video; None for a folder of images."""
        return None if clip.path.is_dir() else survey(clip.path, self.video.times, self.video.damaged)

    def frames(self, clip: Clip, surveyed: Survey | None = None, notes: list[str] | None = None) -> Iterator[Frame]:
        """Iterate over the frames of a clip that are read; surveyed: what `survey` returned, if it was called."""
        return frames(
            clip.path,
            fps=clip.fps,
            stride=self.stride,
            damaged=self.video.damaged,
            times=self.video.times,
            surveyed=surveyed,
            notes=notes,
        )

    def mesh(self, encoders: Sequence[Encoder]) -> AbstractContextManager[FaceMesh | None]:
        """Open a landmarker for one clip; None if no face has to be found."""
        if not needs_landmarker(self.cohort, encoders):
            return nullcontext()
        if self.mesh_model is None:
            raise LfnetError("the face landmarker is missing: run `lfnet weights fetch face_landmarker`.")
        return FaceMesh(self.mesh_model, self.video, blendshapes=any("mesh" in encoder.needs for encoder in encoders))

    @property
    def _landmarker(self) -> str:
        """The package that runs the landmarker's networks."""
        return {"litert": "ai-edge-litert"}.get(self.video.used_runtime, "mediapipe")

    def run(
        self,
        frames: Iterable[Frame],
        mesh: FaceMesh | None,
        consumers: Sequence[FrameConsumer | SegmentConsumer],
        tick: Callable[[], None] | None = None,
    ) -> list[PassSummary]:
        """Run one pass with this job's settings."""
        return run_pass(
            frames,
            mesh,
            consumers,
            aligned=self.cohort.aligned,
            batch_size=self.batch_size,
            tick=tick,
            check_people=self.video.check_every is not None,
        )

    def own_vectors(self, clip: Clip) -> ClipFeatures:
        """Return a clip's vectors of a cohort that has its own. Raises `Unreadable` if they cannot be read."""
        own = self.cohort.own
        assert own is not None
        try:
            features, valid, times = own.clip(clip.clip_id)
        except LfnetError as error:
            raise Unreadable(str(error)) from error
        facts = getattr(own, "facts", {}).get(clip.clip_id, {})
        meta = {"unit_norm": _truth(getattr(own, "unit_norm", False)), **getattr(own, "meta", {}), **facts}
        return ClipFeatures(features, valid, times, meta)

    def vectors(
        self, clip: Clip, streams: Sequence[str], tick: Callable[[], None] | None = None
    ) -> dict[str, ClipFeatures]:
        """Compute a clip's vectors by stream in one pass, with the facts for the files' headers.

        The vectors of a stream do not depend on other streams. tick: called once a frame.
        Raises `Unreadable` if the clip cannot be read.
        """
        if self.cohort.own is not None:
            return {self.cohort.own.stream: self.own_vectors(clip)}
        surveyed = self.survey(clip)
        seen = self._seen(clip, surveyed, self.seeing(streams), tick)
        made = {**seen, **self._heard(clip, surveyed, self.hearing(streams))}
        return {stream: made[stream] for stream in streams}

    def _seen(
        self, clip: Clip, surveyed: Survey | None, encoders: Sequence[Encoder], tick: Callable[[], None] | None
    ) -> dict[str, ClipFeatures]:
        """The vectors of a clip's images by stream."""
        if not encoders:
            return {}
        # A stream that ends before the clip has the notes that it would have alone: without those on the clip's end.
        early = [] if surveyed is None else list(surveyed.clock.notes)
        notes: list[str] = []
        consumers = [self.consumer(encoder) for encoder in encoders]
        measured = FilmingMeter(self.cohort.aligned)
        with self.mesh(encoders) as mesh:
            frames = measured.frames(self.frames(clip, surveyed, notes))
            summaries = self.run(frames, measured.searching(mesh), consumers, tick)
        rate = clip.fps if surveyed is None else surveyed.clock.rate
        made = {}
        for encoder, consumer, summary in zip(encoders, consumers, summaries, strict=True):
            meta = self._meta(encoder, summary, notes if summary.ended else early)
            # Of the frames of this stream alone, so that the file does not depend on longer streams.
            last = int(summary.number[-1]) if len(summary.number) else -1
            made[encoder.name] = consumer.clip(summary, {**meta, FILMING: measured.text(clip.path, rate, last)})
        return made

    def _heard(self, clip: Clip, surveyed: Survey | None, encoders: Sequence[SoundEncoder]) -> dict[str, ClipFeatures]:
        """The vectors of a clip's sound by stream."""
        if not encoders:
            return {}
        tracks = SoundTracks(clip.path, surveyed, self.video.damaged)
        rate = clip.fps if surveyed is None else surveyed.clock.rate
        meta = {
            "time_notes": "; ".join(() if surveyed is None else surveyed.clock.notes),
            "versions": ", ".join(f"{name} {version(name)}" for name in ("av", "scipy")),
            FILMING: FilmingMeter().text(clip.path, rate),
        }
        made = {}
        for encoder in encoders:
            names = {} if encoder.columns is None else {"names": json.dumps(encoder.columns)}
            sparse = {"sparse": "true"} if encoder.sparse else {}
            own = {**meta, **names, **sparse, "unit_norm": _truth(encoder.unit_norm)}
            made[encoder.name] = sound_features(encoder, tracks.at(encoder.rate), own)
        return made

    def consumer(self, encoder: Encoder) -> FrameConsumer | SegmentConsumer:
        """Make the consumer that collects an encoder's vectors during a pass."""
        return SegmentConsumer(cast(SegmentEncoder, encoder)) if per_segment(encoder) else FrameConsumer(encoder)

    def _meta(self, encoder: Encoder, summary: PassSummary, decoding: list[str]) -> dict[str, str]:
        notes = [*decoding, *summary.notes()]
        if self.cohort.aligned and needs_landmarker(self.cohort, [encoder]):
            notes.append(
                "the mesh was found in aligned crops: alignment has removed most of the head's roll and position"
            )
        measured = {}
        if measure := getattr(encoder, "cost", None):
            cost = measure()
            of = "segment" if per_segment(encoder) else "frame"
            measured = {"parameters": str(cost.parameters), f"flops_per_{of}": str(cost.flops)}
        return {
            **measured,
            "unit_norm": _truth(encoder.unit_norm),
            **({"sparse": "true"} if getattr(encoder, "sparse", False) else {}),
            "coverage": f"{float(summary.valid.mean()):.4f}",
            "frame_size": "{} x {}".format(*summary.size),
            "stride": str(self.stride),
            "batch_size": str(self.batch_size),
            "crowded": str(summary.crowded),
            "notes": "; ".join(notes),
            "time_notes": "; ".join(decoding),
            "people_notes": "; ".join(summary.people or ()),
            "versions": ", ".join(f"{name} {version(name)}" for name in ("av", self._landmarker, "onnxruntime")),
        }


def _truth(value: bool) -> str:
    return "true" if value else "false"
