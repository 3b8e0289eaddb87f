"""One job, from a config to a run folder that says everything about it."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.evaluation.predictions import Predictions, models_from_csv_text
from lfnet.jobs.inputs import load_cohort
from lfnet.jobs.job import plan, run, run_safely
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.runs.run import Run
from lfnet.seals import write_sealed_json
from tests.composing import SMALL, composed
from tests.data.exchanged_labels import permuted
from tests.wandb_files import read_wandb


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


def job(root, *overrides):
    return composed(*SMALL, *overrides, root=root)


@pytest.fixture(scope="module")
def finished(root):
    config, choices = job(root, "head=ldbm", "head.patch_size=4")
    return config, choices, run(config, choices), root / "runs"


def result_of(outcome, runs):
    return json.loads((runs / outcome.run / "result.json").read_text())


def test_a_run_folder_is_complete(finished):
    _, _, outcome, runs = finished
    assert outcome.status == "finished"
    folder = runs / outcome.run
    assert outcome.fingerprint.startswith(folder.name)
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        "head.safetensors",
        "metrics.csv",
        "predictions.csv",
        "references.csv",
        "result.json",
        "train.log",
    }


def test_the_result_agrees_with_the_predictions(finished):
    _, _, outcome, runs = finished
    result = result_of(outcome, runs)
    frame = pd.read_csv(runs / outcome.run / "predictions.csv")
    for split in ("dev", "test"):
        rows = frame[(frame["level"] == "recording") & (frame["split"] == split)]
        assert result["metrics"][split]["recording"]["mae"] == pytest.approx(
            (rows["score"] - rows["label"]).abs().mean()
        )
        assert len(rows) == result["cohort"]["recordings"][split] == 8
    assert "train" not in set(frame["split"])
    assert result["model"] == "ldbm"
    assert result["config"]["head"]["patch_size"] == 4
    assert result["training"]["epochs"] == 2


def test_the_saved_weights_give_the_saved_predictions(finished):
    from lfnet.config import instantiate, read
    from lfnet.data.datamodule import DataModule
    from lfnet.data.protocol import Protocol
    from lfnet.training.predict import predict, window_predictions

    config, _, outcome, runs = finished
    inputs = plan(config).inputs
    data = DataModule(inputs.cohort, inputs.store, read(Protocol, config["protocol"], "protocol"))
    data.setup()
    head = instantiate(config["head"], n_features=data.n_features)
    head.load_state_dict(load_file(runs / outcome.run / "head.safetensors"))
    scores = data.labels.points(predict(head, data.eval_dataloader(data.split("test")), "cpu"))
    saved = Predictions.from_csv_text((runs / outcome.run / "predictions.csv").read_text())
    again = window_predictions(data.split("test"), scores).frame
    np.testing.assert_allclose(again["score"], saved.in_split("test").at("window").frame["score"], atol=2e-5)


def test_constants_and_oracles_are_recorded_as_references(finished):
    _, _, outcome, runs = finished
    models = models_from_csv_text((runs / outcome.run / "references.csv").read_text())
    assert {"train_mean", "train_median", "oracle_signal_median", "oracle_people_mean"} <= set(models)
    config = finished[0]
    recordings = plan(config).inputs.cohort.recordings()
    train = recordings.loc[recordings["split"] == "train", "label"]
    assert models["train_median"].frame["score"].unique() == pytest.approx([train.median()])
    assert models["train_mean"].frame["score"].unique() == pytest.approx([train.mean()], abs=1e-6)


def test_a_second_call_trains_nothing(finished):
    config, choices, outcome, runs = finished
    before = (runs / outcome.run / "result.json").stat().st_mtime_ns
    again = run(config, choices)
    assert again.status == "skipped"
    assert (runs / outcome.run / "result.json").stat().st_mtime_ns == before


def test_permuted_labels_choose_the_epoch_too(root):
    config, choices = job(root, "protocol=permuted")
    outcome = run(config, choices)
    folder, result = root / "runs" / outcome.run, result_of(outcome, root / "runs")
    dev = (
        Predictions.from_csv_text((folder / "predictions.csv").read_text())
        .at("recording")
        .frame.query("split == 'dev'")
    )
    session = Session()
    clips = load_cohort(read_inputs(config, session), session).clips
    given = permuted(clips, result["seed"]).groupby(clips["recording_id"]).first()
    chosen_by = (dev["score"] - dev["recording_id"].map(given)).abs().mean()
    assert result["training"]["best"] == pytest.approx(chosen_by, abs=1e-3)
    assert result["metrics"]["dev"]["recording"]["mae"] == pytest.approx(
        (dev["score"] - dev["label"]).abs().mean(), abs=1e-3
    )
    assert abs(chosen_by - result["metrics"]["dev"]["recording"]["mae"]) > 0.01


def test_the_same_seed_gives_the_same_bytes(finished, tmp_path):
    _, choices, outcome, runs = finished
    torch.manual_seed(99)  # what ran before must not matter
    np.random.seed(5)  # noqa: NPY002
    other, _ = job(tmp_path, "head=ldbm", "head.patch_size=4")
    again = run(other, choices)
    assert again.fingerprint == outcome.fingerprint
    for name in ("predictions.csv", "references.csv", "head.safetensors", "metrics.csv"):
        assert (tmp_path / "runs" / again.run / name).read_bytes() == (runs / outcome.run / name).read_bytes(), name


@pytest.mark.parametrize(
    "override",
    ["seed=1", "head.patch_size=8", "trainer.lr=1e-3", "trainer.threads=2", "protocol.hop=12", "cohort.seed=5"],
)
def test_what_changes_numbers_changes_the_name(finished, root, override):
    config, _ = job(root, "head=ldbm", "head.patch_size=4", override)
    assert plan(config, progress=False).fingerprint != finished[2].fingerprint


@pytest.mark.parametrize(
    "override",
    ["launcher=joblib", "logger=wandb", "force=true", "paths.tables=elsewhere", "fail_fast=true", "save_every=0"],
)
def test_what_changes_no_number_does_not(finished, root, override):
    config, _ = job(root, "head=ldbm", "head.patch_size=4", override)
    assert plan(config).fingerprint == finished[2].fingerprint


def test_metrics_by_other_code_are_measured_again_and_not_trained_again(finished):
    config, choices, outcome, runs = finished
    path = runs / outcome.run / "result.json"
    result = json.loads(path.read_text())
    right = result["metrics"]["dev"]["recording"]["mae"]
    result["metrics"]["dev"]["recording"]["mae"] = -1.0
    write_sealed_json(path, {**result, "measured_by": "older code"})
    weights = (runs / outcome.run / "head.safetensors").stat().st_mtime_ns
    assert run(config, choices).status == "skipped"
    assert result_of(outcome, runs)["metrics"]["dev"]["recording"]["mae"] == right
    assert (runs / outcome.run / "head.safetensors").stat().st_mtime_ns == weights


def test_an_incomplete_run_is_repeated(finished, tmp_path):
    config, choices = job(tmp_path, "head=mean_mlp", "trainer.max_epochs=1")
    outcome = run(config, choices)
    folder = tmp_path / "runs" / outcome.run
    (folder / "result.json").unlink()
    (folder / "predictions.csv").write_text("torn")
    assert run(config, choices).status == "finished"
    assert (folder / "predictions.csv").read_text() != "torn"


def test_a_failed_job_has_an_error_and_keeps_its_traceback(root, tmp_path):
    config, choices = job(tmp_path, "head._target_=tests.jobs.broken.Exploding")
    outcome = run_safely(config, choices)
    assert outcome.status == "failed"
    assert outcome.error == "RuntimeError: the head exploded (broken.py:21)"
    (log,) = (tmp_path / "runs").glob("*/train.log")
    assert "Traceback" in log.read_text()
    assert not list((tmp_path / "runs").glob("*/result.json"))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("TwoDimensional", "broken.py) returns shape [2, 1] for 2 windows, not [2]."),
        ("WithoutMask", "broken.py) cannot score windows x_BTD [2, 48, 16] with mask_BT [2, 48]: TypeError:"),
    ],
)
def test_a_head_that_breaks_the_contract_is_refused_before_training(tmp_path, head, message):
    config, choices = job(tmp_path, f"head._target_=tests.jobs.broken.{head}")
    outcome = run_safely(config, choices)
    assert outcome.status == "failed" and outcome.error is not None and outcome.error.startswith(f"head {head} (")
    assert message in outcome.error and "lfnet.testing.check_head" in outcome.error
    assert not list((tmp_path / "runs").glob("*"))


def test_a_diverging_job_names_the_setting_to_lower(tmp_path):
    config, choices = job(tmp_path, "trainer.lr=1e30", "head=ldbm")
    assert "trainer.lr" in (run_safely(config, choices).error or "")


def test_a_head_that_breaks_after_its_best_epoch_has_not_converged(tmp_path):
    config, choices = job(tmp_path, "head._target_=tests.jobs.broken.BreaksLater", "trainer.max_epochs=9")
    training = result_of(run(config, choices), tmp_path / "runs")["training"]
    assert training["best_epoch"] == 1 and training["epochs"] == 2 and not training["converged"]


def test_epochs_end_when_dev_stops_improving(tmp_path):
    config, choices = job(tmp_path, "trainer.max_epochs=60", "trainer.patience=2", "trainer.lr=1e-2")
    training = result_of(run(config, choices), tmp_path / "runs")["training"]
    assert training["converged"] and training["epochs"] == training["best_epoch"] + 2 < 60
    dev = pd.read_csv(next((tmp_path / "runs").glob("*/metrics.csv")))["dev/mae"].dropna().tolist()
    assert training["best"] == pytest.approx(min(dev), rel=1e-5)
    assert training["best_epoch"] == int(np.argmin(dev)) + 1


def test_an_undefined_selection_metric_neither_wins_nor_breaks(tmp_path):
    config, choices = job(tmp_path, "head._target_=tests.jobs.broken.Constant", "protocol.select.metric=pcc")
    result = result_of(run(config, choices), tmp_path / "runs")
    assert result["metrics"]["dev"]["recording"]["pcc"] is None
    assert result["metrics"]["dev"]["recording"]["sigma_ratio"] == 0
    assert "best" not in result["training"] and not result["training"]["converged"]


def test_selection_on_test_marks_the_run(tmp_path):
    config, choices = job(
        tmp_path, "protocol.select.split=test", "trainer.max_epochs=1", "trainer.min_sigma_ratio=null"
    )
    assert result_of(run(config, choices), tmp_path / "runs")["marks"] == ["selected on test"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("head._target_=lfnet.heads.nothing.Head",), "lfnet.heads.nothing"),
        (("+head.widht=3",), r"head\.widht: there is no such setting"),
        (("protocol.select.metric=mea",), "protocol.select.metric=mea"),
        (("protocol.mask=maybe",), "protocol.mask=maybe"),
        (("protocol.hop=500",), "protocol.hop=500"),
        (("protocol.window=abc",), "protocol.window=abc"),
        (("+protocol.select.x=1",), "protocol.select.x"),
        (("trainer.max_epochs=0",), "trainer.max_epochs=0"),
        (("trainer.max_epochs=-1",), "trainer.max_epochs=-1"),
        (("trainer.patience=0",), "trainer.patience=0"),
        (("trainer.batch_size=abc",), "trainer.batch_size=abc"),
        (("trainer.windows_per_clip=0",), "trainer.windows_per_clip=0"),
        (("trainer.lr=fast",), "trainer.lr=fast"),
        (("trainer.precision=foo",), "trainer.precision=foo"),
        (("trainer.device=gpu",), "trainer.device=gpu"),
        (("trainer.threads=0",), "trainer.threads=0"),
        (("+trainer.x=1",), "trainer.x"),
        (("seed=abc",), "seed=abc"),
        (("seed=-1",), "seed=-1"),
        (("force=maybe",), "force=maybe"),
        (("trainer.device=cuda",), "trainer.device=cuda"),
        (("encoder=blendshapes",), "has its own vectors"),
    ],
)
def test_a_mistake_of_a_user_is_one_message(tmp_path, overrides, message):
    if overrides == ("trainer.device=cuda",) and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    config, choices = job(tmp_path, *overrides)
    with pytest.raises(LfnetError, match=message):
        run(config, choices)


def test_random_vectors_mark_the_run(tmp_path):
    config, choices = job(tmp_path, "protocol.fill=random", "protocol.mask=false", "trainer.max_epochs=1")
    assert "random vectors" in result_of(run(config, choices), tmp_path / "runs")["marks"][0]


def test_unlabelled_clips_are_scored_and_have_no_metrics(tmp_path):
    config, choices = job(tmp_path, "trainer.max_epochs=1")
    session = Session()
    cohort = load_cohort(read_inputs(config, session), session)
    clips = cohort.clips.copy()
    moved = clips["recording_id"].isin(clips.loc[clips["split"] == "test", "recording_id"].unique()[:3])
    clips.loc[moved, ["split", "label"]] = ["unlabelled", np.nan]
    object.__setattr__(cohort, "clips", clips)
    outcome = run(config, choices, session)
    frame = pd.read_csv(tmp_path / "runs" / outcome.run / "predictions.csv")
    unlabelled = frame[(frame["split"] == "unlabelled") & (frame["level"] == "recording")]
    assert len(unlabelled) == 3 and unlabelled["score"].notna().all() and unlabelled["label"].isna().all()
    assert "unlabelled" not in result_of(outcome, tmp_path / "runs")["metrics"]


def test_wandb_gets_no_ids_and_no_paths(tmp_path):
    config, choices = job(tmp_path, "logger=wandb", "trainer.max_epochs=1", "table.name=some_table")
    outcome = run(config, choices)
    folders = list((tmp_path / "runs" / "wandb").glob("offline-run-*"))
    assert [folder.name.rpartition("-")[2] for folder in folders] == [outcome.run]
    # What `wandb sync` sends: the record and the folder of files; W&B's own logs stay.
    files = [path.read_bytes() for path in (folders[0] / "files").rglob("*") if path.is_file()]
    record = b""
    for _ in range(300):  # W&B's service writes it, and may end later than the run
        record = b"".join(map(read_wandb, folders[0].glob("*.wandb")))
        if b"final/test/recording/mae" in record:
            break
        time.sleep(0.1)
    written = b"".join([record, *files])
    assert b"some_table" in written and b"final/test/recording/mae" in written
    cohort = plan(config).inputs.cohort
    for column in ("person_id", "recording_id", "clip_id"):
        for name in set(cohort.clips[column]):
            assert f'"{name}"'.encode() not in written and f"/{name}".encode() not in written
    assert str(tmp_path).encode() not in written
    assert str(Path.home()).encode() + b"/" not in written


@pytest.fixture
def own(finished, tmp_path):
    """A copy of the finished job, that a test may damage: its config, choices and run folder."""
    _, choices, outcome, runs = finished
    shutil.copytree(runs.parent, tmp_path / "own", ignore=shutil.ignore_patterns("data"))
    config, _ = job(tmp_path / "own", "head=ldbm", "head.patch_size=4")
    return config, choices, tmp_path / "own" / "runs" / outcome.run


def test_the_result_has_a_digest_of_each_file_that_is_read(finished):
    _, _, outcome, runs = finished
    files = {path.name for path in (runs / outcome.run).iterdir()} - {"result.json", "train.log"}
    assert set(result_of(outcome, runs)["files"]) == files


@pytest.mark.parametrize("name", ["result.json", "config.yaml", "predictions.csv", "metrics.csv"])
def test_a_damaged_job_is_run_again(own, name):
    config, choices, folder = own
    files = [path for path in folder.iterdir() if path.name not in ("result.json", "train.log", "config.yaml")]
    before = {path.name: path.read_bytes() for path in files}
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.warns(LfnetWarning, match=rf"{name} cannot be used: .* The job is run again"):
        assert run(config, choices).status == "finished"
    assert {path.name: path.read_bytes() for path in files} == before
    assert run(config, choices).status == "skipped"


def test_damaged_baselines_are_computed_again_without_training(own):
    config, choices, folder = own
    before = (folder / "references.csv").read_bytes()
    (folder / "references.csv").write_bytes(before[:-9])
    weights = (folder / "head.safetensors").stat().st_mtime_ns
    with pytest.warns(LfnetWarning, match=r"references\.csv is damaged: the baselines are computed again"):
        assert run(config, choices).status == "skipped"
    assert (folder / "references.csv").read_bytes() == before
    assert (folder / "head.safetensors").stat().st_mtime_ns == weights
    assert Run(folder).baselines


def test_recomputed_metrics_do_not_hide_damage(own):
    config, choices, folder = own
    write_sealed_json(
        folder / "result.json", {**json.loads((folder / "result.json").read_text()), "measured_by": "older code"}
    )
    weights = bytearray((folder / "head.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "head.safetensors").write_bytes(weights)
    assert run(config, choices).status == "skipped"  # a skip does not read the model
    with pytest.raises(LfnetError, match=r"head\.safetensors cannot be used"):
        Run(folder).weights()


def test_a_folder_without_scores_is_skipped_and_audited(own):
    config, choices, folder = own
    for name in ("predictions.csv", "references.csv"):
        (folder / name).unlink()
    write_sealed_json(
        folder / "result.json", {**json.loads((folder / "result.json").read_text()), "audited_by": "older code"}
    )
    assert run(config, choices).status == "skipped"
    assert Run(folder).result.audited_by != "older code"
