"""How long an extraction will take, measured on a few frames before it begins."""

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder
from lfnet.features.job import Clip, Job
from lfnet.features.passes import Vectors
from lfnet.video.errors import Unreadable
from lfnet.video.settings import VideoSettings

__all__ = ["Estimate", "estimate"]


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
    encoder: Encoder | None = None,
    *,
    cache: Path,
    mesh_model: Path | None = None,
    video: VideoSettings | None = None,
    stride: int = 1,
    batch_size: int = 32,
    sample: int = 64,
) -> Estimate:
    """How long `extract` with the same settings will take: `sample` frames of the first missing clip that can be read.

    Takes a few seconds, in which networks are loaded and stay loaded, and writes no features.
    Raises `LfnetError` where the encoder does not fit the cohort, or the machine lacks what it needs.
    """
    job = Job(cohort, encoder, cache, mesh_model, video or VideoSettings(), stride, batch_size)
    waiting = job.missing(job.store())
    frames = sum(job.looked_at(clip) for clip in waiting)
    if waiting:
        with job.mesh():
            pass  # what the machine lacks is said here, and not taken for a broken clip
    for clip in waiting:
        try:
            if encoder is None:
                begun = time.perf_counter()
                job.vectors(clip)
                return Estimate(len(waiting), frames, (time.perf_counter() - begun) * len(waiting))
            _timed(job, encoder, clip, 1)  # loads networks, which is done once
            seconds, done = _timed(job, encoder, clip, sample)
        except Unreadable:
            continue
        return Estimate(len(waiting), frames, seconds / done * frames if done and frames else None)
    return Estimate(len(waiting), frames, None)


def _timed(job: Job, encoder: Encoder, clip: Clip, sample: int) -> tuple[float, int]:
    """Seconds that the first `sample` frames of a clip take, and how many there were."""
    with job.mesh() as mesh:
        begun = time.perf_counter()
        passed = job.run(islice(job.frames(clip), sample), mesh, Vectors(encoder))
        return time.perf_counter() - begun, len(passed.number)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
