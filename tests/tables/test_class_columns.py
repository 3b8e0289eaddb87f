"""Columns of classification: at which cut-off, withheld where few people are on one side, explained in the foot."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from lfnet.cohorts.scale import Scale
from lfnet.errors import LfnetError
from lfnet.evaluation.calibration import calibration_bins
from lfnet.evaluation.class_metrics import add_class_metrics
from lfnet.evaluation.predictions import Predictions
from lfnet.reports.figure_data import parts
from lfnet.reports.figures import draw
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from lfnet.tables.columns import parse
from tests.tables import factory

BANDS = [
    {"name": name, "low": low, "high": high} for name, low, high in (("low", 0, 13), ("mild", 14, 19), ("high", 20, 63))
]
CLASSES: dict[str, Any] = {
    "kind": "interval",
    "bands": BANDS,
    "cutoffs": [{"score": 14, "source": "Beck (1996): mild"}, {"score": 20, "source": "Beck (1996): moderate"}],
}
SCALE = Scale(name="BDI-II", min=0, max=63, **CLASSES)
COLUMNS = ["test.mae", "test.auroc", "test.auroc_20", "test.sensitivity_dev", "gap.auroc", "test.quadratic_kappa"]


def result(head: str, seed: int, **more: Any) -> dict[str, Any]:
    """A result with the metrics that the scale's cut-offs and bands give."""
    done = factory.result(head, seed, **more)
    done["scale"]["classes"] = CLASSES
    done["metrics"] = add_class_metrics(done["metrics"], done["_predictions"], SCALE)
    for name, own in done["references"].items():
        at = add_class_metrics(
            {split: {"recording": one} for split, one in own.items()}, done["_references"][name], SCALE
        )
        done["references"][name] = {split: levels["recording"] for split, levels in at.items()}
    return done


def table(folder: Path, **more: Any) -> Any:
    done = [result(head, seed, **more) for head in ("ldbm", "mean_mlp") for seed in (0, 1)]
    settings = {"columns": COLUMNS, "closing": False}
    return build(factory.sweep(folder, done, **settings), folder)


def test_columns_show_the_values_of_scikit_learn(tmp_path: Path) -> None:
    made = table(tmp_path)
    row = next(row for row in made.rows if row.kind == "model")
    expected = []
    for run in row.runs:
        test = run.predictions.frame.query("split == 'test' and level == 'recording'")
        expected.append(sklearn_metrics.roc_auc_score(test["label"] >= 20, test["score"]))
    assert list(row.cells["test.auroc_20"].values.values()) == pytest.approx(expected)
    assert row.cells["test.auroc"].values != row.cells["test.auroc_20"].values
    gap, test = row.cells["gap.auroc"].summary.mean, row.cells["test.auroc"].summary.mean
    assert gap == pytest.approx(test - sum(run.result.metrics["dev"]["recording"]["auroc_14"] for run in row.runs) / 2)


def test_a_constant_gets_half_and_is_shown(tmp_path: Path) -> None:
    row = next(row for row in table(tmp_path).rows if row.label == "train median")
    assert row.cells["test.auroc"].text == row.cells["test.auroc_20"].text == "0.50"
    assert row.cells["test.quadratic_kappa"].text == "0.00"


def test_the_foot_names_cutoffs_sources_and_thresholds(tmp_path: Path) -> None:
    text = " ".join(terminal(table(tmp_path), 100).split())
    assert "Positive (where a heading names no cut-off): BDI-II of 14 or more (Beck (1996): mild)." in text
    assert "And: BDI-II of 20 or more (Beck (1996): moderate)." in text
    assert "(dev): scores count as positive from that score on which has the highest balanced accuracy on dev." in text
    assert "Bands: low from 0, mild from 14, high from 20." in text
    assert max(map(len, terminal(table(tmp_path), 100).splitlines())) <= 100


def test_too_few_people_of_a_kind_have_no_metric_of_a_cutoff(tmp_path: Path) -> None:
    row = next(row for row in table(tmp_path, each=20).rows if row.kind == "model")
    few = int(row.runs[0].result.metrics["test"]["recording"]["positive_people_20"])
    assert few < 10 and row.cells["test.auroc_20"].text == f"n = {few}: too few"


def test_a_scale_without_cutoffs_has_a_dash(tmp_path: Path) -> None:
    made = build(factory.sweep(tmp_path, [factory.result()], columns=COLUMNS), tmp_path)
    assert next(row for row in made.rows if row.kind == "model").cells["test.auroc"].text == "—"


def evidence(folder: Path, **more: Any) -> list[Any]:
    done = [result(head, seed, each=120) for head in ("ldbm", "mean_mlp") for seed in (0, 1)]
    settings = {"columns": ["test.mae"], "closing": False, "evidence": {"resamples": 200, "flips": 200, **more}}
    return list(build(factory.sweep(folder, done, **settings), folder).sections[0].evidence)


def test_evidence_at_a_cutoff_stands_in_blocks_of_its_own(tmp_path: Path) -> None:
    plain, asked = evidence(tmp_path / "a"), evidence(tmp_path / "b", cutoffs=[14, 20])
    own = [block for block in asked if "AUROC" in " ".join(block.headings)]
    assert [block for block in asked if block not in own] == plain and len(own) == 4
    assert own[0].title.startswith("Classification, positive: BDI-II of 14 or more (Beck (1996): mild);")
    assert own[1].title == "vs train median: verdicts on AUROC at BDI-II ≥ 14, margin 0.05"
    cells = {row[0]: row[1] for row in own[0].rows}
    assert cells["train median"] == "0.50" and cells["ldbm"].count("[") == 1
    assert {row[-1] for row in own[1].rows} <= {"better", "cannot tell"}


