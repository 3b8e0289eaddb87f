"""Data of one split for a fusion: its clips, their rows in each modality, aggregation and folds."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import GroupKFold

from lfnet.errors import LfnetError
from lfnet.fusion.settings import MODALITIES

if TYPE_CHECKING:
    from lfnet.data.datamodule import DataModule

__all__ = ["AGGREGATES", "Split", "Stream", "aggregate", "balanced_folds", "engineered_columns", "folds", "read_splits"]

_ENCODERS = {"visual": "[visual,skin]", "physiological": "[visual,skin]", "audio": "[visual,skin,logmel]"}
SKIN = "skin"  # skin colours: the pulse is computed from them, and they are no modality


@dataclass(frozen=True)
class Stream:
    """Rows of one stream; a clip has none, one or several.

    Parameters
    ----------
    X : float64 [rows, D]
        Features, NaN where invalid.
    clip : int64 [rows]
        Index of each row's clip in the split.
    names : tuple of str
        D names of features.

    Examples
    --------
    >>> stream = Stream(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 2]), ("rmssd",))
    >>> stream.missing(3)
    array([1])
    >>> stream.reduce("mean").X.ravel()
    array([2., 5.])
    """

    X: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]

    def take(self, clips: np.ndarray) -> "Stream":
        """Return the rows of some clips (unique indices), renumbered in the order of `clips`."""
        place = np.full(max(int(self.clip.max(initial=-1)), int(clips.max(initial=-1))) + 1, -1)
        place[clips] = np.arange(len(clips))
        kept = place[self.clip] >= 0
        return Stream(self.X[kept], place[self.clip[kept]], self.names)

    def missing(self, clips: int) -> np.ndarray:
        """Return which of 0 … clips − 1 have no row."""
        return np.setdiff1d(np.arange(clips), self.clip)

    def padded(self, clips: int) -> "Stream":
        """Add a row of NaN for each clip without rows, so that a pipeline that imputes can score every clip."""
        absent = self.missing(clips)
        X = np.vstack([self.X, np.full((len(absent), self.X.shape[1]), np.nan)])
        return Stream(X, np.concatenate([self.clip, absent]), self.names)

    def reduce(self, how: str) -> "Stream":
        """Reduce to one row a clip: its `first`, or the `mean` of its rows (of each feature's valid values)."""
        clips = np.unique(self.clip)
        if how == "first":
            first = [int(np.flatnonzero(self.clip == clip)[0]) for clip in clips]
            return Stream(self.X[first], clips, self.names)
        valid = ~np.isnan(self.X)
        place = np.searchsorted(clips, self.clip)
        sums, counts = np.zeros((2, len(clips), self.X.shape[1]))
        np.add.at(sums, place, np.where(valid, self.X, 0.0))
        np.add.at(counts, place, valid)
        return Stream(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), clips, self.names)


