"""Settings of a fusion (conf/fusion): the constants of LightFusionNet (Bilal et al. 2026) and lists of candidates."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lfnet.config import Count, NonNegative, Positive, Share, settings

__all__ = ["CONCATENATED", "MODALITIES", "MODELS", "FusionSettings", "Joint", "Physiological", "Visual"]

MODALITIES = ("visual", "physiological")
CONCATENATED = ("concat_svr", "concat_ridge")  # these read descriptors, other joint models scores
MODELS = (*MODALITIES, "fused", "weighted", *CONCATENATED)

Modality = Literal["visual", "physiological"]
Folds = Annotated[int, Field(ge=2)]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


# Lists of candidates; a single value is a list of one.
_OneOrMore = (BeforeValidator(_as_list), Field(min_length=1))
Counts = Annotated[tuple[Count, ...], *_OneOrMore]
Positives = Annotated[tuple[Positive, ...], *_OneOrMore]
NonNegatives = Annotated[tuple[NonNegative, ...], *_OneOrMore]
Weights = Annotated[tuple[Share, ...], *_OneOrMore]


@settings
class Forest:
    """A random forest: 100 trees of depth 5, at least 5 rows to split a node (published)."""

    trees: Count
    depth: Count
    min_split: Annotated[int, Field(ge=2)]


@settings
class Visual:
    """The visual regressor: SelectKBest(f_regression, k = 1000), then linear SVR (C = .1) and a forest, averaged."""

    stream: str | None
    rows: Annotated[tuple[Literal["first", "mean"], ...], *_OneOrMore]
    standardise: bool
    k: Counts
    C: Positives
    forest: Forest


@settings
class Engineered:
    """New features from named ones: ratios a / b and distances |a − constant|, each by its own name.

    Published: RMSSD/SDNN, LF/HF and DFA's α − 1. The published figure shows |α − 1|, which is used here.
    """

    ratio: dict[str, tuple[str, str]]
    distance: dict[str, tuple[str, float]]


@settings
class Votes:
    """Selection by votes: variance above .01, and the best k by F-test, mutual information and forest; k = 25."""

    k: Counts
    variance: NonNegative
    trees: Count


@settings
class Kernel:
    """An SVR: C and ε, and the degree of a polynomial kernel."""

    C: Positive
    epsilon: NonNegative
    degree: Count = 3


@settings
class Net:
    """An elastic net: α and the share of L1."""

    alpha: Positive
    l1_ratio: Share


@settings
class Boosting:
    """Boosted trees: their number, learning rate and depth."""

    trees: Count
    lr: Positive
    depth: Count


@settings
class Physiological:
    """The physiological regressor: KNN imputation (3), engineered features, votes, Yeo-Johnson, and a model.

    models: `svr` (rbf, C = 5, ε = .05) or `stacking`: that SVR, SVR-poly2 (C = 2, ε = .1), ElasticNet (.05/.3),
    Bayesian ridge, LightGBM and XGBoost (80 trees, rate .05, depth 4 and 3) under an ElasticNet (.1/.5), out-of-fold by
    GroupKFold(5). aggregate: segments → clip: mean, median, trimmed_mean, mean_median (.7 mean + .3 median).
    """

    stream: str
    max_invalid: Share | None
    engineered: Engineered
    standardise: bool
    neighbours: Count
    votes: Votes
    power_transform: bool
    models: Annotated[tuple[Literal["svr", "stacking"], ...], *_OneOrMore]
    svr: Kernel
    poly: Kernel
    elastic_net: Net
    lightgbm: Boosting
    xgboost: Boosting
    meta: Net
    folds: Folds
    aggregate: Annotated[tuple[Literal["mean", "median", "trimmed_mean", "mean_median"], ...], *_OneOrMore]
    trim: Annotated[float, Field(ge=0, lt=0.5)]
    mean_share: Share


@settings
class Joint:
    """The joint model: z = [visual; physiological] → Yeo-Johnson → SVR(rbf, C = 25, ε = .01, γ = scale).

    Published as about 350 parameters in less than 50 KB. weight: w of late fusion, ŷ = w·visual +
    (1 − w)·physiological; published w* = .98, and ablation_weight .95 in the component ablation. alpha: of the ridge
    regression, which is not published.
    """

    inputs: Annotated[tuple[Modality, ...], *_OneOrMore]
    power_transform: bool
    C: Positives
    epsilon: NonNegatives
    gamma: Literal["scale", "auto"] | Positive
    weight: Weights
    ablation_weight: Weights
    alpha: Positives


@settings
class FusionSettings:
    """The `fusion` node; conf/fusion/published.yaml explains each setting."""

    name: str
    model: Literal["visual", "physiological", "fused", "weighted", "concat_svr", "concat_ridge"]
    component: str
    choose: Literal["test", "people"]
    training_scores: Literal["in_sample", "out_of_fold"]
    group_by: Literal["clip", "person"]
    inner_folds: Folds
    outer_folds: Folds
    visual: Visual
    physiological: Physiological
    joint: Joint
    extraction: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.model == "weighted" and set(self.joint.inputs) != set(MODALITIES):
            raise ValueError(f".joint.inputs: fusion.model=weighted needs both, [{', '.join(MODALITIES)}].")
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """Modalities whose streams are read."""
        if self.model in MODALITIES:
            return (self.model,)
        return MODALITIES if self.model in CONCATENATED else self.joint.inputs

    @property
    def scored(self) -> tuple[str, ...]:
        """Modalities that get a score of their own."""
        return () if self.model in CONCATENATED else self.used
