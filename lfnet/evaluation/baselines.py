"""What a model must beat: predictors that see no video.

A baseline learns from a table of training recordings, one row and one label a recording, and scores recordings: clips,
windows and networks do not enter. What else it needs is a column of that table (a recording's duration, a person's id).
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions

__all__ = ["TRIVIAL", "Baseline", "Constant", "fit_predict"]


class Baseline(Protocol):
    """A predictor without video. `name` is its row in tables and its `model` in references.csv."""

    @property
    def name(self) -> str: ...

    def fit(self, train: pd.DataFrame) -> "Baseline":
        """The fitted baseline. train: recordings of the train split (recording_id, person_id, split, label, …)."""
        ...

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        """float64 [n], one score a row, in points. The labels of `recordings` must not matter."""
        ...


@dataclass(frozen=True)
class Constant:
    """The mean (best for RMSE) or median (best for MAE) of the training recordings' labels, for everybody."""

    statistic: Literal["mean", "median"]
    value: float | None = None

    @property
    def name(self) -> str:
        return f"train_{self.statistic}"

    def fit(self, train: pd.DataFrame) -> "Constant":
        return Constant(self.statistic, float(train["label"].agg(self.statistic)))

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        if self.value is None:
            raise ValueError("fit before predict")
        return np.full(len(recordings), self.value)


TRIVIAL: tuple[Baseline, ...] = (Constant("mean"), Constant("median"))


def fit_predict(baseline: Baseline, recordings: pd.DataFrame) -> Predictions:
    """Fit `baseline` on the labelled train recordings among `recordings` and score all of them.

    recordings: one row a recording (recording_id, person_id, split, label and what the baseline needs beside). Raises
    `LfnetError` where there is no labelled train recording, `ValueError` where a recording has two rows.
    """
    if recordings["recording_id"].duplicated().any():
        raise ValueError("a baseline's table has one row a recording")
    train = recordings[(recordings["split"] == "train") & recordings["label"].notna()]
    if not len(train):
        raise LfnetError(f"{baseline.name} needs a labelled recording in the train split; the cohort has none.")
    scores = baseline.fit(train.reset_index(drop=True)).predict(recordings.drop(columns="label"))
    return Predictions.from_frame(recordings.assign(score=scores), level="recording")
