"""`conf/fusion/*.yaml` as objects: every number of the system and every list of candidates; mistakes are named."""

import types
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from lfnet.errors import LfnetError

__all__ = ["MODELS", "FusionSettings", "Joint", "Physiological", "Visual"]

MODELS = ("visual", "physiological", "fused", "weighted", "concat_svr", "concat_ridge")


@dataclass(frozen=True)
class Forest:
    """A random forest: 100 trees of depth 5, split from 5 rows (published, research.md A)."""

    trees: int
    depth: int
    min_split: int


@dataclass(frozen=True)
class Visual:
    """The visual regressor: SelectKBest(f_regression, k = 1000), then linear SVR (C = .1) and a forest, averaged."""

    stream: str | None
    rows: tuple[Literal["first", "mean"], ...]
    standardise: bool
    k: tuple[int, ...]
    C: tuple[float, ...]
    forest: Forest


@dataclass(frozen=True)
class Engineered:
    """New features from named ones: ratios a / b and distances |a − constant|, each by its own name.

    Published: RMSSD/SDNN, LF/HF and DFA's α − 1, of which the figure shows |α − 1|; that is taken.
    """

    ratio: dict[str, list[str]]
    distance: dict[str, list[Any]]


@dataclass(frozen=True)
class Votes:
    """Selection by votes: variance above .01, and the best k by F-test, mutual information and forest; k = 25."""

    k: tuple[int, ...]
    variance: float
    trees: int


@dataclass(frozen=True)
class Kernel:
    """An SVR: C and ε; degree for the polynomial one."""

    C: float
    epsilon: float
    degree: int = 3


@dataclass(frozen=True)
class Net:
    """An elastic net: α and the share of L1."""

    alpha: float
    l1_ratio: float


@dataclass(frozen=True)
class Boosting:
    """Boosted trees: how many, learning rate, depth."""

    trees: int
    lr: float
    depth: int


@dataclass(frozen=True)
class Physiological:
    """The physiological regressor: KNN imputation (3), engineered features, votes, Yeo-Johnson, and a model.

    models: `svr` (rbf, C = 5, ε = .05) or `stacking`: that SVR, SVR-poly2 (C = 2, ε = .1), ElasticNet (.05/.3),
    Bayesian ridge, LightGBM and XGBoost (80 trees, rate .05, depth 4 and 3) under an ElasticNet (.1/.5), out-of-fold by
    GroupKFold(5). aggregate: segments → clip: mean, median, trimmed_mean, mean_median (.7 mean + .3 median).
    """

    stream: str
    max_invalid: float | None
    engineered: Engineered
    standardise: bool
    neighbours: int
    votes: Votes
    power_transform: bool
    models: tuple[Literal["svr", "stacking"], ...]
    svr: Kernel
    poly: Kernel
    elastic_net: Net
    lightgbm: Boosting
    xgboost: Boosting
    meta: Net
    folds: int
    aggregate: tuple[Literal["mean", "median", "trimmed_mean", "mean_median"], ...]
    trim: float
    mean_share: float


@dataclass(frozen=True)
class Joint:
    """What joins the two: z = [visual; physiological] → Yeo-Johnson → SVR(rbf, C = 25, ε = .01, γ = scale).

    Published as about 350 parameters in less than 50 KB. weight: the late fusion's w in ŷ = w·visual +
    (1 − w)·physiological; published w* = .98, and ablation_weight .95 in the component ablation. alpha: of the ridge
    rival.
    """

    inputs: tuple[Literal["visual", "physiological"], ...]
    power_transform: bool
    C: tuple[float, ...]
    epsilon: tuple[float, ...]
    gamma: str
    weight: tuple[float, ...]
    ablation_weight: tuple[float, ...]
    alpha: tuple[float, ...]


@dataclass(frozen=True)
class FusionSettings:
    """The whole `fusion` node; conf/fusion/published.yaml says what each setting means."""

    name: str
    model: Literal["visual", "physiological", "fused", "weighted", "concat_svr", "concat_ridge"]
    component: str
    choose: Literal["test", "people"]
    training_scores: Literal["in_sample", "out_of_fold"]
    group_by: Literal["clip", "person"]
    inner_folds: int
    outer_folds: int
    visual: Visual
    physiological: Physiological
    joint: Joint
    extraction: dict[str, Any]

    @classmethod
    def from_config(cls, node: dict[str, Any]) -> Self:
        """Build from the resolved node. Raises `LfnetError` naming the first setting that is wrong."""
        settings = _build(cls, node, "fusion")
        for name, values in (
            ("visual.k", settings.visual.k),
            ("physiological.votes.k", settings.physiological.votes.k),
            ("physiological.neighbours", (settings.physiological.neighbours,)),
        ):
            if min(values) < 1:
                raise LfnetError(f"fusion.{name}={list(values)}: give 1 or more.")
        for name, value in (
            ("inner_folds", settings.inner_folds),
            ("outer_folds", settings.outer_folds),
            ("physiological.folds", settings.physiological.folds),
        ):
            if value < 2:
                raise LfnetError(f"fusion.{name}={value}: give 2 or more.")
        for name, values in (
            ("visual.C", settings.visual.C),
            ("joint.C", settings.joint.C),
            ("joint.alpha", settings.joint.alpha),
        ):
            if min(values) <= 0:
                raise LfnetError(f"fusion.{name}={list(values)}: give numbers above 0.")
        if not all(0 <= weight <= 1 for weight in settings.joint.weight):
            raise LfnetError(f"fusion.joint.weight={list(settings.joint.weight)}: give shares from 0 to 1.")
        if not 0 <= settings.physiological.trim < 0.5:
            raise LfnetError(
                f"fusion.physiological.trim={settings.physiological.trim}: give a share from 0 to below .5."
            )
        return settings


def _build(kind: Any, node: Any, path: str) -> Any:
    if not isinstance(node, dict):
        raise LfnetError(f"{path}={node}: give its settings, as in conf/fusion/published.yaml.")
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}
    required = {name for name, item in known.items() if repr(item.default).startswith("<dataclasses._MISSING")}
    if unknown := sorted(set(node) - set(known)):
        raise LfnetError(f"{path}.{unknown[0]} is not a setting. Known: {', '.join(known)}.")
    if missing := sorted(required - set(node)):
        raise LfnetError(f"{path}.{missing[0]} is missing: see conf/fusion/published.yaml.")
    return kind(**{name: _value(hints[name], value, f"{path}.{name}") for name, value in node.items()})


def _value(hint: Any, value: Any, path: str) -> Any:
    """`value` as the annotation wants it."""
    origin = get_origin(hint)
    if is_dataclass(hint):
        return _build(hint, value, path)
    if origin in (Union, types.UnionType):
        return None if value is None else _value(next(a for a in get_args(hint) if a is not type(None)), value, path)
    if origin is Literal:
        if value not in get_args(hint):
            raise LfnetError(f"{path}={value}: choose one of {', '.join(get_args(hint))}.")
        return value
    if origin is tuple:
        values = value if isinstance(value, list | tuple) else [value]
        if not values:
            raise LfnetError(f"{path}=[]: give at least one value.")
        return tuple(_value(get_args(hint)[0], item, path) for item in values)
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise LfnetError(f"{path}={value}: give names and their values.")
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in (int, bool, str) and type(value) is hint:
        return value
    wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}[hint]
    raise LfnetError(f"{path}={value}: give {wanted}.")
