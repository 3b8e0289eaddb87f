"""Baselines: predictors that use no video, or no order of frames.

A baseline is fitted on a table of training recordings, one row and one label each, and scores recordings. It may need a
further column (a recording's duration, a person's id) or a vector of each recording, the mean over its frames: a model
that is no better than `Ridge` on that vector makes no use of time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions

__all__ = ["SECONDS", "TRIVIAL", "Baseline", "Constant", "Duration", "Nuisance", "PersonLookup", "Ridge", "fit_predict"]

SECONDS = "seconds"
# From nearly no shrinkage to nearly a constant, for standardised features.
_ALPHAS = tuple(float(alpha) for alpha in 10.0 ** np.arange(-1, 6))
_FOLDS = 5


class Baseline(Protocol):
    """Interface of a baseline; `name` is its row in tables and its `model` in references.csv."""

    @property
    def name(self) -> str: ...

    def fit(self, train: pd.DataFrame) -> "Baseline":
        """Return the fitted baseline. `train` has recording_id, person_id, label, … of the train split."""
        ...

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        """Return one score per row, float64 [n], in points, without using labels."""
        ...


@dataclass(frozen=True)
class Constant:
    """The mean (best for RMSE) or median (best for MAE) of the training labels, for all recordings.

    Examples
    --------
    >>> train = pd.DataFrame({"label": [1.0, 2.0, 9.0]})
    >>> Constant("median").fit(train).predict(train).tolist()
    [2.0, 2.0, 2.0]
    """

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
    """Linear regression on the logarithm of 1 + a recording's duration (column `SECONDS`).

    A recording of unknown duration (NaN) counts as one of mean log-duration.

    Examples
    --------
    >>> train = pd.DataFrame({SECONDS: np.expm1([1.0, 2.0, 3.0]), "label": [10.0, 20.0, 30.0]})
    >>> Duration().fit(train).predict(train).round(6).tolist()
    [10.0, 20.0, 30.0]
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
    """The mean of the person's training labels; for an unseen person the mean of all training labels.

    Examples
    --------
    >>> train = pd.DataFrame({"person_id": ["ann", "ann", "bob"], "label": [10.0, 12.0, 2.0]})
    >>> PersonLookup().fit(train).predict(pd.DataFrame({"person_id": ["ann", "eve"]})).tolist()
    [11.0, 8.0]
    """

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
    """Ridge regression on one standardised vector per recording; it ignores the order of frames.

    The penalty is chosen by cross-validated squared error on train, with folds grouped by person; with one person it is
    the largest.

    Parameters
    ----------
    vectors : mapping
        recording_id → float [D]. A recording without a finite vector gets the mean of the training vectors.
    projection : int, optional
        Dimensions of a Gaussian random projection before the ridge (Achlioptas 2003; always the same one), as a
        baseline for encoders of that width.
    model : object, optional
        The fitted pipeline.
    name : str

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> vectors = {f"r{i}": random.normal(size=3) for i in range(40)}
    >>> train = pd.DataFrame({"recording_id": list(vectors), "person_id": list(vectors)})
    >>> train["label"] = [vector[0] for vector in vectors.values()]
    >>> scores = Ridge(vectors).fit(train).predict(train)
    >>> bool(np.abs(scores - train["label"]).max() < 0.1)
    True
    """

    vectors: Mapping[str, np.ndarray]
    projection: int | None = None
    model: Any = None
    name: str = "ridge"

    def fit(self, train: pd.DataFrame) -> "Ridge":
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
        return replace(self, model=_fit_ridge(steps, x_RD, y, people))

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        if self.model is None:
            raise ValueError("fit before predict")
        x_RD = self._matrix(recordings)
        unknown = ~np.isfinite(x_RD).all(axis=1)
        x_RD[unknown] = self.model[0].mean_
        return np.asarray(self.model.predict(x_RD), float)

    def _matrix(self, recordings: pd.DataFrame) -> np.ndarray:
        """Vectors of recordings, float64 [recordings, D]; NaN for those without one."""
        width = len(next(iter(self.vectors.values()), np.empty(0)))
        unknown = np.full(width, np.nan)
        rows = [self.vectors.get(name, unknown) for name in recordings["recording_id"]]
        return np.array(rows, float).reshape(len(rows), width)


