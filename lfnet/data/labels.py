"""Labels for training: z-scored on training recordings, and permuted between people for a baseline."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError

__all__ = ["ITEM", "Labels", "exchanged"]

ITEM = "item "
"""Before the name of an item, in the columns of windows."""

# Separates the random numbers of the permutation from other uses of the same seed.
_PERMUTATION = 7


@dataclass(frozen=True)
class Labels:
    """Z-score of labels: mean and SD (ddof 0) over training recordings, in scale points.

    Examples
    --------
    >>> labels = Labels.fit(np.array([2.0, 4.0, 6.0]))
    >>> labels.points(labels.standardise(np.array([10.0]))).tolist()
    [10.0]
    """

    mean: float
    sd: float

    @classmethod
    def fit(cls, labels: np.ndarray) -> "Labels":
        """Fit on one label per training recording. Equal labels are an `LfnetError`."""
        sd = float(np.std(labels))
        if not sd > 0:
            raise LfnetError(
                f"all {len(labels)} training recordings have the same label: there is nothing to learn. "
                "Check the manifest's label and split columns."
            )
        return cls(float(np.mean(labels)), sd)

    def standardise(self, points: np.ndarray) -> np.ndarray:
        """Convert scale points to units of the training SD."""
        return (points - self.mean) / self.sd

    def points(self, standard: np.ndarray) -> np.ndarray:
        """Convert units of the training SD to scale points."""
        return standard * self.sd + self.mean

    def mapped(self, intercept: float, slope: float) -> "Labels":
        """Return the z-score whose points are intercept + slope · those of this one.

        Examples
        --------
        >>> Labels(mean=10.0, sd=2.0).mapped(-10.0, 2.0)
        Labels(mean=10.0, sd=4.0)
        """
        return Labels(intercept + slope * self.mean, slope * self.sd)


def exchanged(clips: pd.DataFrame, seed: int, splits: Collection[str] = ("train", "dev")) -> pd.Series:
    """Return the recording whose label each clip gets where labels are exchanged between the people of a split.

    In each split people are put into two random orders; the labels of the one order, in sequence, are given to the
    recordings of the other. The set of labels is unchanged, a person's labels stay together as far as numbers of
    recordings allow, and all clips of a recording have one label. The split that chooses the epoch must be among them:
    a head chosen on true labels is no null.

    Parameters
    ----------
    clips : DataFrame
        Columns clip_id, recording_id, person_id and split.
    seed : int
        Seed of the orders.
    splits : collection of str
        The splits whose labels are exchanged.

    Returns
    -------
    Series of str
        Ids of recordings, with the index of `clips`; those of other splits are their own.

    Raises
    ------
    LfnetError
        A split has fewer than two people.

    Examples
    --------
    >>> clips = pd.DataFrame({"clip_id": ["a", "b"], "recording_id": ["a", "b"], "person_id": ["p", "q"]})
    >>> exchanged(clips.assign(split="train"), seed=0, splits=["train"]).tolist()
    ['b', 'a']
    """
    changed = clips["recording_id"].copy()
    for split in splits:
        inside = clips["split"] == split
        recordings = clips[inside].drop_duplicates("recording_id")
        own = {person: rows.to_numpy() for person, rows in recordings.groupby("person_id", sort=True)["recording_id"]}
        if len(own) < 2:
            raise LfnetError(f"protocol.labels=permuted needs two people or more in split {split}.")
        random = np.random.default_rng([seed, _PERMUTATION] + [1] * (split != "train"))
        people = list(own)
        giving, taking = (np.concatenate([own[people[i]] for i in random.permutation(len(people))]) for _ in range(2))
        changed[inside] = clips.loc[inside, "recording_id"].map(dict(zip(taking, giving, strict=True)))
    return changed
