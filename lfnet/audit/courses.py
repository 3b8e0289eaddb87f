"""Copies by what changes during a clip: thumbnails of its frames, or its features, compared over time."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from lfnet.features.clip_summaries import ClipSummaries, frames_digest
from lfnet.features.thumbnails import RATE

__all__ = ["MIN_SECONDS", "Copy", "comparable", "equal_pairs", "feature_copies", "frame_copies", "max_correlation"]

# Nearest neighbours of a clip, by mean vector, that it is compared with; and random pairs that set the threshold.
_NEIGHBOURS, _RANDOM_PAIRS = 5, 200
# In Fisher's z: standard deviations above random pairs from which a pair counts as a copy, and the least difference
# from their median (all pairs of straight lines are alike); minimum rows of a clip.
_MIN_Z, _MIN_ABOVE, _MIN_ROWS = 6.0, 0.5, 32
_RELATIVE_TOLERANCE = 0.01
# Frames of a scene: neighbours by mean thumbnail, their minimum cosine, and minimum seconds that are compared.
_SCENE_NEIGHBOURS, _MIN_SCENE, MIN_SECONDS = 20, 0.95, 5.0
# Frame rates are confused with each other: a clip is compared at its own speed, and at these.
_SPEEDS = (1.0, 24 / 25, 25 / 24, 5 / 6, 6 / 5, 4 / 5, 5 / 4)


class Copy(NamedTuple):
    """A pair of clips that are copies, and the evidence: `how`, with measured numbers in `detail`."""

    first: str
    second: str
    how: str
    detail: str = ""


class Match(NamedTuple):
    """Highest correlation over all shifts, and the shift in rows of the second clip."""

    correlation: float
    shift: int


def equal_pairs(keys: Mapping[str, str], how: str) -> list[Copy]:
    """Find clips with equal keys; an empty key equals none."""
    groups: dict[str, list[str]] = {}
    for clip, key in keys.items():
        if key:
            groups.setdefault(key, []).append(clip)
    return [Copy(group[0], other, how) for group in groups.values() for other in group[1:]]


def frame_copies(clips: Mapping[str, np.ndarray], min_likeness: float) -> list[Copy]:
    """Find re-encoded, cut, scaled and re-timed copies among thumbnails [T, D] of videos, by clip_id.

    Two clips are compared where their mean thumbnails show one scene. Their changes within about a second are compared:
    each thumbnail minus a moving mean (Gaussian, SD 1 s), scaled to length 1. The correlation of two such courses at
    the best shift and speed is their likeness. By the scaling every moment counts the same, so that one blink in both
    clips makes no copy.

    Clips shorter than `MIN_SECONDS` are copies only where all their thumbnails are equal.
    """
    found = equal_pairs({clip: frames_digest(x_TD) for clip, x_TD in clips.items()}, "equal frames")
    equal = {(copy.first, copy.second) for copy in found}
    names = [clip for clip, x_TD in clips.items() if len(x_TD) >= MIN_SECONDS * RATE]
    if len(names) < 2:
        return found
    looks_ND = np.stack([clips[name].mean(axis=0) for name in names])
    looks_ND = _unit(looks_ND - looks_ND.mean(axis=1, keepdims=True))
    courses = [_changes(clips[name], 1.0) for name in names]
    partners: dict[int, list[int]] = {}
    for i, j in _neighbours(looks_ND, np.arange(len(names)), _SCENE_NEIGHBOURS):
        if looks_ND[i] @ looks_ND[j] >= _MIN_SCENE and (names[i], names[j]) not in equal:
            partners.setdefault(j, []).append(i)
    min_rows = round(MIN_SECONDS * RATE)
    for j, own in sorted(partners.items()):
        played = {speed: courses[j] if speed == 1 else _changes(clips[names[j]], speed) for speed in _SPEEDS}
        for i in own:
            matches = {speed: best_match(courses[i], course, 0.5, min_rows) for speed, course in played.items()}
            speed = max(matches, key=lambda speed: matches[speed].correlation)
            if matches[speed].correlation >= min_likeness:
                found.append(Copy(names[i], names[j], "frames over time", _detail(matches[speed], speed)))
    return found


def _detail(match: Match, speed: float) -> str:
    """The evidence in words: likeness, and shift and speed where they differ."""
    shifted = f", shifted by {abs(match.shift) / RATE:.1f} s" if match.shift else ""
    played = f", the second at {speed:.3g} of its speed" if speed != 1 else ""
    return f"likeness {match.correlation:.2f}{shifted}{played}"


def _changes(x_TD: np.ndarray, speed: float) -> np.ndarray:
    """The course that `frame_copies` describes, of a clip that is played at another speed."""
    if speed != 1:
        at = np.arange(0, len(x_TD) - 1 + 1e-9, speed)
        x_TD = np.stack([np.interp(at, np.arange(len(x_TD)), column) for column in x_TD.T], axis=1)
    changes_TD = x_TD - gaussian_filter1d(x_TD, RATE, axis=0, mode="nearest")
    return np.asarray(_unit(changes_TD), np.float32)


def feature_copies(
    pool: ClipSummaries, recordings: np.ndarray, min_correlation: float, min_overlap: float, seed: int
) -> list[Copy]:
    """Find clips with equal frames of features, or with features that correlate over time.

    A pair counts where its `max_correlation` is `min_correlation` or more and far above that of random pairs of two
    recordings. `recordings`: recording_id of each clip of the pool.
    """
    equal = equal_pairs(dict(zip(pool.clip_ids, pool.digests, strict=True)), "equal features")
    able = np.flatnonzero(comparable(pool))
    if len(able) < 3:
        return equal
    courses = dict(zip(able.tolist(), _at_one_rate([pool.courses[i] for i in able], pool.step_N[able]), strict=True))
    random = np.random.default_rng(seed)
    random_pairs = random.choice(able, (2 * _RANDOM_PAIRS, 2))
    random_pairs = random_pairs[recordings[random_pairs[:, 0]] != recordings[random_pairs[:, 1]]][:_RANDOM_PAIRS]
    chance = np.array([max_correlation(courses[i], courses[j], min_overlap) for i, j in random_pairs.tolist()])
    # Median and quartiles: a few copies among the random pairs must not raise the threshold.
    low, middle, high = np.quantile(_fisher_z(chance) if len(chance) else np.zeros(1), (0.25, 0.5, 0.75))
    min_z = max(_fisher_z(min_correlation), middle + max(_MIN_Z * (high - low) / 1.349, _MIN_ABOVE))
    found = []
    for i, j in _neighbours(pool.mean_ND[able] - pool.mean_ND[able].mean(axis=0), able, _NEIGHBOURS):
        r = max_correlation(courses[i], courses[j], min_overlap)
        if _fisher_z(r) >= min_z:
            found.append(Copy(pool.clip_ids[i], pool.clip_ids[j], "features over time", f"correlation {r:.2f}"))
    return equal + found


def _fisher_z(r: float | np.ndarray) -> Any:
    return np.arctanh(np.clip(r, -0.999999, 0.999999))


def comparable(pool: ClipSummaries) -> np.ndarray:
    """Which clips have enough rows that differ from the row before: bool [clips].

    A series of few events has few, and is easily like another by chance.
    """
    changes = [(np.diff(course_TK, axis=0) != 0).any(axis=1).sum() for course_TK in pool.courses]
    return (np.array(changes, int) >= _MIN_ROWS - 1) & np.isfinite(pool.mean_ND).all(axis=1)


def max_correlation(a_TK: np.ndarray, b_TK: np.ndarray, min_overlap: float) -> float:
    """Highest correlation of two clips over all shifts at which `min_overlap` of the shorter overlaps the other.

    a, b: float32 [T, K], each centred, in rows of equal duration.
    """
    return best_match(a_TK, b_TK, min_overlap, _MIN_ROWS // 2).correlation


def best_match(a_TK: np.ndarray, b_TK: np.ndarray, min_overlap: float, min_rows: int) -> Match:
    """The shift of highest correlation among those at which enough rows overlap; a correlation of 0 if none do."""
    length = len(a_TK) + len(b_TK) - 1
    n = fft.next_fast_len(length, real=True)
    spectrum = (np.conj(fft.rfft(a_TK, n, axis=0)) * fft.rfft(b_TK, n, axis=0)).sum(axis=1)
    products = fft.irfft(spectrum, n)
    shift = np.arange(-(len(a_TK) - 1), len(b_TK))  # row t of a lies over row t + shift of b
    start = np.maximum(0, -shift)
    stop = np.minimum(len(a_TK), len(b_TK) - shift)
    energy_a, energy_b = (np.concatenate([[0.0], np.cumsum((x.astype(float) ** 2).sum(axis=1))]) for x in (a_TK, b_TK))
    energy = (energy_a[stop] - energy_a[start]) * (energy_b[stop + shift] - energy_b[start + shift])
    enough = (stop - start >= max(min_rows, min_overlap * min(len(a_TK), len(b_TK)))) & (energy > 0)
    if not enough.any():
        return Match(0.0, 0)
    r = products[shift][enough] / np.sqrt(energy[enough])
    best = int(r.argmax())
    return Match(min(1.0, float(r[best])), int(shift[enough][best]))


def _neighbours(x_ND: np.ndarray, numbers: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Pairs of clips (of these numbers) of which one is among the nearest of the other, by cosine."""
    x_ND = _unit(x_ND)
    pairs = set()
    for row, own in enumerate(x_ND):
        cosine = x_ND @ own
        cosine[row] = -np.inf
        for other in np.argpartition(-cosine, min(count, len(x_ND) - 1) - 1)[:count]:
            if np.isfinite(cosine[other]):
                pairs.add((int(numbers[min(row, other)]), int(numbers[max(row, other)])))
    return sorted(pairs)


def _unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.maximum(np.linalg.norm(x_ND, axis=1, keepdims=True), 1e-12))


def _at_one_rate(courses: list[np.ndarray], steps: np.ndarray) -> list[np.ndarray]:
    """Resample the courses to the median step, by linear interpolation where their own differs."""
    step = float(np.median(steps))
    if not np.isfinite(step) or (np.abs(steps / step - 1) < _RELATIVE_TOLERANCE).all():
        return courses
    moved = []
    for course, own in zip(courses, steps, strict=True):
        if abs(own / step - 1) < _RELATIVE_TOLERANCE:
            moved.append(course)
            continue
        time = np.arange(len(course)) * own
        at = np.arange(0, time[-1] + 1e-9, step)
        moved.append(np.stack([np.interp(at, time, column) for column in course.T], axis=1).astype(np.float32))
    return moved
