"""Extract the missing features of a cohort, clip by clip.

Several encoders share one pass: a video is decoded once and its faces are found once.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder
from lfnet.errors import LfnetError, Unreadable
from lfnet.features.estimate import Estimate, estimate
from lfnet.features.extraction_job import Clip, Job, Missing, by_stream
from lfnet.features.provenance import Sources, needs_landmarker
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.files import make_folder
from lfnet.locks import lock, remove_abandoned
from lfnet.text import plural
from lfnet.video.settings import VideoSettings

__all__ = ["Estimate", "Incomplete", "clear_abandoned", "estimate", "extract", "needs_landmarker", "open_stores"]


class Incomplete(LfnetError):
    """Clips could not be read; the others are extracted, into `stores`.

    Parameters
    ----------
    failed : sequence of str
        A line for each of these clips: its id and the reason.
    cohort : Cohort
    stores : dict of FeatureStore
    """

    def __init__(self, failed: Sequence[str], cohort: Cohort, stores: dict[str, FeatureStore]) -> None:
        super().__init__(_failures(failed, len(cohort.clips)))
        self.failed, self.cohort, self.stores = failed, cohort, stores


class ProgressBar:
    """A progress bar on standard error, a line every 30 s if that is no terminal; none if nothing is missing."""

    def __init__(self, job: Job, missing_clips: Sequence[Missing], progress: bool) -> None:
        from tqdm import tqdm

        wanted = progress and bool(missing_clips)
        shown = wanted and sys.stderr.isatty()
        self._plain = wanted and not shown
        self._begun = self._last = time.monotonic()
        self._clips = len(missing_clips)
        self._finished: list[str] = []
        self._seen = 0
        self._count = lambda: {missing.clip.clip_id: job.count_frames(missing) for missing in missing_clips}
        self._share = self._count() if shown else {}
        self._bar = tqdm(total=sum(self._share.values()) or None, unit="frame", disable=not shown, dynamic_ncols=True)

    def start(self, clip: Clip) -> None:
        """Start a clip."""
        self._seen = 0
        self._bar.set_description(f"clip {len(self._finished) + 1} of {self._clips} ({clip.clip_id})")

    def tick(self) -> None:
        """Count a frame."""
        self._seen += 1
        self._bar.update()
        if self._plain and time.monotonic() - self._last >= _EVERY:
            self._print()

    def _print(self) -> None:
        """Say how many clips are done. It names no clip, since this is often written to a file."""
        self._last = time.monotonic()
        self._share = self._share or self._count()
        frames = self._seen + sum(self._share[clip_id] for clip_id in self._finished)
        rest = (self._last - self._begun) * max(0.0, sum(self._share.values()) / frames - 1) if frames else 0.0
        left = f", about {rest / 60:.0f} min left" if rest >= 90 else f", about {rest:.0f} s left" if rest > 0 else ""
        print(f"{len(self._finished)} of {plural(self._clips, 'clip')} extracted{left}", file=sys.stderr, flush=True)

    def finish(self, clip: Clip) -> None:
        """Finish a clip, counting its stated number of frames, so that a broken clip does not distort the bar."""
        self._finished.append(clip.clip_id)
        self._bar.update(max(0, self._share.get(clip.clip_id, 0) - self._seen))
        self._seen = 0
        if self._plain and time.monotonic() - self._last >= _EVERY:
            self._print()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()


_MAX_NAMED = 20
_EVERY = 30.0  # seconds between two lines where standard error is no terminal


def open_stores(
    cohort: Cohort,
    encoders: Sequence[Encoder] = (),
    *,
    cache: Path,
    mesh_model: Path | None = None,
    video: VideoSettings | None = None,
    stride: int = 1,
) -> tuple[dict[str, FeatureStore], dict[str, list[str]]]:
    """Open the stores of a cohort's vectors by stream, and list the ids of the clips that each stream lacks.

    A clip is also missing if its vectors were made from another file. Nothing is extracted and no network is loaded.
    mesh_model may be None if `video.landmarker` states its digest. Raises `LfnetError` if the encoders do not fit the
    cohort.
    """
    job = Job(cohort, tuple(encoders), cache, mesh_model, video or VideoSettings(), stride)
    stores = job.stores()
    return stores, by_stream(job.missing(stores))


def extract(
    cohort: Cohort,
    encoders: Sequence[Encoder] = (),
    *,
    cache: Path,
    mesh_model: Path | None = None,
    video: VideoSettings | None = None,
    stride: int = 1,
    batch_size: int = 32,
    progress: bool = True,
) -> dict[str, FeatureStore]:
    """Write the missing vectors of all clips.

    Each file is written completely or not at all: a killed run continues where it stopped, and its files are byte for
    byte those of an uninterrupted run with the same threads, and of each encoder alone. Processes that extract the same
    cohort at once share the work: each clip has one writer. Memory does not grow with a
    clip, except for its vectors; an encoder of segments holds the crops of one segment.

    Parameters
    ----------
    cohort : Cohort
    encoders : sequence of Encoder
        None if the cohort has its own vectors. The caller closes them. One pass over a clip feeds the streams that lack
        it.
    cache : Path
        The cache's folder.
    mesh_model : Path, optional
        The landmarker's file, needed if `needs_landmarker` returns True.
    video : VideoSettings, optional
    stride : int
        Every `stride`-th frame is read; faces are tracked over these frames only.
    batch_size : int
        Faces encoded together.
    progress : bool
        Show a progress bar on standard error if that is a terminal.

    Returns
    -------
    dict of FeatureStore
        The stores by stream.

    Raises
    ------
    Incomplete
        Clips could not be read: the others are extracted, and the first twenty of them are named at the end.
    """
    job = Job(cohort, tuple(encoders), cache, mesh_model, video or VideoSettings(), stride, batch_size)
    stores = job.stores()
    clear_abandoned(stores)
    missing_clips = job.missing(stores)
    if missing_clips:
        with job.mesh(job.named({stream for missing in missing_clips for stream in missing.streams})):
            pass  # report a missing library or model once, not for each clip
    for encoder in job.hearing({stream for missing in missing_clips for stream in missing.streams}):
        encoder.prepare()
    sources = Sources(cache)
    failed: list[str] = []
    with ProgressBar(job, missing_clips, progress) as bar:
        for clip, lacking in missing_clips:
            bar.start(clip)
            # Only faults of this clip are collected: a full disk or missing weights stop the extraction.
            try:
                source = job.source(clip, sources)
            except Unreadable as error:
                failed.append(f"{clip.clip_id}: {error}")
                bar.finish(clip)
                continue
            with _clip_lock(stores, clip) as waited:
                # Another process may have written some of it meanwhile.
                streams = [name for name in lacking if not stores[name].has(clip.clip_id, source, again=waited)]
                features: dict[str, ClipFeatures] = {}
                try:
                    if streams:
                        features = job.vectors(clip, streams, bar.tick)
                except Unreadable as error:
                    failed.append(f"{clip.clip_id}: {error}")
                for stream, vectors in features.items():
                    stores[stream].write(clip.clip_id, vectors, source)
            bar.finish(clip)
    if failed:
        raise Incomplete(failed, cohort, stores)
    return stores


def clear_abandoned(stores: Mapping[str, FeatureStore]) -> None:
    """Remove the temporary files and locks that killed extractions left in the folders of the stores."""
    for folder in {place for store in stores.values() for place in (store.folder, store.folder.parent)}:
        remove_abandoned(folder)


def _clip_lock(stores: Mapping[str, FeatureStore], clip: Clip) -> AbstractContextManager[bool]:
    """One process at a time extracts a clip. All its streams have one lock, so that two processes never cross."""
    folder = next(iter(stores.values())).folder.parent
    make_folder(folder)
    return lock(folder / f".{clip.clip_id}.lock")


def _failures(failed: Sequence[str], clips: int) -> str:
    lines = list(failed[:_MAX_NAMED])
    if len(failed) > _MAX_NAMED:
        lines.append(f"and {len(failed) - _MAX_NAMED} more")
    return (
        f"{len(failed)} of {plural(clips, 'clip')} could not be read; the others are extracted.\n  "
        + "\n  ".join(lines)
        + "\nFix these clips, or remove them from the manifest, and run again."
    )
