"""Find streams whose times are shifted against each other."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lfnet.features.store import ClipFeatures

__all__ = ["Shift", "activity", "find_shift"]

_STEP = 0.1  # seconds of a bin
_MAX_LAG = 20  # bins
_MIN_LAG = 2  # bins: less is within the width of windows, and of what a face does before a sound
_MAX_BINS = 1200  # of a clip
_TREND = 51  # bins of the running mean that is subtracted
_DRAWS = 39
_MIN_CLIPS = 3


class Shift(NamedTuple):
    """Seconds that a stream is late, and the correlation of two streams' activity there and as they are."""

    seconds: float
    correlation: float
    unmoved: float


def activity(clip: ClipFeatures) -> np.ndarray:
    """Return how much a clip's vectors change, float64 [bins] of 0.1 s from time 0, without slow changes.

    The mean absolute change of the columns, each divided by its SD, standardised; 0 where there is no vector. Empty for
    a clip of fewer than ten vectors a second, which would leave bins empty at regular distances.

    Examples
    --------
    >>> x_TD = np.zeros((60, 1), np.float32)
    >>> x_TD[30:] = 1
    >>> int(activity(ClipFeatures(x_TD, np.ones(60, bool), np.arange(60) / 10)).argmax())
    30
    """
    rows = np.flatnonzero(clip.valid)
    if len(rows) < 3:
        return np.zeros(0)
    x_TD, time_T = clip.features[rows].astype(np.float64), clip.time[rows]
    sd_D = x_TD.std(axis=0)
    if not (sd_D > 0).any() or np.median(np.diff(time_T)) > 1.05 * _STEP:
        return np.zeros(0)
    steps_T = np.abs(np.diff(x_TD[:, sd_D > 0] / sd_D[sd_D > 0], axis=0)).mean(axis=1)
    bins = np.floor(time_T[1:] / _STEP + 1e-6).astype(int)
    kept = (bins >= 0) & (bins < _MAX_BINS)
    if not kept.any():
        return np.zeros(0)
    total, count = np.bincount(bins[kept], steps_T[kept]), np.bincount(bins[kept])
    if len(total) < _TREND:
        return np.zeros(0)
    known = count > 0
    level = np.log(np.where(known, total, 1.0) / np.maximum(count, 1) + 1e-6)
    frame = np.ones(_TREND)
    trend = np.convolve(level * known, frame, "same") / np.maximum(np.convolve(known, frame, "same"), 1)
    level = np.where(known, level - trend, 0.0)
    return level / level.std() if level.std() > 0 else np.zeros(0)


def find_shift(first: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> Shift | None:
    """Return by how much a stream is late against the first one; None where that cannot be decided, or below 0.2 s.

    The correlation of the streams' activity, averaged over clips, must be higher at some lag of up to 2 s than at
    none, by more than in each of 39 draws that turn the clips of one stream in time. Streams that have nothing in
    common give such a finding in one of 40 cases.

    Parameters
    ----------
    first, other : mapping of str to ndarray
        Activity of each clip in both streams.

    References
    ----------
    Phipson & Smyth, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> seen = {str(number): random.normal(size=300) for number in range(5)}
    >>> heard = {name: np.roll(series, 5) for name, series in seen.items()}
    >>> round(find_shift(seen, heard).seconds, 1)
    0.5
    """
    pairs = []
    for name in sorted(set(first) & set(other)):
        length = max(len(first[name]), len(other[name]))
        if min(len(first[name]), len(other[name])) > 3 * _MAX_LAG:
            pairs.append([np.pad(series[name], (0, length - len(series[name]))) for series in (first, other)])
    if len(pairs) < _MIN_CLIPS:
        return None
    random = np.random.default_rng(0)
    found = _correlations(pairs)
    best = int(np.argmax(found))
    lag, gain = best - _MAX_LAG, found[best] - found[_MAX_LAG]
    if abs(lag) < _MIN_LAG:
        return None
    for _ in range(_DRAWS):
        drawn = _correlations(
            [(one, np.roll(two, random.integers(_MAX_LAG + 1, len(two) - _MAX_LAG))) for one, two in pairs]
        )
        if drawn.max() - drawn[_MAX_LAG] >= gain:
            return None
    return Shift(lag * _STEP, float(found[best]), float(found[_MAX_LAG]))


def _correlations(pairs) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Mean over clips of the correlation at each lag from -_MAX_LAG to _MAX_LAG; positive: the second is late."""
    total = np.zeros(2 * _MAX_LAG + 1)
    for one, two in pairs:
        size = len(one) + _MAX_LAG
        product = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(two, size), size) / len(one)
        total += np.concatenate([product[-_MAX_LAG:], product[: _MAX_LAG + 1]])
    return total / len(pairs)
