"""Folds that keep a group together: no person, or no clip, on both sides."""

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import GroupKFold

from lfnet.errors import LfnetError

__all__ = ["balanced_folds", "folds"]

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
