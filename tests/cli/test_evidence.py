"""`lfnet evidence`: wide and long tables of any tool, guessed columns, and the numbers of `lfnet.evaluate`."""

import json

import numpy as np
import pandas as pd
import pytest

import lfnet
from lfnet.cli.main import main
from lfnet.evaluation.predictions import Predictions
from tests.evaluation.cases import Case


@pytest.fixture
def case():
    return Case()


@pytest.fixture
def wide(case, tmp_path):
    """A wide table of two models, and its path."""
    frame = pd.DataFrame(
        {
            "subject_id": case.person_id,
            "BDI-II": case.label,
            "pred_ridge": case.scores(seeds=1)[0],
            "pred_lstm": case.scores(seeds=1, noise=3)[0],
            "age": np.arange(50),
        }
    )
    path = tmp_path / "wide.csv"
    frame.to_csv(path, index=False)
    return frame, path


def lines(frame):
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def test_a_wide_table_has_the_numbers_of_evaluate(wide, capsys):
    frame, path = wide
    assert main(["evidence", str(path), "--against", "pred_ridge", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = lfnet.evaluate(
        frame["BDI-II"], frame[["pred_ridge", "pred_lstm"]], frame["subject_id"], against="pred_ridge"
    )
    assert printed["rows"] == lines(found.to_frame())
    assert printed["columns"]["label"] == ["BDI-II"] and printed["columns"]["person"] == ["subject_id"]


def test_guesses_are_printed_in_one_line(wide, capsys):
    _, path = wide
    assert main(["evidence", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "label: BDI-II; score: pred_ridge, pred_lstm; person: subject_id (30 people)"
    assert "50 recordings of 30 people" in printed and lfnet.RESEARCH_ONLY in printed
    assert max(map(len, printed.splitlines())) <= 120


def test_a_long_table_has_the_numbers_of_evaluate(case, tmp_path, capsys):
    parts = []
    for name, noise in (("ridge", 6), ("lstm", 3)):
        for seed, score in enumerate(case.scores(seeds=5, noise=noise)):
            own = {"model": name, "seed": seed, "recording": case.recording_id, "person": case.person_id}
            parts.append(pd.DataFrame({**own, "label": case.label, "score": score}))
    frame = pd.concat(parts)
    frame.to_csv(tmp_path / "long.csv", index=False, sep=";")
    out = tmp_path / "evidence.csv"
    options = ["--against", "ridge", "--margin", "2", "--level", "0.9"]
    assert main(["evidence", str(tmp_path / "long.csv"), *options, "--csv", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "model: model (2 models); seed: seed (5 seeds)" in printed and f"written: {out}" in printed
    found = lfnet.evaluate(
        frame["label"], frame["score"], frame["person"], frame["recording"],
        model=frame["model"], seed=frame["seed"], against="ridge", margin=2, level=0.9,
    )  # fmt: skip
    assert repr(found) in printed and found.evidence.estimand == "architecture"
    written = pd.read_csv(out, keep_default_na=False, na_values={"value": [""], "low": [""], "high": [""]})
    np.testing.assert_allclose(written["value"], found.to_frame()["value"].astype(float))


def test_a_runs_own_predictions_are_read_at_the_level_of_recordings(case, tmp_path, capsys):
    clips = pd.DataFrame(
        {
            "clip_id": [f"{name}_{part}" for name in case.recording_id for part in "ab"],
            "recording_id": np.repeat(case.recording_id, 2),
            "person_id": np.repeat(case.person_id, 2),
            "split": "test",
            "label": np.repeat(case.label, 2),
            "score": np.repeat(case.scores(seeds=1)[0], 2) + np.tile([-1.0, 1.0], 50),
        }
    )
    predictions = Predictions.from_frame(clips, "clip").all_levels()
    (tmp_path / "predictions.csv").write_text(predictions.to_csv_text())
    assert main(["evidence", str(tmp_path / "predictions.csv")]) == 0
    printed = capsys.readouterr().out
    assert "rows: level recording" in printed and "split test: 50 recordings of 30 people" in printed
    mae = predictions.metrics()["test"]["recording"]["mae"]
    assert f"{mae:.2f} [" in printed


def test_other_names_of_splits_are_known(wide, capsys):
    frame, path = wide
    frame.assign(partition=["Training"] * 20 + ["Validation"] * 30).to_csv(path, index=False)
    assert main(["evidence", str(path), "--on", "dev"]) == 0
    assert "split dev: 30 recordings" in (printed := capsys.readouterr().out) and "MAE vs train_median" in printed


def test_ids_stay_text(case, tmp_path, capsys):
    """The people 1 and 01 are two."""
    frame = pd.DataFrame({"person": ["1", "01"] * 25, "label": case.label, "score": case.scores(seeds=1)[0]})
    frame.to_csv(tmp_path / "ids.csv", index=False)
    assert main(["evidence", str(tmp_path / "ids.csv")]) == 0
    assert "person: person (2 people)" in capsys.readouterr().out


MISTAKES = [
    ({"a": [1.0], "score": [2.0]}, [], "no column looks like the label: name it with --label. Columns"),
    ({"label": [1.0], "y": [2.0], "score": [2.0]}, [], "several columns may be the label: label, y. Name it"),
    ({"label": [1.0], "ridge": [2.0], "age": [2.0]}, [], "Numbers are in ridge, age: name them with --score"),
    ({"label": [1.0], "name": ["x"]}, [], "no column looks like scores: name them with --score. Columns: label, name."),
    ({"label": [1.0], "score": [2.0]}, ["--person", "who"], "--person who: there is no such column."),
    ({"label": [1.0], "score": ["x"]}, [], "column score, line 2: 'x' is not a number."),
    ({"label": [1.0], "score": [""]}, [], "the score of recording 0 by score is nan"),
    ({"label": [1.0], "score": [2.0], "person": [""]}, [], "column person, line 2: it is empty."),
    ({"label": [1.0], "score": [2.0], "model": ["a"]}, [], "need the recording of each row: name it with --recording."),
    ({"label": [1.0], "score": [2.0]}, ["--margin", "-1"], "margin=-1.0: give a number above 0."),
    ({"label": [1.0], "score": [2.0]}, ["--against", "z"], "against=z: there is no such model. Choose one of score."),
    ({"label": [], "score": []}, [], "has no rows"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "options", "message"), MISTAKES)
def test_what_cannot_be_decided_is_refused_with_the_way_out(tmp_path, capsys, columns, options, message):
    path = tmp_path / "scores.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    assert main(["evidence", str(path), *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_files_that_cannot_be_used_are_named(tmp_path, capsys):
    assert main(["evidence", str(tmp_path / "none.csv")]) == 2
    assert "none.csv does not exist" in capsys.readouterr().err
    path = tmp_path / "scores.csv"
    path.write_text("label,score\n1,2\n")
    assert main(["evidence", str(path), "--csv", str(path)]) == 2
    assert "would replace the scores" in capsys.readouterr().err
    (tmp_path / "empty.csv").write_text("")
    assert main(["evidence", str(tmp_path / "empty.csv")]) == 2
    assert "empty.csv is empty" in capsys.readouterr().err
