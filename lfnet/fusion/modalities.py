"""The two regressors that see one side each: recipes to choose from, and what fitting one gives."""

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
from lfnet.fusion import settings as conf
from lfnet.fusion.modality_data import Split, Stream, aggregate, balanced_folds, engineered_columns, folds
from lfnet.fusion.transformers import AddEngineered, Bound, Columns, VoteSelector

__all__ = ["Memo", "PhysiologicalSide", "Recipe", "Scorer", "Side", "VisualSide", "quiet"]

_LEAST = {"visual": 3, "physiological": 6}  # rows: mutual information looks at 3 neighbours of those in a fold
Recipe = dict[str, Any]
T = TypeVar("T")


class Memo(dict[Any, Any]):
    """What recipes fitted on one and the same split share, so that it is fitted once."""

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What lies under `key`, made where it is not there."""
        if key not in self:
            self[key] = make()
        return self[key]


@dataclass(frozen=True)
class Scorer:
    """One side, fitted: rows → a score a row → a score a clip.

    side: which. rows: `all` of a clip's rows are scored, or one, the `first` or their `mean`. A clip without rows is
    one row of NaN, which the pipeline imputes: it has a score, and it is named in the result.
    """

    side: str
    rows: str
    pipeline: Any
    aggregate: str
    trim: float
    mean_share: float

    def scores(self, split: Split) -> np.ndarray:
        """float64 [clips], in points."""
        return self.joined(*self.row_scores(split), len(split))

    def row_scores(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """A score a row, and the clip of each."""
        stream = split.side(self.side)
        whole = (stream if self.rows == "all" else stream.each(self.rows)).whole(len(split))
        return np.asarray(self.pipeline.predict(whole.X), float), whole.clip

    def joined(self, scores: np.ndarray, clip: np.ndarray, clips: int) -> np.ndarray:
        """Scores [rows] as scores [clips]."""
        return aggregate(scores, clip, clips, self.aggregate, trim=self.trim, mean_share=self.mean_share)


class Side(Protocol):
    """A regressor before it is fitted."""

    name: str

    def recipes(self) -> list[Recipe]:
        """All combinations of candidate values, in the order of the yaml: ties go to the first."""
        ...

    def fit(self, split: Split, recipe: Recipe, memo: Memo) -> Scorer:
        """The side fitted on a labelled split. memo: of this split and side."""
        ...


@contextmanager
def quiet() -> Iterator[None]:
    """Small folds make solvers complain of what is chosen against anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message=".*valid feature names.*")
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # overflows in Yeo-Johnson's search: held by Bound
        yield