@dataclass(frozen=True)
class Split:
    """One split's clips and the rows of each modality.

    Parameters
    ----------
    y : float64 [clips]
        Labels in points; NaN where unknown.
    people, clip_ids, recording_ids : ndarray of str [clips]
        Ids of each clip.
    visual, physiological, audio : Stream or None
        Rows of each modality; None where the features have no such stream.
    """

    y: np.ndarray
    people: np.ndarray
    clip_ids: np.ndarray
    recording_ids: np.ndarray
    visual: Stream | None
    physiological: Stream | None
    audio: Stream | None = None

    @classmethod
    def from_arrays(cls, arrays: Any, visual: str | None, physiological: str, audio: str | None = None) -> "Split":
        """Build a split from what `DataModule.arrays` returns.

        Parameters
        ----------
        arrays : SplitArrays
            Labels, ids and streams of one split.
        visual : str or None
            Name of the visual stream; None for the only one that is neither skin nor another modality's.
        physiological, audio : str
            Names of these streams; None for no sound. A modality without a stream is None.

        Raises
        ------
        LfnetError
            The visual stream does not exist, or there are several candidates.
        """
        streams = arrays.streams
        if visual is None:
            names = [name for name in streams if name not in (SKIN, physiological, audio)]
            if len(names) > 1:
                raise LfnetError(
                    f"several streams may be the visual one: {', '.join(names)}. Set fusion.visual.stream=NAME."
                )
            visual = names[0] if names else None
        elif visual not in streams:
            raise LfnetError(f"fusion.visual.stream={visual}: the features have the streams {', '.join(streams)}.")
        own = (
            Stream(*streams[name]) if name is not None and name in streams else None
            for name in (visual, physiological, audio)
        )
        people, clip_ids, recording_ids = map(np.asarray, (arrays.groups, arrays.clip_ids, arrays.recording_ids))
        return cls(np.asarray(arrays.y, float), people, clip_ids, recording_ids, *own)

    def __len__(self) -> int:
        return len(self.y)

    def take(self, clips: np.ndarray) -> "Split":
        """Return some of the clips, by index."""
        rows = (getattr(self, modality) for modality in MODALITIES)
        own = (None if stream is None else stream.take(clips) for stream in rows)
        return Split(self.y[clips], self.people[clips], self.clip_ids[clips], self.recording_ids[clips], *own)

    def join(self, other: "Split") -> "Split":
        """Return the clips of both splits, these first."""
        streams: list[Stream | None] = []
        for name in MODALITIES:
            mine, others = getattr(self, name), getattr(other, name)
            if mine is None or others is None:
                streams.append(None)
                continue
            clip = np.concatenate([mine.clip, others.clip + len(self)])
            streams.append(Stream(np.vstack([mine.X, others.X]), clip, mine.names))
        ids = (
            np.concatenate([getattr(self, key), getattr(other, key)]) for key in ("people", "clip_ids", "recording_ids")
        )
        return Split(np.concatenate([self.y, other.y]), *ids, *streams)

    def labelled(self) -> "Split":
        """Return the clips with a known label."""
        return self if np.isfinite(self.y).all() else self.take(np.flatnonzero(np.isfinite(self.y)))

    def without_labels(self) -> "Split":
        """Return the same clips without labels, for code that must not see them."""
        return replace(self, y=np.full(len(self), np.nan))

    def stream(self, name: str) -> Stream:
        """Return the rows of one modality. Raises `LfnetError` where the features have no such stream."""
        stream: Stream | None = getattr(self, name)
        if stream is None:
            raise LfnetError(
                f"the features hold no {name} stream. Set encoder={_ENCODERS[name]} for video, or use another modality "
                f"alone: fusion.model={'physiological' if name == 'visual' else 'visual'}."
            )
        return stream

    def descriptors(self, modalities: Sequence[str]) -> np.ndarray:
        """Return the mean of each clip's rows, [clips, D of all modalities]; NaN where a clip has none."""
        return np.hstack([self.stream(name).padded(len(self)).reduce("mean").X for name in modalities])


def engineered_columns(
    names: Sequence[str], ratio: Mapping[str, Sequence[str]], distance: Mapping[str, Sequence[Any]]
) -> tuple[list[tuple[int, int]], list[tuple[int, float]], list[str]]:
    """Find the columns of engineered features by name.

    Parameters
    ----------
    names : sequence of str
        Names of the columns; case, units in brackets and the prefixes HRV_ and PRV_ are ignored.
    ratio, distance : mapping
        New name → (numerator, denominator), and new name → (column, constant). Features without columns are left out.

    Returns
    -------
    ratios : list of (int, int)
    distances : list of (int, float)
    made : list of str
        Names of the new features in that order.

    Examples
    --------
    >>> engineered_columns(["HRV_RMSSD", "SDNN (ms)"], {"ratio": ("rmssd", "sdnn")}, {})
    ([(0, 1)], [], ['ratio'])
    """
    place = {_plain(name): column for column, name in reversed(list(enumerate(names)))}
    ratios, distances, made = [], [], []
    for new, (above, below) in ratio.items():
        if (a := place.get(_plain(above))) is not None and (b := place.get(_plain(below))) is not None:
            ratios.append((a, b))
            made.append(new)
    for new, (column, constant) in distance.items():
        if (a := place.get(_plain(column))) is not None:
            distances.append((a, float(constant)))
            made.append(new)
    return ratios, distances, made


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(hrv|prv)_", "", re.sub(r"\(.*\)", "", name.lower())))


AGGREGATES = ("mean", "median", "trimmed_mean", "mean_median")


