"""Collections of runs: filters, tidy tables, scores side by side, ensembles."""

import json
from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.evaluation.predictions import Predictions
from lfnet.jobs.job import run
from lfnet.runs.collection import DifferentRecordings, Ensemble, RunCollection, open_runs
from lfnet.runs.run import Run
from tests.composing import SMALL, composed
from tests.tables.factory import leave, result, sweep


@pytest.fixture
def runs(tmp_path: Path) -> RunCollection:
    for head in ("ldbm", "mean_mlp"):
        for seed in (0, 1):
            leave(tmp_path, result(head, seed))
    return open_runs(tmp_path)


def test_a_collection_is_filtered_by_settings(runs: RunCollection) -> None:
    assert len(runs) == 4 and len(runs.filter(head="ldbm")) == 2
    assert [one.seed for one in runs.filter(head=["ldbm", "mean_mlp"], seed=1)] == [1, 1]
    assert [one.name for one in runs.filter(name=runs[2].name)] == [runs[2].name]
    assert len(runs.filter(**{"head.patch_size": 16})) == 2 and len(runs.filter(head="tcn")) == 0
    assert isinstance(runs[:2], RunCollection) and isinstance(runs[0], Run)
    with pytest.raises(LfnetError, match="no run has a setting hat"):
        runs.filter(hat=3)
    assert repr(runs.filter(head="ldbm")) == "RunCollection of 2 runs: 2 ldbm; cohort simulated"


def test_the_frame_is_tidy(runs: RunCollection) -> None:
    frame = runs.to_frame()
    assert len(frame) == 4 and frame.columns.is_unique
    for one, (_, row) in zip(runs, frame.iterrows(), strict=True):
        assert (row["run"], row["model"], row["seed"]) == (one.name, one.result.model, one.seed)
        assert row["test.mae"] == one.result.metrics["test"]["recording"]["mae"]
        assert row["parameters"] == one.result.cost.parameters and row["head"] == one.result.model
    assert "protocol.window" not in frame and "protocol.window" in runs.to_frame(every_setting=True)


def test_scores_have_one_column_a_run(runs: RunCollection) -> None:
    table = runs.scores("test")
    assert list(table.columns) == ["recording_id", "person_id", "label", *(one.name for one in runs)]
    for one in runs:
        own = one.predictions.in_split("test").at("recording").frame.set_index("recording_id")
        np.testing.assert_array_equal(table[one.name], own.loc[table["recording_id"], "score"])
    row = runs.filter(head="ldbm").row_scores("ldbm", "dev")
    assert np.asarray(row.score).shape == (2, 50) and row.shared_people == runs[0].shared_people("dev")


def test_scores_of_other_recordings_are_refused(tmp_path: Path) -> None:
    leave(tmp_path, result("ldbm", 0))
    leave(tmp_path, result("ldbm", 1, cohort_seed=1))
    with pytest.raises(DifferentRecordings, match="scored different test recordings"):
        open_runs(tmp_path).scores()
    with pytest.raises(DifferentRecordings, match="are no ensemble"):
        _ = Ensemble(open_runs(tmp_path).runs).predictions


def test_runs_come_from_a_folder_a_record_or_a_run(tmp_path: Path) -> None:
    record = sweep(tmp_path, [result("ldbm", 1), result("mean_mlp", 0)])
    assert [one.result.model for one in open_runs(record)] == ["ldbm", "mean_mlp"]
    assert len(open_runs(tmp_path)) == 2 and len(open_runs(open_runs(tmp_path)[0].folder)) == 1
    with pytest.raises(LfnetError, match="does not exist"):
        open_runs(tmp_path / "none")
    path = open_runs(tmp_path)[0].folder / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    with pytest.warns(LfnetWarning, match="left out: 1 run of .*: .*its format is 1"):
        assert len(open_runs(tmp_path)) == 1


def test_an_ensemble_is_of_runs_that_differ_in_their_seed(shared_jobs: Path) -> None:
    found = {}
    for name, overrides in {"a": ("seed=0",), "b": ("seed=1",), "other": ("seed=2", "trainer.lr=1e-3")}.items():
        config, choices = composed(*SMALL, "trainer.max_epochs=1", *overrides, root=shared_jobs)
        found[name] = Run.open(shared_jobs / "runs" / run(config, choices).run)
    ensemble = RunCollection([found["a"], found["b"]]).ensemble()
    scores = [Predictions.from_csv_text((found[n].folder / "predictions.csv").read_text()).frame["score"] for n in "ab"]
    np.testing.assert_allclose(ensemble.predictions.frame["score"], (scores[0] + scores[1]) / 2)
    at_recordings = ensemble.predictions.at("recording").frame
    np.testing.assert_allclose(ensemble.spread["score"], at_recordings["score"])
    assert list(ensemble.spread["recording_id"]) == list(at_recordings["recording_id"])
    assert ensemble.cost.parameters == 2 * found["a"].result.cost.parameters
    for wrong, message in (
        (["a"], "two runs or more"),
        (["a", "a"], "have the same seed 0"),
        (["a", "other"], "differ in their settings"),
    ):
        with pytest.raises(LfnetError, match=message):
            RunCollection(found[name] for name in wrong).ensemble()
