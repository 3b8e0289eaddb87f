"""What a model must beat: predictors that see no video.

A baseline learns from a table of training recordings, one row and one label a recording, and scores recordings: clips,
windows and networks do not enter. What else it needs is a column of that table (a recording's duration, a person's id)
or a vector of each recording, the mean over its frames: a model no better than `Ridge` on it has no use for time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions

__all__ = ["SECONDS", "TRIVIAL", "Baseline", "Constant", "Duration", "PersonLookup", "Ridge", "fit_predict"]

SECONDS = "seconds"
# From hardly any shrinkage to a constant, for standardised features.
_ALPHAS = tuple(float(alpha) for alpha in 10.0 ** np.arange(-1, 6))
_FOLDS = 5


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


@dataclass(frozen=True)
class Duration:
    """A straight line from the logarithm of 1 + a recording's duration (column `SECONDS`) to its label.

    A recording of unknown duration (NaN) counts as one of average log-duration.
    """

    line: tuple[float, float, float] | None = None
    name: str = "duration"

    def fit(self, train: pd.DataFrame) -> "Duration":
        x, y = np.log1p(train[SECONDS].to_numpy(float)), train["label"].to_numpy(float)
        known = np.isfinite(x)
        centre = float(x[known].mean()) if known.any() else 0.0
        x = np.where(known, x - centre, 0.0)
        spread = float(x @ x)
        slope = float(x @ (y - y.mean())) / spread if spread > 0 else 0.0
        return replace(self, line=(centre, slope, float(y.mean())))

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        if self.line is None:
            raise ValueError("fit before predict")
        centre, slope, intercept = self.line
        x = np.log1p(recordings[SECONDS].to_numpy(float)) - centre
        return intercept + slope * np.where(np.isfinite(x), x, 0.0)


@dataclass(frozen=True)
class PersonLookup:
    """The mean of the person's training labels, and for a stranger the mean of all training recordings' labels."""

    scores: Mapping[str, float] | None = None
    mean: float = float("nan")
    name: str = "person_lookup"

    def fit(self, train: pd.DataFrame) -> "PersonLookup":
        scores = train.groupby("person_id")["label"].mean()
        return replace(self, scores={str(who): float(y) for who, y in scores.items()}, mean=train["label"].mean())

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        if self.scores is None:
            raise ValueError("fit before predict")
        return np.array([self.scores.get(str(who), self.mean) for who in recordings["person_id"]], float)


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression on one vector a recording, standardised on train; blind to the order of frames.

    vectors: recording_id → float [D]; a recording that is not there, or whose vector is not finite, gets the mean of
    the training vectors. alpha: chosen by cross-validated squared error on train, folds grouped by person; with one
    person the largest. projection: None, or a number of dimensions that a Gaussian random projection (Achlioptas 2003;
    always the same) leaves before the ridge: what any encoder of that width would keep. model: the fitted pipeline.
    """

    vectors: Mapping[str, np.ndarray]
    projection: int | None = None
    model: Any = None
    name: str = "ridge"

    def fit(self, train: pd.DataFrame) -> "Ridge":
        from sklearn.linear_model import Ridge as Linear
        from sklearn.model_selection import GridSearchCV, GroupKFold
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.random_projection import GaussianRandomProjection

        x_RD = self._matrix(train)
        known = np.isfinite(x_RD).all(axis=1)
        if not known.any():
            raise LfnetError(f"{self.name} needs the features of a training recording; none has any.")
        x_RD, y, people = x_RD[known], train["label"].to_numpy(float)[known], train["person_id"].to_numpy()[known]
        steps: list[Any] = [StandardScaler()]
        if self.projection is not None:
            width = min(self.projection, x_RD.shape[1])
            steps += [GaussianRandomProjection(width, random_state=0), StandardScaler()]
        folds = min(_FOLDS, len(set(people)))
        if folds < 2:
            return replace(self, model=make_pipeline(*steps, Linear(_ALPHAS[-1])).fit(x_RD, y))
        search = GridSearchCV(
            make_pipeline(*steps, Linear()),
            {"ridge__alpha": _ALPHAS},
            cv=GroupKFold(folds),
            scoring="neg_mean_squared_error",
        )
        return replace(self, model=search.fit(x_RD, y, groups=people))

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        if self.model is None:
            raise ValueError("fit before predict")
        x_RD = self._matrix(recordings)
        unknown = ~np.isfinite(x_RD).all(axis=1)
        pipeline = getattr(self.model, "best_estimator_", self.model)
        x_RD[unknown] = pipeline[0].mean_
        return np.asarray(self.model.predict(x_RD), float)

    def _matrix(self, recordings: pd.DataFrame) -> np.ndarray:
        """float64 [recordings, D], NaN for those without a vector."""
        width = len(next(iter(self.vectors.values()), np.empty(0)))
        nothing = np.full(width, np.nan)
        rows = [self.vectors.get(name, nothing) for name in recordings["recording_id"]]
        return np.array(rows, float).reshape(len(rows), width)


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
