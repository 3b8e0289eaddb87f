"""Jobs in bfloat16: the named trainers, gradient clipping, and scores close to those of float32."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from lfnet.deploy.trained_head import TrainedHead
from lfnet.jobs.job import plan, run
from lfnet.runs.run import Run
from tests.composing import SMALL, composed


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("precision")


def done(root, *overrides):
    config, choices = composed(*SMALL, *overrides, root=root)
    folder = root / "runs" / run(config, choices).run
    scores = pd.read_csv(folder / "predictions.csv").query("level == 'window'")["score"].to_numpy()
    return json.loads((folder / "result.json").read_text()), scores


@pytest.mark.parametrize("name", ["quick_bf16", "full_bf16"])
def test_a_named_trainer_differs_in_its_precision_alone(root, name):
    half, full = (composed(*SMALL, f"trainer={choice}", root=root)[0] for choice in (name, name.split("_")[0]))
    assert half["trainer"].pop("precision") == "bf16-mixed" and full["trainer"].pop("precision") == "32-true"
    assert half["trainer"] == full["trainer"]


def test_precision_is_part_of_a_jobs_name(root):
    one, other = (composed(*SMALL, f"trainer={name}", root=root)[0] for name in ("quick", "quick_bf16"))
    assert plan(one, progress=False).fingerprint != plan(other, progress=False).fingerprint


@pytest.mark.parametrize("head", ["mean_mlp", "ldbm", "transformer", "mamba_gru"])
def test_scores_are_near_those_of_full_precision_and_not_the_same(root, head):
    wanted = (f"head={head}", "trainer.max_epochs=1", *(["head.dropout=0"] if head in ("ldbm", "transformer") else []))
    _, full = done(root, *wanted)
    result, half = done(root, *wanted, "trainer.precision=bf16-mixed")
    assert result["precision"] == "bf16-mixed"
    assert np.isfinite(half).all()
    error = np.abs(half - full).max()
    # the mean head's window is summed in float32 and its products are tiny
    assert error < 0.05 * max(1.0, np.abs(full).max()) and (error > 0 or head == "mean_mlp")


def test_gradients_can_be_clipped_in_either_precision(root):
    for precision in ("32-true", "bf16-mixed"):
        result, _ = done(root, "head=ldbm", "trainer.clip_gradient=1", f"trainer.precision={precision}")
        assert result["training"]["epochs"] == 2


def test_the_kept_heads_scores_are_computed_in_float32(root):
    config, choices = composed(*SMALL, "head=ldbm", "trainer.precision=bf16-mixed", root=root)
    exported = TrainedHead(Run.open(root / "runs" / run(config, choices).run))
    data, head = exported.data(), exported.head()
    own = exported.predictions.at("window").in_split("test").frame
    with torch.inference_mode():
        scores = [head(batch["x_BTD"], batch["mask_BT"]).double() for batch in data.eval_dataloader(data.split("test"))]
    points = data.labels.points(torch.cat(scores).numpy())
    assert np.sort(points) == pytest.approx(np.sort(own["score"]), abs=1e-4)  # bfloat16 has two or three digits
