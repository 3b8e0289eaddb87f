"""Rows of scores for the tests of evidence: skewed labels, people with one to four recordings."""

import numpy as np

from lfnet.evaluation.evidence import RowScores
from lfnet.evaluation.resample import measure, people_weights, seed_shares
from lfnet.evaluation.sufficient_statistics import label_sums, score_sums


class Case:
    """n recordings of P people, and rows of scores of them."""

    def __init__(self, seed: int = 0, people: int = 30, recordings: int = 50) -> None:
        self.random = np.random.default_rng(seed)
        extra = self.random.integers(0, people, recordings - people)
        self.person = np.concatenate([np.arange(people), extra])
        self.label = np.clip(np.rint(self.random.gamma(1.5, 10, recordings)), 0, 63)
        self.recording_id = [f"r{number:03}" for number in range(recordings)]
        self.person_id = [f"p{number:03}" for number in self.person]

    def scores(self, seeds: int = 3, noise: float = 6.0, shift: float = 0.0) -> np.ndarray:
        drawn = self.random.normal(0, noise, (seeds, len(self.label)))
        return 9 + shift + 0.4 * self.label + drawn

    def row(self, name: str, score: np.ndarray | None = None, **more) -> RowScores:
        score = self.scores() if score is None else score
        return RowScores(name, self.recording_id, self.person_id, self.label, score, **more)


def quantity(case, score, metric, resamples=4000, joint=False, reference=None, paired=False):
    """A metric of one row, or its difference from a reference, with its resamples."""
    labels = label_sums(case.person, case.label, 12.0)
    rows = [score_sums(case.person, case.label, score)]
    if reference is not None:
        rows.append(score_sums(case.person, case.label, reference))
    names = ["" if paired else f"row {n}" for n in range(len(rows))]
    shares = (
        [seed_shares(*one, resamples, 0) for one in zip(names, [row.seeds for row in rows], strict=True)]
        if joint
        else None
    )
    weight = people_weights(labels.people, resamples, 0)
    base = None if reference is None else 1
    own, gaps = measure(metric, labels, rows, weight_BP=weight, shares=shares, reference=base, paired=paired)
    return own[0] if reference is None else gaps[0]
