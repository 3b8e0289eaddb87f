"""Steps of the pipelines that scikit-learn does not have. Each is fitted on training rows only."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import SelectorMixin, f_regression, mutual_info_regression

__all__ = ["AddEngineered", "Bound", "Columns", "VoteSelector"]


class Columns(TransformerMixin, BaseEstimator):
    """Keeps the columns with these indices."""

    def __init__(self, columns: Any) -> None:
        self.columns = columns

    def fit(self, X: Any, y: Any = None) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """[rows, D] → [rows, len(columns)]."""
        return np.asarray(X, float)[:, np.asarray(self.columns, int)]

    def __sklearn_is_fitted__(self) -> bool:
        return True


class AddEngineered(TransformerMixin, BaseEstimator):
    """Appends ratios of two columns and distances of a column from a constant; NaN where either side is.

    ratios: [(numerator, denominator)] by column index; a denominator of 0 gives NaN. distances: [(column, constant)].
    LightFusionNet: RMSSD/SDNN, LF/HF, |α − 1| (its script has α − 1, its figure the absolute value).
    """

    def __init__(self, ratios: Any = (), distances: Any = ()) -> None:
        self.ratios = ratios
        self.distances = distances

    def fit(self, X: Any, y: Any = None) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """[rows, D] → [rows, D + len(ratios) + len(distances)]."""
        X = np.asarray(X, float)
        new = []
        for above, below in self.ratios:
            divisor = np.where(X[:, below] == 0, np.nan, X[:, below])
            new.append(X[:, above] / divisor)
        new += [np.abs(X[:, column] - constant) for column, constant in self.distances]
        return np.column_stack([X, *new])

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Bound(TransformerMixin, BaseEstimator):
    """Holds standardised values between −limit and limit.

    Beyond the training range Yeo-Johnson grows without limit (1e36 was seen), and a linear model would follow it.
    """

    def __init__(self, limit: float = 10.0) -> None:
        self.limit = limit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The same shape; an overflow to infinity is held too."""
        return np.clip(np.nan_to_num(X, nan=0.0, posinf=self.limit, neginf=-self.limit), -self.limit, self.limit)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class VoteSelector(SelectorMixin, BaseEstimator):
    """Keeps the k features with most votes of four judges; ties go to the larger F.

    A feature has a vote for a variance above `variance`, and one for being among the best k by F-test, by mutual
    information and by a random forest's importance (LightFusionNet; how votes are counted is assumed). Constant
    features are never kept while others are there. `scores_`: [3, D] of F, mutual information and importance.
    """

    def __init__(self, k: int = 25, variance: float = 0.01, trees: int = 100, random_state: int | None = None) -> None:
        self.k = k
        self.variance = variance
        self.trees = trees
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Judge [rows, D] against y [rows]; X has no NaN."""
        X = np.asarray(X, float)
        self.variances_ = X.var(axis=0)
        varied = np.ptp(X, axis=0) > 0
        scores = np.zeros((3, X.shape[1]))
        if varied.any():
            some = X[:, varied]
            scores[0, varied] = np.nan_to_num(f_regression(some, y)[0], posinf=np.finfo(float).max)
            scores[1, varied] = mutual_info_regression(some, y, random_state=self.random_state)
            forest = RandomForestRegressor(self.trees, random_state=self.random_state, n_jobs=1).fit(some, y)
            scores[2, varied] = forest.feature_importances_
        self.scores_ = scores
        self.n_features_in_ = X.shape[1]
        return self._vote()

    def with_k(self, k: int) -> "VoteSelector":
        """The same judges' selector for another k: nothing is judged again."""
        other = VoteSelector(k, self.variance, self.trees, self.random_state)
        other.variances_, other.scores_, other.n_features_in_ = self.variances_, self.scores_, self.n_features_in_
        return other._vote()

    def _vote(self) -> Self:
        features = self.scores_.shape[1]
        k = min(self.k, features)
        votes = (self.variances_ > self.variance).astype(int)
        for score in self.scores_:
            best = np.lexsort((np.arange(features), -score))[:k]
            votes[best[score[best] > 0]] += 1
        order = np.lexsort((np.arange(features), -self.scores_[0], -votes))
        self.votes_ = votes
        self.support_ = np.zeros(features, bool)
        self.support_[order[:k]] = True
        return self

    def _get_support_mask(self) -> np.ndarray:
        return self.support_