def _rows(split: Split, stream: Stream, side: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows of clips that have any, and each row's label: nothing is invented for training."""
    if not len(stream.X):
        mend = (
            ": its segments were all dropped, or no clip is as long as one (conf/pulse); fusion.model=visual needs none"
        )
        raise LfnetError(f"no training clip has a row in the {side} stream{mend if side == 'physiological' else ''}.")
    if len(stream.X) < _LEAST[side]:
        raise LfnetError(
            f"a fold of the training clips has {len(stream.X)} rows in the {side} stream, and at least {_LEAST[side]} "
            "are needed: there are too few clips or people. Fewer fusion.inner_folds and fusion.outer_folds may help."
        )
    return stream.X, split.y[stream.clip]


class VisualSide:
    """Descriptors → SelectKBest(f_regression) → the mean of a linear SVR and a random forest (VotingRegressor)."""

    name = "visual"

    def __init__(self, settings: conf.Visual, seed: int) -> None:
        self.settings = settings
        self.seed = seed

    def recipes(self) -> list[Recipe]:
        """rows × k × C."""
        chosen = self.settings
        return [{"rows": rows, "k": k, "C": C} for rows in chosen.rows for k in chosen.k for C in chosen.C]

    def fit(self, split: Split, recipe: Recipe, memo: Memo) -> Scorer:
        """One row a clip; only what depends on C is fitted anew for another C."""
        rows, k, C = recipe["rows"], recipe["k"], recipe["C"]
        with quiet():
            X, y = memo.once(rows, lambda: _rows(split, split.side("visual").each(rows), "visual"))
            scale = memo.once((rows, "scale"), lambda: self._scale(X))
            Xs = memo.once((rows, "scaled"), lambda: scale.transform(X))
            select = memo.once((rows, k), lambda: SelectKBest(f_regression, k=min(k, Xs.shape[1])).fit(Xs, y))
            Xk = memo.once((rows, k, "selected"), lambda: select.transform(Xs))
            forest = memo.once((rows, k, "forest"), lambda: self._forest().fit(Xk, y))
            svr = SVR(kernel="linear", C=C).fit(Xk, y)
            both = [("svr", FrozenEstimator(svr)), ("forest", FrozenEstimator(forest))]
            vote = VotingRegressor(both).fit(Xk, y)
        pipeline = Pipeline([*scale.steps, ("select", select), ("vote", vote)])
        return Scorer("visual", rows, pipeline, "mean", 0.0, 1.0)

    def _scale(self, X: np.ndarray) -> Pipeline:
        # Constant features have no F value; they are dropped before they are asked for one.
        varied = np.flatnonzero(np.nan_to_num(np.ptp(X, axis=0)) > 0)
        if not len(varied):
            raise LfnetError("all training clips have the same visual descriptor: there is nothing to learn from.")
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


class PhysiologicalSide:
    """Segments' features → imputed, engineered, selected by votes, Yeo-Johnson → SVR or the published stack → clips.

    Imputation, selection and transform are fitted once on all training rows; the stack's members then see out-of-fold
    rows of the transformed table, as published. The scores that are reported never see their own fold.
    """

    name = "physiological"

    def __init__(self, settings: conf.Physiological, group_by: str, seed: int) -> None:
        self.settings = settings
        self.group_by = group_by
        self.seed = seed

    def recipes(self) -> list[Recipe]:
        """k × model × aggregation."""
        chosen = self.settings
        return [
            {"k": k, "model": model, "aggregate": how}
            for k in chosen.votes.k
            for model in chosen.models
            for how in chosen.aggregate
        ]

    def fit(self, split: Split, recipe: Recipe, memo: Memo) -> Scorer:
        """All segments of labelled clips, each with its clip's label."""
        k, model, how = recipe["k"], recipe["model"], recipe["aggregate"]
        stream = split.side("physiological")
        X, y = memo.once("rows", lambda: _rows(split, stream, "physiological"))
        with quiet():
            prepare = memo.once("prepare", lambda: self._prepare(stream))
            Xp = memo.once("prepared", lambda: prepare.transform(X))
            judged = memo.once("votes", lambda: self._selector(max(self.settings.votes.k)).fit(Xp, y))
            after = memo.once(k, lambda: self._after(judged.with_k(k), Xp))
            Xk = memo.once((k, "X"), lambda: after.transform(Xp))
            fitted = memo.once((k, model), lambda: self._model(model, split, stream, Xk, y))
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
        steps.append(("impute", KNNImputer(n_neighbors=settings.neighbours, keep_empty_features=True)))
        return Pipeline(steps).fit(stream.X)

    def _usable(self, stream: Stream) -> np.ndarray:
        """Columns valid in enough of the clips that have rows; all of them where `max_invalid` is null."""
        if self.settings.max_invalid is None:
            return np.arange(stream.X.shape[1])
        invalid = np.isnan(stream.each("mean").X).mean(axis=0)
        usable = np.flatnonzero(invalid <= self.settings.max_invalid)
        if not len(usable):
            raise LfnetError(
                "every physiological feature is invalid in more than "
                f"{self.settings.max_invalid:.0%} of the training clips: raise fusion.physiological.max_invalid."
            )
        return usable

    def _selector(self, k: int) -> VoteSelector:
        votes = self.settings.votes
        return VoteSelector(k, votes.variance, votes.trees, self.seed)

    def _after(self, selector: VoteSelector, Xp: np.ndarray) -> Pipeline:
        steps: list[tuple[str, Any]] = [("select", selector)]
        if self.settings.power_transform:
            power = PowerTransformer(method="yeo-johnson").fit(selector.transform(Xp))
            steps += [("yeo_johnson", power), ("bound", Bound())]
        return Pipeline(steps)

    def _model(self, model: str, split: Split, stream: Stream, Xk: np.ndarray, y: np.ndarray) -> Any:
        if model == "svr":
            return self._svr().fit(Xk, y)
        settings = self.settings
        if self.group_by == "person":
            splits = list(balanced_folds(split.people[stream.clip], y, settings.folds))
        else:
            splits = list(folds(stream.clip, settings.folds, "clip"))
        if min(len(kept) for kept, _ in splits) < 2:
            raise LfnetError(
                f"one {self.group_by} has nearly all rows of the physiological stream: the stack's folds are left "
                "without any. fusion.physiological.models=[svr] works."
            )
        stack = StackingRegressor(
            self._members(),
            final_estimator=ElasticNet(alpha=settings.meta.alpha, l1_ratio=settings.meta.l1_ratio),
            cv=splits,
            n_jobs=1,
        ).fit(Xk, y)
        stack.cv = None  # whose rows were in which fold is nobody's business in a saved model
        return stack

    def _svr(self) -> SVR:
        return SVR(kernel="rbf", C=self.settings.svr.C, epsilon=self.settings.svr.epsilon)

    def _members(self) -> list[tuple[str, Any]]:
        settings = self.settings
        boosted, extreme = _boosting()
        return [
            ("svr", self._svr()),
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
    """LightGBM's and XGBoost's regressors, imported where a stack is fitted and nowhere else."""
    try:
        from lightgbm import LGBMRegressor
        from xgboost import XGBRegressor
    except (ImportError, OSError) as error:
        raise LfnetError(
            f"LightGBM or XGBoost cannot be loaded ({error}). On macOS both need OpenMP: brew install libomp. Without "
            "them fusion.physiological.models=[svr] works."
        ) from error
    return LGBMRegressor, XGBRegressor
