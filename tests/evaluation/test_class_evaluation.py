"""Evaluation of any models at cut-offs and on binary labels: questions, thresholds from dev, text and numbers."""

import numpy as np
import pytest
from sklearn import metrics

from lfnet.errors import LfnetError
from lfnet.evaluation.evaluator import evaluate


def data(seed: int = 0) -> tuple[np.ndarray, ...]:
    """Labels of 120 people with two recordings each, a score, and splits of 20, 30 and 70 people."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(120), 2)
    y = np.clip(np.rint(13 + 9 * random.normal(0, 1, 120)[person] + random.normal(0, 3, 240)), 0, 63)
    return person, y, 0.5 * y + 7 + random.normal(0, 3, 240), np.repeat(["train", "dev", "test"], [40, 60, 140])


def test_a_regression_is_shown_at_its_cutoffs() -> None:
    person, y, score, split = data()
    found = evaluate(y, {"a": score}, person, split=split, cutoff=[14, 20], resamples=500, flips=500)
    assert [own.cut.name for own in found.classes] == ["14", "20"]
    test = split == "test"
    frame = found.to_frame().query("model == 'a' and reference == ''").set_index("metric")["value"]
    assert frame["auroc_20"] == pytest.approx(metrics.roc_auc_score(y[test] >= 20, score[test]))
    assert frame["specificity_14"] == pytest.approx(metrics.recall_score(y[test] >= 14, score[test] >= 14, pos_label=0))
    assert found.classes[0].comparisons["train_median"].rows["a"].comparison.verdict == "better"
    assert "MAE vs train_median" in repr(found) and "AUROC vs train_median" in repr(found)
    plain = evaluate(y, {"a": score}, person, split=split, resamples=500, flips=500)
    assert not plain.classes and repr(plain).splitlines()[:6] == repr(found).splitlines()[:6]


@pytest.mark.parametrize("how", ["dev", "dev90"])
def test_thresholds_come_from_dev(how: str) -> None:
    person, y, score, split = data(1)
    dev, test = split == "dev", split == "test"
    false, true, limits = metrics.roc_curve(y[dev] >= 14, score[dev], drop_intermediate=False)
    limit = limits[np.argmax(true - false) if how == "dev" else np.flatnonzero(true >= 0.9)[0]]
    found = evaluate(y, {"a": score}, person, split=split, cutoff=14, threshold=how, resamples=500, flips=500)
    row = found.classes[0].evidence.rows["a"]
    assert row.thresholds == (limit,)
    assert row.estimates["sensitivity"].value == metrics.recall_score(y[test] >= 14, score[test] >= limit)
    moved = np.where(test, score[::-1], score)
    again = evaluate(y, {"a": moved}, person, split=split, cutoff=14, threshold=how, resamples=500, flips=500)
    assert again.classes[0].evidence.rows["a"].thresholds == (limit,)


def test_binary_labels_are_compared_by_auroc_alone() -> None:
    person, y, score, split = data(2)
    label, probability = (y >= 14).astype(float), 1 / (1 + np.exp(14 - score))
    found = evaluate(label, {"a": probability}, person, split=split, resamples=500, flips=500)
    assert not found.comparisons and found.verdicts == {"train_median": {"a": "better"}}
    assert "rows are compared by AUROC, not by MAE" in repr(found) and "MAE vs" not in repr(found)
    values = found.estimates, found.classes[0].evidence.rows["a"].estimates
    assert values[1]["brier"].value == pytest.approx(values[0]["a"]["rmse"].value ** 2)
    test = split == "test"
    assert "calibration of a" in repr(found)
    bins = found.classes[0].calibration["a"]
    assert sum(count for _, _, count in bins) == test.sum()
    assert sum(count * observed for _, observed, count in bins) == pytest.approx(label[test].sum())


def test_decision_values_have_no_threshold_and_no_brier_score() -> None:
    person, y, score, split = data()
    found = evaluate((y >= 14).astype(float), {"a": score - 14}, person, split=split, resamples=500, flips=500)
    assert set(found.classes[0].evidence.rows["a"].estimates) == {"auroc", "auprc"}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"cutoff": 70}, "cutoff=70: no label is below it, or none reaches it"),
        ({"cutoff": 14, "threshold": "best"}, "threshold=best: give one of cutoff, dev, dev90"),
        (
            {"cutoff": 14, "threshold": "dev", "on": "dev"},
            "thresholds are chosen on the split dev, and there is no row",
        ),
    ],
)
def test_what_is_refused(more: dict, line: str) -> None:
    person, y, score, split = data()
    with pytest.raises(LfnetError, match=line):
        evaluate(y, score, person, split=split, resamples=500, flips=500, **more)


def test_with_few_people_of_a_kind_no_number_is_shown() -> None:
    person, y, score, split = data()
    few = split == "test"
    keep = ~few | (person >= 114)
    found = evaluate(
        y[keep], {"a": score[keep], "b": y[keep]}, person[keep], split=split[keep], cutoff=14, against="a",
        resamples=200, flips=200,
    )  # fmt: skip
    own = found.classes[0]
    assert own.evidence.withheld == f"n = {min(own.evidence.positive, own.evidence.negative)}: too few"
    frame = found.to_frame()
    numbers = frame[frame["metric"].str.endswith("_14")]
    assert len(numbers) and numbers["value"].isna().all()
    rows = [line for line in own.lines(found.evidence.settings) if line.startswith(("a ", "b ", "train_"))]
    assert rows and all(line.count("too few") >= 1 and "0." not in line.split("vs")[0][:40] for line in rows)
