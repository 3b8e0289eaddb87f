"""Cost of a fitted fusion: parameters, FLOPs of a row, support vectors and bytes, counted from the fitted models."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.svm import SVR

from lfnet.fusion.persist import dumps
from lfnet.fusion.system import System

__all__ = ["Cost", "measure", "of_estimator"]


@dataclass(frozen=True)
class Cost:
    """Fitted numbers, FLOPs of scoring one row, support vectors of all SVRs, and bytes of the skops file."""

    parameters: int
    flops: int
    support_vectors: int
    bytes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*map(sum, zip(astuple(self), astuple(other), strict=True)))


_NOTHING = Cost(0, 0, 0)


def measure(system: System) -> dict[str, Cost]:
    """Return the cost of each modality (for a clip of one segment), of the joint model (`fusion`), and of `all`.

    **Parameters** are the fitted numbers that scoring needs. SVR: support vectors, their weights and the intercept (a
    linear one: a weight a feature). Yeo-Johnson: λ, mean and SD a feature. Tree: feature and threshold a split, value a
    leaf. KNN imputer: its training table. **FLOPs** of one row: an addition, multiplication, comparison, power or
    exponential counts 1; a tree counts its depth; an imputer 0, since a row without gaps needs none. **Bytes**: the
    part saved by itself.
    """
    parts = {name: _sized(scorer.pipeline) for name, scorer in system.modalities.items()}
    if system.joint is not None:
        parts["fusion"] = _sized(system.joint)
    return {**parts, "all": replace(sum(parts.values(), _NOTHING), bytes=len(dumps(system)))}


def _sized(part: Any) -> Cost:
    return replace(of_estimator(part), bytes=len(dumps(part)))


def of_estimator(model: Any) -> Cost:
    """Return the cost of one fitted estimator, without bytes. Raises `TypeError` for an unknown kind."""
    if isinstance(model, Pipeline):
        return sum((of_estimator(step) for _, step in model.steps), _NOTHING)
    if isinstance(model, ColumnTransformer):
        return sum((of_estimator(step) for _, step, columns in model.transformers_ if len(columns)), _NOTHING)
    if isinstance(model, SVR):
        return _svr(model)
    kind = type(model).__name__
    if kind not in _BY_KIND:
        raise TypeError(f"the cost of {kind} is not known")
    return _BY_KIND[kind](model)


def _svr(model: SVR) -> Cost:
    vectors, features = model.support_vectors_.shape
    if model.kernel == "linear":
        return Cost(features + 1, 2 * features, vectors)
    # rbf: difference, square, sum; times gamma, exponential. poly: product, sum; times gamma, plus coef0, power.
    kernel = 3 * features + 2 if model.kernel == "rbf" else 2 * features + 3
    return Cost(vectors * (features + 1) + 1, vectors * (kernel + 2), vectors)


def _vote(model: Any) -> Cost:
    members = sum((of_estimator(member) for member in model.estimators_), _NOTHING)
    return members + Cost(0, len(model.estimators_), 0)


def _stack(model: Any) -> Cost:
    return sum((of_estimator(member) for member in model.estimators_), of_estimator(model.final_estimator_))


def _trees(leaves: Iterable[int], depths: Iterable[int]) -> Cost:
    return Cost(sum(3 * int(count) - 2 for count in leaves), sum(int(depth) + 1 for depth in depths), 0)


def _forest(model: Any) -> Cost:
    trees = [estimator.tree_ for estimator in model.estimators_]
    return _trees([tree.n_leaves for tree in trees], [tree.max_depth for tree in trees])


def _lightgbm(model: Any) -> Cost:
    trees = model.booster_.dump_model()["tree_info"]
    return _trees([tree["num_leaves"] for tree in trees], [_depth(tree["tree_structure"]) for tree in trees])


def _depth(node: dict[str, Any]) -> int:
    children = [node[side] for side in ("left_child", "right_child") if side in node]
    return 1 + max(map(_depth, children)) if children else 0


def _xgboost(model: Any) -> Cost:
    trees = model.get_booster().get_dump()  # one line a node, with a tab for each level above it
    depths = [max(line.count("\t") for line in tree.splitlines()) for tree in trees]
    return _trees([tree.count("leaf=") for tree in trees], depths)


def _linear(model: Any) -> Cost:
    features = int(np.size(model.coef_))
    return Cost(features + 1, 2 * features, 0)


def _per_feature(parameters: int, flops: int) -> Any:
    return lambda model: Cost(parameters * int(model.n_features_in_), flops * int(model.n_features_in_), 0)


def _engineered(model: Any) -> Cost:
    return Cost(len(model.distances), len(model.ratios) + 2 * len(model.distances), 0)


_BY_KIND: dict[str, Any] = {
    "VotingRegressor": _vote,
    "StackingRegressor": _stack,
    "FrozenEstimator": lambda model: of_estimator(model.estimator),
    "RandomForestRegressor": _forest,
    "LGBMRegressor": _lightgbm,
    "XGBRegressor": _xgboost,
    "ElasticNet": _linear,
    "BayesianRidge": _linear,
    "Ridge": _linear,
    "StackedRegression": lambda model: Cost(len(model.weight_) + 1, 2 * len(model.weight_), 0),
    "WeightedMean": lambda model: Cost(1, 4, 0),
    "StandardScaler": _per_feature(2, 2),
    "PowerTransformer": _per_feature(3, 7),
    "SimpleImputer": _per_feature(1, 0),
    "KNNImputer": lambda model: Cost(int(np.size(model._fit_X)), 0, 0),
    "AddEngineered": _engineered,
    # These select or clip values and have no parameters but indices.
    "Columns": lambda model: _NOTHING,
    "Bound": lambda model: _NOTHING,
    "SelectKBest": lambda model: _NOTHING,
    "VoteSelector": lambda model: _NOTHING,
}
