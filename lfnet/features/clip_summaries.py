"""Summaries of a stream's clips: mean vector, length, coverage, and a low-dimensional course over time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from xxhash import xxh3_128

from lfnet.features.store import Readable

__all__ = ["COURSE_DIM", "COURSE_ROWS", "ClipSummaries", "Read", "frames_digest", "summarise_clips", "summarise_store"]

# A clip's features float32 [T, D], valid bool [T] and time float64 [T] in seconds.
Read = Callable[[str], tuple[np.ndarray, np.ndarray, np.ndarray]]

# The courses take some megabytes for a cohort like AVEC2014, some hundreds for thousands of long clips.
COURSE_DIM, COURSE_ROWS = 8, 4096
_MIN_VALUES = 16  # different numbers from which equal frames are no coincidence
_LOOKED_AT = 4096  # numbers of a clip among which they are counted


@dataclass(frozen=True)
class ClipSummaries:
    """Summaries of a stream's clips, in the order of `clip_ids`.

    Attributes
    ----------
    clip_ids : tuple of str
    mean_ND : ndarray of float64
        Mean of each clip's valid frames; NaN if there is none or one is not finite.
    frames_N : ndarray of int64
        Rows of a clip.
    step_N : ndarray of float64
        Median seconds from one row to the next; NaN for a single row.
    seconds_N : ndarray of float64
        From the first row to the end of the last.
    coverage_N : ndarray of float64
        Share of valid rows.
    courses : tuple of ndarray of float32, shape [min(T, COURSE_ROWS), COURSE_DIM]
        Each clip's frames, minus their mean, projected on fixed random directions; zero for invalid frames. A course
        keeps what changes during a clip: two recordings of one face have similar means, but only copies of one
        recording have similar courses.
    digests : tuple of str
        `frames_digest` of each clip.
    """

    clip_ids: tuple[str, ...]
    mean_ND: np.ndarray
    frames_N: np.ndarray
    step_N: np.ndarray
    seconds_N: np.ndarray
    coverage_N: np.ndarray
    courses: tuple[np.ndarray, ...]
    digests: tuple[str, ...]


def summarise_store(store: Readable, clip_ids: Iterable[str]) -> ClipSummaries:
    """Summarise the clips of a store. The courses take memory: keep those of one cohort at a time."""

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        clip = store.read(clip_id)
        return clip.features, clip.valid, clip.time

    return summarise_clips(read, clip_ids)


def summarise_clips(read: Read, clip_ids: Iterable[str]) -> ClipSummaries:
    """Read clips one by one and summarise them."""
    clip_ids = tuple(clip_ids)
    means, frames, steps, seconds, coverage, courses, digests = [], [], [], [], [], [], []
    directions = np.empty((0, 0), np.float32)
    for clip_id in clip_ids:
        x_TD, valid_T, time_T = read(clip_id)
        if directions.shape[0] != x_TD.shape[1]:
            random = np.random.default_rng(0)
            directions = random.standard_normal((x_TD.shape[1], COURSE_DIM)).astype(np.float32)
        step = float(np.median(np.diff(time_T))) if len(time_T) > 1 else float("nan")
        seen = x_TD if valid_T.all() else x_TD[valid_T]
        mean = seen.mean(axis=0, dtype=np.float64) if len(seen) else np.full(x_TD.shape[1], np.nan)
        course = np.zeros((min(len(x_TD), COURSE_ROWS), COURSE_DIM), np.float32)
        if np.isfinite(mean).all():
            early_T = valid_T[:COURSE_ROWS]
            course[early_T] = (seen[: np.count_nonzero(early_T)] - mean.astype(np.float32)) @ directions
        else:
            mean = np.full(x_TD.shape[1], np.nan)
        means.append(mean)
        frames.append(len(x_TD))
        steps.append(step)
        seconds.append(float(time_T[-1] - time_T[0] + np.nan_to_num(step)) if len(time_T) else 0.0)
        coverage.append(float(valid_T.mean()) if len(valid_T) else 0.0)
        courses.append(course)
        digests.append(frames_digest(x_TD, valid_T))
    return ClipSummaries(
        clip_ids,
        np.array(means).reshape(len(clip_ids), -1),
        np.array(frames, np.int64),
        np.array(steps),
        np.array(seconds),
        np.array(coverage),
        tuple(courses),
        tuple(digests),
    )


def frames_digest(x_TD: np.ndarray, valid_T: np.ndarray | None = None) -> str:
    """Digest of all frames of a clip: equal for equal frames only. valid_T: which frames count; by default all.

    "" for a clip with fewer than 16 different numbers, such as counts of rare events or one-hot series: two recordings
    may have equal ones by chance.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> x_TD = random.normal(size=(100, 4)).astype(np.float32)
    >>> frames_digest(x_TD) == frames_digest(x_TD.copy()) != frames_digest(x_TD[::-1])
    True
    >>> frames_digest(np.zeros((100, 1), np.float32))
    ''
    """
    seen_TD = np.ascontiguousarray(x_TD if valid_T is None or valid_T.all() else x_TD[valid_T])
    some = seen_TD.ravel()[:: max(1, seen_TD.size // _LOOKED_AT)]
    if not np.isfinite(some).all() or len(np.unique(some)) < _MIN_VALUES:
        return ""
    valid = b"" if valid_T is None else np.packbits(valid_T).tobytes()
    found = xxh3_128(seen_TD.data)
    found.update(valid)
    return f"{found.hexdigest()} {seen_TD.shape}"
