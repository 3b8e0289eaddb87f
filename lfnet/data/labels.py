"""Labels as a head learns them: z-scored on training recordings, and for a baseline dealt to other people."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError

__all__ = ["Labels", "permuted"]

# Sets the permutation of labels apart from all else that is drawn from the same seed.
_PERMUTATION = 7


@dataclass(frozen=True)
class Labels:
    """The z-score of labels: mean and sd (ddof 0) over training *recordings*, in scale points."""

    mean: float
    sd: float

    @classmethod
    def fit(cls, labels: np.ndarray) -> "Labels":
        """Fit on one label a training recording. Raises `LfnetError` where they are all the same."""
        sd = float(np.std(labels))
        if not sd > 0:
            raise LfnetError(
                f"all {len(labels)} training recordings have the same label: there is nothing to learn. "
                "Check the manifest's label and split columns."
            )
        return cls(float(np.mean(labels)), sd)

    def standardise(self, points: np.ndarray) -> np.ndarray:
        """Scale points to units of the training sd."""
        return (points - self.mean) / self.sd

    def points(self, standard: np.ndarray) -> np.ndarray:
        """Units of the training sd back to scale points."""
        return standard * self.sd + self.mean


def permuted(clips: pd.DataFrame, seed: int) -> pd.Series:
    """The labels of `clips` with those of training recordings dealt to other training people; the rest untouched.

    clips: clip_id, recording_id, person_id, split, label. Returns float64 with the index of `clips`.

    People are put into two random orders; the labels of the one order, laid end to end, are dealt to the recordings of
    the other. So the labels are the same ones as before, a person's labels stay together as far as numbers of
    recordings allow it, all clips of a recording keep one label, and what a face says about a score is gone.
    Raises `LfnetError` where there are fewer than two training people.
    """
    train = clips[clips["split"] == "train"].drop_duplicates("recording_id")
    own = {person: rows.to_numpy() for person, rows in train.groupby("person_id", sort=True)["recording_id"]}
    if len(own) < 2:
        raise LfnetError("protocol.labels=permuted needs two training people or more: there is nobody to swap with.")
    random = np.random.default_rng([seed, _PERMUTATION])
    people = list(own)
    giving, taking = (np.concatenate([own[people[i]] for i in random.permutation(len(people))]) for _ in range(2))
    label = train.set_index("recording_id")["label"]
    dealt = dict(zip(taking, label.loc[giving].to_numpy(float), strict=True))
    changed = clips["label"].astype(float).copy()
    is_train = clips["split"] == "train"
    changed[is_train] = clips.loc[is_train, "recording_id"].map(dealt).astype(float)
    return changed
