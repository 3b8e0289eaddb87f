"""Estimate how long an extraction takes, from a few frames."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lfnet.cohorts.cohort import Cohort
from lfnet.encoders.encoder import Encoder
from lfnet.errors import Unreadable
from lfnet.features.consumers import SegmentConsumer
from lfnet.features.extraction_job import Job, Missing
from lfnet.text import plural
from lfnet.video.settings import VideoSettings

__all__ = ["Estimate", "estimate"]

_MAX_TRIED = 3


@dataclass(frozen=True)
class Estimate:
    """What remains to be extracted: clips, frames, and seconds, which are None if nothing could be measured."""

    clips: int
    frames: int
    seconds: float | None

    def __str__(self) -> str:
        if not self.clips:
            return "nothing to extract"
        frames = f", {plural(self.frames, 'frame')}" if self.frames else ""  # unknown for ready features
        work = f"{plural(self.clips, 'clip')}{frames} to extract"
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
    """Estimate the duration of `extract` with the same settings from `sample` frames of the first readable clip.

    Clips that lack different streams are timed separately, and sound, which is read faster than images, is not timed.
    It takes a few seconds, loads networks, which stay loaded, and writes no features. Raises `LfnetError` if the
    encoders do not fit the cohort, or the machine lacks a library or file.
    """
    job = Job(cohort, tuple(encoders), cache, mesh_model, video or VideoSettings(), stride, batch_size)
    missing_clips = job.missing(job.stores())
    frames = sum(job.count_frames(missing) for missing in missing_clips)
    if missing_clips:
        with job.mesh(job.named({stream for missing in missing_clips for stream in missing.streams})):
            pass  # report a missing library here instead of a broken clip
    total: float | None = None
    for streams in dict.fromkeys(missing.streams for missing in missing_clips):
        seconds = _seconds(job, [missing for missing in missing_clips if missing.streams == streams], sample)
        if seconds is not None:
            total = seconds + (total or 0.0)
    return Estimate(len(missing_clips), frames, total)


def _seconds(job: Job, clips: Sequence[Missing], sample: int) -> float | None:
    """Seconds for clips that lack the same streams; None if none can be read or no frame was counted.

    A sample without a face is processed quickly: then the next clip is timed too, up to three, and the slowest counts.
    """
    frames = sum(job.count_frames(missing) for missing in clips)
    slowest = 0.0
    tried = 0
    for missing in clips:
        try:
            if not job.encoders:
                start = time.perf_counter()
                job.own_vectors(missing.clip)
                return (time.perf_counter() - start) * len(clips)
            if not job.seeing(missing.streams):
                return None
            _time(job, missing, 1)  # loads networks, which happens once
            seconds, read, faces = _time(job, missing, sample)
        except Unreadable:
            continue
        slowest = max(slowest, seconds / read if read else 0.0)
        tried += 1
        if 2 * faces >= read or tried == _MAX_TRIED:
            break
    return slowest * frames or None


def _time(job: Job, missing: Missing, sample: int) -> tuple[float, int, int]:
    """Seconds for the first `sample` frames of a clip, their number, and the number with a face."""
    encoders = job.seeing(missing.streams)
    seconds = 0.0
    with job.mesh(encoders) as mesh:
        start = time.perf_counter()
        consumers = [job.consumer(encoder) for encoder in encoders]
        summaries = job.run(islice(job.frames(missing.clip), sample), mesh, consumers)
        seconds = time.perf_counter() - start
        for encoder, consumer, summary in zip(encoders, consumers, summaries, strict=True):
            if isinstance(consumer, SegmentConsumer):  # it encodes when a segment is full, or at the end
                start = time.perf_counter()
                consumer.clip(summary, {})
                seconds += (time.perf_counter() - start) * _share(encoder, int(summary.valid.sum()))
    faces = max(int(summary.valid.sum()) for summary in summaries)
    return seconds, max(len(summary.number) for summary in summaries), faces


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
