"""A run on binary labels to its end: AUROC chooses the epoch, the bundle gives a probability, the card says of what."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lfnet.cli.export import main as export
from lfnet.cli.predict import main as predict
from lfnet.deploy.model import load
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.jobs.job import run
from lfnet.runs.run import LEARNING_CURVE, Run
from tests.composing import SMALL, composed

WORDS = (*SMALL, "cohort.scale.binary_at=14", "loss=bce", "protocol.select.metric=auroc", "head=mean_mlp")
LEARNED = ("trainer.max_epochs=8", "trainer.lr=0.01", "cohort.signal.strength=8", "cohort.people_shared=0.0")


@pytest.fixture(scope="module")
def done(shared_jobs) -> Run:
    config, choices = composed(*WORDS, *LEARNED, root=shared_jobs)
    return Run.open(shared_jobs / "runs" / run(config, choices).run)


def test_the_epoch_with_the_highest_auroc_of_dev_is_kept(done) -> None:
    training = done.result.training
    dev = done.predictions.frame.query("split == 'dev' and level == 'recording'")
    assert training.monitor == "dev auroc (recording)"
    assert training.best == pytest.approx(roc_auc_score(dev["label"], dev["score"]))
    course = pd.read_csv(done.folder / LEARNING_CURVE)["dev/auroc"].dropna().to_numpy()
    assert training.best_epoch == 1 + int(np.argmax(course)) and course.max() == pytest.approx(training.best)


def test_auroc_chooses_among_probabilities_alone(tmp_path) -> None:
    config, choices = composed(*SMALL, "protocol.select.metric=auroc", root=tmp_path)
    with pytest.raises(LfnetError, match=r"select.metric=auroc is of binary labels \(loss=bce\): choose one of mae"):
        run(config, choices)


def test_export_and_predict_give_the_runs_probability_and_say_what_it_is(done, tmp_path, capsys) -> None:
    bundle, clip_id = tmp_path / "bundle", done.predictions.at("clip").frame.query("split == 'test'")["clip_id"].iloc[0]
    assert export([str(done.folder), "--out", str(bundle), "--min-frames", "20"]) == 0
    clip = TrainedHead(done).data().store.read(clip_id)
    file = tmp_path / "clip.npz"
    np.savez(file, features=clip.features, valid=clip.valid, time=clip.time)
    capsys.readouterr()
    assert predict([str(file), "--bundle", str(bundle), "--threads", "1"]) == 0
    out = capsys.readouterr().out
    found = re.search(r"probability (\d\.\d\d) that the label is 1 \(BDI-II ≥ 14\)\n  no interval: the score is", out)
    wanted = done.predictions.at("clip").frame.set_index("clip_id")["score"][clip_id]
    assert found and float(found[1]) == pytest.approx(wanted, abs=0.006)
    assert "a diagnosis" not in out.replace("not a diagnosis", "")
    with load(bundle) as model:
        assert repr(model.predict(file)) == f"Prediction: {found[0].splitlines()[0]}"
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "the probability that the label is 1 (BDI-II ≥ 14)" in card and "points. Made" not in card
    assert re.search(r"^- AUROC: ", card, re.MULTILINE) and "- mae" not in card and "has MAE" not in card
    assert "diagnosis" not in card.replace("not a diagnosis", "").replace("not-a-diagnosis", "").replace(
        "Not for diagnosis", ""
    )
