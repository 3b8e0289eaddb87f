"""Explanations of other kinds of bundles: an ensemble whose pooling attends, and a probability."""

import numpy as np
import pytest

from lfnet.deploy.bundle import Bundle
from lfnet.deploy.clip_page import clip_page, deletion_verdict, largest_effect
from lfnet.deploy.explanation import Explanation, explain_clip
from lfnet.deploy.export import export
from lfnet.deploy.scorer import Scorer
from lfnet.deploy.trained_head import TrainedHead
from lfnet.jobs.job import run
from lfnet.runs.run import Run
from tests.composing import SMALL, composed

pytestmark = pytest.mark.slow


def explained(root, tmp_path, *settings: str, seeds=(0,)) -> Explanation:
    runs = []
    for seed in seeds:
        config, choices = composed(*SMALL, *settings, f"seed={seed}", root=root)
        runs.append(Run.open(root / "runs" / run(config, choices).run))
    trained = TrainedHead(*runs)
    export(trained, tmp_path / "bundle", min_frames=20, level=None)
    data = trained.data()
    clip = data.store.read(data.clips.loc[data.clips["split"] == "test", "clip_id"].iloc[0])
    np.savez(tmp_path / "clip.npz", features=clip.features, valid=clip.valid, time=clip.time)
    bundle = Bundle.open(tmp_path / "bundle")
    with Scorer.of(bundle, threads=1) as scorer:
        found = explain_clip(scorer, bundle, tmp_path / "clip.npz")
        assert found.content["score"] == scorer.score(tmp_path / "clip.npz")["score"]
    return found


def test_the_attention_of_an_ensembles_pooling_is_shown_by_window(shared_jobs, tmp_path):
    learned = ("trainer.max_epochs=12", "trainer.patience=12", "trainer.lr=0.03", "cohort.signal.name=level")
    found = explained(shared_jobs, tmp_path, *learned, "pooling=gated", seeds=(0, 1))
    weights = [window["weight"] for window in found.content["attention"]]
    assert len(weights) == found.content["windows"] > 1
    assert sum(weights) == pytest.approx(1, abs=1e-3) and max(weights) > min(weights)
    page = clip_page(found)
    assert 'class="weight"' in page and "which is no effect" in page
    assert "no attention weights" not in page and "SD of the 2 models" in page


def test_effects_on_a_probability_are_in_its_unit(shared_jobs, tmp_path):
    settings = ("cohort.scale.binary_at=14", "loss=bce", "protocol.select.metric=auroc", "head=mean_mlp")
    learned = ("trainer.max_epochs=8", "trainer.lr=0.01", "cohort.signal.strength=8", "cohort.people_shared=0.0")
    found = explained(shared_jobs, tmp_path, *settings, *learned)
    assert found.content["unit"] == "of probability" and found.content["constants"]["median"] in (0, 0.5, 1)
    assert "of probability" in largest_effect(found.content) and "of probability" in deletion_verdict(found.content)
    assert "that the label is 1" in clip_page(found)
