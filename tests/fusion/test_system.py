"""Whole fusions: which labels are used, which clips are scored, and which recipes are selected."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import compute_metrics, mae
from lfnet.fusion.joint import Candidate, StackedRegression, candidates, choose_joint
from lfnet.fusion.modalities import Memo, PhysiologicalModality, VisualModality
from lfnet.fusion.modality_data import balanced_folds
from lfnet.fusion.model_selection import choose, out_of_fold
from lfnet.fusion.system import fuse
from tests.composing import CONF
from tests.fusion.simulated_splits import NESTED, PUBLISHED_MODELS, SMALL, settings, split

TRAIN, DEV, TEST = (split(name, clips=40, people=12) for name in ("train", "dev", "test"))
OTHERS = {"dev": DEV, "test": TEST}
OPTIMISM = Memo()
SHARE = Memo()  # shared by fusions of these splits; `test_sharing_fits_does_not_change_scores` fits without it


def small(model, fusion="nested", *more):
    return settings(*SMALL, *(NESTED if fusion == "nested" else ()), f"fusion.model={model}", *more, fusion=fusion)


@pytest.fixture(scope="module")
def fitted():
    """Fit every model under both protocols."""
    return {
        (how, model): fuse(TRAIN, OTHERS, small(model, how), seed=0, share=SHARE)
        for how in ("published", "nested")
        for model in PUBLISHED_MODELS
    }


@pytest.mark.parametrize("how", ["published", "nested"])
@pytest.mark.parametrize("model", PUBLISHED_MODELS)
def test_every_model_scores_every_clip_and_learns(fitted, how, model):
    scores = fitted[how, model].scores
    assert set(scores) == {"dev", "test"}
    measured = compute_metrics(TEST.y, scores["test"][model])
    constant = mae(TEST.y, np.full(len(TEST), np.median(TRAIN.y)))
    assert measured["mae"] < constant and measured["pcc"] > 0.3


def test_nested_never_uses_labels_of_dev_or_test(fitted):
    strange = {name: replace(part, y=np.random.default_rng(3).permutation(part.y)) for name, part in OTHERS.items()}
    share = Memo()
    for model in ("fused", "stacked", "weighted", "concat_svr"):
        again = fuse(TRAIN, strange, small(model), seed=0, share=share)
        for name in OTHERS:
            np.testing.assert_array_equal(again.scores[name][model], fitted["nested", model].scores[name][model])


def test_published_selects_on_test_labels_and_nested_does_not(fitted):
    choice = fitted["published", "physiological"].chosen["physiological"]
    assert choice.candidates == 12
    assert choice.mae == pytest.approx(
        mae(TEST.y, fitted["published", "physiological"].scores["test"]["physiological"])
    )
    modality = PhysiologicalModality(small("physiological", "published").physiological, "clip", 0)
    both = TRAIN.join(DEV)  # the published script fits this side on both
    errors = [mae(TEST.y, modality.fit(both, recipe, Memo()).scores(TEST)) for recipe in modality.recipes()]
    assert choice.recipe == modality.recipes()[int(np.argmin(errors))]
    # With labels that another recipe fits best, that recipe is selected.
    worst = int(np.argmax(errors))
    wanted = modality.fit(both, modality.recipes()[worst], Memo()).scores(TEST)
    other = fuse(TRAIN, {"dev": DEV, "test": replace(TEST, y=wanted)}, small("physiological", "published"), seed=0)
    assert other.chosen["physiological"].mae == pytest.approx(0)
    inside = fuse(TRAIN, {"dev": DEV, "test": replace(TEST, y=wanted)}, small("physiological"), seed=0)
    assert inside.chosen == fitted["nested", "physiological"].chosen


def test_out_of_fold_scores_come_from_other_people():
    # Labels that depend on the person alone: in-sample scores know them, out-of-fold scores cannot.
    rng = np.random.default_rng(1)
    people = np.unique(TRAIN.people)
    own = dict(zip(people, rng.uniform(0, 40, len(people)), strict=True))
    train = replace(TRAIN, y=np.array([own[person] for person in TRAIN.people]))
    chosen = small("visual")
    modality = VisualModality(chosen.visual, 0)
    inside = modality.fit(train, modality.recipes()[0], Memo()).scores(train)
    outside = out_of_fold(modality, train, chosen).mean(axis=0)
    assert np.corrcoef(inside, train.y)[0, 1] > 0.8
    assert np.corrcoef(outside, train.y)[0, 1] < 0.4


@pytest.mark.parametrize("by", ["person", "clip"])
def test_folds_hold_people_or_clips_in_selection_and_out_of_fold_scores(by):
    """Of each fit within the training split: whether it saw other clips of the people whose clips it then scores."""
    known = []

    class Spy:
        def recipes(self):
            return [{"bias": 0.0}, {"bias": 1.0}]

        def fit(self, train, recipe, memo):
            def row_scores(part):
                known.append(np.isin(part.people, train.people).mean())
                return np.full(len(part), recipe["bias"]), np.arange(len(part))

            def scores(part):
                return np.full(len(part), recipe["bias"]) if part is train else row_scores(part)[0]

            return SimpleNamespace(scores=scores, row_scores=row_scores, per_clip=lambda score, clip, clips: score)

    chosen = small("stacked", "nested", f"fusion.group_by={by}")
    choose(Spy(), TRAIN, None, chosen)
    within = len(known)
    out_of_fold(Spy(), TRAIN, chosen)
    assert within == 2 * chosen.repeats * chosen.inner_folds < len(known)
    assert set(known) == {0.0} if by == "person" else min(known) > 0.5

    # And the joint model's candidates.
    seen = []

    class Joint(LinearRegression):
        def fit(self, X, y):
            seen.append(set(X[:, 0]))
            return super().fit(X, y)

    X = np.column_stack([np.unique(TRAIN.people, return_inverse=True)[1], TRAIN.y]).astype(float)
    choose_joint([Candidate({"k": k}, Joint) for k in range(2)], X, TRAIN.y, TRAIN.people, chosen, None)
    everyone = len(np.unique(TRAIN.people))
    fits = seen[:-1]  # the last one is fitted on all clips
    assert all(len(people) < everyone for people in fits) if by == "person" else len(fits[0]) == everyone


@pytest.mark.parametrize("shortcut", sorted({path.stem for path in (CONF / "shortcut").glob("*.yaml")} - {"none"}))
def test_each_shortcut_changes_the_scores_of_the_fusion_that_the_optimism_table_fits(shortcut):
    """Otherwise its row would be 0 by construction."""
    few = ("fusion.visual.k=[100]", "fusion.visual.C=[0.01]", "fusion.physiological.svr.C=[1]")
    quick = ("table=optimism", *SMALL, *few, "fusion.physiological.aggregate=[mean,median]", "fusion.model=fused")
    fits = [settings(*quick, f"+shortcut={name}") for name in ("none", shortcut)]
    plain, flattered = (fuse(TRAIN, OTHERS, one, seed=0, share=OPTIMISM) for one in fits)
    assert not np.array_equal(plain.scores["test"]["fused"], flattered.scores["test"]["fused"])


def test_out_of_fold_scores_of_a_constant_model_carry_no_labels():
    """Centred, they are 0, and not negatively correlated with the held-out labels."""

    class Constant:
        def recipes(self):
            return [{}]

        def fit(self, train, recipe, memo):
            constant = float(np.median(train.y))
            return SimpleNamespace(scores=lambda split: np.full(len(split), constant))

    np.testing.assert_allclose(out_of_fold(Constant(), TRAIN, small("visual")), 0, atol=1e-9)


def test_the_joint_model_learns_from_out_of_fold_scores(fitted, monkeypatch):
    seen = {}
    import lfnet.fusion.system as system

    def spy(given, X, *rest):
        seen["z"] = X
        return keep(given, X, *rest)

    keep = system.choose_joint
    monkeypatch.setattr(system, "choose_joint", spy)
    fuse(TRAIN, OTHERS, small("fused"), seed=0, share=SHARE)
    nested = seen["z"]
    fuse(TRAIN, OTHERS, small("fused", "published"), seed=0, share=SHARE)
    published = seen["z"]
    modality = VisualModality(small("visual").visual, 0)
    centre = float(fitted["nested", "visual"].system.scores(TRAIN)["visual"].mean())
    expected = out_of_fold(modality, TRAIN, small("fused")).mean(axis=0) + centre
    np.testing.assert_allclose(nested[:, 0], expected)
    np.testing.assert_allclose(published[:, 0], fitted["published", "visual"].system.scores(TRAIN)["visual"])


def test_a_missing_modality_is_imputed_and_named():
    test = split("test", clips=40, people=12, without_pulse=(3, 4), without_face=(7,))
    train = split("train", clips=40, people=12, without_pulse=(0,))
    found = fuse(train, {"test": test}, small("fused"), seed=0)
    assert found.missing == {
        "visual": {"train": [], "test": ["test_007"]},
        "physiological": {"train": ["train_000"], "test": ["test_003", "test_004"]},
    }
    scores = found.scores["test"]
    assert np.isfinite(scores["fused"]).all() and np.isfinite(scores["physiological"]).all()
    # Without a pulse both get the score of the imputed row: neither zero nor one of their own.
    assert scores["physiological"][3] == scores["physiological"][4]
    assert train.y.min() < scores["physiological"][3] < train.y.max()


def test_a_clip_without_rows_is_not_trained_on():
    train = split("train", clips=40, people=12, without_pulse=(0, 5))
    modality = PhysiologicalModality(small("physiological").physiological, "person", 0)
    recipe = modality.recipes()[0]
    strange = replace(train, y=np.where(np.isin(np.arange(40), (0, 5)), 999.0, train.y))
    np.testing.assert_array_equal(
        modality.fit(train, recipe, Memo()).scores(TEST), modality.fit(strange, recipe, Memo()).scores(TEST)
    )


def test_weighted_fusion_is_the_weighted_mean(fitted):
    scores = fitted["published", "weighted"].scores["test"]
    np.testing.assert_allclose(scores["weighted"], 0.98 * scores["visual"] + 0.02 * scores["physiological"])
    nested = fitted["nested", "weighted"]
    weight = nested.chosen["weighted"].recipe["weight"]
    assert nested.chosen["weighted"].candidates == 13
    scores = nested.scores["test"]
    np.testing.assert_allclose(scores["weighted"], weight * scores["visual"] + (1 - weight) * scores["physiological"])


def test_the_order_of_clips_does_not_matter(fitted):
    order = np.random.default_rng(0).permutation(len(TEST))
    again = fitted["nested", "fused"].system.scores(TEST.take(order))["fused"]
    np.testing.assert_allclose(again, fitted["nested", "fused"].scores["test"]["fused"][order])


def test_the_published_physiological_side_is_fitted_on_dev_too_and_nothing_else_is(fitted):
    flipped = {**OTHERS, "dev": replace(DEV, y=40 - DEV.y)}
    for how, model, same in (
        ("published", "physiological", False),
        ("published", "visual", True),
        ("nested", "physiological", True),
    ):
        again = fuse(TRAIN, flipped, small(model, how), seed=0).scores["test"][model]
        assert np.array_equal(again, fitted[how, model].scores["test"][model]) == same
    unlabelled = replace(DEV, y=np.full(len(DEV), np.nan))
    alone = fuse(TRAIN, {**OTHERS, "dev": unlabelled}, small("physiological", "published"), seed=0)
    train_only = fuse(TRAIN, OTHERS, small("physiological", "published", "fusion.physiological.fit_on=[train]"), seed=0)
    np.testing.assert_array_equal(alone.scores["test"]["physiological"], train_only.scores["test"]["physiological"])


def test_a_stacked_fusion_never_turns_a_score_upside_down():
    """Members that run against the labels out-of-fold get no weight; an SVR over them would follow them backwards."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 40, 60)
    for sign in ((-1, -1), (-1, 1), (1, 1)):
        z = np.column_stack([sign[0] * y, sign[1] * y]) + rng.normal(0, 12, (60, 2))
        for shrinkage in (0.0, 0.1, 10.0):
            model = StackedRegression(shrinkage).fit(z, y)
            assert (model.weight_ >= 0).all()
            for column in (0, 1):
                higher = z + 5 * (np.arange(2) == column)
                assert (model.predict(higher) - model.predict(z) >= -1e-9).all()
    free = LinearRegression().fit(z, y)
    np.testing.assert_allclose(StackedRegression(0.0).fit(z, y).predict(z), free.predict(z), rtol=1e-6)
    equal = StackedRegression(1e9).fit(z, y)
    np.testing.assert_allclose(equal.weight_, 0.5, rtol=1e-6)


