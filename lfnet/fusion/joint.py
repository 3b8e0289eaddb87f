"""What joins the two sides: an SVR over two scores, as published, and its rivals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVR

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import mae
from lfnet.fusion.modalities import Recipe, quiet
from lfnet.fusion.modality_data import balanced_folds
from lfnet.fusion.model_selection import Choice
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.transformers import Bound, Columns

__all__ = ["Candidate", "WeightedMean", "candidates", "choose_joint"]


class WeightedMean(RegressorMixin, BaseEstimator):
    """Late fusion: ŷ = w · first + (1 − w) · second; published w* = .98, which leaves the pulse 2 % of the say."""

    def __init__(self, weight: float = 0.98) -> None:
        self.weight = weight

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Nothing to learn: w is chosen, not fitted."""
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """[clips, 2] → [clips]."""
        X = np.asarray(X, float)
        return self.weight * X[:, 0] + (1 - self.weight) * X[:, 1]


@dataclass(frozen=True)
class Candidate:
    """A recipe and the unfitted estimator that it stands for."""

    recipe: Recipe
    make: Callable[[], Any]


def candidates(settings: FusionSettings, widths: Sequence[int], valid: np.ndarray) -> list[Candidate]:
    """All candidates for `settings.model`, in the order of the yaml.

    widths: columns of each block of the input, one a score, or D of each side where descriptors are concatenated.
    valid: [sum of widths], the columns that may be used.
    """
    joint = settings.joint
    if settings.model == "weighted":
        if len(widths) != 2:
            raise LfnetError("fusion.model=weighted needs both of fusion.joint.inputs: visual and physiological.")
        return [Candidate({"weight": w}, lambda w=w: WeightedMean(w)) for w in joint.weight]  # type: ignore[misc]
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
    """The best candidate and the estimator fitted with it.

    X: [clips, columns] of training clips, their labels y and people. test: (X, labels), only where `fusion.choose` is
    `test`. By people, a weighted mean is compared on all clips at once: it has nothing to fit.
    """
    with quiet():
        if len(given) == 1:
            choice = Choice(given[0].recipe, 1, None)
        elif settings.choose == "test":
            if test is None or not len(test[1]):
                raise LfnetError("fusion.choose=test needs labelled clips in the test split; there is none.")
            scores = np.array([one.make().fit(X, y).predict(test[0]) for one in given])
            choice = _least(given, scores, test[1])
        else:
            scores = np.full((len(given), len(y)), np.nan)
            for kept, held in balanced_folds(people, y, settings.outer_folds):
                for row, one in enumerate(given):
                    scores[row, held] = one.make().fit(X[kept], y[kept]).predict(X[held])
            choice = _least(given, scores, y)
        best = next(one for one in given if one.recipe == choice.recipe)
        return choice, best.make().fit(X, y)


def _least(given: list[Candidate], scores: np.ndarray, labels: np.ndarray) -> Choice:
    errors = mae(labels, scores)
    best = int(np.argmin(errors))
    return Choice(given[best].recipe, len(given), float(errors[best]))


def _svr(settings: FusionSettings, C: float, epsilon: float) -> SVR:
    gamma: Any = settings.joint.gamma
    return SVR(kernel="rbf", C=C, epsilon=epsilon, gamma=gamma)


def _over_scores(settings: FusionSettings, C: float, epsilon: float) -> Pipeline:
    steps: list[tuple[str, Any]] = [("svr", _svr(settings, C, epsilon))]
    if settings.joint.power_transform:
        steps = [("yeo_johnson", PowerTransformer(method="yeo-johnson")), ("bound", Bound()), *steps]
    return Pipeline(steps)


def _over_descriptors(settings: FusionSettings, widths: Sequence[int], valid: np.ndarray, k: int, model: Any) -> Any:
    """The best k of the visual descriptor and every usable pulse feature, standardised, into one model."""
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
