"""Align rows of scores: check that they are on the same recordings, and put them in one order."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lfnet.errors import LfnetError
from lfnet.evaluation.sufficient_statistics import Labels, Scores, label_sums, score_sums
from lfnet.evaluation.training_sets import TrainingSets

__all__ = ["Aligned", "RowScores", "align"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RowScores:
    """Scores of n recordings by each seed of one model.

    Parameters
    ----------
    name : str
    recording_id, person_id : sequence of str, length n
    label : array_like, shape [n]
        In points; NaN where unknown.
    score : array_like, shape [seeds, n]
        In points.
    shared_people : frozenset of str
        People who have recordings in another split too, such as train. The others are new people.
    deterministic : bool
        Whether nothing is drawn at random (a constant, ridge): one seed is then enough for statements about the
        architecture.
    training : TrainingSets, optional
        Of a repeated cross-validation: which training set each score comes from.

    Examples
    --------
    >>> RowScores("constant", ["r1", "r2"], ["ann", "bob"], [3.0, 20.0], [[11.5, 11.5]], deterministic=True).name
    'constant'
    """

    name: str
    recording_id: Sequence[str]
    person_id: Sequence[str]
    label: ArrayLike
    score: ArrayLike
    shared_people: frozenset[str] = field(default=frozenset(), repr=False)
    deterministic: bool = False
    training: TrainingSets | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Aligned:
    """Rows on the same labelled recordings, in the order of recording ids.

    Parameters
    ----------
    names, people : tuple of str
        Rows, and people in the order of their ids.
    person_N : ndarray of int
        Index of each recording's person, 0 … P − 1.
    label_N : ndarray
    score_RSN : tuple of ndarray
        One [S, N] per row.
    training_R : tuple of TrainingSets or None
        Of each row; empty where rows were selected.
    """

    names: tuple[str, ...]
    people: tuple[str, ...]
    person_N: NDArray[np.intp]
    label_N: Floats
    score_RSN: tuple[Floats, ...]
    training_R: tuple[TrainingSets | None, ...] = ()

    def labels(self, constant: float | None) -> Labels:
        """Sums of labels per person."""
        return label_sums(self.person_N, self.label_N, constant)

    def scores(self, row: int) -> Scores:
        """Sums of one row's scores per person."""
        return score_sums(self.person_N, self.label_N, self.score_RSN[row])

    def only(self, people: frozenset[str], row: int) -> "Aligned | None":
        """Select one row and the recordings of some people; None where there are none."""
        chosen = np.array([person in people for person in self.people])[self.person_N]
        if not chosen.any():
            return None
        kept, person_N = np.unique(self.person_N[chosen], return_inverse=True)
        return Aligned(
            (self.names[row],),
            tuple(self.people[number] for number in kept),
            person_N,
            self.label_N[chosen],
            (self.score_RSN[row][:, chosen],),
        )

    def of_seeds(self, row: int) -> "Aligned":
        """Split one row into a row per seed."""
        scores = tuple(score_N[None] for score_N in self.score_RSN[row])
        names = tuple(f"{self.names[row]}, seed {number}" for number in range(len(scores)))
        return Aligned(names, self.people, self.person_N, self.label_N, scores)

    def over_training_sets(self, row: int) -> tuple[NDArray[np.str_], Floats, Floats]:
        """Names of the row's training sets in order, the mean |error| of each, and its number of scores."""
        training = self.training_R[row]
        assert training is not None
        names, set_SN = np.unique(training.set_SN, return_inverse=True)
        errors = np.abs(self.score_RSN[row] - self.label_N)
        count_K = np.bincount(set_SN.ravel()).astype(np.float64)
        return names, np.bincount(set_SN.ravel(), errors.ravel()) / count_K, count_K

    def mean_errors(self, row: int) -> Floats:
        """Mean |error| of each person [P], over recordings and seeds."""
        errors = np.abs(self.score_RSN[row] - self.label_N).mean(axis=0)
        return np.bincount(self.person_N, errors) / self.recordings

    @property
    def recordings(self) -> Floats:
        """Number of recordings of each person [P]."""
        return np.bincount(self.person_N).astype(np.float64)


def align(rows: Sequence[RowScores]) -> Aligned:
    """Put rows in one order of recordings and leave out recordings without a label.

    Raises
    ------
    LfnetError
        Rows with different recordings, people or labels, no labelled recording, or two rows of one name.
    ValueError
        Shapes that differ, or scores that are not finite.
    """
    if not rows:
        raise ValueError("evidence needs one row or more")
    names = tuple(row.name for row in rows)
    if len(set(names)) < len(names):
        raise LfnetError(f"two rows have the name {next(name for name in names if names.count(name) > 1)!r}.")
    ordered = [_in_order(row) for row in rows]
    ids, people, label_N, _, _ = ordered[0]
    for row, other in zip(rows[1:], ordered[1:], strict=True):
        same_labels = np.array_equal(label_N, other[2], equal_nan=True)
        if not (np.array_equal(ids, other[0]) and np.array_equal(people, other[1]) and same_labels):
            raise LfnetError(
                f"{rows[0].name} and {row.name} were not scored on the same recordings, people and labels, so they "
                "cannot be compared pair by pair. Show different cohorts in different sections or evaluations."
            )
    known = ~np.isnan(label_N)
    if not known.any():
        raise LfnetError(f"none of the {len(ids)} recordings has a label: nothing can be measured.")
    named, person_N = np.unique(people[known], return_inverse=True)
    scores = tuple(score_SN[:, known] for *_, score_SN, _ in ordered)
    training = tuple(None if own is None else replace(own, set_SN=own.set_SN[:, known]) for *_, own in ordered)
    return Aligned(names, tuple(map(str, named)), person_N, label_N[known], scores, training)


def _in_order(row: RowScores) -> tuple[NDArray, NDArray, Floats, Floats, TrainingSets | None]:
    ids, people = np.asarray(row.recording_id, dtype=str), np.asarray(row.person_id, dtype=str)
    label_N, score_SN = np.asarray(row.label, dtype=np.float64), np.asarray(row.score, dtype=np.float64)
    if score_SN.ndim != 2 or not ids.shape == people.shape == label_N.shape == score_SN.shape[1:]:
        raise ValueError(f"{row.name}: ids, people and labels must be [n] and scores [seeds, n]")
    if not len(score_SN) or not np.isfinite(score_SN).all():
        raise ValueError(f"{row.name}: scores must be finite, of one seed or more")
    if len(set(ids)) < len(ids):
        raise ValueError(f"{row.name}: a recording occurs twice")
    order = np.argsort(ids, kind="stable")
    training = row.training
    if training is not None:
        if training.set_SN.shape != score_SN.shape:
            raise ValueError(f"{row.name}: training sets must be [seeds, n], as scores are")
        training = replace(training, set_SN=training.set_SN[:, order])
    return ids[order], people[order], label_N[order], score_SN[:, order], training
