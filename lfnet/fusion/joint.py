"""Joint models of modalities: the published SVR over two scores, stacked regression, and other alternatives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVR

from lfnet.errors import LfnetError
from lfnet.fusion.modalities import Recipe, ignore_solver_warnings
from lfnet.fusion.model_selection import Choice, deals
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.transformers import Bound, Columns

__all__ = ["Candidate", "StackedRegression", "WeightedMean", "candidates", "choose_joint"]


class WeightedMean(RegressorMixin, BaseEstimator):
    """Late fusion: ŷ = w · first + (1 − w) · second; published w* = .98, a weight of 2 % for the pulse.

    Examples
    --------
    >>> WeightedMean(0.75).fit([[0, 0]], [0]).predict([[10, 20]])
    array([12.5])
    """

    def __init__(self, weight: float = 0.98) -> None:
        self.weight = weight

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Store the number of inputs; w is selected, not fitted."""
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Map [clips, 2] to [clips]."""
        X = np.asarray(X, float)
        return self.weight * X[:, 0] + (1 - self.weight) * X[:, 1]


class StackedRegression(RegressorMixin, BaseEstimator):
    """Stacked regression: ŷ = b + Σ w_k z_k with w_k ≥ 0, shrunk towards the mean of the K scores (w_k = 1/K).

    Weights minimise |y − ŷ|² + `shrinkage` · V · |w − 1/K|², with V the mean sum of squares of the centred scores. A
    score can lose its weight, but never change its sign.

    References
    ----------
    Breiman L. (1996). Stacked regressions. Machine Learning 24, 49–64.

    Examples
    --------
    >>> z = np.array([[10.0, 3.0], [20.0, 2.0], [30.0, 1.0]])
    >>> StackedRegression(shrinkage=0).fit(z, [10, 20, 30]).weight_.round(6)
    array([1., 0.])
    >>> StackedRegression(shrinkage=1e9).fit(z, [10, 20, 30]).weight_.round(6)
    array([0.5, 0.5])
    """

    def __init__(self, shrinkage: float = 1.0) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit weights and offset to scores [clips, K] and labels [clips]."""
        X, y = np.asarray(X, float), np.asarray(y, float)
        self.n_features_in_ = k = X.shape[1]
        centre, level = X.mean(axis=0), y.mean()
        Z = X - centre
        penalty = np.sqrt(self.shrinkage * np.square(Z).sum() / k)
        rows = np.vstack([Z, penalty * np.eye(k)])
        self.weight_, _ = nnls(rows, np.concatenate([y - level, np.full(k, penalty / k)]))
        self.offset_ = float(level - centre @ self.weight_)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Map [clips, K] to [clips]."""
        return np.asarray(X, float) @ self.weight_ + self.offset_


@dataclass(frozen=True)
class Candidate:
    """A recipe and a function that makes its unfitted estimator."""

    recipe: Recipe
    make: Callable[[], Any]


def candidates(settings: FusionSettings, widths: Sequence[int], valid: np.ndarray) -> list[Candidate]:
    """Return all candidates for `settings.model`, in the order of the yaml.

    widths: columns of each block of the input, 1 for a score, or D of each modality for concatenated descriptors.
    valid: bool [sum of widths], the columns that may be used.
    """
    joint = settings.joint
    if settings.model == "weighted":
        return [Candidate({"weight": w}, lambda w=w: WeightedMean(w)) for w in joint.weight]  # type: ignore[misc]
    if settings.model == "stacked":
        return [Candidate({"shrinkage": s}, lambda s=s: StackedRegression(s)) for s in joint.shrinkage]  # type: ignore[misc]
    if settings.model == "fused":
        return [
            Candidate({"C": C, "epsilon": epsilon}, lambda C=C, epsilon=epsilon: _over_scores(settings, C, epsilon))  # type: ignore[misc]
            for C in joint.C
            for epsilon in joint.epsilon
        ]
    found = []
    for k in settings.visual.k:
        if settings.model == "concat_ridge":
            last: list[tuple[Recipe, Any]] = [({"alpha": alpha}, Ridge(alpha=alpha)) for alpha in joint.alpha]
        else:
            last = [
                ({"C": C, "epsilon": epsilon}, _svr(settings, C, epsilon)) for C in joint.C for epsilon in joint.epsilon
            ]
        found += [
            Candidate({"k": k, **recipe}, lambda k=k, model=model: _over_descriptors(settings, widths, valid, k, model))  # type: ignore[misc]
            for recipe, model in last
        ]
    return found


def choose_joint(
    given: list[Candidate],
    X: np.ndarray,
    y: np.ndarray,
    people: np.ndarray,
    settings: FusionSettings,
    test: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[Choice, Any]:
    """Select a candidate and fit its estimator.

    Parameters
    ----------
    given : list of Candidate
        Candidates.
    X, y, people : ndarray
        Inputs [clips, columns], labels and people of the training clips.
    settings : FusionSettings
        Its `choose` says how candidates are compared.
    test : (X, y) or None
        Test clips, for `choose="test"` alone.

    Returns
    -------
    Choice and the fitted estimator
    """
    with ignore_solver_warnings():
        if len(given) == 1:
            choice = Choice(given[0].recipe, 1, None)
        elif settings.choose == "test":
            if test is None or not len(test[1]):
                raise LfnetError("fusion.choose=test needs labelled clips in the test split; there is none.")
            scores = np.array([one.make().fit(X, y).predict(test[0]) for one in given])
            choice = Choice.best([one.recipe for one in given], scores, test[1])
        else:
            scores = np.full((settings.repeats, len(given), len(y)), np.nan)
            for repeat, (kept, held_out) in deals(people, y, settings.outer_folds, settings.repeats, settings.group_by):
                for row, one in enumerate(given):
                    scores[repeat, row, held_out] = one.make().fit(X[kept], y[kept]).predict(X[held_out])
            choice = Choice.best([one.recipe for one in given], scores, y)
        best = next(one for one in given if one.recipe == choice.recipe)
        return choice, best.make().fit(X, y)


def _svr(settings: FusionSettings, C: float, epsilon: float) -> SVR:
    gamma: Any = settings.joint.gamma
    return SVR(kernel="rbf", C=C, epsilon=epsilon, gamma=gamma)


def _over_scores(settings: FusionSettings, C: float, epsilon: float) -> Pipeline:
    steps: list[tuple[str, Any]] = [("svr", _svr(settings, C, epsilon))]
    if settings.joint.power_transform:
        steps = [("yeo_johnson", PowerTransformer(method="yeo-johnson")), ("bound", Bound()), *steps]
    return Pipeline(steps)


def _over_descriptors(settings: FusionSettings, widths: Sequence[int], valid: np.ndarray, k: int, model: Any) -> Any:
    """Feed the best k visual features and all usable pulse features, standardised, into one model."""
    ends = np.cumsum(widths)
    usable = np.flatnonzero(valid)
    visual, pulse = (
        np.flatnonzero((usable >= end - width) & (usable < end)) for width, end in zip(widths, ends, strict=True)
    )
    select = SelectKBest(f_regression, k=min(k, len(visual)))
    blocks = [
        (
            "visual",
            Pipeline(
                [("impute", SimpleImputer(keep_empty_features=True)), ("scale", StandardScaler()), ("select", select)]
            ),
            visual.tolist(),
        ),
        (
            "physiological",
            Pipeline(
                [
                    ("scale", StandardScaler()),
                    ("impute", KNNImputer(n_neighbors=settings.physiological.neighbours, keep_empty_features=True)),
                ]
            ),
            pulse.tolist(),
        ),
    ]
    return Pipeline([("usable", Columns(usable)), ("blocks", ColumnTransformer(blocks)), ("model", model)])
