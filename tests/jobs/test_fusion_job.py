"""A fusion as a job: its run folder, its name, its marks, and its warnings on clips without a pulse."""

import json

import numpy as np
import pandas as pd
import pytest

from lfnet.config import instantiate, read
from lfnet.data.datamodule import DataModule
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions, models_from_csv_text
from lfnet.fusion import persist
from lfnet.fusion.modalities import Memo
from lfnet.fusion.modality_data import Split
from lfnet.jobs.job import plan, run, run_safely
from lfnet.jobs.session import Session
from tests.composing import composed, fusion_inputs
from tests.fusion.simulated_splits import NESTED, SMALL

COHORT = (
    "cohort.recordings={train:16,dev:6,test:8}",
    "cohort.duration={min:2,max:12,median:6,spread:0.3}",
    "cohort.dim=16",
    "cohort.people_shared=0",
    "cohort.pulse.segment=2",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("fusions")


def job(root, *overrides, fusion="published"):
    more = NESTED if fusion == "nested" else ()
    return composed(*COHORT, f"fusion={fusion}", *SMALL, *more, *overrides, root=root)


@pytest.fixture(scope="module")
def finished(root):
    config, choices = job(root)
    outcome = run(config, choices)
    folder = root / "runs" / outcome.run
    return config, outcome, folder, json.loads((folder / "result.json").read_text())


def test_the_run_folder_is_complete(finished):
    _, outcome, folder, result = finished
    assert outcome.status == "finished"
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        "model.skops",
        "predictions.csv",
        "references.csv",
        "result.json",
        "train.log",
    }
    assert (result["kind"], result["model"], result["marks"]) == (
        "fusion",
        "fused",
        ["selected on test", "12 candidates", "physiological side fitted on train and dev"],
    )
    assert "head" not in result["choices"] and result["choices"]["fusion"] == "published"
    assert "head" not in result["config"] and result["config"]["fusion"]["joint"]["C"] == [25]
    assert result["features"]["stream"] == "simulated + pulse"
    assert result["cost"]["parameters"] > result["cost"]["parts"]["fusion"]["parameters"] > 0
    assert result["cost"]["bytes"] > 0 and result["cost"]["latency_ms"] > 0
    assert set(result["members"]) == {"visual", "physiological", "fused"}
    fused, recorded = result["members"]["fused"]["test"], result["metrics"]["test"]["recording"]
    assert fused == pytest.approx({metric: recorded[metric] for metric in fused}, rel=1e-6) and "mae" in fused


def test_scores_are_there_at_clip_and_recording_level(finished):
    *_, folder, result = finished
    scores = Predictions.from_csv_text((folder / "predictions.csv").read_text())
    assert scores.levels == ("clip", "recording") and scores.splits == ("dev", "test")
    assert len(scores.at("clip").in_split("test")) == 16 and len(scores.at("recording").in_split("test")) == 8
    frame = scores.at("recording").in_split("test").frame
    assert result["metrics"]["test"]["recording"]["mae"] == pytest.approx(
        (frame["score"] - frame["label"]).abs().mean()
    )
    models = models_from_csv_text((folder / "references.csv").read_text())
    assert {"train_median", "oracle_signal_mean", "oracle_pulse_mean", "oracle_both_median"} <= set(models)


def test_the_saved_model_gives_the_saved_scores(finished):
    config, _, folder, _ = finished
    inputs = fusion_inputs(config)
    data = DataModule(inputs.cohort, inputs.stores, read(Protocol, config["protocol"], "protocol"))
    split = Split.from_arrays(data.arrays("test"), None, "pulse")
    again = pd.Series(persist.load(folder / "model.skops").scores(split)["fused"], split.clip_ids)
    saved = pd.read_csv(folder / "predictions.csv", dtype={"clip_id": str})
    saved = saved[(saved["level"] == "clip") & (saved["split"] == "test")].set_index("clip_id")["score"]
    np.testing.assert_allclose(again.loc[saved.index], saved, atol=1e-6)


