"""The regressors of one modality each."""

import numpy as np

from lfnet.fusion.modalities import Memo, PhysiologicalModality, VisualModality
from lfnet.fusion.modality_data import Stream
from tests.fusion.simulated_splits import NAMES, SMALL, settings, split


def test_nested_drops_mostly_invalid_features_and_published_keeps_them():
    train = split("train", clips=30, people=10)
    X = train.physiological.X.copy()
    X[train.physiological.clip % 3 > 0, 2] = np.nan  # LF: invalid in two of three clips
    stream = Stream(X, train.physiological.clip, train.physiological.names)
    columns = {
        how: PhysiologicalModality(settings(*SMALL, fusion=how).physiological, "person", 0)._usable(stream)
        for how in ("published", "nested")
    }
    assert len(columns["published"]) == len(NAMES)
    assert set(columns["published"]) - set(columns["nested"]) == {2}


def test_the_visual_regressor_is_the_mean_of_its_members():
    train = split("train", clips=30, people=10)
    scorer = VisualModality(settings(*SMALL, fusion="published").visual, 0).fit(
        train, {"rows": "first", "k": 5, "C": 0.1}, Memo()
    )
    vote = scorer.pipeline[-1]
    X = scorer.pipeline[:-1].transform(train.visual.reduce("first").X)
    assert X.shape[1] == 5
    svr, forest = (member.predict(X) for member in vote.estimators_)
    np.testing.assert_allclose(vote.predict(X), (svr + forest) / 2)
    assert vote.estimators_[0].estimator.kernel == "linear" and vote.estimators_[1].estimator.max_depth == 5


def test_a_memo_counts_what_reused_values_took_when_they_were_made(monkeypatch):
    clock = iter([0.0, 0.0, 3.0, 5.0, 10.0, 11.0])
    monkeypatch.setattr("lfnet.fusion.modalities.time.perf_counter", lambda: next(clock))
    memo = Memo()
    # "b" takes 5 s, 3 s of them for "a" in it; "c" takes 1 s and would have taken 3 s more for "a".
    assert memo.compute("b", lambda: memo.compute("a", lambda: 1) + 1) == 2 and memo.spared == 0
    assert memo.compute("c", lambda: memo.compute("a", lambda: 1) + 2) == 3 and memo.spared == 3
    assert memo.compute("b", lambda: 0) == 2 and memo.spared == 3 + 5
    assert memo.compute("c", lambda: 0) == 3 and memo.spared == 3 + 5 + (1 + 3)


def test_recipes_with_a_shared_memo_equal_those_fitted_alone():
    train, test = split("train", clips=30, people=10), split("test")
    modality = PhysiologicalModality(settings(*SMALL, fusion="nested").physiological, "person", 0)
    memo = Memo()
    for recipe in modality.recipes():
        together = modality.fit(train, recipe, memo).scores(test)
        np.testing.assert_array_equal(together, modality.fit(train, recipe, Memo()).scores(test))


def test_the_stacks_folds_keep_people_together(monkeypatch):
    train = split("train", clips=30, people=10)
    seen = []
    import lfnet.fusion.modalities as modalities

    def spy(name):
        keep = getattr(modalities, name)
        monkeypatch.setattr(
            modalities, name, lambda groups, *rest: seen.append((name, np.asarray(groups), rest)) or keep(groups, *rest)
        )

    spy("folds")
    spy("balanced_folds")
    chosen = settings(*SMALL, fusion="nested")
    recipe = {"k": 5, "model": "stacking", "C": 5.0, "aggregate": "mean"}
    scorer = PhysiologicalModality(chosen.physiological, "person", 0).fit(train, recipe, Memo())
    name, groups, rest = seen[0]
    assert name == "balanced_folds" and rest[1] == 2
    np.testing.assert_array_equal(groups, train.people[train.physiological.clip])
    stack = scorer.pipeline[-1]
    assert [name for name, _ in stack.estimators] == ["svr", "poly", "net", "bayes", "lightgbm", "xgboost"]
    assert stack.cv is None
    PhysiologicalModality(chosen.physiological, "clip", 0).fit(train, recipe, Memo())
    assert seen[1][0] == "folds" and seen[1][2] == (2, "clip")
    np.testing.assert_array_equal(seen[1][1], train.physiological.clip)


def test_a_blend_is_six_tenths_svr_and_four_tenths_stack():
    train, test = split("train", clips=30, people=10), split("test")
    modality = PhysiologicalModality(settings(*SMALL, fusion="published").physiological, "clip", 0)
    svr, stack, blend = (
        modality.fit(train, {"k": 5, "model": model, "C": 5.0, "aggregate": "mean"}, Memo()).scores(test)
        for model in ("svr", "stacking", "blend")
    )
    np.testing.assert_allclose(blend, 0.6 * svr + 0.4 * stack)


def test_published_gaps_get_the_training_median_and_nested_ones_their_neighbours():
    train = split("train", clips=30, people=10)
    X = train.physiological.X
    recipe = {"k": 5, "model": "svr", "C": 5.0, "aggregate": "mean"}
    for how, median in (("published", True), ("nested", False)):
        modality = PhysiologicalModality(settings(*SMALL, fusion=how).physiological, "person", 0)
        steps = modality.fit(train, recipe, Memo()).pipeline
        prepared = steps[:-3].transform(X) if how == "published" else None
        assert ("median" in dict(steps.steps)) == median
        if prepared is not None:
            gap = np.isnan(X[:, 0])
            np.testing.assert_allclose(prepared[gap, 0], np.nanmedian(X[:, 0]))


def test_the_svr_has_candidates_of_C_and_the_stack_one():
    modality = PhysiologicalModality(settings(*SMALL, fusion="nested").physiological, "person", 0)
    found = {(one["model"], one["C"]) for one in modality.recipes()}
    assert found == {("svr", 0.1), ("svr", 1.0), ("svr", 5.0), ("stacking", 5.0)}
