"""Clips that are copies of one another: by their files, by their vectors, or by what happens in them over time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import fft

from lfnet.audit.finding import Check, Finding, Status, plural
from lfnet.cohorts.media import FRAME_SUFFIXES, kind
from lfnet.features.clip_summaries import Pooled
from lfnet.fingerprints import digest, file_digest

__all__ = ["Copy", "copies", "file_copies", "likeness", "source_copies", "vector_copies"]

# Neighbours of a clip, by its mean vector, whose course is compared with its own; and pairs that are surely no copies.
_NEIGHBOURS, _STRANGERS = 5, 200
# Standard deviations (of Fisher's z) above strangers from which likeness is no chance; rows a course must have.
_APART, _LEAST = 6.0, 32
_STEADY = 0.01


@dataclass(frozen=True)
class Copy:
    """A pair of clips and why they are taken for one. likeness: correlation over time where that was measured."""

    first: str
    second: str
    how: str
    likeness: float | None = None


def copies(clips: pd.DataFrame, found: Iterable[Copy], checked: tuple[str, ...], missing: str) -> Check:
    """The finding of all pairs. checked: by what clips were compared. missing: what the rest would need."""
    title = "copies of clips"
    pairs: dict[tuple[str, str], Copy] = {}
    for copy in found:
        pairs.setdefault((min(copy.first, copy.second), max(copy.first, copy.second)), copy)
    by = " and ".join(checked)
    beyond = f"; {missing}" if missing else ""
    if not checked:
        return Check.certain(Finding("copies", title, "not checked", missing))
    if not pairs:
        return Check.certain(Finding("copies", title, "clear", f"no two clips are one, by {by}{beyond}"))
    rows = clips.set_index("clip_id")
    split, recording = rows["split"], rows["recording_id"]
    across = [pair for pair in pairs if split[pair[0]] != split[pair[1]] and "unlabelled" not in set(split[[*pair]])]
    count = {how: sum(copy.how == how for copy in pairs.values()) for how in {copy.how for copy in pairs.values()}}
    how = ", ".join(f"{number} by {how}" for how, number in sorted(count.items()))
    text = f"{plural(len(pairs), 'pair')} of clips {'is' if len(pairs) == 1 else 'are'} one film ({how})"
    text += f", {len(across)} of them in two splits{beyond}"
    person = dict(zip(clips["clip_id"], clips["person_id"], strict=True))
    disagree = sum(person[one] != person[two] for one, two in pairs)
    text += f"; {disagree} are given two people" if disagree else ""
    ordered = sorted(pairs, key=lambda pair: (pair not in across, pair))
    touched = sorted({str(recording[clip]) for pair in ordered for clip in pair})
    mend = "Keep one clip of each pair: take the other's row out of the manifest, or put the right file in its place."
    numbers = {"pairs": len(pairs), "pairs_across_splits": len(across)}
    status: Status = "leak" if across else "warning"
    return Check.certain(
        Finding("copies", title, status, text, mend, (), tuple(touched), tuple(ordered), numbers=numbers)
    )


def source_copies(clip_ids: Iterable[str], sources: Mapping[str, str]) -> list[Copy]:
    """Clips whose vectors were made from the same bytes. sources: clip_id → digest of its file."""
    return _equal({clip: sources[clip] for clip in clip_ids if sources.get(clip)}, "equal files")


def file_copies(clips: pd.DataFrame) -> tuple[list[Copy], int]:
    """Clips with equal files, and how many clips have a file here. Only files of equal size are read.

    Videos of equal size and length with other bytes count too (a changed tag), unless the size follows from the length
    as it does where nothing is compressed.
    """
    paths = {clip: Path(path) for clip, path in zip(clips["clip_id"], clips["path"], strict=True) if path}
    sizes = {clip: _size(path) for clip, path in paths.items() if path.exists()}
    alike: dict[tuple[str, int], list[str]] = {}
    for clip, size in sizes.items():
        alike.setdefault((kind(paths[clip]), size), []).append(clip)
    digests = {clip: _bytes(paths[clip]) for group in alike.values() if len(group) > 1 for clip in group}
    found = _equal(digests, "equal files")
    frames = clips.set_index("clip_id")["n_frames"]
    rates = np.array([size / frames[clip] for clip, size in sizes.items() if kind(paths[clip]) == "videos"])
    rates = rates[np.isfinite(rates)]
    if len(rates) > 2 and rates.std() > _STEADY * rates.mean():
        for (what, _), group in alike.items():
            by_length = {clip: str(frames[clip]) for clip in group if what == "videos" and frames[clip] == frames[clip]}
            for copy in _equal(by_length, "files of equal size and length"):
                if digests[copy.first] != digests[copy.second]:
                    found.append(copy)
    return found, len(sizes)


def vector_copies(pool: Pooled, clips: pd.DataFrame, at_least: float, overlap: float, seed: int) -> list[Copy]:
    """Clips with equal vectors, or whose courses agree over time: a film twice, encoded anew or cut.

    A pair counts where its `likeness` reaches `at_least` and lies far above that of films that are surely different.
    """
    known = np.flatnonzero(np.isfinite(pool.mean_ND).all(axis=1))
    equal = _equal(
        {pool.clip_ids[i]: pool.mean_ND[i].tobytes().hex() + str(pool.frames_N[i]) for i in known}, "equal features"
    )
    able = np.array([i for i in known if pool.frames_N[i] >= _LEAST and np.abs(pool.courses[i]).max() > 0], int)
    if len(able) < 3:
        return equal
    courses = dict(zip(able.tolist(), _at_one_rate([pool.courses[i] for i in able], pool.step_N[able]), strict=True))
    random = np.random.default_rng(seed)
    recording = clips.set_index("clip_id")["recording_id"].reindex(pool.clip_ids).to_numpy()
    strangers = random.choice(able, (2 * _STRANGERS, 2))
    strangers = strangers[recording[strangers[:, 0]] != recording[strangers[:, 1]]][:_STRANGERS]
    chance = np.array([likeness(courses[i], courses[j], overlap) for i, j in strangers.tolist()])
    # Copies among the strangers must not raise the bar: median and quartiles do not see a few of them.
    z = np.arctanh(np.clip(chance, -0.999999, 0.999999)) if len(chance) else np.zeros(1)
    low, middle, high = np.quantile(z, (0.25, 0.5, 0.75))
    bar = max(at_least, float(np.tanh(middle + _APART * (high - low) / 1.349)))
    found = []
    for i, j in _neighbours(pool.mean_ND[able], able):
        r = likeness(courses[i], courses[j], overlap)
        if r >= bar:
            found.append(Copy(pool.clip_ids[i], pool.clip_ids[j], "the course of their features", r))
    return equal + found


def likeness(a_TK: np.ndarray, b_TK: np.ndarray, overlap: float) -> float:
    """The greatest correlation of two courses over all shifts that lay `overlap` of the shorter over the other; ≤ 1.

    a, b: float32 [T, K], each about its mean, in rows of equal duration.
    """
    length = len(a_TK) + len(b_TK) - 1
    n = fft.next_fast_len(length, real=True)
    spectrum = (np.conj(fft.rfft(a_TK, n, axis=0)) * fft.rfft(b_TK, n, axis=0)).sum(axis=1)
    products = fft.irfft(spectrum, n)
    shift = np.arange(-(len(a_TK) - 1), len(b_TK))  # row t of a lies over row t + shift of b
    start = np.maximum(0, -shift)
    stop = np.minimum(len(a_TK), len(b_TK) - shift)
    energy_a, energy_b = (np.concatenate([[0.0], np.cumsum((x.astype(float) ** 2).sum(axis=1))]) for x in (a_TK, b_TK))
    energy = (energy_a[stop] - energy_a[start]) * (energy_b[stop + shift] - energy_b[start + shift])
    enough = (stop - start >= max(_LEAST // 2, overlap * min(len(a_TK), len(b_TK)))) & (energy > 0)
    if not enough.any():
        return 0.0
    return float(np.min([1.0, (products[shift][enough] / np.sqrt(energy[enough])).max()]))


def _equal(marks: Mapping[str, str], how: str) -> list[Copy]:
    groups: dict[str, list[str]] = {}
    for clip, mark in marks.items():
        groups.setdefault(mark, []).append(clip)
    return [Copy(group[0], other, how) for group in groups.values() for other in group[1:]]


def _neighbours(mean_ND: np.ndarray, able: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of clips (numbers from `able`) of which one is among the nearest of the other, by cosine about the mean."""
    x = mean_ND - mean_ND.mean(axis=0)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    pairs = set()
    for row, own in enumerate(x):
        alike = x @ own
        alike[row] = -np.inf
        for other in np.argpartition(-alike, min(_NEIGHBOURS, len(x) - 1) - 1)[:_NEIGHBOURS]:
            if np.isfinite(alike[other]):
                pairs.add((int(able[min(row, other)]), int(able[max(row, other)])))
    return sorted(pairs)


def _at_one_rate(courses: list[np.ndarray], steps: np.ndarray) -> list[np.ndarray]:
    """The courses in rows of the steps' median, by linear interpolation where their own rate is another."""
    step = float(np.median(steps))
    if not np.isfinite(step) or (np.abs(steps / step - 1) < _STEADY).all():
        return courses
    moved = []
    for course, own in zip(courses, steps, strict=True):
        if abs(own / step - 1) < _STEADY:
            moved.append(course)
            continue
        time = np.arange(len(course)) * own
        at = np.arange(0, time[-1] + 1e-9, step)
        moved.append(np.stack([np.interp(at, time, column) for column in course.T], axis=1).astype(np.float32))
    return moved


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES)


def _size(path: Path) -> int:
    return sum(picture.stat().st_size for picture in _pictures(path)) if path.is_dir() else path.stat().st_size


def _bytes(path: Path) -> str:
    return digest([file_digest(picture) for picture in _pictures(path)]) if path.is_dir() else file_digest(path)
