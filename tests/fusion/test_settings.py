"""Settings of a fusion: published constants are defaults, and wrong values are refused."""

import pytest

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.fusion.modality_data import AGGREGATES
from lfnet.fusion.settings import FusionSettings
from tests.fusion.simulated_splits import settings


def test_every_published_constant_is_a_default():
    published = settings(fusion="published")
    visual, pulse, joint = published.visual, published.physiological, published.joint
    assert (visual.rows, visual.k, visual.C) == (("first",), (1000,), (0.1,))
    assert (visual.forest.trees, visual.forest.depth, visual.forest.min_split) == (100, 5, 5)
    assert (pulse.neighbours, pulse.votes.variance, pulse.votes.k) == (3, 0.01, (25,))
    assert pulse.models == ("svr", "stacking", "blend") and pulse.aggregate == AGGREGATES and pulse.folds == 5
    assert (pulse.svr.C, pulse.svr.epsilon, pulse.svr_share) == ((5,), 0.05, 0.6)
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
    assert (pulse.fit_on, pulse.fill, pulse.trim) == (("train", "dev"), "median", 1)
    assert (nested.model, nested.repeats, nested.physiological.fit_on) == ("stacked", 3, ("train",))
    assert nested.physiological.lightgbm == pulse.lightgbm and nested.physiological.max_invalid == 0.5


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "fusion.model=both",
            "fusion.model=both: give one of visual, physiological, audio, fused, stacked, weighted, ",
        ),
        ("fusion.visual.k=[]", "fusion.visual.k=[]: give a list of 1 or more, each a whole number of 1 or more."),
        ("fusion.visual.k=[0]", "fusion.visual.k.0=0: give a whole number of 1 or more."),
        ("fusion.visual.k=[many]", "fusion.visual.k.0=many: give a whole number of 1 or more."),
        ("+fusion.visual.kk=3", "fusion.visual.kk: there is no such setting; known: stream, rows, "),
        ("~fusion.joint.gamma", "fusion.joint.gamma is missing: give one of scale, auto, or a number above 0."),
        ("fusion.joint.weight=1.5", "fusion.joint.weight=1.5: give a list of 1 or more, each a number from 0 to 1."),
        ("fusion.joint.C=[-1]", "fusion.joint.C.0=-1: give a number above 0."),
        ("fusion.joint.inputs=[visual,gait]", "fusion.joint.inputs.1=gait: give one of visual, physiological, audio."),
        ("fusion.inner_folds=1", "fusion.inner_folds=1: give a whole number of 2 or more."),
        (
            "fusion.physiological.models=[forest]",
            "fusion.physiological.models.0=forest: give one of svr, stacking, blend.",
        ),
        ("fusion.physiological.svr.C=[0]", "fusion.physiological.svr.C.0=0: give a number above 0."),
        ("fusion.joint.power_transform=maybe", "fusion.joint.power_transform=maybe: give true or false."),
        ("fusion.physiological.trim=0", "fusion.physiological.trim=0: give a whole number of 1 or more."),
        ("fusion.physiological.fit_on=[dev]", "fusion.physiological.fit_on: give [train] or [train, dev]."),
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


def test_a_single_value_is_a_list_of_one():
    assert settings("fusion.visual.k=50", fusion="published").visual.k == (50,)


def test_a_node_that_is_no_mapping_is_refused():
    with pytest.raises(LfnetError, match=r"fusion=3: give its settings by name \(name, model, "):
        read(FusionSettings, 3, "fusion")
