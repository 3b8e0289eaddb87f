"""How long an extraction will take, measured on a few frames before it begins."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder
from lfnet.errors import Unreadable
from lfnet.features.extraction_job import Job, Missing
from lfnet.features.segments import Segments
from lfnet.video.settings import VideoSettings

__all__ = ["Estimate", "estimate"]

_TRIED = 3


@dataclass(frozen=True)
class Estimate:
    """What is still to be done. clips, frames: how many. seconds: None where nothing could be measured."""

    clips: int
    frames: int
    seconds: float | None

    def __str__(self) -> str:
        if not self.clips:
            return "nothing to extract"
        frames = f", {self.frames:,} frames" if self.frames else ""  # ready features do not tell beforehand
        work = f"{self.clips} clips{frames} to extract"
        return work if self.seconds is None else f"{work}: about {_duration(self.seconds)} on this machine"


def estimate(
    cohort: Cohort,
    encoders: Sequence[Encoder] = (),
    *,
    cache: Path,
    mesh_model: Path | None = None,
    video: VideoSettings | None = None,
    stride: int = 1,
    batch_size: int = 32,
    sample: int = 64,
) -> Estimate:
    """How long `extract` with the same settings will take: `sample` frames of the first missing clip that can be read.

    Clips that lack other streams than the rest are timed by a clip of their own. Takes a few seconds, in which networks
    are loaded and stay loaded, and writes no features.
    Raises `LfnetError` where the encoders do not fit the cohort, or the machine lacks what it needs.
    """
    job = Job(cohort, tuple(encoders), cache, mesh_model, video or VideoSettings(), stride, batch_size)
    waiting = job.missing(job.stores())
    frames = sum(job.looked_at(missing) for missing in waiting)
    if waiting:
        with job.mesh(job.named({stream for missing in waiting for stream in missing.streams})):
            pass  # what the machine lacks is said here, and not taken for a broken clip
    total: float | None = None
    for streams in dict.fromkeys(missing.streams for missing in waiting):
        seconds = _seconds(job, [missing for missing in waiting if missing.streams == streams], sample)
        if seconds is not None:
            total = seconds + (total or 0.0)
    return Estimate(len(waiting), frames, total)


def _seconds(job: Job, alike: Sequence[Missing], sample: int) -> float | None:
    """Seconds that clips which lack the same streams will take; None where none can be read or nothing counted.

    A clip that begins without a face is quick for as long as the sample lasts: then the next one is timed too, some
    three in all, and the slowest counts.
    """
    frames = sum(job.looked_at(missing) for missing in alike)
    slowest = 0.0
    timed = 0
    for missing in alike:
        try:
            if not job.encoders:
                begun = time.perf_counter()
                job.own_vectors(missing.clip)
                return (time.perf_counter() - begun) * len(alike)
            _timed(job, missing, 1)  # loads networks, which is done once
            seconds, looked, faces = _timed(job, missing, sample)
        except Unreadable:
            continue
        slowest = max(slowest, seconds / looked if looked else 0.0)
        timed += 1
        if 2 * faces >= looked or timed == _TRIED:
            break
    return slowest * frames or None


def _timed(job: Job, missing: Missing, sample: int) -> tuple[float, int, int]:
    """Seconds that the first `sample` frames of a clip take, how many there were, and how many held a face."""
    encoders = job.named(missing.streams)
    seconds = 0.0
    with job.mesh(encoders) as mesh:
        begun = time.perf_counter()
        consumers = [job.consumer(encoder) for encoder in encoders]
        everything = job.run(islice(job.frames(missing.clip), sample), mesh, consumers)
        seconds = time.perf_counter() - begun
        for encoder, consumer, passed in zip(encoders, consumers, everything, strict=True):
            if isinstance(consumer, Segments):  # it works when a segment is full, or the clip over
                begun = time.perf_counter()
                consumer.clip(passed, {})
                seconds += (time.perf_counter() - begun) * _share(encoder, int(passed.valid.sum()))
    faces = max(int(passed.valid.sum()) for passed in everything)
    return seconds, max(len(passed.number) for passed in everything), faces


def _share(encoder: Any, frames: int) -> float:
    """The cost of a frame of a whole segment, relative to one of a segment of so many frames; 1 where it is unknown.

    An encoder that selects frames has `count_images`: of a short segment it selects all frames.
    """
    if not frames or not hasattr(encoder, "count_images"):
        return 1.0
    whole = encoder.segment_frames
    return float(encoder.count_images(whole) / whole / (encoder.count_images(frames) / frames))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