def aggregate(
    scores: np.ndarray, clip: np.ndarray, clips: int, how: str, *, trim: int = 1, mean_share: float = 0.7
) -> np.ndarray:
    """Aggregate scores of segments to scores of clips.

    Parameters
    ----------
    scores : float64 [rows]
        Scores of segments.
    clip : int64 [rows]
        Index of each segment's clip.
    clips : int
        Number of clips.
    how : {"mean", "median", "trimmed_mean", "mean_median"}
        "trimmed_mean" leaves out `trim` scores at either end, where as many remain (published: 1); "mean_median" is
        mean_share · mean + (1 − mean_share) · median (published: .7 and .3).

    Returns
    -------
    float64 [clips]
        NaN for a clip without segments.

    Raises
    ------
    ValueError
        `how` is unknown.

    Examples
    --------
    >>> aggregate(np.array([1.0, 2.0, 9.0]), np.array([0, 0, 0]), 2, "median")
    array([ 2., nan])
    >>> aggregate(np.array([3.0, 9, 10, 11, 30]), np.zeros(5, int), 1, "trimmed_mean")
    array([10.])
    """
    if how not in AGGREGATES:
        raise ValueError(f"unknown aggregation {how!r}: one of {AGGREGATES}")
    joined = np.full(clips, np.nan)
    for number in np.unique(clip):
        own = np.sort(scores[clip == number])
        if how == "trimmed_mean":
            cut = trim if len(own) > 2 * trim else 0
            own = own[cut : len(own) - cut]
        mean, median = own.mean(), np.median(own)
        if how == "median":
            joined[number] = median
        elif how == "mean_median":
            joined[number] = mean_share * mean + (1 - mean_share) * median
        else:
            joined[number] = mean
    return joined


Fold = tuple[np.ndarray, np.ndarray]


def folds(groups: np.ndarray, count: int, what: str) -> Iterator[Fold]:
    """Yield (training, held-out) indices of scikit-learn's GroupKFold, with at most one fold a group.

    Raises `LfnetError` where there is only one group; `what` names groups in that message.
    """
    yield from GroupKFold(min(count, _count_groups(groups, what))).split(groups, groups=groups)


def balanced_folds(groups: np.ndarray, labels: np.ndarray, count: int, repeat: int = 0) -> Iterator[Fold]:
    """Yield folds as `folds` does, with groups balanced by their mean label; each `repeat` is another deal.

    A model with shrunken scores predicts near the mean of its training labels. Where a held-out fold's labels are high,
    those of the others are low. So out-of-fold scores of unbalanced folds correlate negatively with the labels, and a
    model fitted on such scores learns that.

    Examples
    --------
    >>> groups, labels = np.array(["a", "a", "b", "c", "d"]), np.array([1.0, 1.0, 9.0, 5.0, 6.0])
    >>> [held_out.tolist() for _, held_out in balanced_folds(groups, labels, 2)]
    [[0, 1, 2], [3, 4]]
    """
    count = min(count, _count_groups(groups, "person"))
    names, place = np.unique(groups, return_inverse=True)
    means = np.bincount(place, labels) / np.bincount(place)
    rank = np.empty(len(names), int)
    rank[np.argsort(means, kind="stable")] = np.arange(len(names))
    # Snake order (0 1 2 2 1 0 0 …): in round-robin order the last fold would always get the highest label.
    turn = rank % (2 * count)
    fold = np.where(turn < count, turn, 2 * count - 1 - turn)
    if repeat:  # neighbours in rank, one of each fold, change places at random
        random = np.random.default_rng(repeat)
        for start in range(0, len(names), count):
            block = np.flatnonzero((rank >= start) & (rank < start + count))
            fold[block] = random.permutation(fold[block])
    fold = fold[place]
    for number in range(count):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def _count_groups(groups: np.ndarray, what: str) -> int:
    different = len(np.unique(groups))
    if different < 2:
        raise LfnetError(f"cross-validation by {what} needs 2 or more of them in the training split; there is one.")
    return different


def read_splits(
    data: "DataModule", visual: str | None, physiological: str, audio: str | None = None
) -> dict[str, Split]:
    """Read the rows of every split that has clips. visual, physiological, audio: names of their streams."""
    present = [name for name in ("train", "dev", "test", "unlabelled") if (data.clips["split"] == name).any()]
    return {name: Split.from_arrays(data.arrays(name), visual, physiological, audio) for name in present}
