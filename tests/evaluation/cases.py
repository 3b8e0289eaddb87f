"""Rows of scores for the tests of evidence: skewed labels, people with one to four recordings."""

import numpy as np

from lfnet.evaluation.evidence import RowScores


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
