"""The regressors of one modality each, visual, physiological and audio: their candidate recipes, fit and scores."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from sklearn.ensemble import RandomForestRegressor, StackingRegressor, VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge, ElasticNet
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVR

from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.fusion import settings as conf
from lfnet.fusion.modality_data import Split, Stream, aggregate, balanced_folds, engineered_columns, folds
from lfnet.fusion.transformers import AddEngineered, Bound, Columns, VoteSelector

__all__ = ["Memo", "Modality", "PhysiologicalModality", "Recipe", "Scorer", "VisualModality", "ignore_solver_warnings"]

_WITHOUT_STACK = "leave the stack out: fusion.physiological.models=[svr]"
_MIN_ROWS = {"visual": 3, "physiological": 6, "audio": 3}  # mutual information needs 3 neighbours within a fold
Recipe = dict[str, Any]
T = TypeVar("T")


class Memo(dict[Any, Any]):
    """Cache of the steps that recipes fitted on the same split have in common.

    Attributes
    ----------
    spared : float
        Seconds that values took when they were made, counted again each time that they are reused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spared = 0.0
        self._seconds: dict[Any, float] = {}

    def compute(self, key: Any, make: Callable[[], T]) -> T:
        """Return the value of `key`; call `make` for it the first time."""
        if key in self:
            self.spared += self._seconds[key]
        else:
            started, spared = time.perf_counter(), self.spared
            self[key] = make()
            self._seconds[key] = time.perf_counter() - started + self.spared - spared
        return self[key]


