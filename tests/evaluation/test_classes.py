"""Metrics of classification compared with scikit-learn, at ties and limits, and thresholds from dev alone."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import calibration, metrics

from lfnet.cohorts.scale import Scale
from lfnet.evaluation import classes
from lfnet.evaluation.class_metrics import CLASS_METRICS, class_metrics, split_name
from lfnet.evaluation.metrics import ccc

BANDS = [{"name": str(low), "low": low, "high": high} for low, high in ((0, 9), (10, 14), (15, 19), (20, 24))]
PHQ = Scale(name="PHQ-8", min=0, max=24, bands=BANDS, cutoffs=[{"score": 10, "source": "Kroenke et al. (2009)"}])


def sample(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of PHQ-8, rounded so that there are ties."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 25, n)
    return label.astype(float), np.round(np.clip(0.5 * label + random.normal(4, 4, n), 0, 24), seed % 2)


def frame(label: np.ndarray, score: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"person_id": [f"p{i // 2}" for i in range(len(label))], "label": label, "score": score})


@pytest.mark.parametrize("seed", range(8))
def test_values_are_those_of_scikit_learn(seed: int) -> None:
    label, score = sample(seed)
    found = class_metrics(frame(label, score), frame(*sample(seed + 100)), PHQ)
    y, hit = label >= 10, score >= 10
    expected = {
        "auroc_10": metrics.roc_auc_score(y, score),
        "auprc_10": metrics.average_precision_score(y, score),
        "sensitivity_10": metrics.recall_score(y, hit),
        "specificity_10": metrics.recall_score(y, hit, pos_label=0),
        "balanced_accuracy_10": metrics.balanced_accuracy_score(y, hit),
        "macro_f1_10": metrics.f1_score(y, hit, average="macro"),
        "kappa_10": metrics.cohen_kappa_score(y, hit),
    }
    number = np.digitize(label, [10, 15, 20]), np.digitize(score, [10, 15, 20])
    expected |= {
        "quadratic_kappa": metrics.cohen_kappa_score(*number, weights="quadratic"),
        "kappa_bands": metrics.cohen_kappa_score(*number),
        "macro_f1_bands": metrics.f1_score(*number, average="macro"),
        "balanced_accuracy_bands": metrics.balanced_accuracy_score(*number),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert found["quadratic_kappa"] == pytest.approx(float(ccc(*number)), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_probabilities_are_measured_as_by_scikit_learn(seed: int) -> None:
    label, score = sample(seed)
    y, p = (label >= 10).astype(float), score / 24
    found = class_metrics(frame(y, p), frame(y, p), PHQ.binary(10))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-12)
    assert found["sensitivity"] == pytest.approx(metrics.recall_score(y, p >= 0.5), rel=1e-12)
    observed, predicted = calibration.calibration_curve(y, p, n_bins=5, strategy="quantile")
    own = classes.calibration_curve(y, p, bins=5)
    np.testing.assert_allclose(own[:2], (predicted, observed), rtol=1e-12)
    assert own[2].sum() == len(y)


@pytest.mark.parametrize("seed", range(6))
def test_thresholds_are_those_of_scikit_learns_roc_curve_on_dev(seed: int) -> None:
    label, score = sample(seed, 30)
    false, true, threshold = metrics.roc_curve(label >= 10, score, drop_intermediate=False)
    assert classes.choose_threshold(label >= 10, score, "dev") == threshold[np.argmax(np.round(true - false, 12))]
    assert classes.choose_threshold(label >= 10, score, "dev90") == threshold[np.flatnonzero(true >= 0.9)[0]]


def test_no_threshold_is_chosen_on_the_rows_that_are_measured() -> None:
    """Other scores of the measured rows with one confusion matrix at dev's threshold give one value."""
    dev = frame(np.array([0.0, 0, 20, 20]), np.array([1.0, 2, 3, 4]))
    label = np.array([0.0, 0, 20, 20])
    found = class_metrics(frame(label, np.array([5.0, 6, 7, 8])), dev, PHQ)
    assert (found["sensitivity_dev_10"], found["specificity_dev_10"]) == (1.0, 0.0)  # its own best would be 7
    assert found["auroc_10"] == 1.0


def test_a_constant_ranks_nobody() -> None:
    label = sample(0)[0]
    found = class_metrics(frame(label, np.full(len(label), 7.0)), frame(*sample(1)), PHQ)
    assert found["auroc_10"] == 0.5 and found["auprc_10"] == pytest.approx((label >= 10).mean())
    assert (found["sensitivity_10"], found["specificity_10"], found["balanced_accuracy_10"]) == (0.0, 1.0, 0.5)
    assert found["kappa_10"] == 0.0


def test_without_one_of_the_classes_nothing_is_defined() -> None:
    label = np.array([1.0, 2, 3])
    found = class_metrics(frame(label, label), frame(label, label), PHQ)
    assert found["auroc_10"] is None and found["sensitivity_10"] is None and found["sensitivity_dev_10"] is None
    assert found["specificity_10"] == 1.0 and (found["positive_people_10"], found["negative_people_10"]) == (0, 2)


def test_scores_of_an_ordinal_scale_are_rounded_to_a_class() -> None:
    three = [{"name": str(k), "low": k, "high": k} for k in range(3)]
    scale = Scale(name="class", min=0, max=2, bands=three, kind="ordinal")
    found = class_metrics(frame(np.array([0.0, 1, 2]), np.array([0.4, 0.6, 1.7])), frame(*sample(0)), scale)
    assert found["kappa_bands"] == 1.0


def test_names_of_columns() -> None:
    assert all(split_name(name) == (name, "") for name in CLASS_METRICS)
    assert split_name("sensitivity_dev90_14") == ("sensitivity_dev90", "14")
    assert split_name("quadratic_kappa_14") is None and split_name("auroc_10_5") == ("auroc", "10_5")
    assert split_name("auroc_x") is None and split_name("auroc_") is None


@pytest.mark.parametrize("seed", range(3))
def test_weights_of_precision_count_as_repeated_rows(seed: int) -> None:
    label, score = sample(seed, 25)
    weight = np.random.default_rng(seed).integers(0, 3, (4, 25))
    found = classes.weighted_precision(label >= 10, score, weight.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = [metrics.average_precision_score(np.repeat(label >= 10, w), np.repeat(score, w)) for w in weight]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