def test_a_second_call_fits_nothing_whatever_the_head(finished, root):
    _, outcome, folder, _ = finished
    before = (folder / "result.json").stat().st_mtime_ns
    for overrides in ((), ("head=ldbm", "trainer=full"), ("launcher=joblib",)):
        again = run(*job(root, *overrides))
        assert (again.status, again.fingerprint) == ("skipped", outcome.fingerprint)
    assert (folder / "result.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "fusion.visual.k=[5]",
        "fusion.model=weighted",
        "protocol.segment=100",
        "cohort.pulse.lost_segments=0.5",
    ],
)
def test_what_changes_numbers_changes_the_name(finished, root, override):
    assert plan(job(root, override)[0], progress=False).fingerprint != finished[1].fingerprint


def test_the_seconds_of_a_fusion_include_the_fits_that_it_takes_over(root):
    session, seconds = Session(), []
    for C in ("[25]", "[26]"):  # of the joint model, which the visual one does not have
        config, choices = job(root, "fusion.model=visual", f"fusion.joint.C={C}")
        folder = root / "runs" / run(config, choices, session).run
        seconds.append(json.loads((folder / "result.json").read_text())["training"]["seconds"])
        memo = session.keep_latest("fusion", session._latest["fusion"][0], Memo)
        memo._seconds = dict.fromkeys(memo._seconds, 1000.0)  # of the choice and of the fit
    assert seconds[0] < 1000 and 2000 <= seconds[1] < 3000


def test_clips_without_a_pulse_are_named(root):
    config, choices = job(
        root, "cohort.pulse.lost_clips=0.4", "fusion.model=physiological", "fusion.physiological.models=[svr]"
    )
    outcome = run(config, choices)
    result = json.loads((root / "runs" / outcome.run / "result.json").read_text())
    missing = result["missing"]["physiological"]
    assert 0 < len(missing["test"]) < 16
    line = next(text for text in result["cohort"]["warnings"] if "without a physiological row" in text)
    assert f"{len(missing['test'])} of 16 test" in line and "imputed inside the pipeline" in line
    scored = pd.read_csv(root / "runs" / outcome.run / "predictions.csv", dtype=str)
    assert set(missing["test"]) <= set(scored["clip_id"])


def test_permuted_labels_are_trained_on_but_metrics_use_the_true_ones(root):
    config, choices = job(root, "fusion.model=visual", "protocol.labels=permuted", fusion="nested")
    outcome = run(config, choices)
    folder = root / "runs" / outcome.run
    result = json.loads((folder / "result.json").read_text())
    assert result["marks"] == ["labels of train and dev permuted"]
    truth = instantiate(config["cohort"]).recordings().set_index("recording_id")["label"]
    frame = Predictions.from_csv_text((folder / "predictions.csv").read_text()).at("recording").frame
    np.testing.assert_allclose(frame["label"], truth.loc[frame["recording_id"]])


def test_a_missing_component_is_named_and_has_no_scores(root):
    config, choices = job(root, "fusion/component=without_multi_region")
    outcome = run(config, choices)
    result = json.loads((root / "runs" / outcome.run / "result.json").read_text())
    assert outcome.status == "finished" and result["metrics"] == {} and result["cost"] == {}
    assert result["marks"] == ["no such component here: features not made by encoder=visual have no regions"]
    assert result["config"]["fusion"]["component"] == "without_multi_region"
    assert run(config, choices).status == "skipped"


def test_a_missing_pulse_stream_is_refused_with_its_fix(root):
    config, choices = job(root, "cohort.pulse=null")
    assert "encoder=[visual,skin]" in (run_safely(config, choices).error or "")
    with pytest.raises(LfnetError, match=r"fusion.joint.C"):
        plan(job(root, "fusion.joint.C=[-1]")[0])
