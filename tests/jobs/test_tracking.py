"""Trackers: any logger of Lightning gets the same settings and metrics, and nothing about people or the machine."""

import getpass
import json
import socket
import sys
from pathlib import Path

import pytest

from lfnet.cli.main import main
from lfnet.errors import LfnetError
from lfnet.jobs.job import plan, run
from lfnet.jobs.tracking import final_metrics, run_name, shared_settings
from tests.composing import SMALL, composed
from tests.jobs.recording import Recorder

RECORDER = "{_target_: tests.jobs.recording.Recorder, title: '{name}', options: {group: '{table}', id: '{id}'}}"


def job(root: Path, *overrides: str):
    return composed(*SMALL, "head=mean_mlp", "trainer.max_epochs=2", "table.name=some_table", *overrides, root=root)


@pytest.fixture(autouse=True)
def forgotten():
    yield
    Recorder.made.clear()


def test_a_logger_gets_settings_learning_curve_and_final_metrics(tmp_path):
    config, choices = job(tmp_path, f"logger.tracker={RECORDER}", "+logger.tracker.place=${paths.runs}/there")
    outcome = run(config, choices)
    (recorder,) = Recorder.made
    recorded = plan(config).recorded_config()
    title, place, options = recorder.given
    assert (title, options) == (run_name(recorded), {"group": "some_table", "id": outcome.run})
    assert place == str(tmp_path / "runs" / "there")
    assert recorder.settings == [shared_settings(recorded)]
    result = json.loads((tmp_path / "runs" / outcome.run / "result.json").read_text())
    final = final_metrics(result["metrics"])
    assert recorder.rows[-1] == final and "final/test/recording/mae" in final
    curve = (tmp_path / "runs" / outcome.run / "metrics.csv").read_text().splitlines()[0].split(",")
    assert set(curve) - {"step"} <= {name for row in recorder.rows[:-1] for name in row} | {"epoch"}
    assert recorder.ended[-1] == "success"


def test_a_logger_learns_nothing_about_people_paths_user_and_host(tmp_path):
    config, choices = job(tmp_path, f"logger.tracker={RECORDER}")
    run(config, choices)
    (recorder,) = Recorder.made
    said = json.dumps([recorder.given, recorder.settings, recorder.rows])
    cohort = plan(config).inputs.cohort
    for column in ("person_id", "recording_id", "clip_id"):
        assert not [name for name in set(cohort.clips[column]) if f'"{name}"' in said or f"/{name}" in said]
    assert str(tmp_path) not in said and str(Path.home()) + "/" not in said
    assert recorder.machine == {("host", "user")}
    assert (socket.gethostname(), getpass.getuser()) != ("host", "user")


def test_a_job_that_fails_ends_its_logger_as_failed(tmp_path, monkeypatch):
    monkeypatch.setattr("lfnet.jobs.head_job.save_weights", lambda *_: 1 / 0)
    config, choices = job(tmp_path, f"logger.tracker={RECORDER}")
    with pytest.raises(ZeroDivisionError):
        run(config, choices)
    assert Recorder.made[0].ended[-1] == "failed"


def test_a_tracker_that_cannot_begin_is_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise ConnectionError("no answer\nfrom the server")

    monkeypatch.setattr(Recorder, "log_hyperparams", refuse)
    config, choices = job(tmp_path, f"logger.tracker={RECORDER}")
    with pytest.raises(LfnetError) as caught:
        run(config, choices)
    assert str(caught.value) == (
        "logger.tracker: Recorder cannot begin (ConnectionError: no answer from the server). Check its settings, or "
        "give logger=csv."
    )


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_and_a_wrong_logger_are_one_line_before_any_work(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["train", *SMALL, f"logger={name}"]) == 2
    said = f"error: logger.needs={name}: {name} is not installed: pip install {name}, or give logger=csv.\n"
    assert capsys.readouterr().err == said
    wrong = "logger.tracker._target_=lightning.pytorch.loggers.NoLogger"
    assert main(["train", *SMALL, f"logger={name}", "logger.needs=null", wrong]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: {wrong} cannot be imported") and line.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_tensorboard_writes_the_metrics_and_no_name_of_the_host(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config, choices = job(tmp_path, "logger=tensorboard")
    outcome = run(config, choices)
    folder = tmp_path / "runs" / "tensorboard" / "some_table" / outcome.run
    read = EventAccumulator(str(folder)).Reload()
    assert "final/test/recording/mae" in read.Tags()["scalars"]
    unnamed(folder, tmp_path)


def test_mlflow_stores_the_metrics_and_no_name_of_user_and_host(tmp_path):
    pytest.importorskip("mlflow", reason="needs mlflow")
    from mlflow.tracking import MlflowClient

    config, choices = job(tmp_path, "logger=mlflow")
    outcome = run(config, choices)
    client = MlflowClient(config["logger"]["tracker"]["tracking_uri"])
    experiment = client.get_experiment_by_name("lfnet")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED" and found.data.tags["id"] == outcome.run
    assert "final/test/recording/mae" in found.data.metrics and "head/hidden" in found.data.params
    unnamed(tmp_path / "runs", tmp_path, "mlflow.db")


def unnamed(folder: Path, root: Path, pattern: str = "**/*") -> None:
    """Check names and contents of a tracker's files."""
    paths = [path for path in folder.glob(pattern) if path.is_file()]
    assert paths
    for path in paths:
        content = path.read_bytes()
        for name in (socket.gethostname(), str(root), str(Path.home()) + "/", sys.argv[0]):
            assert name not in path.name and name.encode() not in content, (path, name)
        if getpass.getuser() not in ("user", "root"):
            assert getpass.getuser().encode() not in content