def test_a_weak_stack_never_ranks_people_backwards_where_a_free_svr_does():
    """Two members that are right but weak; out-of-fold, by chance, they often run against the labels of few people."""
    backwards = {"fused": 0, "stacked": 0}
    one = ("fusion.joint.C=[1]", "fusion.joint.epsilon=[1]", "fusion.joint.shrinkage=[0.01]")
    chosen = {model: small(model, "nested", *one) for model in backwards}
    for draw in range(30):
        rng = np.random.default_rng(draw)
        y = rng.uniform(0, 40, 640)
        z = 0.1 * y[:, None] + rng.normal(20, 12, (640, 2))
        people = np.arange(40)
        for model, settings_ in chosen.items():
            given = candidates(settings_, [1, 1], np.ones(2, bool))
            _, fitted = choose_joint(given, z[:40], y[:40], people, settings_, None)
            scores = fitted.predict(z[40:])
            if np.std(scores) > 1e-9:  # without weights the score is a constant
                backwards[model] += pearsonr(scores, y[40:]).confidence_interval().high < 0
    assert backwards["stacked"] == 0 < backwards["fused"]


def test_repeated_deals_differ_and_each_keeps_people_together_and_balanced():
    people, y = TRAIN.people, TRAIN.y
    means = {person: y[people == person].mean() for person in np.unique(people)}
    held = []
    for repeat in range(4):
        folds = list(balanced_folds(people, y, 3, repeat))
        assert sorted(np.concatenate([out for _, out in folds])) == list(range(len(y)))
        assert all(not set(people[kept]) & set(people[out]) for kept, out in folds)
        each = [np.mean([means[person] for person in set(people[out])]) for _, out in folds]
        assert np.ptp(each) < np.ptp(list(means.values())) / 3
        held.append(tuple(map(tuple, (out for _, out in folds))))
    assert len(set(held)) == 4


