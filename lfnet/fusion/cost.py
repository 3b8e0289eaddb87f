"""Cost of a fitted fusion: parameters, FLOPs of a row, support vectors and bytes, counted from the fitted models."""

from dataclasses import dataclass
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
        return Cost(
            self.parameters + other.parameters,
            self.flops + other.flops,
            self.support_vectors + other.support_vectors,
            self.bytes + other.bytes,
        )


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
    whole = sum(parts.values(), _NOTHING)
    parts["all"] = Cost(whole.parameters, whole.flops, whole.support_vectors, len(dumps(system)))
    return parts


def _sized(part: Any) -> Cost:
    cost = of_estimator(part)
    return Cost(cost.parameters, cost.flops, cost.support_vectors, len(dumps(part)))


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


def _forest(model: Any) -> Cost:
    trees = [estimator.tree_ for estimator in model.estimators_]
    numbers = sum(2 * int(tree.node_count - tree.n_leaves) + int(tree.n_leaves) for tree in trees)
    return Cost(numbers, sum(int(tree.max_depth) + 1 for tree in trees), 0)


def _lightgbm(model: Any) -> Cost:
    trees = model.booster_.dump_model()["tree_info"]
    leaves = [int(tree["num_leaves"]) for tree in trees]
    depths = [_depth(tree["tree_structure"], ("left_child", "right_child")) for tree in trees]
    return Cost(sum(3 * count - 2 for count in leaves), sum(depth + 1 for depth in depths), 0)


def _xgboost(model: Any) -> Cost:
    import json

    trees = [json.loads(text) for text in model.get_booster().get_dump(dump_format="json")]
    leaves = [_leaves(tree) for tree in trees]
    depths = [_depth(tree, ("children",)) for tree in trees]
    return Cost(sum(3 * count - 2 for count in leaves), sum(depth + 1 for depth in depths), 0)


def _children(node: dict[str, Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in names:
        child = node.get(name, [])
        found += child if isinstance(child, list) else [child]
    return found


def _depth(node: dict[str, Any], names: tuple[str, ...]) -> int:
    children = _children(node, names)
    return 1 + max(_depth(child, names) for child in children) if children else 0


def _leaves(node: dict[str, Any]) -> int:
    children = node.get("children", [])
    return sum(_leaves(child) for child in children) if children else 1


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
