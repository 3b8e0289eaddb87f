"""The parts: settings, streams, aggregation, folds, the transformers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean
from sklearn.feature_selection import f_regression

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.fusion.modalities import Memo, PhysiologicalModality, VisualModality
from lfnet.fusion.modality_data import AGGREGATES, Split, Stream, aggregate, balanced_folds, engineered_columns, folds
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.transformers import AddEngineered, Bound, VoteSelector
from tests.fusion.fakes import NAMES, SMALL, arrays, settings, split


def test_every_published_constant_is_a_default():
    published = settings(fusion="published")
    visual, pulse, joint = published.visual, published.physiological, published.joint
    assert (visual.rows, visual.k, visual.C) == (("first",), (1000,), (0.1,))
    assert (visual.forest.trees, visual.forest.depth, visual.forest.min_split) == (100, 5, 5)
    assert (pulse.neighbours, pulse.votes.variance, pulse.votes.k) == (3, 0.01, (25,))
    assert pulse.models == ("svr", "stacking") and pulse.aggregate == AGGREGATES and pulse.folds == 5
    assert (pulse.svr.C, pulse.svr.epsilon) == (5, 0.05)
    assert (pulse.poly.C, pulse.poly.epsilon, pulse.poly.degree) == (2, 0.1, 2)
    assert (pulse.elastic_net.alpha, pulse.elastic_net.l1_ratio) == (0.05, 0.3)
    assert (pulse.lightgbm.trees, pulse.lightgbm.lr, pulse.lightgbm.depth) == (80, 0.05, 4)
    assert (pulse.xgboost.trees, pulse.xgboost.lr, pulse.xgboost.depth) == (80, 0.05, 3)
    assert (pulse.meta.alpha, pulse.meta.l1_ratio, pulse.mean_share) == (0.1, 0.5, 0.7)
    assert (joint.C, joint.epsilon, joint.gamma, joint.power_transform) == ((25,), (0.01,), "scale", True)
    assert (joint.weight, joint.ablation_weight) == ((0.98,), (0.95,))
    assert (published.choose, published.training_scores, published.group_by) == ("test", "in_sample", "clip")
    nested = settings(fusion="nested")
    assert (nested.choose, nested.training_scores, nested.group_by) == ("people", "out_of_fold", "person")
    assert nested.physiological.lightgbm == pulse.lightgbm and nested.physiological.max_invalid == 0.5


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("fusion.model=both", "fusion.model=both: give one of visual, physiological, fused, weighted, concat_svr, "),
        ("fusion.visual.k=[]", "fusion.visual.k=[]: give a list of 1 or more, each a whole number of 1 or more."),
        ("fusion.visual.k=[0]", "fusion.visual.k.0=0: give a whole number of 1 or more."),
        ("fusion.visual.k=[many]", "fusion.visual.k.0=many: give a whole number of 1 or more."),
        ("+fusion.visual.kk=3", "fusion.visual.kk: there is no such setting; known: stream, rows, "),
        ("~fusion.joint.gamma", "fusion.joint.gamma is missing: give one of scale, auto, or a number above 0."),
        ("fusion.joint.weight=1.5", "fusion.joint.weight=1.5: give a list of 1 or more, each a number from 0 to 1."),
        ("fusion.joint.C=[-1]", "fusion.joint.C.0=-1: give a number above 0."),
        ("fusion.joint.inputs=[visual,audio]", "fusion.joint.inputs.1=audio: give one of visual, physiological."),
        ("fusion.inner_folds=1", "fusion.inner_folds=1: give a whole number of 2 or more."),
        ("fusion.physiological.models=[forest]", "fusion.physiological.models.0=forest: give one of svr, stacking."),
        ("fusion.physiological.svr.C=0", "fusion.physiological.svr.C=0: give a number above 0."),
        ("fusion.joint.power_transform=maybe", "fusion.joint.power_transform=maybe: give true or false."),
        ("fusion.physiological.trim=0.5", "fusion.physiological.trim=0.5: give a number from 0 to below 0.5."),
        ("fusion.visual=3", "fusion.visual=3: give its settings by name (stream, rows, "),
    ],
)
def test_a_wrong_setting_gives_one_line(override, line):
    with pytest.raises(LfnetError) as caught:
        settings(override, fusion="published")
    (found,) = str(caught.value).splitlines()
    assert found.startswith(line)


def test_all_wrong_settings_are_reported_at_once():
    overrides = ("fusion.visual.C=[x]", "fusion.joint.gamma=loud", "fusion.physiological.votes.trees=0")
    with pytest.raises(LfnetError) as caught:
        settings(*overrides, fusion="published")
    found = [line.partition("=")[0] for line in str(caught.value).splitlines()]
    assert found == ["fusion.visual.C.0", "fusion.physiological.votes.trees", "fusion.joint.gamma"]


def test_weighted_fusion_needs_both_modalities():
    with pytest.raises(LfnetError, match=r"^fusion.joint.inputs: fusion.model=weighted needs both, \[visual, phys"):
        settings("fusion.model=weighted", "fusion.joint.inputs=[visual]", fusion="published")


def test_one_value_stands_for_a_list_of_one():
    assert settings("fusion.visual.k=50", fusion="published").visual.k == (50,)


def test_the_visual_stream_is_found_or_asked_for():
    given = arrays("train")
    assert Split.from_arrays(given, None, "pulse").visual.names[0] == "face_0"
    skin = given._replace(streams={**given.streams, "skin": given.streams["face"]})
    assert Split.from_arrays(skin, None, "pulse").visual.names[0] == "face_0"
    two = given._replace(streams={**given.streams, "other": given.streams["face"]})
    with pytest.raises(LfnetError, match=r"face, other.*fusion.visual.stream"):
        Split.from_arrays(two, None, "pulse")
    assert Split.from_arrays(two, "other", "pulse").visual is not None
    with pytest.raises(LfnetError, match=r"fusion.visual.stream=no.*face, pulse"):
        Split.from_arrays(given, "no", "pulse")
    assert (
        Split.from_arrays(given._replace(streams={"face": given.streams["face"]}), None, "pulse").physiological is None
    )


def test_rows_follow_their_clips():
    stream = Stream(np.arange(12.0).reshape(6, 2), np.array([0, 0, 2, 3, 3, 3]), ("a", "b"))
    assert stream.missing(5).tolist() == [1, 4]
    some = stream.take(np.array([3, 1, 0]))
    assert some.clip.tolist() == [2, 2, 0, 0, 0] and some.X[:, 0].tolist() == [0, 2, 6, 8, 10]
    assert stream.reduce("first").X[:, 0].tolist() == [0, 4, 6]
    assert stream.reduce("mean").X[:, 0].tolist() == [1, 4, 8]
    whole = stream.padded(5)
    assert len(whole.X) == 8 and np.isnan(whole.X[6:]).all() and sorted(set(whole.clip)) == [0, 1, 2, 3, 4]
    holes = Stream(np.array([[1.0, np.nan], [3.0, np.nan]]), np.array([0, 0]), ("a", "b")).reduce("mean").X
    assert holes[0, 0] == 2 and np.isnan(holes[0, 1])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_segments_are_joined_as_published(values):
    scores, clip = np.array(values), np.zeros(len(values), int)
    joined = {how: aggregate(scores, clip, 1, how)[0] for how in AGGREGATES}
    assert joined["mean"] == pytest.approx(np.mean(values), abs=1e-9)
    assert joined["median"] == pytest.approx(np.median(values), abs=1e-9)
    assert joined["trimmed_mean"] == pytest.approx(trim_mean(values, 0.1), abs=1e-9)
    assert joined["mean_median"] == pytest.approx(0.7 * np.mean(values) + 0.3 * np.median(values), abs=1e-9)


def test_clips_are_joined_apart():
    joined = aggregate(np.array([1.0, 5.0, 3.0]), np.array([0, 2, 0]), 3, "mean")
    assert joined[0] == 2 and np.isnan(joined[1]) and joined[2] == 5
    with pytest.raises(ValueError, match="mode"):
        aggregate(np.ones(1), np.zeros(1, int), 1, "mode")


@given(st.lists(st.integers(0, 6), min_size=4, max_size=40).filter(lambda g: len(set(g)) > 1), st.integers(2, 8))
def test_no_group_is_on_both_sides(groups, count):
    groups = np.array(groups)
    labels = (groups * 7 % 5).astype(float)
    for made in (folds(groups, count, "person"), balanced_folds(groups, labels, count)):
        held = []
        for kept, out in made:
            assert not set(groups[kept]) & set(groups[out])
            held += out.tolist()
        assert sorted(held) == list(range(len(groups)))


def test_balanced_folds_have_labels_alike_and_scores_of_a_constant_model_do_not_run_against_them():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(1, 5, 40))
    labels = rng.gamma(1.4, 11, 40)[groups]
    found = {}
    for name, made in (("plain", folds(groups, 5, "person")), ("balanced", balanced_folds(groups, labels, 5))):
        scores, means = np.empty(len(labels)), []
        for kept, held in made:
            scores[held] = labels[kept].mean()
            means.append(labels[held].mean())
        found[name] = (np.std(means), np.corrcoef(scores, labels)[0, 1])
    assert found["balanced"][0] < found["plain"][0] / 2
    assert found["plain"][1] < found["balanced"][1] < 0


@pytest.mark.parametrize("spelling", ["{}", "HRV_{}", "prv_{}", "{} (ms)"])
def test_engineered_features_are_found_by_name(spelling):
    names = [spelling.format(name) for name in ("SDNN", "DFA_alpha1", "RMSSD")]
    ratios, distances, made = engineered_columns(
        names, {"r": ["rmssd", "sdnn"], "none": ["lf", "hf"]}, {"d": ["dfa_alpha1", 1]}
    )
    assert (ratios, distances, made) == ([(2, 0)], [(1, 1.0)], ["r", "d"])


def test_engineered_features_are_right():
    X = np.array([[4.0, 2.0, 0.7], [1.0, 0.0, 1.4], [np.nan, 2.0, 1.0]])
    new = AddEngineered([(0, 1)], [(2, 1.0)]).fit_transform(X)[:, 3:]
    np.testing.assert_allclose(new, [[2.0, 0.3], [np.nan, 0.4], [np.nan, 0.0]], atol=1e-12)


def test_bound_holds_what_runs_away():
    held = Bound(10.0).transform(np.array([[1e36, -np.inf, np.nan, 3.0]]))
    assert held.tolist() == [[10.0, -10.0, 0.0, 3.0]]


def test_votes_keep_what_judges_agree_on():
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


def test_nested_drops_what_is_mostly_invalid_and_published_keeps_it():
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


def test_recipes_fitted_together_are_those_fitted_alone():
    train, test = split("train", clips=30, people=10), split("test")
    side = PhysiologicalModality(settings(*SMALL, fusion="nested").physiological, "person", 0)
    memo = Memo()
    for recipe in side.recipes():
        together = side.fit(train, recipe, memo).scores(test)
        np.testing.assert_array_equal(together, side.fit(train, recipe, Memo()).scores(test))


def test_the_stack_keeps_people_together(monkeypatch):
    train = split("train", clips=30, people=10)
    seen = []
    import lfnet.fusion.modalities as sides

    def spy(name):
        keep = getattr(sides, name)
        monkeypatch.setattr(
            sides, name, lambda groups, *rest: seen.append((name, np.asarray(groups), rest)) or keep(groups, *rest)
        )

    spy("folds")
    spy("balanced_folds")
    chosen = settings(*SMALL, fusion="nested")
    recipe = {"k": 5, "model": "stacking", "aggregate": "mean"}
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


def test_settings_are_those_of_the_yaml_and_no_other():
    with pytest.raises(LfnetError, match=r"fusion=3: give its settings by name \(name, model, "):
        read(FusionSettings, 3, "fusion")
