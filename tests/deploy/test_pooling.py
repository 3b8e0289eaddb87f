"""A bundle gives the recording score of the run, whatever pools its windows; of several clips and of an ensemble."""

import numpy as np
import pytest

from lfnet.deploy.bundle import Bundle
from lfnet.deploy.export import export
from lfnet.deploy.model import _stages
from lfnet.deploy.scorer import Scorer
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.jobs.job import run
from lfnet.runs.run import Run
from lfnet.seals import write_sealed_json
from lfnet.testing import make_toy_bundle
from tests.composing import SMALL, composed


def trained_with(pooling, root, *seeds):
    """A run, or an ensemble of two, whose scores and weights differ between windows."""
    runs = []
    for seed in seeds:
        settings = ("trainer.max_epochs=12", "trainer.patience=12", "trainer.lr=0.03", "cohort.signal.name=level")
        config, choices = composed(*SMALL, *settings, f"pooling={pooling}", f"seed={seed}", root=root)
        runs.append(Run.open(root / "runs" / run(config, choices).run))
    return TrainedHead(*runs)


def clips_of(trained, folder):
    """The files of the clips of three test recordings, by recording; and the clips' ids by file."""
    data = trained.data()
    clips = data.clips[data.clips["split"] == "test"]
    files, names = {}, {}
    for row in clips[clips["recording_id"].isin(clips["recording_id"].unique()[:3])].itertuples():
        clip, file = data.store.read(row.clip_id), folder / f"{row.clip_id}.npz"
        np.savez(file, features=clip.features, valid=clip.valid, time=clip.time)
        files.setdefault(row.recording_id, []).append(file)
        names[file] = row.clip_id
    return files, names


def check_scores(trained, scorer, folder):
    """The scorer's scores of clips and recordings are the run's."""
    files, names = clips_of(trained, folder)
    of_recording = trained.predictions.at("recording").frame.set_index("recording_id")["score"]
    of_clip = trained.predictions.at("clip").frame.set_index("clip_id")["score"]
    for recording, own in files.items():
        reports = [scorer.score(file, fps=30) for file in own]
        wanted = [of_clip[names[file]] for file in own]
        assert [report["score"] for report in reports] == pytest.approx(wanted, abs=0.01)
        assert scorer.join(reports)["score"] == pytest.approx(of_recording[recording], abs=0.01)
    windows = trained.predictions.at("window").frame.groupby("clip_id")["score"].mean()
    if len(trained.runs) == 1:
        assert (windows - of_clip[windows.index]).abs().max() > 0.1  # no mean would pass above


@pytest.mark.parametrize("pooling", ["max", "gated", "noisy_and"])
def test_a_loaded_run_scores_clips_and_recordings_as_its_predictions(pooling, shared_jobs, tmp_path):
    trained = trained_with(pooling, shared_jobs, 0)
    check_scores(trained, Scorer(_stages(trained)), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("pooling", "seeds"), [("max", (0,)), ("lse", (0, 1)), ("gated", (0,)), ("gated", (0, 1)), ("noisy_and", (0,))]
)
def test_a_bundle_scores_clips_and_recordings_as_the_run(pooling, seeds, shared_jobs, tmp_path):
    trained = trained_with(pooling, shared_jobs, *seeds)
    facts = export(trained, tmp_path / "bundle", min_frames=20)
    assert facts.head.parity.real_max < 0.01
    with Scorer.of(Bundle.open(tmp_path / "bundle"), threads=1) as scorer:
        check_scores(trained, scorer, tmp_path)


def test_a_bundle_whose_pooling_is_none_is_refused(tmp_path):
    facts = make_toy_bundle(tmp_path)
    node = {"_target_": "lfnet.pulse.settings.PulseSettings"}
    write_sealed_json(tmp_path / "bundle.json", {**facts, "pooling": node}, personal=False)
    with pytest.raises(LfnetError, match=r"pooling=PulseSettings: give a node of conf/pooling, or null."):
        Bundle.open(tmp_path)
