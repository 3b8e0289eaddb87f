"""`lfnet adapt`: from run folders to the gain from labelled recordings of a person, as text and JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from lfnet import RESEARCH_ONLY
from lfnet.cli.main import main
from lfnet.evaluation import personalisation
from lfnet.evaluation.personalisation import usable_recordings
from lfnet.evaluation.predictions import Predictions, models_to_csv_text
from lfnet.files import write_text
from lfnet.runs.run import digest_files
from lfnet.seals import write_sealed_json
from tests.evaluation.test_personalisation import frame


@pytest.fixture
def runs(tmp_path):
    """A function that writes a finished run of a seed and returns its name."""

    def made(seed: int, /, **result) -> str:
        rows = pd.concat([frame(1, split="dev"), frame(2, split="test", people=30)], ignore_index=True)
        rows["score"] += np.random.default_rng(seed).normal(0, 1, len(rows))
        train = frame(3, split="train", people=4)
        folder = tmp_path / "runs" / f"{seed}abc"
        predictions = Predictions.from_frame(rows, "recording")
        write_text(folder / "predictions.csv", predictions.to_csv_text())
        both = Predictions.from_frame(pd.concat([train, rows]), "recording")
        write_text(folder / "references.csv", models_to_csv_text({"train_mean": both}))
        facts = {
            "format": 3,
            "fingerprint": f"{seed}abc",
            "kind": "head",
            "choices": {},
            "references": {},
            "cost": {},
            "training": {},
            "model": "mean_mlp",
            "seed": seed,
            "scale": {"name": "BDI-II", "min": 0, "max": 63},
            "cohort": {"name": "made", "fingerprint": "c", "simulated": True, "recordings": {}, "people": {}},
            "features": {"fingerprint": "f", "stream": "made", "dim": 8, "coverage": 1.0},
            "config": {"head": {"hidden": 8}, "seed": seed},
            "metrics": {"test": {}},
        }
        write_sealed_json(folder / "result.json", {**facts, **result, "files": digest_files(folder)})
        return folder.name

    return made


def adapt(tmp_path, *words: str) -> int:
    return main(["adapt", *words, f"paths.runs={tmp_path / 'runs'}"])


def test_the_text_reports_the_gain(runs, tmp_path, capsys):
    runs(0), runs(1)
    assert adapt(tmp_path, "0abc", "1a", "--max", "2") == 0
    printed = capsys.readouterr().out
    assert "mean_mlp, seed 0, 1, cohort made (simulated); BDI-II, 0 to 63 points" in printed
    assert "scored: 90 test recordings of 30 people, after the first 2 of each" in printed
    for name in ("as predicted", "k = 0", "k = 1", "k = 2", "labels alone, k = 2"):
        assert f"\n{name} " in printed
    assert "k = 3" not in printed and RESEARCH_ONLY in printed
    assert "test1_" not in printed, "no id is printed"


def test_by_default_k_is_what_the_people_have(runs, tmp_path, capsys, monkeypatch):
    runs(0)
    fewer = lambda frame, others: usable_recordings(frame, others).groupby("person_id").head(2)  # noqa: E731
    monkeypatch.setattr(personalisation, "usable_recordings", fewer)
    assert adapt(tmp_path, "0abc") == 0
    printed = capsys.readouterr().out
    assert "\nk = 1 " in printed and "k = 2" not in printed
    assert adapt(tmp_path, "0abc", "--max", "2") == 2


def test_the_json_has_the_same_numbers(runs, tmp_path, capsys):
    runs(0)
    assert adapt(tmp_path, "0abc", "--json", "--slope") == 0
    found = json.loads(capsys.readouterr().out)
    rows = found["rows"]
    assert list(rows)[:5] == ["as predicted", "k = 0", "k = 1", "k = 2", "k = 3"]
    gap = rows["k = 3"]["mae_gap"]
    assert gap["value"] == pytest.approx(rows["k = 3"]["mae"]["value"] - rows["k = 0"]["mae"]["value"])
    assert gap["interval"][0] < gap["value"] < gap["interval"][1] < 0
    assert rows["k = 3"]["verdict"].startswith("better") and found["offsets"][0]["slope"] != 1
    assert found["labels_alone"]["slope"] == 1 and found["recordings"] == 60


@pytest.mark.parametrize(
    ("words", "changed", "message"),
    [
        (["2abc"], {}, "names no finished run"),
        (["0abc", "1abc"], {"config": {"head": {"hidden": 9}, "seed": 1}}, "differ in their settings"),
        (["0abc", "1abc"], {"seed": 0}, "have the same seed 0"),
        (
            ["0abc", "1abc"],
            {"cohort": {"name": "made", "fingerprint": "d", "simulated": True, "recordings": {}, "people": {}}},
            "differ in their cohort",
        ),
        (["0abc", "--max", "5"], {}, "needs test people with more than 5 labelled recordings"),
        (["0abc", "1abc"], {"metrics": {}}, "has no scores"),
        (["0abc", "--most", "2"], {}, "--most is now --max"),
        (["0abc", "--most=2"], {}, "--most is now --max"),
    ],
)
def test_mistakes_are_named(runs, tmp_path, capsys, words, changed, message):
    runs(0), runs(1, **changed)
    assert adapt(tmp_path, *words) == 2
    assert message in capsys.readouterr().err
