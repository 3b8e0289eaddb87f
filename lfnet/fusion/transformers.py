"""Pipeline steps that scikit-learn does not have."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import SelectorMixin, f_regression, mutual_info_regression

__all__ = ["AddEngineered", "Bound", "Columns", "VoteSelector"]


class Columns(TransformerMixin, BaseEstimator):
    """Keep the columns with these indices.

    Examples
    --------
    >>> Columns([2, 0]).fit_transform(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 1.]])
    """

    def __init__(self, columns: Any) -> None:
        self.columns = columns

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing: there is nothing to fit."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Map [rows, D] to [rows, len(columns)]."""
        return np.asarray(X, float)[:, np.asarray(self.columns, int)]

    def __sklearn_is_fitted__(self) -> bool:
        return True


class AddEngineered(TransformerMixin, BaseEstimator):
    """Append ratios of two columns and distances of a column from a constant; NaN where an operand is NaN.

    LightFusionNet appends RMSSD/SDNN, LF/HF and |α − 1| (its script has α − 1, its figure the absolute value).

    Parameters
    ----------
    ratios : list of (int, int)
        Columns of numerator and denominator; a denominator of 0 gives NaN.
    distances : list of (int, float)
        Column and constant.

    Examples
    --------
    >>> AddEngineered([(0, 1)], [(0, 1.0)]).fit_transform(np.array([[3.0, 2.0]]))
    array([[3. , 2. , 1.5, 2. ]])
    """

    def __init__(self, ratios: Any = (), distances: Any = ()) -> None:
        self.ratios = ratios
        self.distances = distances

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing: there is nothing to fit."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Map [rows, D] to [rows, D + len(ratios) + len(distances)]."""
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
    """Clip standardised values to [−limit, limit].

    Beyond the training range Yeo-Johnson grows without bound (1e36 was observed), and a linear model would follow it.

    Examples
    --------
    >>> Bound(10.0).fit_transform(np.array([[1e36, -3.0]]))
    array([[10., -3.]])
    """

    def __init__(self, limit: float = 10.0) -> None:
        self.limit = limit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing: there is nothing to fit."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Clip values, infinite ones too; NaN becomes 0."""
        return np.clip(np.nan_to_num(X, nan=0.0, posinf=self.limit, neginf=-self.limit), -self.limit, self.limit)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class VoteSelector(SelectorMixin, BaseEstimator):
    """Keep the k features with most votes of four criteria; ties go to the larger F.

    A feature gets a vote for a variance above `variance`, and one each for being among the best k by F-test, by mutual
    information and by a random forest's importance (LightFusionNet; the counting of votes is assumed). Constant
    features are kept only where nothing else is left.

    Parameters
    ----------
    k : int
        Features to keep.
    variance : float
        Threshold of the variance.
    trees : int
        Trees of the forest.
    random_state : int or None
        Seed of mutual information and forest.

    Attributes
    ----------
    scores_ : float64 [3, D]
        F, mutual information and importance.
    votes_ : int [D]
        Votes of each feature.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(60, 5))
    >>> VoteSelector(k=1, trees=10, random_state=0).fit(X, 3 * X[:, 2]).get_support(indices=True)
    array([2])
    """

    def __init__(self, k: int = 25, variance: float = 0.01, trees: int = 100, random_state: int | None = None) -> None:
        self.k = k
        self.variance = variance
        self.trees = trees
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Score the features of X [rows, D], without NaN, against y [rows]."""
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
        """Return the selector for another k without scoring the features again."""
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
