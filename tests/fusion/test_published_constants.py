"""LightFusionNet's published constants are the defaults of the yaml, and a docstring states each."""

import inspect
from importlib import import_module
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.composing import composed

# (setting of fusion=published, its value, where a docstring names it, the words)
CONSTANTS: list[tuple[str, Any, str, str]] = [
    ("visual.cut", "whole", "encoders.visual_settings.VisualSettings", "576-D and 927,008 parameters"),
    ("visual.segment_frames", 500, "encoders.visual_settings.VisualSettings", "500 frames"),
    ("visual.segments", "first", "encoders.visual_settings.VisualSettings", '"first" takes the first one'),
    ("encoder.visual.crop_size", 224, "encoders.visual.Visual", "224 px, ImageNet's normalisation"),
    ("visual.selection", "expression", "encoders.visual_settings.VisualSettings", "`keep` frames with the highest"),
    ("visual.keep", 100, "encoders.visual_settings.VisualSettings", "segment keeps; 100 as published"),
    ("visual.length", 0.5, "encoders.visual.score_expression", ".5, .3, .2 and 100 channels"),
    ("visual.deviation", 0.3, "encoders.visual.score_expression", ".5, .3, .2 and 100 channels"),
    ("visual.spread", 0.2, "encoders.visual.score_expression", ".5, .3, .2 and 100 channels"),
    ("visual.channels", 100, "encoders.visual.score_expression", ".5, .3, .2 and 100 channels"),
    ("visual.regions", "published", "video.regions.rectangle", "upper half. Mouth: the lower third"),
    ("visual.weights.eyes", 0.35, "encoders.visual_settings.VisualSettings", "eyes .35"),
    ("visual.weights.mouth", 0.30, "encoders.visual_settings.VisualSettings", "mouth .30"),
    ("visual.weights.right_cheek", 0.20, "encoders.visual_settings.VisualSettings", "right cheek .20"),
    ("visual.weights.left_cheek", 0.15, "encoders.visual_settings.VisualSettings", "left cheek .15"),
    ("visual.pooling", "softmax", "encoders.visual.Visual", "softmax(std(g))·g"),
    ("pulse.method", "green", "pulse.settings.PulseSettings", '"green" (published)'),
    ("pulse.band", [0.6, 4.0], "pulse.settings.PulseSettings", "published .6–4"),
    ("pulse.segment", 17, "pulse.settings.PulseSettings", "17 for LightFusionNet's 500 frames"),
    ("pulse.measure", "q", "pulse.quality.published_q", "Q = ΣP(band) / (ΣP(total) − ΣP(band))"),
    ("pulse.threshold", 0.3, "pulse.settings.PulseSettings", ".3 is assumed"),
    ("fusion.visual.k", [1000], "fusion.settings.Visual", "k = 1000"),
    ("fusion.visual.C", [0.1], "fusion.settings.Visual", "C = .1"),
    (
        "fusion.visual.forest",
        {"trees": 100, "depth": 5, "min_split": 5},
        "fusion.settings.Forest",
        "100 trees of depth 5",
    ),
    ("fusion.physiological.neighbours", 3, "fusion.settings.Physiological", "KNN imputation (3)"),
    ("fusion.physiological.votes.k", [25], "fusion.settings.Votes", "k = 25"),
    ("fusion.physiological.votes.variance", 0.01, "fusion.settings.Votes", "above .01"),
    ("fusion.physiological.power_transform", True, "fusion.settings.Physiological", "Yeo-Johnson"),
    ("fusion.physiological.svr", {"C": [5], "epsilon": 0.05}, "fusion.settings.Physiological", "rbf, C = 5, ε = .05"),
    (
        "fusion.physiological.poly",
        {"C": 2, "epsilon": 0.1, "degree": 2},
        "fusion.settings.Physiological",
        "SVR-poly2 (C = 2, ε = .1)",
    ),
    (
        "fusion.physiological.elastic_net",
        {"alpha": 0.05, "l1_ratio": 0.3},
        "fusion.settings.Physiological",
        "ElasticNet (.05/.3)",
    ),
    (
        "fusion.physiological.lightgbm",
        {"trees": 80, "lr": 0.05, "depth": 4},
        "fusion.settings.Physiological",
        "80 trees, rate .05, depth 4 and 3",
    ),
    (
        "fusion.physiological.xgboost",
        {"trees": 80, "lr": 0.05, "depth": 3},
        "fusion.settings.Physiological",
        "80 trees, rate .05, depth 4 and 3",
    ),
    ("fusion.physiological.meta", {"alpha": 0.1, "l1_ratio": 0.5}, "fusion.settings.Physiological", "(.1/.5)"),
    ("fusion.physiological.folds", 5, "fusion.settings.Physiological", "GroupKFold(5)"),
    (
        "fusion.physiological.aggregate",
        ["mean", "median", "trimmed_mean", "mean_median"],
        "fusion.settings.Physiological",
        "trimmed_mean (without the smallest and the largest), mean_median",
    ),
    ("fusion.physiological.fit_on", ["train", "dev"], "fusion.settings.Physiological", "joins train and dev"),
    ("fusion.physiological.fill", "median", "fusion.settings.Physiological", "as in the published script"),
    ("fusion.physiological.models", ["svr", "stacking", "blend"], "fusion.settings.Physiological", ".6 SVR + .4 stack"),
    ("fusion.physiological.svr_share", 0.6, "fusion.settings.Physiological", ".6 SVR + .4 stack"),
    ("fusion.physiological.trim", 1, "fusion.settings.Physiological", "without the smallest and the largest"),
    ("fusion.physiological.mean_share", 0.7, "fusion.settings.Physiological", ".7 mean + .3 median"),
    (
        "fusion.physiological.engineered.ratio.rmssd_over_sdnn",
        ["rmssd", "sdnn"],
        "fusion.settings.Engineered",
        "RMSSD/SDNN",
    ),
    ("fusion.physiological.engineered.ratio.lf_over_hf", ["lf", "hf"], "fusion.settings.Engineered", "LF/HF"),
    (
        "fusion.physiological.engineered.distance.alpha_off_one",
        ["dfa_alpha1", 1],
        "fusion.settings.Engineered",
        "|α − 1|",
    ),
    ("fusion.joint.power_transform", True, "fusion.settings.Joint", "Yeo-Johnson"),
    ("fusion.joint.C", [25], "fusion.settings.Joint", "C = 25"),
    ("fusion.joint.epsilon", [0.01], "fusion.settings.Joint", "ε = .01"),
    ("fusion.joint.gamma", "scale", "fusion.settings.Joint", "γ = scale"),
    ("fusion.joint.weight", [0.98], "fusion.settings.Joint", "w* = .98"),
    ("fusion.joint.ablation_weight", [0.95], "fusion.settings.Joint", "ablation_weight .95"),
]


@pytest.fixture(scope="module")
def published() -> Any:
    config, _ = composed("fusion=published", "encoder=visual", "cohort=folder", "cohort.root=x")
    return OmegaConf.create(config)


@pytest.mark.parametrize(("setting", "value", "place", "words"), CONSTANTS, ids=[each[0] for each in CONSTANTS])
def test_a_published_constant_is_a_default_and_named(published, setting, value, place, words) -> None:
    found = OmegaConf.select(published, setting)
    assert (OmegaConf.to_container(found) if OmegaConf.is_config(found) else found) == value
    module, name = f"lfnet.{place}".rsplit(".", 1)
    text = " ".join((inspect.getdoc(getattr(import_module(module), name)) or "").split())
    assert words in text
