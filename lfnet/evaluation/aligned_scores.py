"""Rows of scores on the same recordings, checked and brought into one order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lfnet.errors import LfnetError
from lfnet.evaluation.sufficient_statistics import Labels, Scores, label_sums, score_sums

__all__ = ["Aligned", "RowScores", "align"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RowScores:
    """One row's scores of n recordings by each of its seeds.

    recording_id, person_id: [n] texts. label: [n] points, NaN where nobody knows it. score: [seeds, n] points.
    trained_people: whom its training saw. deterministic: nothing of it is drawn by chance (a constant, ridge): then its
    one seed is all there is, and statements about the architecture need no more.
    """

    name: str
    recording_id: Sequence[str]
    person_id: Sequence[str]
    label: ArrayLike
    score: ArrayLike
    trained_people: frozenset[str] = field(default=frozenset(), repr=False)
    deterministic: bool = False


@dataclass(frozen=True)
class Aligned:
    """Rows on the same labelled recordings, by recording id; people are numbered in the order of their ids.

    person_N: 0 … P − 1. score_RSN: one [S, N] a row.
    """

    names: tuple[str, ...]
    people: tuple[str, ...]
    person_N: NDArray[np.intp]
    label_N: Floats
    score_RSN: tuple[Floats, ...]

    def labels(self, constant: float | None) -> Labels:
        return label_sums(self.person_N, self.label_N, constant)

    def scores(self, row: int) -> Scores:
        return score_sums(self.person_N, self.label_N, self.score_RSN[row])

    def only(self, people: frozenset[str], row: int) -> "Aligned | None":
        """One row on the recordings of some people; None where there are none."""
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
        """Each seed of one row as a row of its own."""
        scores = tuple(score_N[None] for score_N in self.score_RSN[row])
        names = tuple(f"{self.names[row]}, seed {number}" for number in range(len(scores)))
        return Aligned(names, self.people, self.person_N, self.label_N, scores)

    def mean_errors(self, row: int) -> Floats:
        """[P]: each person's mean |error|, over recordings and seeds."""
        errors = np.abs(self.score_RSN[row] - self.label_N).mean(axis=0)
        return np.bincount(self.person_N, errors) / self.recordings

    @property
    def recordings(self) -> Floats:
        """[P]: the number of each person's recordings."""
        return np.bincount(self.person_N).astype(np.float64)


def align(rows: Sequence[RowScores]) -> Aligned:
    """Rows in one order of recordings, those without a label left out.

    Raises `LfnetError` where rows were scored on other recordings, people or labels, where none is labelled and where
    two rows have one name; `ValueError` for shapes that differ and scores that are not finite.
    """
    if not rows:
        raise ValueError("evidence needs a row")
    names = tuple(row.name for row in rows)
    if len(set(names)) < len(names):
        raise LfnetError(f"two rows are both called {next(name for name in names if names.count(name) > 1)!r}.")
    read = [_read(row) for row in rows]
    ids, people, label_N, _ = read[0]
    for row, other in zip(rows[1:], read[1:], strict=True):
        same_labels = np.array_equal(label_N, other[2], equal_nan=True)
        if not (np.array_equal(ids, other[0]) and np.array_equal(people, other[1]) and same_labels):
            raise LfnetError(
                f"{rows[0].name} and {row.name} were not scored on the same recordings, people and labels: they cannot "
                "be compared pair by pair. Tell the cohorts apart in table.sections."
            )
    known = ~np.isnan(label_N)
    if not known.any():
        raise LfnetError(f"none of the {len(ids)} recordings has a label: nothing can be measured.")
    named, person_N = np.unique(people[known], return_inverse=True)
    scores = tuple(score_SN[:, known] for *_, score_SN in read)
    return Aligned(names, tuple(map(str, named)), person_N, label_N[known], scores)


def _read(row: RowScores) -> tuple[NDArray, NDArray, Floats, Floats]:
    ids, people = np.asarray(row.recording_id, dtype=str), np.asarray(row.person_id, dtype=str)
    label_N, score_SN = np.asarray(row.label, dtype=np.float64), np.asarray(row.score, dtype=np.float64)
    if score_SN.ndim != 2 or not ids.shape == people.shape == label_N.shape == score_SN.shape[1:]:
        raise ValueError(f"{row.name}: ids, people and labels must be [n] and scores [seeds, n]")
    if not len(score_SN) or not np.isfinite(score_SN).all():
        raise ValueError(f"{row.name}: scores must be finite, of one seed or more")
    if len(set(ids)) < len(ids):
        raise ValueError(f"{row.name}: a recording is there twice")
    order = np.argsort(ids, kind="stable")
    return ids[order], people[order], label_N[order], score_SN[:, order]
