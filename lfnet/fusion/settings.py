"""Settings of a fusion (conf/fusion): the constants of LightFusionNet (Bilal et al. 2026) and lists of candidates."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lfnet.config import Count, NonNegative, Positive, Share, settings

__all__ = [
    "CONCATENATED",
    "MODALITIES",
    "MODELS",
    "OF_JOINT_SVR",
    "PUBLISHED",
    "FusionSettings",
    "GroupBy",
    "Joint",
    "Physiological",
    "Visual",
]

MODALITIES = ("visual", "physiological", "audio")
PUBLISHED = MODALITIES[:2]  # LightFusionNet has no sound
CONCATENATED = ("concat_svr", "concat_ridge")  # these read descriptors, other joint models scores
MODELS = (*MODALITIES, "fused", "stacked", "weighted", *CONCATENATED)
OF_JOINT_SVR = ("without_power_transform", "without_tuned_svr")  # components of model=fused alone

Modality = Literal["visual", "physiological", "audio"]
GroupBy = Literal["clip", "person"]
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
    """The visual regressor: SelectKBest(f_regression, k = 1000), then linear SVR (C = .1) and a forest, averaged.

    That of sound, which is not published, is the same with settings of its own.
    """

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
    """An SVR: C (candidates, of the rbf kernel) and ε."""

    C: Positives
    epsilon: NonNegative


@settings
class Polynomial:
    """An SVR with a polynomial kernel: C, ε and the degree."""

    C: Positive
    epsilon: NonNegative
    degree: Count


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

    fit_on: the splits whose clips it is fitted on; the published script joins train and dev. models: `svr` (rbf, C = 5,
    ε = .05), `stacking`: that SVR, SVR-poly2 (C = 2, ε = .1), ElasticNet (.05/.3), Bayesian ridge, LightGBM and XGBoost
    (80 trees, rate .05, depth 4 and 3) under an ElasticNet (.1/.5), out-of-fold by GroupKFold(5), or `blend`:
    .6 SVR + .4 stack. fill: gaps are filled by the median of the training rows, as in the published script, or left to
    KNN. aggregate: segments → clip: mean, median, trimmed_mean (without the smallest and the largest), mean_median
    (.7 mean + .3 median).
    """

    stream: str
    fit_on: Annotated[tuple[Literal["train", "dev"], ...], *_OneOrMore]
    max_invalid: Share | None
    engineered: Engineered
    standardise: bool
    fill: Literal["median", "none"]
    neighbours: Count
    votes: Votes
    power_transform: bool
    models: Annotated[tuple[Literal["svr", "stacking", "blend"], ...], *_OneOrMore]
    svr_share: Share
    svr: Kernel
    poly: Polynomial
    elastic_net: Net
    lightgbm: Boosting
    xgboost: Boosting
    meta: Net
    folds: Folds
    aggregate: Annotated[tuple[Literal["mean", "median", "trimmed_mean", "mean_median"], ...], *_OneOrMore]
    trim: Count
    mean_share: Share


@settings
class Joint:
    """The joint model: z = [visual; physiological] → Yeo-Johnson → SVR(rbf, C = 25, ε = .01, γ = scale).

    inputs: the modalities whose scores are joined.

    Published as about 350 parameters in less than 50 KB. weight: w of late fusion, ŷ = w·visual +
    (1 − w)·physiological; published w* = .98, and ablation_weight .95 in the component ablation. Not published:
    shrinkage of the stacked regression towards the mean of the scores, and alpha of the ridge regression.
    """

    inputs: Annotated[tuple[Modality, ...], *_OneOrMore]
    power_transform: bool
    C: Positives
    epsilon: NonNegatives
    gamma: Literal["scale", "auto"] | Positive
    shrinkage: NonNegatives
    weight: Weights
    ablation_weight: Weights
    alpha: Positives


@settings
class FusionSettings:
    """The `fusion` node; conf/fusion/published.yaml explains each setting."""

    name: str
    model: Literal["visual", "physiological", "audio", "fused", "stacked", "weighted", "concat_svr", "concat_ridge"]
    component: str
    choose: Literal["test", "people"]
    training_scores: Literal["in_sample", "out_of_fold"]
    group_by: GroupBy
    inner_folds: Folds
    outer_folds: Folds
    repeats: Count
    visual: Visual
    physiological: Physiological
    joint: Joint
    extraction: dict[str, Any]
    audio: Visual | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "train" not in self.physiological.fit_on:
            raise ValueError(".physiological.fit_on: give [train] or [train, dev].")
        if self.model == "weighted" and set(self.joint.inputs) != set(PUBLISHED):
            raise ValueError(f".joint.inputs: fusion.model=weighted needs both, [{', '.join(PUBLISHED)}].")
        if self.model in CONCATENATED and "audio" in self.joint.inputs:
            raise ValueError(
                f".joint.inputs: fusion.model={self.model} joins [{', '.join(PUBLISHED)}]; stacked joins all."
            )
        if "audio" in self.used and (self.audio is None or self.audio.stream is None):
            raise ValueError(".audio: there is no regressor of sound: set fusion=with_audio, and its audio.stream.")
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """Modalities whose streams are read."""
        if self.model in MODALITIES:
            return (self.model,)
        return PUBLISHED if self.model in CONCATENATED else self.joint.inputs

    @property
    def scored(self) -> tuple[str, ...]:
        """Modalities that get a score of their own."""
        return () if self.model in CONCATENATED else self.used