@dataclass(frozen=True)
class Scorer:
    """A fitted regressor of one modality: scores of rows, aggregated to clips.

    A clip without rows is scored from one row of NaN, which the pipeline imputes; the result names it.

    Parameters
    ----------
    modality : str
        "visual", "physiological" or "audio".
    rows : str
        Rows of a clip that are scored: "all", or one, the "first" or their "mean".
    pipeline : sklearn.pipeline.Pipeline
        The fitted steps.
    aggregate, trim, mean_share
        As for `lfnet.fusion.modality_data.aggregate`.
    """

    modality: str
    rows: str
    pipeline: Any
    aggregate: str
    trim: int
    mean_share: float

    def scores(self, split: Split) -> np.ndarray:
        """Score each clip in points, float64 [clips]."""
        return self.per_clip(*self.row_scores(split), len(split))

    def row_scores(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """Score each row, and return the clip of each."""
        stream = split.stream(self.modality)
        rows = (stream if self.rows == "all" else stream.reduce(self.rows)).padded(len(split))
        return np.asarray(self.pipeline.predict(rows.X), float), rows.clip

    def per_clip(self, scores: np.ndarray, clip: np.ndarray, clips: int) -> np.ndarray:
        """Aggregate scores [rows] to scores [clips]."""
        return aggregate(scores, clip, clips, self.aggregate, trim=self.trim, mean_share=self.mean_share)


class Modality(Protocol):
    """An unfitted regressor of one modality."""

    def recipes(self) -> list[Recipe]:
        """Return all combinations of candidate values, in the order of the yaml: ties go to the first."""
        ...

    def fit(self, split: Split, recipe: Recipe, memo: Memo) -> Scorer:
        """Fit a recipe on a labelled split; `memo` belongs to this split and modality."""
        ...


@contextmanager
def ignore_solver_warnings() -> Iterator[None]:
    """Ignore warnings of solvers on small folds; recipes that do not converge lose the selection anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message=".*valid feature names.*")
        warnings.filterwarnings(
            "ignore", category=RuntimeWarning
        )  # overflows in Yeo-Johnson's search: clipped by Bound
        yield


def _rows(split: Split, stream: Stream, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and their labels; imputed rows are never used for training."""
    if not len(stream.X):
        fix = (
            ": all segments were dropped, or no clip is as long as one (conf/pulse). Use fusion.model=visual"
            if modality == "physiological"
            else ""
        )
        raise LfnetError(f"no training clip has a row in the {modality} stream{fix}.")
    if len(stream.X) < _MIN_ROWS[modality]:
        raise LfnetError(
            f"a fold of the training clips has {len(stream.X)} rows in the {modality} stream, and at least "
            f"{_MIN_ROWS[modality]} are needed. Use more clips, or fewer fusion.inner_folds and fusion.outer_folds."
        )
    return stream.X, split.y[stream.clip]


@dataclass(frozen=True)
class VisualModality:
    """Descriptors → SelectKBest(f_regression) → the mean of a linear SVR and a random forest (VotingRegressor).

    modality: "visual", or "audio", whose descriptors are treated alike.
    """

    settings: conf.Visual
    seed: int
    modality: str = "visual"

    def recipes(self) -> list[Recipe]:
        """Return rows × k × C."""
        chosen = self.settings
        return [{"rows": rows, "k": k, "C": C} for rows in chosen.rows for k in chosen.k for C in chosen.C]

    def fit(self, split: Split, recipe: Recipe, memo: Memo) -> Scorer:
        """Fit one row a clip; for another C only the SVR is fitted again."""
        rows, k, C = recipe["rows"], recipe["k"], recipe["C"]
        with ignore_solver_warnings():
            X, y = memo.compute(rows, lambda: self._rows(split, rows))
            scale = memo.compute((rows, "scale"), lambda: self._scale(X))
            Xs = memo.compute((rows, "scaled"), lambda: scale.transform(X))
            select = memo.compute((rows, k), lambda: SelectKBest(f_regression, k=min(k, Xs.shape[1])).fit(Xs, y))
            Xk = memo.compute((rows, k, "selected"), lambda: select.transform(Xs))
            forest = memo.compute((rows, k, "forest"), lambda: self._forest().fit(Xk, y))
            svr = SVR(kernel="linear", C=C).fit(Xk, y)
            both = [("svr", FrozenEstimator(svr)), ("forest", FrozenEstimator(forest))]
            vote = VotingRegressor(both).fit(Xk, y)
        pipeline = Pipeline([*scale.steps, ("select", select), ("vote", vote)])
        return Scorer(self.modality, rows, pipeline, "mean", 0, 1.0)

    def _rows(self, split: Split, rows: str) -> tuple[np.ndarray, np.ndarray]:
        return _rows(split, split.stream(self.modality).reduce(rows), self.modality)

    def _scale(self, X: np.ndarray) -> Pipeline:
        # Constant features have no F value, so they are dropped first.
        varied = np.flatnonzero(np.nan_to_num(np.ptp(X, axis=0)) > 0)
        if not len(varied):
            raise LfnetError(f"all training clips have the same {self.modality} descriptor: check the features.")
        steps: list[tuple[str, Any]] = [
            ("varied", Columns(varied)),
            ("impute", SimpleImputer(keep_empty_features=True)),
        ]
        if self.settings.standardise:
            steps.append(("standardise", StandardScaler()))
        return Pipeline(steps).fit(X)

    def _forest(self) -> RandomForestRegressor:
        forest = self.settings.forest
        return RandomForestRegressor(
            forest.trees,
            max_depth=forest.depth,
            min_samples_split=forest.min_split,
            random_state=self.seed,
            n_jobs=1,
        )


@dataclass(frozen=True)
class PhysiologicalModality:
    """Segments' features → imputed, engineered, selected by votes, Yeo-Johnson → SVR or the published stack → clips.

    Imputation, selection and transform are fitted once on all training rows. The stack's members are then fitted
    out-of-fold on the transformed rows, as published. Reported scores never come from a model that saw the clip.
    """

    settings: conf.Physiological
    group_by: str
    seed: int

    def recipes(self) -> list[Recipe]:
        """Return k × model × C × aggregation; the SVR within a stack has the last C alone."""
        chosen = self.settings
        return [
            {"k": k, "model": model, "C": C, "aggregate": how}
            for k in chosen.votes.k
            for model in chosen.models
            for C in (chosen.svr.C if model == "svr" else chosen.svr.C[-1:])
            for how in chosen.aggregate
        ]

    def fit(self, split: Split, recipe: Recipe, memo: Memo) -> Scorer:
        """Fit all segments of labelled clips, each with its clip's label."""
        k, model, C, how = recipe["k"], recipe["model"], recipe["C"], recipe["aggregate"]
        stream = split.stream("physiological")
        X, y = memo.compute("rows", lambda: _rows(split, stream, "physiological"))
        with ignore_solver_warnings():
            prepare = memo.compute("prepare", lambda: self._prepare(stream))
            Xp = memo.compute("prepared", lambda: prepare.transform(X))
            selector = memo.compute("votes", lambda: self._selector().fit(Xp, y))
            after = memo.compute(k, lambda: self._after(selector.with_k(k), Xp))
            Xk = memo.compute((k, "X"), lambda: after.transform(Xp))
            fitted = self._model(model, C, k, split, stream, Xk, y, memo)
        pipeline = Pipeline([*prepare.steps, *after.steps, ("model", fitted)])
        return Scorer("physiological", "all", pipeline, how, self.settings.trim, self.settings.mean_share)

    def _prepare(self, stream: Stream) -> Pipeline:
        settings = self.settings
        columns = self._usable(stream)
        names = [stream.names[column] for column in columns]
        ratios, distances, _ = engineered_columns(names, settings.engineered.ratio, settings.engineered.distance)
        steps: list[tuple[str, Any]] = [("valid", Columns(columns)), ("engineered", AddEngineered(ratios, distances))]
        if settings.standardise:
            steps.append(("standardise", StandardScaler()))
        if settings.fill == "median":
            steps.append(("median", SimpleImputer(strategy="median", keep_empty_features=True)))
        steps.append(("impute", KNNImputer(n_neighbors=settings.neighbours, keep_empty_features=True)))
        return Pipeline(steps).fit(stream.X)

    def _usable(self, stream: Stream) -> np.ndarray:
        """Return the columns valid in enough clips; all columns where `max_invalid` is null."""
        if self.settings.max_invalid is None:
            return np.arange(stream.X.shape[1])
        invalid = np.isnan(stream.reduce("mean").X).mean(axis=0)
        usable = np.flatnonzero(invalid <= self.settings.max_invalid)
        if not len(usable):
            raise LfnetError(
                f"every physiological feature is invalid in more than {self.settings.max_invalid:.0%} of the training "
                f"clips: raise fusion.physiological.max_invalid={self.settings.max_invalid:g}."
            )
        return usable

    def _selector(self) -> VoteSelector:
        votes = self.settings.votes
        return VoteSelector(max(votes.k), votes.variance, votes.trees, self.seed)

    def _after(self, selector: VoteSelector, Xp: np.ndarray) -> Pipeline:
        steps: list[tuple[str, Any]] = [("select", selector)]
        if self.settings.power_transform:
            power = PowerTransformer(method="yeo-johnson").fit(selector.transform(Xp))
            steps += [("yeo_johnson", power), ("bound", Bound())]
        return Pipeline(steps)

    def _model(
        self, model: str, C: float, k: int, split: Split, stream: Stream, Xk: np.ndarray, y: np.ndarray, memo: Memo
    ) -> Any:
        svr = memo.compute((k, "svr", C), lambda: self._svr(C).fit(Xk, y))
        if model == "svr":
            return svr
        stack = memo.compute((k, "stacking", C), lambda: self._stack(C, split, stream, Xk, y))
        if model == "stacking":
            return stack
        both = [("svr", FrozenEstimator(svr)), ("stacking", FrozenEstimator(stack))]
        share = self.settings.svr_share
        return VotingRegressor(both, weights=[share, 1 - share]).fit(Xk, y)

    def _stack(self, C: float, split: Split, stream: Stream, Xk: np.ndarray, y: np.ndarray) -> StackingRegressor:
        settings = self.settings
        if self.group_by == "person":
            splits = list(balanced_folds(split.people[stream.clip], y, settings.folds))
        else:
            splits = list(folds(stream.clip, settings.folds, "clip"))
        if min(len(kept) for kept, _ in splits) < 2:
            raise LfnetError(
                f"one {self.group_by} has nearly all rows of the physiological stream, so a fold of the stack has no "
                "training rows. Use fusion.physiological.models=[svr]."
            )
        stack = StackingRegressor(
            self._members(C),
            final_estimator=ElasticNet(alpha=settings.meta.alpha, l1_ratio=settings.meta.l1_ratio),
            cv=splits,
            n_jobs=1,
        ).fit(Xk, y)
        stack.cv = None  # drop fold indices from the saved model: they identify rows
        return stack

    def _svr(self, C: float) -> SVR:
        return SVR(kernel="rbf", C=C, epsilon=self.settings.svr.epsilon)

    def _members(self, C: float) -> list[tuple[str, Any]]:
        settings = self.settings
        boosted, extreme = _boosting()
        return [
            ("svr", self._svr(C)),
            ("poly", SVR(kernel="poly", degree=settings.poly.degree, C=settings.poly.C, epsilon=settings.poly.epsilon)),
            ("net", ElasticNet(alpha=settings.elastic_net.alpha, l1_ratio=settings.elastic_net.l1_ratio)),
            ("bayes", BayesianRidge()),
            (
                "lightgbm",
                boosted(
                    n_estimators=settings.lightgbm.trees,
                    learning_rate=settings.lightgbm.lr,
                    max_depth=settings.lightgbm.depth,
                    random_state=self.seed % 2**31,
                    n_jobs=1,
                    verbose=-1,
                ),
            ),
            (
                "xgboost",
                extreme(
                    n_estimators=settings.xgboost.trees,
                    learning_rate=settings.xgboost.lr,
                    max_depth=settings.xgboost.depth,
                    random_state=self.seed % 2**31,
                    n_jobs=1,
                ),
            ),
        ]


def _boosting() -> tuple[Any, Any]:
    """Import LightGBM's and XGBoost's regressors, which only a stack needs."""
    require("lightfusion", "lightgbm", "xgboost", use="a stack of a fusion", otherwise=_WITHOUT_STACK)
    try:
        from lightgbm import LGBMRegressor
        from xgboost import XGBRegressor
    except (ImportError, OSError) as error:
        raise LfnetError(
            f"LightGBM or XGBoost cannot be loaded ({error}). On macOS install OpenMP: brew install libomp. Or "
            f"{_WITHOUT_STACK}."
        ) from error
    return LGBMRegressor, XGBRegressor
