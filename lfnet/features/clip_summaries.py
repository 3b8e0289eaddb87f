"""Summaries of a stream's clips: mean vector, length, coverage, and a low-dimensional course over time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lfnet.features.store import Readable

__all__ = ["COURSE_DIM", "COURSE_ROWS", "ClipSummaries", "Read", "summarise_clips", "summarise_store"]

# A clip's features float32 [T, D], valid bool [T] and time float64 [T] in seconds.
Read = Callable[[str], tuple[np.ndarray, np.ndarray, np.ndarray]]

# The courses take some megabytes for a cohort like AVEC2014, some hundreds for thousands of long clips.
COURSE_DIM, COURSE_ROWS = 8, 4096


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
    """

    clip_ids: tuple[str, ...]
    mean_ND: np.ndarray
    frames_N: np.ndarray
    step_N: np.ndarray
    seconds_N: np.ndarray
    coverage_N: np.ndarray
    courses: tuple[np.ndarray, ...]


def summarise_store(store: Readable, clip_ids: Iterable[str]) -> ClipSummaries:
    """Summarise the clips of a store. The courses take memory: keep those of one cohort at a time."""

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        clip = store.read(clip_id)
        return clip.features, clip.valid, clip.time

    return summarise_clips(read, clip_ids)


def summarise_clips(read: Read, clip_ids: Iterable[str]) -> ClipSummaries:
    """Read clips one by one and summarise them."""
    clip_ids = tuple(clip_ids)
    means, frames, steps, seconds, coverage, courses = [], [], [], [], [], []
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
            course[early_T] = (x_TD[:COURSE_ROWS][early_T] - mean.astype(np.float32)) @ directions
        else:
            mean = np.full(x_TD.shape[1], np.nan)
        means.append(mean)
        frames.append(len(x_TD))
        steps.append(step)
        seconds.append(float(time_T[-1] - time_T[0] + np.nan_to_num(step)) if len(time_T) else 0.0)
        coverage.append(float(valid_T.mean()) if len(valid_T) else 0.0)
        courses.append(course)
    return ClipSummaries(
        clip_ids,
        np.array(means).reshape(len(clip_ids), -1),
        np.array(frames, np.int64),
        np.array(steps),
        np.array(seconds),
        np.array(coverage),
        tuple(courses),
    )
