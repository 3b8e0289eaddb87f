"""Folds of a cross-validation in a table: one run in which every recording was tested once."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.errors import LfnetError
from lfnet.runs.folds import _worst, join_folds
from lfnet.runs.result import AuditEntry
from lfnet.runs.run import Run
from lfnet.runs.sweep_record import collect
from lfnet.seals import write_sealed_json
from lfnet.tables.build import build
from tests.composing import SMALL
from tests.tables.factory import leave, result, sweep

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
    assert {run.name for run in found} == set(row.run_names)
    for run in found:
        folder = run.name
        assert all((runs / part / "result.json").is_file() for part in folder.split("+"))
        scored = run.predictions.at("recording").frame
        assert scored["recording_id"].is_unique and set(scored["split"]) == {"test"}
        assert len(scored) == run.result.metrics["test"]["recording"]["n"] == run.result.cohort.recordings["test"]
        error = np.abs(scored["score"] - scored["label"]).mean()
        assert row.cells["test.mae"].values[folder] == pytest.approx(error, abs=1e-6)
        assert labels is None or labels == sorted(scored["label"])
        labels = sorted(scored["label"])
    assert not (runs / "pooled").exists(), "a table writes nothing among the runs"
    median = row.runs[0].baselines["train_median"].frame
    assert median["score"].nunique() >= 1 and len(median) == len(labels)
    assert table.sections[0].evidence, "intervals and comparisons over all recordings"
    constants = [row for row in table.rows if row.label.startswith("train m")]
    text = "another constant in each fold: its correlation says only how folds differ"
    assert constants and all(text in row.notes for row in constants)
    assert not any(text in row.notes for row in table.rows if row not in constants)


def test_a_head_names_folds_that_the_cohort_gives(tmp_path):
    made = [result("mean_mlp", 0), result("ldbm", 0)]
    for done in made:
        done["choices"]["splits"] = "official"
        done["config"]["cohort"]["fold"] = 1
    facts = dict(build(sweep(tmp_path, made), tmp_path).facts)
    assert "splits official (folds of the cohort)" in facts["Settings"]


def test_training_sets_of_a_repeated_cross_validation_are_its_folds(made, tmp_path):
    found = collect(record(made), made / "lfnet_runs").runs
    recordings = sorted(found[0].predictions.at("recording").frame["recording_id"])
    training = found[0].training_sets(recordings)
    seed = found[0].result.config["splits"]["seed"]
    for name, recording in zip(training.set_SN[0], recordings, strict=True):
        repeat, fold = map(int, name.split("/"))
        (part,) = [part for part in found[0].parts if part.result.config["splits"]["fold"] == fold]
        assert repeat == seed and recording in set(part.predictions.in_split("test").frame["recording_id"])
    sizes = found[0].parts[0].result.cohort.recordings
    assert training.ratio == pytest.approx(sizes["test"] / sizes["train"], rel=0.3)
    # With two repeats of three folds there are too few sets; nothing claims to be about others.
    assert "these trained heads" in build(record(made), made / "lfnet_runs").sections[0].evidence[0].title


def test_with_enough_repeats_verdicts_are_about_training_on_other_people(made, monkeypatch):
    monkeypatch.setattr("lfnet.evaluation.evidence.FEWEST_SETS", 6)
    intervals, compared = build(record(made), made / "lfnet_runs").sections[0].evidence[:2]
    assert "the error of these trained heads on new people" in intervals.title
    assert "verdicts on the architectures trained on other people" in compared.title
    assert intervals.data["estimand"] == "trained"
    (line,) = compared.data["rows"]
    assert line["differences"]["mae"]["method"] == "corrected resampled t" and "low" not in line["differences"]["pcc"]
    # References are fitted to each training set as well: the constant is not the same in all folds.
    (median,) = [line for line in intervals.data["rows"] if line["row"] == "train median"]
    assert median["seeds"] == 2 and "low" in median["estimates"]["mae"]


def test_a_missing_fold_is_reported(made, tmp_path):
    content = json.loads(record(made).read_text())
    content["jobs"] = [job for job in content["jobs"] if "splits.fold=2" not in job["overrides"]]
    part = tmp_path / "part.json"
    write_sealed_json(part, content)
    (row,) = [row for row in build(part, made / "lfnet_runs").rows if row.kind == "model"]
    notes = [note for note in row.notes if "only the folds 1, 3: " in note]
    assert notes and all("recordings tested" in note for note in notes)


def test_a_table_is_built_if_one_row_lacks_a_fold(made, tmp_path):
    """As after Ctrl-C: rows over different folds stand, each says which, and nothing claims that the cohort changed."""
    content = json.loads(record(made).read_text())
    lost = [job for job in content["jobs"] if {"splits.fold=3", "splits.seed=1"} <= set(job["overrides"])]
    assert len(lost) == 1
    lost[0] |= {"status": "failed", "run": "", "error": "torn"}
    part = tmp_path / "part.json"
    write_sealed_json(part, content)
    table = build(part, made / "lfnet_runs")
    (row,) = [row for row in table.rows if row.kind == "model"]
    assert any("only the folds 1, 2: " in note and "(1 of 2 runs)" in note for note in row.notes)
    # Two deals of one row stand on folds of their own: only within a deal is the number of recordings one.
    assert len(row.runs) == 2 and row.cells["test.mae"].summary.n == 2


def test_where_it_was_launched_joins_all_the_same(made, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(made / "lfnet_runs", runs)
    folder = json.loads(record(made).read_text())["jobs"][0]["run"]
    path = runs / folder / "result.json"
    result = json.loads(path.read_text())
    result["choices"]["launcher"] = "joblib"
    write_sealed_json(path, result)
    (row,) = [row for row in build(record(made), runs).rows if row.kind == "model"]
    assert len(row.runs) == 2


def test_what_a_cohort_lacks_in_every_fold_is_one_run(tmp_path):
    results = []
    for fold in (1, 2):
        done = result("ldbm", 0) | {"metrics": {}}
        done["config"]["splits"] = {"name": "grouped", "fold": fold}
        results.append(Run(tmp_path / leave(tmp_path, done)))
    ((place, joined),) = join_folds(results)
    assert place == 0 and joined.name == "+".join(run.name for run in results)
    assert joined.result.config["splits"]["fold"] == "all"


def test_a_leak_into_one_fold_is_a_leak(made):
    runs = [run.result for run in collect(record(made), made / "lfnet_runs").runs]
    assert runs[0].audit
    entry = AuditEntry("people", "people in two splits", "clear", "one")
    worst = _worst([[entry], [replace(entry, status="leak", text="two")]])
    assert [one.text for one in worst] == ["two"]


def test_folds_that_share_recordings_are_refused(tmp_path):
    results = [result("ldbm", 0), result("ldbm", 0)]
    for number, done in enumerate(results):
        done["config"]["cohort"]["fold"] = number + 1
    with pytest.raises(LfnetError, match="share dev recordings"):
        collect(sweep(tmp_path, results), tmp_path)
