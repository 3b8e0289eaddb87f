"""Vectors of all clips of a cohort: what is there is kept, what is missing is made, clip by clip."""

import time
from pathlib import Path

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder
from lfnet.errors import LfnetError
from lfnet.features.estimate import Estimate, estimate
from lfnet.features.job import Job
from lfnet.features.progress import Bar
from lfnet.features.recipe import needs_landmarker
from lfnet.features.sources import Sources
from lfnet.features.store import FeatureStore
from lfnet.video.errors import Unreadable
from lfnet.video.settings import VideoSettings

__all__ = ["Estimate", "estimate", "extract", "needs_landmarker", "open_store"]

_NAMED = 20
# A clip is written within seconds: temporary files older than this belong to a process that was killed.
_ABANDONED = 3600.0


def open_store(
    cohort: Cohort,
    encoder: Encoder | None = None,
    *,
    cache: Path,
    mesh_model: Path | None = None,
    video: VideoSettings | None = None,
    stride: int = 1,
) -> tuple[FeatureStore, list[str]]:
    """The store of a cohort's vectors, and the ids of clips that are missing in it or were made from another file.

    Nothing is extracted and no network is loaded. mesh_model may be None where `video.landmarker` states its digest.
    Raises `LfnetError` where the encoder does not fit the cohort.
    """
    job = Job(cohort, encoder, cache, mesh_model, video or VideoSettings(), stride)
    store = job.store()
    return store, [clip.clip_id for clip in job.missing(store)]


def extract(
    cohort: Cohort,
    encoder: Encoder | None = None,
    *,
    cache: Path,
    mesh_model: Path | None = None,
    video: VideoSettings | None = None,
    stride: int = 1,
    batch_size: int = 32,
    progress: bool = True,
) -> FeatureStore:
    """Write the vectors of all clips that are missing, and return the store.

    encoder: None where the cohort brings its own vectors; whoever made it closes it. mesh_model: the landmarker's file,
    needed where `needs_landmarker` says so. stride: every how many frames one is looked at; faces are tracked over
    these frames only. batch_size: faces encoded together. progress: a bar on standard error, where that is a terminal.

    Clips are written whole or not at all: a killed run goes on where it stopped, and the files it leads to are byte for
    byte those of an undisturbed one with the same threads. Memory does not grow with a clip, but for its vectors.
    A clip that cannot be read does not stop the others; all of them are named in one `LfnetError` at the end.
    """
    job = Job(cohort, encoder, cache, mesh_model, video or VideoSettings(), stride, batch_size)
    store = job.store()
    _clear(store.folder)
    waiting = job.missing(store)
    if waiting:
        with job.mesh():
            pass  # a missing library or model is one mistake, not one a clip
    sources = Sources(cache)
    failed: list[str] = []
    with Bar(job, waiting, progress) as bar:
        for clip in waiting:
            bar.start(clip)
            # Only what is wrong with this clip is put off: a full disk or missing weights stop here.
            try:
                source = job.source(clip, sources)
                # Another process may have made it meanwhile.
                vectors = None if store.has(clip.clip_id, source) else job.vectors(clip, bar.tick)
            except Unreadable as error:
                failed.append(f"{clip.clip_id}: {error}")
            else:
                if vectors is not None:
                    store.write(clip.clip_id, vectors, source)
            bar.finish(clip)
    if failed:
        raise LfnetError(_failures(failed, len(cohort.clips)))
    return store


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