@dataclass(frozen=True, eq=False)
class Nuisance:
    """Ridge regression on numbers and names that say nothing of a face's expression, such as how a person was filmed.

    Numbers are standardised and names become indicators by the training recordings alone. An unknown number counts as
    the training mean, one outside the training range as its end, and an unknown name as none. The penalty is chosen as
    in `Ridge`.

    Parameters
    ----------
    numbers, names : tuple of str
        Columns of the recordings: float (NaN where unknown), and text ("" where unknown).
    model : object, optional
        The fitted pipeline.
    ranges : mapping, optional
        Training mean, minimum and maximum of each number.
    levels : mapping, optional
        Training names of each column of names.
    name : str

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> people = [f"p{i}" for i in range(60)]
    >>> train = pd.DataFrame({"person_id": people, "fps": random.choice([25.0, 30.0], 60), "site": ["a", "b"] * 30})
    >>> train["label"] = 4 * (train["fps"] - 25) + 10 * (train["site"] == "a")
    >>> scores = Nuisance(("fps",), ("site",)).fit(train).predict(train)
    >>> bool(np.abs(scores - train["label"]).max() < 0.1)
    True
    """

    numbers: tuple[str, ...]
    names: tuple[str, ...]
    model: Any = None
    ranges: Mapping[str, tuple[float, float, float]] | None = None
    levels: Mapping[str, tuple[str, ...]] | None = None
    name: str = "nuisance"

    def fit(self, train: pd.DataFrame) -> "Nuisance":
        from sklearn.preprocessing import StandardScaler

        known = {column: train[column].dropna().astype(float) for column in self.numbers}
        ranges = {
            column: (own.mean(), own.min(), own.max()) if len(own) else (0.0, 0.0, 0.0) for column, own in known.items()
        }
        levels = {column: tuple(sorted(set(train[column]) - {""})) for column in self.names}
        made = replace(self, ranges=ranges, levels=levels)
        y, people = train["label"].to_numpy(float), train["person_id"].to_numpy()
        return replace(made, model=_fit_ridge([StandardScaler()], made._matrix(train), y, people))

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        if self.model is None:
            raise ValueError("fit before predict")
        return np.asarray(self.model.predict(self._matrix(recordings)), float)

    def _matrix(self, recordings: pd.DataFrame) -> np.ndarray:
        """Numbers and indicators of names, float64 [recordings, D]."""
        if self.ranges is None or self.levels is None:
            raise ValueError("fit before predict")
        numbers = [
            recordings[name].astype(float).fillna(mean).clip(low, high)
            for name, (mean, low, high) in self.ranges.items()
        ]
        names = [recordings[name] == level for name, levels in self.levels.items() for level in levels]
        return np.stack([np.asarray(column, float) for column in (*numbers, *names)], axis=1)


def _fit_ridge(steps: list[Any], x_RD: np.ndarray, y: np.ndarray, people: np.ndarray) -> Any:
    """A ridge regression after `steps`, its penalty chosen by folds of people; the largest with one person."""
    from sklearn.linear_model import Ridge as Linear
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline

    alpha = _ALPHAS[-1]
    if (folds := min(_FOLDS, len(set(people)))) > 1:
        # What scikit-learn's GridSearchCV chooses, in a fifth of its time: it repeats the steps for each penalty.
        errors = []
        for train, test in GroupKFold(folds).split(x_RD, y, people):
            prepare = make_pipeline(*steps)
            x_train, x_test = prepare.fit_transform(x_RD[train]), prepare.transform(x_RD[test])
            scores = [Linear(alpha).fit(x_train, y[train]).predict(x_test) for alpha in _ALPHAS]
            errors.append([np.average((y[test] - score_N) ** 2) for score_N in scores])
        alpha = _ALPHAS[int(np.argmin(np.average(np.transpose(errors), axis=1)))]
    return make_pipeline(*steps, Linear(alpha)).fit(x_RD, y)


TRIVIAL: tuple[Baseline, ...] = (Constant("mean"), Constant("median"))


def fit_predict(baseline: Baseline, recordings: pd.DataFrame) -> Predictions:
    """Fit a baseline on the labelled train recordings and score all recordings.

    Parameters
    ----------
    baseline : Baseline
    recordings : DataFrame
        One row per recording: recording_id, person_id, split, label, and the columns that the baseline needs.

    Returns
    -------
    Predictions

    Raises
    ------
    LfnetError
        There is no labelled train recording.
    ValueError
        A recording has two rows.
    """
    if recordings["recording_id"].duplicated().any():
        raise ValueError("a baseline needs one row per recording")
    train = recordings[(recordings["split"] == "train") & recordings["label"].notna()]
    if not len(train):
        raise LfnetError(f"{baseline.name} needs a labelled recording in the train split; the cohort has none.")
    scores = baseline.fit(train.reset_index(drop=True)).predict(recordings.drop(columns="label"))
    return Predictions.from_frame(recordings.assign(score=scores), level="recording")