@pytest.mark.parametrize(
    ("component", "check"),
    [
        ("without_tuned_svr", lambda f: f.chosen["fused"].recipe == {"C": 1.0, "epsilon": 0.1}),
        ("weighted_average", lambda f: f.chosen["weighted"].recipe == {"weight": 0.95}),
        ("without_power_transform", lambda f: [name for name, _ in f.system.joint.steps] == ["svr"]),
        ("without_pulse", lambda f: f.system.inputs == ["visual"] and "physiological" not in f.scores["test"]),
        ("full", lambda f: [name for name, _ in f.system.joint.steps] == ["yeo_johnson", "bound", "svr"]),
    ],
)
def test_components_are_removed(component, check):
    chosen = settings(*SMALL, f"fusion/component={component}", fusion="published")
    assert chosen.component == component
    assert check(fuse(TRAIN, OTHERS, chosen, seed=0))


def test_data_that_do_not_suffice_give_one_line():
    with pytest.raises(LfnetError, match=r"physiological stream.*encoder=\[visual,skin\]"):
        fuse(replace(TRAIN, physiological=None), {}, small("fused"), seed=0)
    with pytest.raises(LfnetError, match=r"labelled clips in the test split.*fusion=nested"):
        fuse(TRAIN, {"dev": DEV}, small("physiological", "published"), seed=0)
    one = TRAIN.take(np.flatnonzero(TRAIN.people == TRAIN.people[0]))
    with pytest.raises(LfnetError, match="by person needs 2 or more"):
        fuse(one, OTHERS, small("visual"), seed=0)
    with pytest.raises(LfnetError, match="fitted on 12 visual features"):
        fuse(TRAIN, {"test": split("test", dim=9)}, small("visual"), seed=0)
    empty = split("train", clips=6, people=3, without_pulse=tuple(range(6)))
    with pytest.raises(LfnetError, match="no training clip has a row in the physiological stream"):
        fuse(empty, {}, small("physiological", "nested"), seed=0)


def test_sharing_fits_does_not_change_scores(fitted):
    """Fusions of the fixture, with shared fits, have the scores of fusions fitted alone."""
    for how, model in (("published", "fused"), ("nested", "fused"), ("nested", "weighted")):
        alone = fuse(TRAIN, OTHERS, small(model, how), seed=0)
        for name, scores in alone.scores["test"].items():
            np.testing.assert_array_equal(fitted[how, model].scores["test"][name], scores)
    other = fuse(TRAIN, OTHERS, small("visual"), seed=1, share=SHARE)
    assert (other.scores["test"]["visual"] != fitted["nested", "visual"].scores["test"]["visual"]).any()
