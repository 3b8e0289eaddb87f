"""Data drawn of one run: learning curve, scores against labels, audit. People are numbered, recordings have no name."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lfnet.evaluation.class_metrics import CLASS_METRICS
from lfnet.evaluation.estimates import CORRELATIONS, EvidenceSettings, too_few
from lfnet.evaluation.metrics import METRICS
from lfnet.reports.run_list import is_binary
from lfnet.runs.result import Result
from lfnet.runs.run import Run
from lfnet.tables.formatting import DASH, fixed
from lfnet.tables.reference_rows import label

__all__ = ["describe_run", "number_people"]

_SHOWN = ("mae", "rmse", "pcc", "ccc", "sigma_ratio")
_OF_CLASSES = ("auroc", "brier", "mae")
_REFERENCES = ("train_median", "duration", "person_lookup")
_MIN_PEOPLE = EvidenceSettings().min_people


def describe_run(run: Run, splits: Mapping[str, pd.DataFrame], with_curve: bool = True) -> dict[str, Any]:
    """The content of a run's file.

    Parameters
    ----------
    run : Run
    splits : mapping
        Split → rows of its recordings (`lfnet.runs.scores.recording_rows`), none where the scores are not there.
    with_curve : bool
        Whether the learning curve is read.

    Returns
    -------
    dict
        scale: name and ends. curve: of the epochs, None for a model without them. splits: labels, scores and people's
        numbers. metrics: lines of texts under their heading. audit: status, title and text of each finding.

    Raises
    ------
    LfnetError
        The learning curve is damaged.
    """
    result = run.result
    return {
        "scale": {"name": result.scale.name, "low": result.scale.min, "high": result.scale.max},
        "binary": is_binary(run),
        "simulated": result.cohort.simulated,
        "curve": _curve(run) if with_curve else None,
        "splits": {split: found for split, rows in splits.items() if (found := _points(rows)) is not None},
        "metrics": _metrics(result, _OF_CLASSES if is_binary(run) else _SHOWN),
        "audit": [[entry.status, entry.title, entry.text] for entry in sorted(result.audit, key=_gravity)],
        "warnings": [*result.marks, *result.cohort.warnings],
    }


def _gravity(entry: Any) -> int:
    return ("leak", "warning", "not checked", "clear").index(entry.status)


def number_people(rows: pd.DataFrame) -> np.ndarray:
    """Each recording's person as a number from 1 on, in the order of people's mean labels.

    Runs on the same recordings give a person the same number. Ties are in the order of a digest, so that a number says
    nothing of the place of an id among the others.

    Examples
    --------
    >>> rows = pd.DataFrame({"person_id": ["ann", "bob", "ann"], "label": [20.0, 3.0, 22.0]})
    >>> number_people(rows).tolist()
    [2, 1, 2]
    """
    people, place_R = np.unique(rows["person_id"].to_numpy(str), return_inverse=True)
    mean = np.bincount(place_R, rows["label"].to_numpy(float)) / np.bincount(place_R)
    order = sorted(range(len(people)), key=lambda one: (mean[one], hashlib.sha256(str(people[one]).encode()).digest()))
    number = np.empty(len(people), int)
    number[order] = np.arange(1, len(people) + 1)
    return number[place_R]


def _points(rows: pd.DataFrame) -> dict[str, Any] | None:
    """Labels, scores and people of the labelled recordings, in the order of labels and scores."""
    rows = rows[rows["label"].notna()]
    if not len(rows):
        return None
    person, label, score = number_people(rows), rows["label"].to_numpy(float), rows["score"].to_numpy(float).round(3)
    order = np.lexsort((person, score, label))
    return {
        "label": [float(f"{value:g}") for value in label[order]],
        "score": score[order].tolist(),
        "person": person[order].tolist(),
    }


def _curve(run: Run) -> dict[str, Any] | None:
    """Training loss and the metric that chooses, one value an epoch (from 1)."""
    table = run.learning_curve
    if table is None or not len(table):
        return None
    select = {"split": "dev", "metric": "mae", **run.result.config.get("protocol", {}).get("select", {})}
    measured = [name for name in table.columns if "/" in name and not name.startswith("train/")]
    wanted = f"{select['split']}/{select['metric']}"
    chosen = wanted if wanted in measured else next(iter(measured), None)
    losses = [name for name in table.columns if name.startswith("train/")]
    found: dict[str, Any] = {"best": run.result.training.best_epoch, "lines": []}
    for name, what in ((losses[0] if losses else None, "training loss"), (chosen, _chooser(run.result, chosen))):
        if name is not None:
            values = [None if np.isnan(value) else float(f"{value:.5g}") for value in table[name]]
            found["lines"].append({"name": what, "values": values})
    return found if found["lines"] else None


def _chooser(result: Result, column: str | None) -> str:
    """Words for a column such as dev/mae: MAE of dev recordings."""
    if column is None:
        return ""
    split, _, metric = column.partition("/")
    level = result.config.get("protocol", {}).get("select", {}).get("level", "recording")
    return f"{_label(metric)} of {split} {level}s" if metric in (*METRICS, *CLASS_METRICS) else column


def _metrics(result: Result, names: Sequence[str]) -> dict[str, Any]:
    """Texts of the metrics of each split and of references on test."""
    own = {split: result.metrics.get(split, {}).get("recording", {}) for split in ("test", "dev")}
    measured = [(split, split, values) for split, values in own.items()]
    for name in _REFERENCES:
        measured.append((f"{label(name)}, on test", "test", result.references.get(name, {}).get("test", {})))
    lines = []
    for title, split, values in measured:
        if values:
            people = result.cohort.people.get(split, _MIN_PEOPLE)
            lines.append([title, *(_text(name, values, people) for name in names), str(values.get("n", DASH))])
    return {"headings": ["", *(_label(name) for name in names), "Recordings"], "lines": lines}


def _label(name: str) -> str:
    return METRICS[name].label if name in METRICS else CLASS_METRICS[name].label


def _text(name: str, values: Mapping[str, Any], people: int) -> str:
    if name not in values:
        return DASH
    fewest = people
    if name == "auroc":
        fewest = min(int(values.get(f"{kind}_people") or 0) for kind in ("positive", "negative"))
    if name in (*CORRELATIONS, "auroc") and fewest < _MIN_PEOPLE:
        return too_few(fewest)
    return "undefined" if values[name] is None else fixed(float(values[name]), 2)
