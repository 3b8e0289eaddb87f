"""Vectors of all clips of a cohort: what is there is kept, what is missing is made, clip by clip.

Several encoders share one pass: a video is decoded once and its faces are found once, whatever is made of them.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder
from lfnet.errors import LfnetError, Unreadable
from lfnet.features.estimate import Estimate, estimate
from lfnet.features.extraction_job import Clip, Job, Missing
from lfnet.features.provenance import Sources, needs_landmarker
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.video.settings import VideoSettings

__all__ = ["Bar", "Estimate", "estimate", "extract", "needs_landmarker", "open_stores"]


class Bar:
    """A bar on standard error; silent where that is no terminal, or where nothing is to be done."""

    def __init__(self, job: Job, waiting: Sequence[Missing], progress: bool) -> None:
        from tqdm import tqdm

        shown = progress and bool(waiting) and sys.stderr.isatty()
        self._clips = len(waiting)
        self._done = 0
        self._seen = 0
        self._share = {missing.clip.clip_id: job.looked_at(missing) for missing in waiting} if shown else {}
        self._bar = tqdm(total=sum(self._share.values()) or None, unit="frame", disable=not shown, dynamic_ncols=True)

    def start(self, clip: Clip) -> None:
        """A clip begins."""
        self._seen = 0
        self._bar.set_description(f"clip {self._done + 1} of {self._clips} ({clip.clip_id})")

    def tick(self) -> None:
        """One frame is done."""
        self._seen += 1
        self._bar.update()

    def finish(self, clip: Clip) -> None:
        """A clip is done, and counts as what it was said to hold: a broken one leaves the rest of the bar right."""
        self._done += 1
        self._bar.update(max(0, self._share.get(clip.clip_id, 0) - self._seen))

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()


_NAMED = 20
# A clip is written within seconds: temporary files older than this belong to a process that was killed.
_ABANDONED = 3600.0


def open_stores(
    cohort: Cohort,
    encoders: Sequence[Encoder] = (),
    *,
    cache: Path,
    mesh_model: Path | None = None,
    video: VideoSettings | None = None,
    stride: int = 1,
) -> tuple[dict[str, FeatureStore], dict[str, list[str]]]:
    """The stores of a cohort's vectors by stream, and for each stream that lacks any the ids of the clips it lacks.

    A clip is lacking too where its vectors were made from another file. Nothing is extracted and no network is loaded.
    mesh_model may be None where `video.landmarker` states its digest.
    Raises `LfnetError` where the encoders do not fit the cohort.
    """
    job = Job(cohort, tuple(encoders), cache, mesh_model, video or VideoSettings(), stride)
    stores = job.stores()
    lacking: dict[str, list[str]] = {}
    for clip, streams in job.missing(stores):
        for stream in streams:
            lacking.setdefault(stream, []).append(clip.clip_id)
    return stores, lacking


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
    """Write the vectors of all clips that are missing, and return the stores by stream.

    encoders: none where the cohort brings its own vectors; whoever made them closes them. One pass over a clip feeds
    all streams that lack it, and only those. mesh_model: the landmarker's file, needed where `needs_landmarker` says
    so. stride: every how many frames one is looked at; faces are tracked over these frames only. batch_size: faces
    encoded together. progress: a bar on standard error, where that is a terminal.

    Each file is written whole or not at all: a killed run goes on where it stopped, and the files it leads to are byte
    for byte those of an undisturbed one with the same threads, and of each encoder by itself. Memory does not grow with
    a clip, but for its vectors; an encoder of segments holds the crops of one.
    A clip that cannot be read does not stop the others; all of them are named in one `LfnetError` at the end.
    """
    job = Job(cohort, tuple(encoders), cache, mesh_model, video or VideoSettings(), stride, batch_size)
    stores = job.stores()
    for store in stores.values():
        _clear(store.folder)
    waiting = job.missing(stores)
    if waiting:
        with job.mesh(job.named({stream for missing in waiting for stream in missing.streams})):
            pass  # a missing library or model is one mistake, not one a clip
    sources = Sources(cache)
    failed: list[str] = []
    with Bar(job, waiting, progress) as bar:
        for clip, lacking in waiting:
            bar.start(clip)
            made: dict[str, ClipFeatures] = {}
            # Only what is wrong with this clip is put off: a full disk or missing weights stop here.
            try:
                source = job.source(clip, sources)
                # Another process may have made some of it meanwhile.
                streams = [stream for stream in lacking if not stores[stream].has(clip.clip_id, source)]
                if streams:
                    made = job.vectors(clip, streams, bar.tick)
            except Unreadable as error:
                failed.append(f"{clip.clip_id}: {error}")
            for stream, vectors in made.items():
                stores[stream].write(clip.clip_id, vectors, source)
            bar.finish(clip)
    if failed:
        raise LfnetError(_failures(failed, len(cohort.clips)))
    return stores


def _clear(folder: Path) -> None:
    """Remove what killed runs left half-written."""
    for part in folder.glob(".*.part"):
        try:
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()
        except OSError:
            continue  # another process was faster


def _failures(failed: list[str], clips: int) -> str:
    lines = failed[:_NAMED]
    if len(failed) > _NAMED:
        lines.append(f"and {len(failed) - _NAMED} more")
    return (
        f"{len(failed)} of {clips} clips could not be read; what could be is done and kept.\n  "
        + "\n  ".join(lines)
        + "\nMend these clips, or take them out of the manifest, and run again."
    )
