"""Heads with the output layer of their loss: in a job, its files and its scores; recalibration; what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lfnet.config import instantiate, read
from lfnet.data.labels import Labels
from lfnet.data.protocol import Protocol
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import compute_metrics
from lfnet.evaluation.quantiles import COLUMNS, quantiles_of, summarise_quantiles
from lfnet.evaluation.recalibration import fit_recalibration
from lfnet.heads.cost import measure
from lfnet.jobs import head_job
from lfnet.jobs.job import run
from lfnet.runs.run import Run
from lfnet.training.distribution_head import build_head, with_distribution
from lfnet.training.distributions import CRPS, Ordinal, Quantile
from lfnet.training.losses import L1
from lfnet.training.predict import score_splits
from lfnet.training.settings import TrainerSettings, check_compatible
from tests.composing import SMALL, composed

LEARNED = (
    *("head=mean_mlp", "head.dropout=0.1", "trainer.max_epochs=8", "trainer.patience=8", "trainer.lr=0.01"),
    *("cohort.signal.name=level", "cohort.signal.strength=8"),  # so that scores of dev rise with its labels
)


class OneOutput(nn.Module):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__()
        self.out = nn.Linear(n_features, 1)

    def forward(self, x_BTD, mask_BT):
        return self.out((x_BTD * mask_BT.unsqueeze(-1)).mean(1)).squeeze(-1)


def finished(root, *overrides):
    config, choices = composed(*SMALL, *LEARNED, *overrides, root=root)
    return Run.open(root / "runs" / run(config, choices).run)


@pytest.fixture(scope="module")
def runs(shared_jobs):
    return {name: finished(shared_jobs, f"loss={name}") for name in ("quantile", "crps", "ordinal")}


def test_a_head_without_outputs_is_refused_by_losses_that_need_them():
    node = {"_target_": f"{__name__}.OneOutput"}
    for loss, count in ((Quantile(), 19), (CRPS(), 2), (Ordinal(), 2)):
        with pytest.raises(LfnetError) as caught:
            build_head(node, loss, n_features=4)
        assert str(caught.value).startswith(
            f"trainer.loss needs {count} numbers per window, and head OneOutput has no "
        )
        assert "\n" not in str(caught.value) and "loss=l1" in str(caught.value)
    assert isinstance(build_head(node, L1(), n_features=4), OneOutput)


def test_the_refusal_comes_before_any_data(tmp_path):
    config, choices = composed(*SMALL, "loss=crps", root=tmp_path)
    config["head"] = {"_target_": f"{__name__}.OneOutput"}
    with pytest.raises(LfnetError, match="head OneOutput has no argument n_outputs"):
        run(config, choices)
    assert not list(tmp_path.iterdir())


def test_pooling_and_distributions_do_not_go_together():
    config, _ = composed("loss=crps", "pooling=mean")
    trainer, protocol = read(TrainerSettings, config["trainer"], "trainer"), read(Protocol, config["protocol"], "")
    with pytest.raises(LfnetError, match="of distributions, and pooling is of scores: choose pooling=none"):
        check_compatible(trainer, protocol, OneOutput(4))


@pytest.mark.parametrize("loss", [Quantile(), CRPS(), Ordinal()], ids=lambda loss: type(loss).__name__)
def test_all_outputs_count_as_trained(loss):
    node = {"_target_": "lfnet.heads.mean_mlp.TemporalMeanMLP", "hidden": None}
    head = with_distribution(build_head(node, loss, n_features=4), loss, Labels(20.0, 10.0), 0, 63)
    cost = measure(head, frames=10, n_features=4)
    assert cost.parameters == cost.active_parameters == 5 * loss.n_outputs + 63 * isinstance(loss, Ordinal)


@pytest.mark.parametrize("name", ["quantile", "crps", "ordinal"])
def test_a_run_has_scores_and_quantiles_of_each_recording(runs, name):
    done = runs[name]
    table, scores = done.quantiles, done.predictions.at("recording").frame
    assert list(table.columns) == ["recording_id", "person_id", "split", "label", *COLUMNS]
    assert set(table["recording_id"]) == set(scores["recording_id"]) and len(table) == len(scores) == 16
    joined = scores.merge(table, on="recording_id", validate="one_to_one")
    if name in ("quantile", "crps"):  # the median, and a normal distribution's mean
        np.testing.assert_allclose(joined["q50"], joined["score"], atol=2e-6)
    assert (np.diff(quantiles_of(table), axis=1) >= 0).all()
    assert joined["q05"].lt(joined["score"]).all() and joined["score"].lt(joined["q95"]).all()
    expected = summarise_quantiles(table, 0, 63)
    for split in ("dev", "test"):
        assert done.result.quantiles["splits"][split] == pytest.approx(expected[split], abs=1e-5)
    assert "quantiles.csv" in done.result.files


def test_quantiles_of_a_recording_are_means_over_its_windows_and_clips(runs):
    done = runs["quantile"]
    opened = TrainedHead(done)
    head, data = opened.head(), opened.data()
    windows = data.split("test")
    found = []
    with torch.inference_mode():
        for batch in data.eval_dataloader(windows):
            found.append(head.quantiles(batch["x_BTD"], batch["mask_BT"]))
    own = windows[["clip_id", "recording_id"]].assign(q90=torch.cat(found)[:, COLUMNS.index("q90")].numpy())
    mean, sd = opened.labels
    expected = own.groupby(["recording_id", "clip_id"])["q90"].mean().groupby("recording_id").mean() * sd + mean
    table = done.quantiles.set_index("recording_id")
    np.testing.assert_allclose(table.loc[expected.index, "q90"], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["quantile", "crps", "ordinal"])
def test_an_opened_head_scores_as_the_job_did(runs, name):
    opened = TrainedHead(runs[name])
    frame = score_splits(opened.head(), opened.data(), "cpu").frame
    np.testing.assert_allclose(frame["score"], runs[name].predictions.frame["score"], atol=1e-4)


@pytest.mark.parametrize("method", ["linear", "variance"])
def test_recalibration_is_a_line_through_the_scores_of_dev(shared_jobs, runs, method):
    plain, done = runs["crps"], finished(shared_jobs, "loss=crps", f"trainer.recalibrate={method}")
    before, after = plain.predictions.frame, done.predictions.frame
    dev = plain.predictions.at("recording").in_split("dev").frame
    line = fit_recalibration(dev, method)
    found = done.result.recalibration
    assert line.found and (found["slope"], found["intercept"]) == pytest.approx((line.slope, line.intercept), rel=1e-4)
    np.testing.assert_allclose(after["score"], line.apply(before["score"]), atol=1e-3)  # at every level
    assert line.mark in done.result.marks
    if method == "variance":
        assert done.result.metrics["dev"]["recording"]["sigma_ratio"] == pytest.approx(1, abs=1e-4)
    pcc = [one.result.metrics["test"]["recording"]["pcc"] for one in (plain, done)]
    assert pcc[0] == pytest.approx(pcc[1], abs=1e-4)
    # Quantiles move with the score and keep their distances.
    width = [one.quantiles["q95"] - one.quantiles["q05"] for one in (plain, done)]
    np.testing.assert_allclose(width[0], width[1], atol=1e-3)
    joined = done.predictions.at("recording").frame.merge(done.quantiles, on="recording_id")
    np.testing.assert_allclose(joined["q50"], joined["score"], atol=2e-6)
    # An opened head, and so a bundle, gives recalibrated points.
    opened = TrainedHead(done)
    mean, sd = opened.labels
    scores = score_splits(opened.head(), opened.data(), "cpu").frame["score"]
    raw = (scores - opened.result.training.label_mean) / opened.result.training.label_sd
    np.testing.assert_allclose(raw * sd + mean, after["score"], atol=1e-3)


def test_the_spread_of_dropout_is_recalibrated_too(shared_jobs):
    plain, done = (
        finished(shared_jobs, "trainer.mc_dropout=5", f"trainer.recalibrate={how}") for how in ("null", "variance")
    )
    slope = done.result.recalibration["slope"]
    assert slope != pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(done.spread["sd"], slope * plain.spread["sd"], rtol=1e-3, atol=1e-5)


def test_recalibration_never_sees_a_test_label(shared_jobs, tmp_path, monkeypatch):
    seen = finished(shared_jobs, "loss=crps", "trainer.recalibrate=linear")
    load = head_job.load_data

    def with_other_test_labels(job, session):
        data = load(job, session)
        for table in (data.windows, data.clips):
            inside = table["split"] == "test"
            table.loc[inside, "label"] = 63 - table.loc[inside, "label"]
        return data

    monkeypatch.setattr(head_job, "load_data", with_other_test_labels)
    other = finished(tmp_path, "loss=crps", "trainer.recalibrate=linear")
    assert other.result.recalibration == seen.result.recalibration
    assert other.result.metrics["dev"] == seen.result.metrics["dev"]
    assert other.result.metrics["test"]["recording"]["pcc"] == pytest.approx(
        -seen.result.metrics["test"]["recording"]["pcc"], abs=1e-5
    )


def test_an_ensemble_has_one_line(shared_jobs):
    members = [finished(shared_jobs, "trainer.recalibrate=variance", f"seed={seed}") for seed in (0, 1)]
    with pytest.raises(LfnetError, match=r"recalibrated each by its own line: train with trainer\.recalibrate=null"):
        TrainedHead(*members)


def test_the_score_stays_what_metrics_are_computed_from(runs):
    for done in runs.values():
        test = done.predictions.at("recording").in_split("test").frame
        expected = compute_metrics(test["label"], test["score"])
        assert done.result.metrics["test"]["recording"]["mae"] == pytest.approx(expected["mae"], abs=1e-5)
        assert isinstance(done.quantiles, pd.DataFrame)


def test_a_loss_of_distributions_is_not_called_on_scores():
    with pytest.raises(TypeError, match=r"DistributionHead\.loss"):
        instantiate({"_target_": "lfnet.training.distributions.CRPS"})(torch.zeros(2), torch.zeros(2), None)