def test_thresholds_of_the_evidence_come_from_dev(tmp_path: Path) -> None:
    rows = evidence(tmp_path, cutoffs=[14], threshold="dev90")[1].data["rows"]
    made = result("ldbm", 0, each=120)["_predictions"].frame.query("split == 'dev' and level == 'recording'")
    reached = (made["score"] >= rows[0]["thresholds"][0])[made["label"] >= 14].mean()
    assert 0.9 <= reached < 0.95


def test_a_cutoff_that_the_scale_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match=r"cutoffs=15: the scale has no such cut-off. There are: 14, 20\."):
        evidence(tmp_path, cutoffs=[15])


def test_an_unknown_metric_is_told_the_known_ones() -> None:
    with pytest.raises(LfnetError, match=r"no column 'test.auc'.*auroc.*auroc_20 for the cut-off 20"):
        parse("test.auc", "recording")
    assert parse("test.auroc_20", "recording").heading == "Test AUROC ≥ 20 ↑"
    assert parse("gap.clip.kappa", "recording").heading == "Gap Kappa (clips)"


BINARY = SCALE.binary(20)


def binary_table(folder: Path, each: int = 120, **more: Any) -> Any:
    """A table of runs on labels "20 or more", whose scores are probabilities."""
    done = [factory.result(head, seed, each=each, noise=noise) for head, noise in (("ldbm", 3), ("mean_mlp", 20))
            for seed in (0, 1)]  # fmt: skip
    for one in done:
        one["scale"] = {"name": BINARY.name, "min": 0, "max": 1, "classes": {
            "kind": "binary", "bands": [vars(band) for band in BINARY.bands], "cutoffs": []}}  # fmt: skip
        one["_predictions"] = as_binary(one["_predictions"])
        one["metrics"] = {split: levels for split, levels in one["_predictions"].metrics().items() if split != "train"}
        one["metrics"] = add_class_metrics(one["metrics"], one["_predictions"], BINARY)
        one["_references"] = {name: as_binary(own) for name, own in one["_references"].items()}
        one["choices"]["debug"] = more.get("debug", "none")
    evidence = {"resamples": 200, "flips": 200, "against": ["train_median", "head=mean_mlp"]}
    return build(factory.sweep(folder, done, references=["train_median"], evidence=evidence), folder)


def as_binary(predictions: Predictions) -> Predictions:
    frame = predictions.frame
    return Predictions.from_frame(
        frame.assign(label=(frame["label"] >= 20).astype(float), score=(frame["score"].clip(0, 63) / 63)),
        level="recording",
    )


def test_a_table_of_binary_labels_leads_with_auroc_and_its_verdicts(tmp_path: Path) -> None:
    made = binary_table(tmp_path)
    text = terminal(made, 100, full=False)
    head, lines = made.findings.head, dict(made.findings.lines)
    assert "difference in test AUROC, row − reference (above 0: the row is better)" in head and "MAE" not in head
    assert lines["vs train median"].startswith("better: ldbm +0.") and lines["vs mean_mlp"].startswith("better: ldbm")
    assert re.search(r"Head +Test AUROC +Test Brier ↓ +Test Sens\. ↑ +Test Spec\. ↑ +Test MAE ↓", text), text
    row = next(line for line in text.splitlines() if line.startswith("ldbm"))
    assert row.count("[") == 1
    assert "Test over 2 architectures: AUROC mean" in text and "PCC mean" not in text


def test_a_binary_table_of_few_people_shows_no_metric(tmp_path: Path) -> None:
    text = terminal(binary_table(tmp_path, each=20), 100, full=False)
    assert "vs mean_mlp: n = " in text and "too few people to compare" in " ".join(text.split())
    row = next(line for line in text.splitlines() if line.startswith("ldbm"))
    assert row.count("too few") == 4


def test_shortened_trainings_have_a_banner(tmp_path: Path) -> None:
    made = binary_table(tmp_path / "a", debug="fast")
    assert made.banners[1].startswith("debug=fast: trainings are cut short") and len(made.banners) == 2
    assert len(binary_table(tmp_path / "b").banners) == 1


def test_a_table_of_binary_labels_has_a_figure_of_calibration_and_a_forest_of_auroc(tmp_path: Path) -> None:
    made = binary_table(tmp_path)
    (part,) = parts(made)
    figure = draw("reliability", part)
    ldbm = next(axis for axis in figure.axes if axis.get_title() == "ldbm")
    row = next(row for row in part.rows if row.name == "ldbm")
    bins = calibration_bins(row.label_N > 0.5, row.score_N, row.person_N)
    points = ldbm.lines[1].get_xydata()
    np.testing.assert_allclose(points, [[one.predicted, one.observed] for one in bins])
    (bars,) = [one for one in ldbm.collections if len(one.get_segments()) == len(bins)]
    np.testing.assert_allclose(
        [bar[:, 1] for bar in bars.get_segments()], [[one.low, one.high] for one in bins], atol=1e-12
    )
    assert draw("forest", part).axes[0].get_xlabel() == "AUROC on test"
    few = parts(binary_table(tmp_path / "few", each=10))[0]
    assert draw("forest", few) is None and "too few" in draw("reliability", few).axes[0].texts[0].get_text()
    assert draw("reliability", replace(part, binary=False)) is None
