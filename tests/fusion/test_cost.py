"""Costs of fitted models against counts by hand."""

import numpy as np
import pytest
from lightgbm import LGBMRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import KNNImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVR
from xgboost import XGBRegressor

from lfnet.fusion.cost import Cost, measure, of_estimator
from lfnet.fusion.modalities import Memo
from lfnet.fusion.persist import dumps
from lfnet.fusion.system import fuse
from tests.fusion.simulated_splits import PUBLISHED_MODELS, SMALL, settings, split

TRAIN, TEST, SHARE = split("train", clips=30, people=10), split("test"), Memo()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = 10 * X[:, 0] + RNG.normal(size=60)


def test_the_published_layer_equals_a_count_by_hand():
    joint = make_pipeline(PowerTransformer(), SVR(C=25, epsilon=0.01)).fit(X, Y)
    vectors = len(joint[-1].support_)
    # 2 numbers and a weight a support vector, an intercept; λ, mean and sd of 2 scores.
    assert of_estimator(joint) == Cost(3 * vectors + 1 + 6, vectors * (3 * 2 + 2 + 2) + 14, vectors)


def test_linear_models_and_scalers_equal_a_count_by_hand():
    assert of_estimator(make_pipeline(StandardScaler(), Ridge()).fit(X, Y)) == Cost(4 + 3, 4 + 4, 0)
    linear = SVR(kernel="linear").fit(X, Y)
    assert of_estimator(linear) == Cost(3, 4, len(linear.support_))
    assert of_estimator(KNNImputer().fit(X)).parameters == 120


@pytest.mark.parametrize("make", [LGBMRegressor, XGBRegressor])
def test_boosted_trees_are_counted_split_by_split(make):
    more = {"verbose": -1} if make is LGBMRegressor else {}
    model = make(n_estimators=3, max_depth=2, n_jobs=1, **more).fit(X, Y)
    if make is LGBMRegressor:
        frame = model.booster_.trees_to_dataframe()
        leaves = frame["left_child"].isna().sum()
        depths = frame.groupby("tree_index")["node_depth"].max() - 1
    else:
        frame = model.get_booster().trees_to_dataframe()
        leaves = (frame["Feature"] == "Leaf").sum()
        depths = np.array([2] * 3)
    assert of_estimator(model) == Cost(int(3 * leaves - 2 * 3), int((depths + 1).sum()), 0)


def test_a_forest_is_counted_split_by_split():
    model = RandomForestRegressor(4, max_depth=3, random_state=0).fit(X, Y)
    nodes = sum((tree.tree_.children_left >= 0).sum() for tree in model.estimators_)
    leaves = sum((tree.tree_.children_left < 0).sum() for tree in model.estimators_)
    assert of_estimator(model) == Cost(2 * nodes + leaves, 4 * 4, 0)


@pytest.mark.parametrize("model", PUBLISHED_MODELS)
def test_every_model_has_a_cost(model):
    chosen = settings(*SMALL, f"fusion.model={model}", fusion="published")
    system = fuse(TRAIN, {"test": TEST}, chosen, seed=0, share=SHARE).system
    parts = measure(system)
    whole = parts.pop("all")
    assert whole.parameters == sum(part.parameters for part in parts.values())
    assert whole.bytes == pytest.approx(
        len(dumps(system)), rel=0.01
    )  # files contain object ids, so their lengths differ slightly
    assert ("fusion" in parts) == (model not in ("visual", "physiological"))
    assert all(part.bytes > 0 for part in parts.values())


def test_an_unknown_estimator_is_an_error():
    with pytest.raises(TypeError, match="object"):
        of_estimator(object())
