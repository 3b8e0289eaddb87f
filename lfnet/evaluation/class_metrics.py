"""Metrics of classification of one set of predictions, by the names that columns of tables have."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lfnet.cohorts.scale import Scale
from lfnet.evaluation.classes import (
    OF_COUNTS,
    Cut,
    auroc,
    average_precision,
    brier,
    choose_threshold,
    class_numbers,
    confusion,
    cuts_of,
    edges_of,
)
from lfnet.evaluation.estimates import EvidenceSettings, too_few
from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.predictions import Predictions

__all__ = [
    "CLASS_METRICS",
    "SELECTION",
    "ClassMetric",
    "Numbers",
    "add_class_metrics",
    "binary_text",
    "class_metrics",
    "is_binary",
    "read_class_metric",
    "split_name",
]

Numbers = dict[str, float | None]


@dataclass(frozen=True)
class ClassMetric:
    """A metric in tables: its heading, the better direction, how its threshold is set ("" where it has none)."""

    label: str
    better: Literal["lower", "higher"] = "higher"
    function: str = ""
    threshold: str = ""


_LABELS = {
    "sensitivity": "Sens.",
    "specificity": "Spec.",
    "balanced_accuracy": "Bal. acc.",
    "macro_f1": "Macro-F1",
    "kappa": "Kappa",
}
_BANDS = "_bands"

CLASS_METRICS: MappingProxyType[str, ClassMetric] = MappingProxyType(
    {
        "auroc": ClassMetric("AUROC"),
        "auprc": ClassMetric("AUPRC"),
        "brier": ClassMetric("Brier", "lower"),
        **{name: ClassMetric(label, function=name, threshold="cutoff") for name, label in _LABELS.items()},
        **{
            f"{name}_dev": ClassMetric(f"{label} (dev)", function=name, threshold="dev")
            for name, label in _LABELS.items()
        },
        **{
            f"{name}_dev90": ClassMetric(f"{_LABELS[name]} (dev90)", function=name, threshold="dev90")
            for name in ("sensitivity", "specificity")
        },
        "quadratic_kappa": ClassMetric("Kappa, quadratic"),
        **{f"{name}{_BANDS}": ClassMetric(f"{_LABELS[name]}, bands") for name in list(_LABELS)[2:]},
    }
)
"""Name → metric. `SPLIT.NAME` is a column; `SPLIT.NAME_20` is that of the cut-off 20."""

SELECTION: MappingProxyType[str, Literal["lower", "higher"]] = MappingProxyType(
    {name: metric.better for name, metric in METRICS.items() if metric.better is not None} | {"auroc": "higher"}
)
"""Metrics that may choose an epoch or a trial → the better direction; AUROC of binary labels."""

_OF_BANDS = ("quadratic_kappa", *(f"{name}{_BANDS}" for name in list(_LABELS)[2:]))


def split_name(name: str) -> tuple[str, str] | None:
    """Split the name of a number into metric and cut-off ("" where none is named); None for another name.

    Examples
    --------
    >>> split_name("auroc_20"), split_name("macro_f1_dev_14"), split_name("specificity_dev90"), split_name("mae")
    (('auroc', '20'), ('macro_f1_dev', '14'), ('specificity_dev90', ''), None)
    """
    if name in CLASS_METRICS:
        return name, ""
    found = re.fullmatch(rf"({'|'.join(name for name in CLASS_METRICS if name not in _OF_BANDS)})_(\d+(?:_\d+)?)", name)
    return None if found is None else (found[1], found[2])


def read_class_metric(values: Numbers, name: str, scale: Scale | None) -> tuple[float | None, int] | None:
    """A metric by the name of its column, and how many people of the rarer kind it is of.

    Parameters
    ----------
    values : dict
        As `class_metrics` returns them, with others.
    name : str
        Without a cut-off it is of the scale's first one.
    scale : Scale or None

    Returns
    -------
    (value, people) or None
        None where it was not measured. Of bands, people are 0.
    """
    metric, cut = split_name(name) or (name, "")
    if metric not in _OF_BANDS and not cut and scale is not None:
        cut = next((own.name for own in cuts_of(scale)), "")
    end = f"_{cut}" if cut else ""
    if f"{metric}{end}" not in values:
        return None
    people = [values.get(f"{kind}_people{end}") for kind in ("positive", "negative")]
    return values[f"{metric}{end}"], int(min(number or 0 for number in people)) if metric not in _OF_BANDS else 0


def is_binary(values: Numbers) -> bool:
    """Whether numbers of a result are of a binary label, whose metrics alone have no cut-off in their names."""
    return "auroc" in values


def binary_text(values: Numbers, shown: int | None = None) -> str:
    """The main metrics of a binary label in words, the first `shown` of them; withheld with few people of a kind.

    Examples
    --------
    >>> numbers = {"auroc": 0.71, "brier": 0.2, "positive_people": 12.0, "negative_people": 30.0}
    >>> binary_text(numbers), binary_text(numbers | {"positive_people": 3.0})
    ('AUROC 0.71, Brier 0.20', 'AUROC n = 3: too few')
    """
    people = int(min(values.get(f"{kind}_people") or 0 for kind in ("positive", "negative")))
    if people < EvidenceSettings().min_people:
        return f"{CLASS_METRICS['auroc'].label} {too_few(people)}"
    names = [name for name in ("auroc", "brier", "sensitivity", "specificity") if name in values][:shown]
    parts = [(CLASS_METRICS[name].label, values[name]) for name in names]
    return ", ".join(f"{label} {'undefined' if value is None else format(value, '.2f')}" for label, value in parts)


def class_metrics(rows: pd.DataFrame, dev: pd.DataFrame, scale: Scale) -> Numbers:
    """Compute the metrics of classification that a scale has.

    Parameters
    ----------
    rows : DataFrame
        person_id, label and score of one split and level; rows without a label are left out.
    dev : DataFrame
        The same of dev, on which thresholds are chosen.
    scale : Scale

    Returns
    -------
    dict
        Name, with `_CUTOFF` where the scale has several questions, → value, None where it is undefined; and
        `positive_people` and `negative_people`, people with a recording of either kind.

    Examples
    --------
    >>> bands = [{"name": "all", "low": 0, "high": 24}]
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=bands, cutoffs=[{"score": 10, "source": "Kroenke (2009)"}])
    >>> rows = pd.DataFrame({"person_id": ["a", "b", "c"], "label": [3.0, 12.0, 20.0], "score": [9.0, 8.0, 14.0]})
    >>> found = class_metrics(rows, rows, scale)
    >>> found["auroc_10"], found["sensitivity_10"], found["sensitivity_dev90_10"], found["positive_people_10"]
    (0.5, 0.5, 1.0, 2.0)
    """
    rows, dev = (part[part["label"].notna()] for part in (rows, dev))
    label_N, score_N = rows["label"].to_numpy(float), rows["score"].to_numpy(float)
    found: dict[str, float] = {}
    for cut in cuts_of(scale):
        values = _of_cut(cut, label_N, score_N, rows["person_id"], dev)
        found |= {f"{name}_{cut.name}" if cut.name else name: value for name, value in values.items()}
    edges = edges_of(scale)
    if edges is not None:
        counts = confusion(class_numbers(edges, label_N), class_numbers(edges, score_N), len(edges) + 1)
        found |= {name: float(OF_COUNTS[name.removesuffix(_BANDS)](counts)) for name in _OF_BANDS}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _of_cut(
    cut: Cut, label_N: NDArray[np.float64], score_N: NDArray[np.float64], person: pd.Series, dev: pd.DataFrame
) -> dict[str, float]:
    positive_N = cut.positive(label_N)
    values = {"auroc": auroc(positive_N, score_N), "auprc": average_precision(positive_N, score_N)}
    if cut.probability:
        values["brier"] = brier(positive_N, score_N)
    of_dev = cut.positive(dev["label"]), dev["score"].to_numpy(float)
    thresholds = {"cutoff": cut.threshold, **{how: choose_threshold(*of_dev, how) for how in ("dev", "dev90")}}
    for name, metric in CLASS_METRICS.items():
        threshold = thresholds.get(metric.threshold)
        if threshold is None:
            continue
        counts = confusion(positive_N.astype(np.intp), (score_N >= threshold).astype(np.intp), 2)
        values[name] = float("nan") if np.isnan(threshold) else float(OF_COUNTS[metric.function](counts))
    values["positive_people"] = float(person[positive_N].nunique())
    values["negative_people"] = float(person[~positive_N].nunique())
    return values


def add_class_metrics(
    metrics: dict[str, dict[str, Numbers]],
    predictions: Predictions,
    scale: Scale | None,
    chosen: bool = True,
) -> dict[str, dict[str, Numbers]]:
    """Add the metrics of classification to {split: {level: metrics}} of the same predictions.

    Parameters
    ----------
    metrics : dict
        Of `Predictions.metrics`.
    predictions : Predictions
    scale : Scale or None
        None, a scale without cut-offs and bands: nothing is added.
    chosen : bool
        Whether to measure at thresholds that are chosen on the split dev of the predictions.
    """
    if scale is None or (not cuts_of(scale) and edges_of(scale) is None):
        return metrics
    frame = predictions.frame
    dev = frame[frame["split"] == ("dev" if chosen else "")]
    made: dict[str, dict[str, Numbers]] = {}
    for split, own in metrics.items():
        rows = frame[frame["split"] == split]
        for level, values in own.items():
            found = class_metrics(rows[rows["level"] == level], dev[dev["level"] == level], scale)
            made.setdefault(split, {})[level] = values | found
    return made
