"""Folds of a cross-validation in a table: one run in which every recording was tested once."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.cli.main import main
from lfnet.errors import LfnetError
from lfnet.tables.build import build
from lfnet.tables.collect import collect
from tests.composing import SMALL
from tests.tables.factory import result, sweep

WORDS = [
    "table", "architectures", *SMALL, "trainer.max_epochs=1", "head=mean_mlp", "protocol=masked", "launcher=serial",
    "table.controls=[]", "splits=grouped", "splits.folds=3", "splits.fold=1,2,3",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    here = tmp_path_factory.mktemp("folds")
    patch = pytest.MonkeyPatch()
    patch.chdir(here)
    assert main([*WORDS, "splits.seed=0,1", "seed=0"]) == 0
    patch.undo()
    return here


def record(here: Path) -> Path:
    (path,) = (here / "lfnet_runs" / "sweeps").glob("*.json")
    return path


def test_one_row_over_all_recordings_and_repeats_as_seeds(made):
    runs = made / "lfnet_runs"
    table = build(record(made), runs)
    (row,) = [row for row in table.rows if row.kind == "model"]
    assert len(row.runs) == 2 and "3 folds by person, each recording tested once" in row.notes
    found = collect(record(made), runs).runs
    labels = None
    for run, folder in zip(found, row.runs, strict=True):
        assert run.folder == folder
        scored = pd.read_csv(runs / folder / "predictions.csv").query("level == 'recording'")
        assert scored["recording_id"].is_unique and set(scored["split"]) == {"test"}
        assert len(scored) == run.result["metrics"]["test"]["recording"]["n"] == run.cohort["recordings"]["test"]
        error = np.abs(scored["score"] - scored["label"]).mean()
        assert row.cells["test.mae"].values[folder] == pytest.approx(error, abs=1e-6)
        assert labels is None or labels == sorted(scored["label"])
        labels = sorted(scored["label"])
    median = pd.read_csv(runs / row.runs[0] / "references.csv").query("model == 'train_median'")
    assert median["score"].nunique() >= 1 and len(median) == len(labels)
    assert table.sections[0].evidence, "intervals and comparisons over all recordings"


def test_a_missing_fold_is_told_of(made, tmp_path):
    content = json.loads(record(made).read_text())
    content["jobs"] = [job for job in content["jobs"] if "splits.fold=2" not in job["overrides"]]
    part = tmp_path / "part.json"
    part.write_text(json.dumps(content))
    (row,) = [row for row in build(part, made / "lfnet_runs").rows if row.kind == "model"]
    assert "only the folds 1, 3 of 3" in row.notes


def test_folds_that_share_recordings_are_refused(tmp_path):
    results = [result("ldbm", 0), result("ldbm", 0)]
    for number, done in enumerate(results):
        done["config"]["cohort"]["fold"] = number + 1
    with pytest.raises(LfnetError, match="share dev recordings"):
        collect(sweep(tmp_path, results), tmp_path)
