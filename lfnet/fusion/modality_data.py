"""What a fusion is given: one split's clips, and the rows of two streams that belong to them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold

from lfnet.errors import LfnetError

__all__ = ["AGGREGATES", "Split", "Stream", "aggregate", "balanced_folds", "engineered_columns", "folds"]

SKIN = "skin"  # colours of the skin: the pulse is made from them, nothing is fused with them


@dataclass(frozen=True)
class Stream:
    """Rows of one stream, several or none a clip.

    X: float64 [rows, D], NaN where a feature is invalid. clip: int64 [rows], index into the split's clips. names: D.
    """

    X: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]

    def of(self, clips: np.ndarray) -> "Stream":
        """The rows of some clips, numbered anew in the order of `clips` (indices, each once)."""
        place = np.full(max(int(self.clip.max(initial=-1)), int(clips.max(initial=-1))) + 1, -1)
        place[clips] = np.arange(len(clips))
        kept = place[self.clip] >= 0
        return Stream(self.X[kept], place[self.clip[kept]], self.names)

    def missing(self, clips: int) -> np.ndarray:
        """Which of 0 … clips − 1 have no row."""
        return np.setdiff1d(np.arange(clips), self.clip)

    def whole(self, clips: int) -> "Stream":
        """These rows and one of NaN for each clip that has none: a pipeline that imputes can score every clip."""
        absent = self.missing(clips)
        X = np.vstack([self.X, np.full((len(absent), self.X.shape[1]), np.nan)])
        return Stream(X, np.concatenate([self.clip, absent]), self.names)

    def each(self, how: str) -> "Stream":
        """One row a clip that has any: its `first`, or the `mean` of its rows (of each feature's valid values)."""
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
    """One split's clips: y [clips] in points (NaN where unknown), people, clip_ids, recording_ids, and both sides."""

    y: np.ndarray
    people: np.ndarray
    clip_ids: np.ndarray
    recording_ids: np.ndarray
    visual: Stream | None
    physiological: Stream | None

    @classmethod
    def of_arrays(cls, arrays: Any, visual: str | None, physiological: str) -> "Split":
        """From what `DataModule.arrays(split)` returns.

        visual: the visual stream's name; None for the only one that is neither skin nor `physiological`. A side whose
        stream is not there is None. Raises `LfnetError` where the visual stream cannot be told.
        """
        streams = arrays.streams
        if visual is None:
            names = [name for name in streams if name not in (SKIN, physiological)]
            if len(names) > 1:
                raise LfnetError(f"which stream is the visual one: {', '.join(names)}? Say fusion.visual.stream=NAME.")
            visual = names[0] if names else None
        elif visual not in streams:
            raise LfnetError(f"fusion.visual.stream={visual}: the features have the streams {', '.join(streams)}.")
        visual_side, pulse_side = (
            Stream(*streams[name]) if name is not None and name in streams else None for name in (visual, physiological)
        )
        people, clip_ids, recording_ids = map(np.asarray, (arrays.groups, arrays.clip_ids, arrays.recording_ids))
        return cls(np.asarray(arrays.y, float), people, clip_ids, recording_ids, visual_side, pulse_side)

    def __len__(self) -> int:
        return len(self.y)

    def of(self, clips: np.ndarray) -> "Split":
        """Some of the clips, by index."""
        visual, pulse = (None if side is None else side.of(clips) for side in (self.visual, self.physiological))
        return Split(self.y[clips], self.people[clips], self.clip_ids[clips], self.recording_ids[clips], visual, pulse)

    def labelled(self) -> "Split":
        """The clips whose label is known."""
        return self if np.isfinite(self.y).all() else self.of(np.flatnonzero(np.isfinite(self.y)))

    def without_labels(self) -> "Split":
        """The same clips with every label unknown: what is given to code that must not see them."""
        return replace(self, y=np.full(len(self), np.nan))

    def side(self, name: str) -> Stream:
        """One side's rows. Raises `LfnetError` where the features have no such stream."""
        stream: Stream | None = getattr(self, name)
        if stream is None:
            raise LfnetError(
                f"the features hold no {name} stream. On video: encoder=[visual,skin]; else fusion.model="
                f"{'physiological' if name == 'visual' else 'visual'} works with the other one alone."
            )
        return stream

    def descriptors(self, sides: Sequence[str]) -> np.ndarray:
        """[clips, D of all sides]: the mean of each clip's rows, NaN where a clip has none."""
        blocks = []
        for name in sides:
            each = self.side(name).whole(len(self)).each("mean")
            blocks.append(each.X)
        return np.hstack(blocks)


def engineered_columns(
    names: Sequence[str], ratio: Mapping[str, Sequence[str]], distance: Mapping[str, Sequence[Any]]
) -> tuple[list[tuple[int, int]], list[tuple[int, float]], list[str]]:
    """What to engineer from columns called `names`: ratios (above, below), distances (column, constant), and the names
    of the new features in that order. One whose columns are not there is left out.
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
    scores: np.ndarray, clip: np.ndarray, clips: int, how: str, *, trim: float = 0.1, mean_share: float = 0.7
) -> np.ndarray:
    """float64 [clips] from the scores [rows] of segments; NaN for a clip without one.

    how: mean, median, trimmed_mean (a share `trim` left out at either end, as `scipy.stats.trim_mean`) or mean_median
    (mean_share · mean + (1 − mean_share) · median; published .7 and .3). Raises `ValueError` for another.
    """
    if how not in AGGREGATES:
        raise ValueError(f"unknown aggregation {how!r}: one of {AGGREGATES}")
    joined = np.full(clips, np.nan)
    for number in np.unique(clip):
        own = np.sort(scores[clip == number])
        if how == "trimmed_mean":
            cut = int(trim * len(own))
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
    """(train, held-out) indices by scikit-learn's GroupKFold; `count` folds, or one a group where there are fewer.

    Raises `LfnetError` where there is only one group; what: its name in print.
    """
    yield from GroupKFold(min(count, _several(groups, what))).split(groups, groups=groups)


def balanced_folds(groups: np.ndarray, labels: np.ndarray, count: int, what: str = "person") -> Iterator[Fold]:
    """As `folds`, with groups dealt by their mean label so that every fold's mean is near the whole's.

    A cautious model scores near the mean of what it was fitted on. Where a held-out fold's labels lie high, those of
    the others lie low, so that the scores of unbalanced folds run against the labels, and a model that learns from
    such scores learns that.
    """
    count = min(count, _several(groups, what))
    names, place = np.unique(groups, return_inverse=True)
    means = np.bincount(place, labels) / np.bincount(place)
    rank = np.empty(len(names), int)
    rank[np.argsort(means, kind="stable")] = np.arange(len(names))
    # Dealt to and fro (0 1 2 2 1 0 0 …): dealt round, the last fold would always get the highest of each round.
    turn = rank % (2 * count)
    fold = np.where(turn < count, turn, 2 * count - 1 - turn)[place]
    for number in range(count):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def _several(groups: np.ndarray, what: str) -> int:
    different = len(np.unique(groups))
    if different < 2:
        raise LfnetError(f"cross-validation by {what} needs 2 or more of them among the training clips; there is one.")
    return different
