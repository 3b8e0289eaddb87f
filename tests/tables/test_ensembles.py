"""Ensembles of a row's seeds as rows: their numbers are those of the mean score, and they cost what members cost."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import compute_metrics
from lfnet.reports.markdown import markdown
from lfnet.tables.build import build
from tests.tables.factory import result, sweep

FEW = {"against": ["train_median"], "resamples": 300, "flips": 300}


def results(seeds=(0, 1, 2)):
    return [result(head, seed, skill=0.5) for head in ("mean_mlp", "ldbm") for seed in seeds]


def test_an_ensemble_is_the_mean_of_its_members_scores(tmp_path: Path) -> None:
    given = results()
    table = build(sweep(tmp_path, given, ensembles=True, evidence=FEW), tmp_path)
    rows = {row.label: row for row in table.rows if row.kind == "reference"}
    assert list(rows)[:2] == ["mean_mlp, ensemble of 3 seeds", "ldbm, ensemble of 3 seeds"]
    own = rows["ldbm, ensemble of 3 seeds"]
    frames = [done["_predictions"].in_split("test").at("recording").frame for done in given[3:]]
    score = np.mean([frame["score"].round(6) for frame in frames], axis=0)
    expected = compute_metrics(frames[0]["label"], score)
    for metric in ("mae", "rmse", "pcc"):
        assert own.cells[f"test.{metric}"].summary.mean == pytest.approx(expected[metric], abs=1e-5)
    model = next(row for row in table.rows if row.kind == "model" and row.identity["head"] == "ldbm")
    assert own.cells["test.mae"].summary.mean <= model.cells["test.mae"].summary.mean  # |mean| is at most mean | |
    assert own.cells["parameters"].text == "4,064,643" and own.cells["flops"].text == "259 M"
    assert own.runs == model.runs
    (block, _) = table.sections[0].evidence
    line = {row["row"]: row for row in block.data["rows"]}["ldbm, ensemble of 3 seeds"]
    mae = line["estimates"]["mae"]
    assert mae["value"] == pytest.approx(expected["mae"], abs=1e-5) and mae["low"] < mae["value"] < mae["high"]
    text = markdown(table)
    assert "*ldbm, ensemble of 3 seeds*" in text and "Ensemble: the mean of the scores" in text


def test_one_seed_and_other_recordings_are_no_ensemble(tmp_path: Path) -> None:
    table = build(sweep(tmp_path, results((0,)), ensembles=True), tmp_path)
    assert not [row for row in table.rows if "ensemble" in row.label]
    given = results((0, 1))
    for done in given[2:]:
        del done["_predictions"]
    table = build(sweep(tmp_path / "other", given, ensembles=True), tmp_path / "other")
    assert [row.label for row in table.rows if "ensemble" in row.label] == ["mean_mlp, ensemble of 2 seeds"]


def test_a_table_that_asks_for_none_has_none(tmp_path: Path) -> None:
    table = build(sweep(tmp_path, results()), tmp_path)
    assert not [row for row in table.rows if "ensemble" in row.label]
    with pytest.raises(LfnetError, match=r"table\.ensembles=3: give true or false"):
        build(sweep(tmp_path / "other", results(), ensembles=3), tmp_path / "other")
