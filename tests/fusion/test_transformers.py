"""Pipeline steps of a fusion."""

import numpy as np
from sklearn.feature_selection import f_regression

from lfnet.fusion.transformers import AddEngineered, Bound, VoteSelector


def test_engineered_features_equal_their_definition():
    X = np.array([[4.0, 2.0, 0.7], [1.0, 0.0, 1.4], [np.nan, 2.0, 1.0]])
    new = AddEngineered([(0, 1)], [(2, 1.0)]).fit_transform(X)[:, 3:]
    np.testing.assert_allclose(new, [[2.0, 0.3], [np.nan, 0.4], [np.nan, 0.0]], atol=1e-12)


def test_bound_clips_infinite_and_large_values():
    clipped = Bound(10.0).transform(np.array([[1e36, -np.inf, np.nan, 3.0]]))
    assert clipped.tolist() == [[10.0, -10.0, 0.0, 3.0]]


def test_votes_keep_features_on_which_criteria_agree():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 12))
    X[:, 5] = 7.0  # constant
    X[:, 6] *= 0.001  # varies too little for its vote
    y = 3 * X[:, 1] - 2 * X[:, 2] + 1500 * X[:, 6] + rng.normal(size=200)
    selector = VoteSelector(k=3, trees=30, random_state=0).fit(X, y)
    assert set(np.flatnonzero(selector.get_support())) == {1, 2, 6}
    assert selector.votes_[1] == 4 and selector.votes_[6] == 3 and selector.votes_[5] == 0
    varied = np.delete(np.arange(12), 5)
    np.testing.assert_allclose(selector.scores_[0, varied], f_regression(X[:, varied], y)[0])
    other = selector.with_k(2)
    again = VoteSelector(k=2, trees=30, random_state=0).fit(X, y)
    np.testing.assert_array_equal(other.get_support(), again.get_support())
    assert other.get_support().sum() == 2 and selector.get_support().sum() == 3
