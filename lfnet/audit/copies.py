"""Check for copies of clips: equal files, equal features, or features that correlate over time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import fft

from lfnet.audit.finding import Check, Finding, Status
from lfnet.cohorts.media import FRAME_SUFFIXES, kind
from lfnet.features.clip_summaries import ClipSummaries
from lfnet.fingerprints import digest, file_digest
from lfnet.text import plural

__all__ = ["Copy", "copies", "file_copies", "max_correlation", "source_copies", "vector_copies"]

# Nearest neighbours of a clip, by mean vector, that it is compared with; and random pairs that set the threshold.
_NEIGHBOURS, _RANDOM_PAIRS = 5, 200
# Standard deviations (of Fisher's z) above random pairs from which a pair counts as a copy; minimum rows of a clip.
_MIN_Z, _MIN_ROWS = 6.0, 32
_RELATIVE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Copy:
    """A pair of clips that are copies, the evidence (`how`), and their correlation over time where it was measured."""

    first: str
    second: str
    how: str
    correlation: float | None = None


def copies(clips: pd.DataFrame, found: Iterable[Copy], checked: tuple[str, ...], missing: str) -> Check:
    """The check for all pairs found. `checked`: what was compared; `missing`: what the rest would need."""
    title = "copies of clips"
    pairs: dict[tuple[str, str], Copy] = {}
    for copy in found:
        pairs.setdefault((min(copy.first, copy.second), max(copy.first, copy.second)), copy)
    by = " and ".join(checked)
    beyond = f"; {missing}" if missing else ""
    if not checked:
        return Check.certain(Finding("copies", title, "not checked", missing))
    if not pairs:
        return Check.certain(Finding("copies", title, "clear", f"no copies found by comparing {by}{beyond}"))
    rows = clips.set_index("clip_id")
    split, recording = rows["split"], rows["recording_id"]
    across = [pair for pair in pairs if split[pair[0]] != split[pair[1]] and "unlabelled" not in set(split[[*pair]])]
    count = {how: sum(copy.how == how for copy in pairs.values()) for how in {copy.how for copy in pairs.values()}}
    how = ", ".join(f"{number} by {how}" for how, number in sorted(count.items()))
    text = f"{plural(len(pairs), 'pair')} of clips {'is a copy' if len(pairs) == 1 else 'are copies'} ({how})"
    text += f", {len(across)} of them across splits{beyond}"
    person = dict(zip(clips["clip_id"], clips["person_id"], strict=True))
    disagree = sum(person[one] != person[two] for one, two in pairs)
    text += f"; {disagree} with two person_ids" if disagree else ""
    ordered = sorted(pairs, key=lambda pair: (pair not in across, pair))
    touched = sorted({str(recording[clip]) for pair in ordered for clip in pair})
    advice = "Keep one clip of each pair: remove the other's row from the manifest, or restore the right file."
    numbers = {"pairs": len(pairs), "pairs_across_splits": len(across)}
    status: Status = "leak" if across else "warning"
    return Check.certain(
        Finding("copies", title, status, text, advice, (), tuple(touched), tuple(ordered), numbers=numbers)
    )


def source_copies(clip_ids: Iterable[str], sources: Mapping[str, str]) -> list[Copy]:
    """Find clips whose features come from the same bytes. `sources`: clip_id → digest of its file."""
    return _equal({clip: sources[clip] for clip in clip_ids if sources.get(clip)}, "equal files")


def file_copies(clips: pd.DataFrame) -> tuple[list[Copy], int]:
    """Find clips with equal files, and count the clips whose file exists. Only files of equal size are read.

    Videos of equal size and length with different bytes count too (a changed tag), unless size is proportional to
    length, as in uncompressed video.
    """
    paths = {clip: Path(path) for clip, path in zip(clips["clip_id"], clips["path"], strict=True) if path}
    sizes = {clip: _size(path) for clip, path in paths.items() if path.exists()}
    by_size: dict[tuple[str, int], list[str]] = {}
    for clip, size in sizes.items():
        by_size.setdefault((kind(paths[clip]), size), []).append(clip)
    digests = {clip: _bytes(paths[clip]) for group in by_size.values() if len(group) > 1 for clip in group}
    found = _equal(digests, "equal files")
    frames = clips.set_index("clip_id")["n_frames"]
    rates = np.array([size / frames[clip] for clip, size in sizes.items() if kind(paths[clip]) == "videos"])
    rates = rates[np.isfinite(rates)]
    if len(rates) > 2 and rates.std() > _RELATIVE_TOLERANCE * rates.mean():
        for (what, _), group in by_size.items():
            by_length = {clip: str(frames[clip]) for clip in group if what == "videos" and frames[clip] == frames[clip]}
            for copy in _equal(by_length, "files of equal size and length"):
                if digests[copy.first] != digests[copy.second]:
                    found.append(copy)
    return found, len(sizes)


def vector_copies(
    pool: ClipSummaries, clips: pd.DataFrame, min_correlation: float, min_overlap: float, seed: int
) -> list[Copy]:
    """Find clips with equal features, or with features that correlate over time (a re-encoded or cut copy).

    A pair counts where its `max_correlation` is `min_correlation` or more and far above that of random pairs.
    """
    known = np.flatnonzero(np.isfinite(pool.mean_ND).all(axis=1))
    equal = _equal(
        {pool.clip_ids[i]: pool.mean_ND[i].tobytes().hex() + str(pool.frames_N[i]) for i in known}, "equal features"
    )
    able = np.array([i for i in known if pool.frames_N[i] >= _MIN_ROWS and np.abs(pool.courses[i]).max() > 0], int)
    if len(able) < 3:
        return equal
    courses = dict(zip(able.tolist(), _at_one_rate([pool.courses[i] for i in able], pool.step_N[able]), strict=True))
    random = np.random.default_rng(seed)
    recording = clips.set_index("clip_id")["recording_id"].reindex(pool.clip_ids).to_numpy()
    random_pairs = random.choice(able, (2 * _RANDOM_PAIRS, 2))
    random_pairs = random_pairs[recording[random_pairs[:, 0]] != recording[random_pairs[:, 1]]][:_RANDOM_PAIRS]
    chance = np.array([max_correlation(courses[i], courses[j], min_overlap) for i, j in random_pairs.tolist()])
    # Median and quartiles: a few copies among the random pairs must not raise the threshold.
    z = np.arctanh(np.clip(chance, -0.999999, 0.999999)) if len(chance) else np.zeros(1)
    low, middle, high = np.quantile(z, (0.25, 0.5, 0.75))
    threshold = max(min_correlation, float(np.tanh(middle + _MIN_Z * (high - low) / 1.349)))
    found = []
    for i, j in _neighbours(pool.mean_ND[able], able):
        r = max_correlation(courses[i], courses[j], min_overlap)
        if r >= threshold:
            found.append(Copy(pool.clip_ids[i], pool.clip_ids[j], "features over time", r))
    return equal + found


def max_correlation(a_TK: np.ndarray, b_TK: np.ndarray, min_overlap: float) -> float:
    """Highest correlation of two clips over all shifts at which `min_overlap` of the shorter overlaps the other.

    a, b: float32 [T, K], each centred, in rows of equal duration.
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
    enough = (stop - start >= max(_MIN_ROWS // 2, min_overlap * min(len(a_TK), len(b_TK)))) & (energy > 0)
    if not enough.any():
        return 0.0
    return float(np.min([1.0, (products[shift][enough] / np.sqrt(energy[enough])).max()]))


def _equal(keys: Mapping[str, str], how: str) -> list[Copy]:
    groups: dict[str, list[str]] = {}
    for clip, key in keys.items():
        groups.setdefault(key, []).append(clip)
    return [Copy(group[0], other, how) for group in groups.values() for other in group[1:]]


def _neighbours(mean_ND: np.ndarray, able: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of clips (numbers from `able`) of which one is among the nearest of the other, by centred cosine."""
    x = mean_ND - mean_ND.mean(axis=0)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    pairs = set()
    for row, own in enumerate(x):
        cosine = x @ own
        cosine[row] = -np.inf
        for other in np.argpartition(-cosine, min(_NEIGHBOURS, len(x) - 1) - 1)[:_NEIGHBOURS]:
            if np.isfinite(cosine[other]):
                pairs.add((int(able[min(row, other)]), int(able[max(row, other)])))
    return sorted(pairs)


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


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES)


def _size(path: Path) -> int:
    return sum(image.stat().st_size for image in _images(path)) if path.is_dir() else path.stat().st_size


def _bytes(path: Path) -> str:
    return digest([file_digest(image) for image in _images(path)]) if path.is_dir() else file_digest(path)
