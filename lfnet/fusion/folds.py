"""Folds that keep a group together: no person, or no clip, on both sides."""

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import GroupKFold

from lfnet.errors import LfnetError

__all__ = ["folds"]


def folds(groups: np.ndarray, count: int, what: str = "person") -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(train, held-out) indices; `count` folds, or one a group where there are fewer groups.

    Raises `LfnetError` where there is only one group.
    """
    different = len(np.unique(groups))
    if different < 2:
        raise LfnetError(f"cross-validation by {what} needs 2 or more of them among the training clips; there is one.")
    yield from GroupKFold(min(count, different)).split(groups, groups=groups)
