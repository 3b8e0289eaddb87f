"""Binary labels: cross-entropy and its class weights, probabilities in the files of a job, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from lfnet.config import read
from lfnet.data.labels import Labels
from lfnet.data.protocol import Protocol
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.heads import TemporalMeanMLP
from lfnet.jobs.job import run
from lfnet.runs.run import Run
from lfnet.training.binary import BCE
from lfnet.training.distribution_head import DistributionHead
from lfnet.training.predict import score_splits
from lfnet.training.settings import TrainerSettings, check_compatible
from tests.composing import SMALL, composed

LABELS = Labels(mean=0.25, sd=np.sqrt(0.25 * 0.75))
BINARY = (*SMALL, "cohort.scale.binary_at=14", "loss=bce")
LEARNED = ("head=mean_mlp", "trainer.max_epochs=8", "trainer.lr=0.01", "cohort.signal.strength=8")


def standardised(label: list[float]) -> torch.Tensor:
    return torch.tensor(LABELS.standardise(np.array(label)), dtype=torch.float32)


@pytest.fixture(scope="module")
def done(shared_jobs):
    config, choices = composed(*BINARY, *LEARNED, root=shared_jobs)
    return Run.open(shared_jobs / "runs" / run(config, choices).run)


def test_the_loss_is_the_log_loss_of_the_probability() -> None:
    layer = BCE().layer(LABELS, 0, 1)
    label, logit_B = [1.0, 0.0, 1.0, 0.0], torch.tensor([2.0, -1.0, -0.5, 0.3])
    found = layer.losses(layer(logit_B), standardised(label)).mean().item()
    probability = LABELS.points(layer.score(layer(logit_B)).double().numpy())
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-(logit_B.numpy() + np.log(1 / 3)))), rtol=1e-6)
    assert found == pytest.approx(log_loss(label, probability), rel=1e-5)


@pytest.mark.parametrize(("weight", "relative"), [(None, 1.0), (2.5, 2.5), ("balanced", 3.0)])
def test_class_weights(weight: object, relative: float) -> None:
    """Counted in recordings: the positive one has two windows, the negative ones one each."""
    loss = BCE(class_weight=weight)
    windows = pd.DataFrame({"recording_id": list("aabcd"), "target": [1.0, 1, 0, 0, 0]})
    targets = loss.prepare(windows)
    weight_W = np.ones(5) if targets.weight_W is None else targets.weight_W
    assert weight_W.mean() == pytest.approx(1) and weight_W[0] / weight_W[2] == pytest.approx(relative)
    assert bool(loss.marks) == (weight is not None)
    start = LABELS.points(loss.layer(LABELS, 0, 1).score(loss.layer(LABELS, 0, 1)(torch.zeros(1))).numpy())
    assert start == pytest.approx(0.25 if weight is None else 0.5, rel=1e-5)


def test_gradients_of_weighted_windows_are_weighted() -> None:
    torch.manual_seed(0)
    head = DistributionHead(TemporalMeanMLP(n_features=3), BCE().layer(LABELS, 0, 1)).eval()
    x, mask, target = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool), standardised([1.0, 0.0])
    whole = head.loss(x, mask, target, torch.tensor([2.0, 0.0]))
    assert whole.item() == pytest.approx(head.loss(x[:1], mask[:1], target[:1], None).item(), rel=1e-6)


def test_a_job_writes_probabilities_and_the_metrics_of_scikit_learn(done) -> None:
    frame = done.predictions.frame
    assert frame["score"].between(0, 1).all() and frame["score"].nunique() > 8 and set(frame["label"]) == {0, 1}
    test = frame.query("split == 'test' and level == 'recording'")
    found = done.result.metrics["test"]["recording"]
    assert found["auroc"] == pytest.approx(roc_auc_score(test["label"], test["score"]))
    assert found["brier"] == pytest.approx(brier_score_loss(test["label"], test["score"]), rel=1e-5)
    assert done.quantiles is None and done.result.quantiles is None
    assert done.result.training.monitor == "dev rmse (recording)"
    assert (done.result.scale.name, done.result.scale.max) == ("BDI-II ≥ 14", 1)


def test_baselines_are_probabilities_and_there_is_no_oracle(done) -> None:
    assert {"train_mean", "train_median", "duration", "ridge"} <= set(done.baselines)
    assert not [name for name in done.baselines if name.startswith("oracle")]
    assert all(model.frame["score"].between(0, 1).all() for model in done.baselines.values())
    for split, own in done.result.references["train_mean"].items():
        assert own["auroc"] == 0.5, split


def test_an_opened_head_gives_the_same_probabilities(done) -> None:
    opened = TrainedHead(done)
    frame = score_splits(opened.head(), opened.data(), "cpu").frame
    np.testing.assert_allclose(frame["score"], done.predictions.frame["score"], atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["loss=bce"],
            "loss=bce learns labels 0 and 1, and those of BDI-II are others: choose scale@cohort.scale=binary, or a "
            "cut-off of the scale (cohort.scale.binary_at=…), or loss=l1.",
        ),
        (
            ["cohort.scale.binary_at=14"],
            "the labels of BDI-II are 0 and 1, and trainer.loss (L1) would learn their median, one of the two for "
            "everyone: choose loss=bce.",
        ),
    ],
)
def test_losses_that_do_not_fit_the_labels_are_refused_before_any_work(tmp_path, overrides, line) -> None:
    config, choices = composed(*SMALL, *overrides, root=tmp_path)
    with pytest.raises(LfnetError) as caught:
        run(config, choices)
    assert str(caught.value) == line and not list(tmp_path.iterdir())


def test_probabilities_are_not_recalibrated_by_a_line() -> None:
    config, _ = composed("loss=bce", "trainer.recalibrate=linear")
    trainer, protocol = read(TrainerSettings, config["trainer"], "trainer"), read(Protocol, config["protocol"], "")
    with pytest.raises(LfnetError, match="recalibrate=linear: a line leaves the range of probabilities: give null"):
        check_compatible(trainer, protocol, TemporalMeanMLP(4))


def test_other_labels_are_refused_where_the_settings_say_nothing_of_the_scale() -> None:
    with pytest.raises(LfnetError, match="loss=bce learns labels 0 and 1, and these run from 0 to 63"):
        BCE().layer(LABELS, 0, 63)
