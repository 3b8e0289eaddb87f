"""Bundles of several seeds: the mean of their scores, their spread, and an interval that follows it."""

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.export import export
from lfnet.deploy.scorer import Scorer
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import calibration_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(ensembled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble") / "bundle"
    return folder, export(ensembled, folder, min_frames=20)


@pytest.fixture(scope="module")
def recording(ensembled, tmp_path_factory):
    """A test recording's name and the files of its clips' vectors."""
    folder, data = tmp_path_factory.mktemp("clips"), ensembled.data()
    clips = data.clips[data.clips["split"] == "test"]
    name = clips["recording_id"].iloc[0]
    files = []
    for number, clip_id in enumerate(clips.loc[clips["recording_id"] == name, "clip_id"]):
        clip = data.store.read(clip_id)
        files.append(folder / f"{number}.npz")
        np.savez(files[-1], features=clip.features, valid=clip.valid, time=clip.time)
    return name, files


def test_a_bundle_scores_the_mean_of_its_members(ensembled, bundle, recording):
    name, files = recording
    opened = Bundle.open(bundle[0])
    with Scorer.of(opened, threads=1) as scorer:
        reports = [scorer.score(file) for file in files]
    found = scorer.join(reports)
    wanted = ensembled.spread.set_index("recording_id").loc[name]
    assert found["score"] == pytest.approx(wanted["score"], abs=0.01)
    assert found["spread"] == pytest.approx(wanted["sd"], abs=0.01) and wanted["sd"] > 0.05
    assert len(reports[0]["members_score"]) == 2
    assert reports[0]["score"] == pytest.approx(np.mean(reports[0]["members_score"]), abs=1e-3)


def test_the_interval_follows_the_spread(ensembled, bundle, recording):
    _, files = recording
    facts = bundle[1]
    found, dev = facts.conformal, ensembled.spread[ensembled.spread["split"] == "dev"]
    assert found.typical == pytest.approx(dev["sd"].mean())
    # Calibrated so that the share it states of the calibration recordings lies within.
    clips = ensembled.data().cohort.clips
    used = set(clips.loc[clips["split"].isin(["train", "dev"]), "person_id"])
    rows = calibration_rows(ensembled.spread[ensembled.spread["split"] == "test"], used)
    half = found.half_width * (rows["sd"] + found.typical) / (2 * found.typical)
    covered = ((rows["score"] - rows["label"]).abs() <= half + 1e-9).sum()
    assert covered == round(found.coverage * (found.n + 1))
    opened = Bundle.open(bundle[0])
    with Scorer.of(opened, threads=1) as scorer:
        report = scorer.score(files[0])
    expected = opened.facts.conformal.interval(report["score"], 0, 63, report["spread"])
    assert (report["interval"]["low"], report["interval"]["high"]) == pytest.approx(expected, abs=1e-3)


def test_the_card_and_the_facts_name_all_members(ensembled, bundle, trained):
    folder, facts = bundle
    assert [member.seed for member in facts.run.members] == [0, 1]
    assert facts.head.parameters == 2 * trained.result.cost.parameters
    card = (folder / "MODEL_CARD.md").read_text()
    assert "a deep ensemble, whose score is the mean of theirs" in card and "(seed 1)" in card
    assert "wider where they disagree more" in card


def test_export_and_predict_of_an_ensemble(ensembled, recording, tmp_path, capsys):
    first, second = (run.folder for run in ensembled.runs)
    runs = f"paths.runs={first.parent}"
    assert main(["export", first.name[:8], second.name[:8], runs, "--int8", "--out", str(tmp_path / "b")]) == 0
    assert "where the members' spread is" in capsys.readouterr().out
    assert main(["predict", str(recording[1][0]), "--bundle", str(tmp_path / "b")]) == 0
    assert "; SD of the 2 models' scores" in capsys.readouterr().out
    with pytest.raises(LfnetError, match="have the same seed"):
        TrainedHead.open([first.name, first.name], first.parent)
