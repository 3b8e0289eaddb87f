"""Runs as the rows of one table: columns of settings and numbers, each run's error with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lfnet.evaluation.aligned_scores import RowScores, align
from lfnet.evaluation.class_evidence import compute_class_evidence
from lfnet.evaluation.classes import cuts_of
from lfnet.evaluation.estimates import Estimate, EvidenceSettings
from lfnet.evaluation.intervals import METHODS, interval
from lfnet.evaluation.resample import measure
from lfnet.reports.shown_settings import settings_apart, settings_of, shown_values
from lfnet.runs.public_settings import is_public, public_cohort
from lfnet.runs.run import Run, folder_name
from lfnet.tables import few
from lfnet.tables.columns import parse
from lfnet.tables.formatting import DASH, with_interval
from lfnet.tables.grouping import keys
from lfnet.tables.table import Column, Row

__all__ = ["estimate_error", "is_binary", "list_runs", "rank_of", "run_key"]

_METRICS = ("mae", "rmse", "pcc", "ccc", "sigma_ratio")
_OF_CLASSES = ("auroc", "brier", "sensitivity", "specificity")
_COSTS = ("parameters", "flops", "latency", "seconds", "epochs", "best_epoch")
_SILENT = ("paths", "logger", "launcher", "debug", "table", "cohort", "head", "fusion")
_MAX_SETTINGS = 30  # columns of settings that tell runs of one model apart
_SETTINGS = EvidenceSettings()


def run_key(run: Run) -> str:
    """The name of a run on pages: that of its fingerprint, whatever its folder is called."""
    return folder_name(run.result.fingerprint)


def rank_of(column: Column) -> int:
    """How early a column is left out where a table is too wide: 0 never, 3 first."""
    split, _, metric = column.name.partition(".")
    if column.metric is None:
        return 2
    return 3 if split != "test" or metric.count(".") else 0 if metric in ("mae", "auroc") else 1


def is_binary(run: Run) -> bool:
    """Whether the labels are 0 and 1, and scores are probabilities."""
    scale = run.result.scale.whole
    return scale is not None and scale.kind == "binary"


def estimate_error(run: Run, rows: pd.DataFrame) -> Estimate | None:
    """The error on `rows`, recordings of one split, with its 95 % interval over people: MAE, of binary labels AUROC.

    None where nothing is labelled, or scores and labels are in different units.
    """
    rows = rows[rows["label"].notna()]
    if not len(rows) or (run.result.tested is not None and not run.result.tested.get("points", True)):
        return None
    recordings, people = rows["recording_id"].tolist(), rows["person_id"].tolist()
    row = RowScores("", recordings, people, rows["label"].to_numpy(float), rows["score"].to_numpy(float)[None])
    scale = run.result.scale.whole
    if scale is not None and scale.kind == "binary":
        found = compute_class_evidence([row], cuts_of(scale)[0], settings=_SETTINGS)
        return None if found.withheld else found.rows[""].estimates["auroc"]
    aligned = align([row])
    (error,), _ = measure("mae", aligned.labels(None), [aligned.scores(0)])
    enough = len(aligned.people) >= _SETTINGS.min_people
    return Estimate(error.value, interval(error, METHODS["mae"], _SETTINGS.level) if enough else None)


@dataclass(frozen=True)
class _Listed:
    """A column of the list: its texts, and the numbers that it is sorted by (None: by its texts)."""

    name: str
    heading: str
    texts: Sequence[str]
    values: Sequence[float | None] | None = None
    rank: int = 1
    names: bool = False  # whether it tells runs apart

    def to_json(self) -> dict[str, Any]:
        """Each text once, and its place for each run."""
        shown = list(dict.fromkeys(self.texts))
        place = {text: number for number, text in enumerate(shown)}
        content = {"name": self.name, "heading": self.heading, "rank": self.rank, "names": self.names}
        content |= {"texts": shown, "at": [place[text] for text in self.texts]}
        return content if self.values is None else {**content, "values": [_short(value) for value in self.values]}


def list_runs(runs: Sequence[Run], errors: Sequence[Estimate | None], show_paths: bool = False) -> dict[str, Any]:
    """The content of runs.js.

    Parameters
    ----------
    runs : sequence of Run
    errors : sequence of Estimate or None
        `estimate_error` on each run's test recordings.
    show_paths : bool
        Whether settings that may name places are shown.

    Returns
    -------
    dict
        keys: each run's name. columns: those of the table. low, high: of the interval. median: the error of the
        training median. of: what the error is, and on which scale. simulated: which runs are on a simulated cohort.
        same, apart: settings as texts, those of all runs and those in which runs differ.
    """
    settings = [settings_of(run) for run in runs]
    apart = {key: shown_values(key, [own.get(key, DASH) for own in settings], show_paths)
             for key in settings_apart(settings)}  # fmt: skip
    same = {key: shown_values(key, [value], show_paths)[0] for key, value in (settings[0] if runs else {}).items()
            if key not in apart and key.rpartition(".")[2] != "seed"}  # fmt: skip
    ends = [(None, None) if one is None or one.interval is None else (one.interval.low, one.interval.high)
            for one in errors]  # fmt: skip
    return {
        "keys": [run_key(run) for run in runs],
        "columns": [column.to_json() for column in _columns(runs, errors, apart)],
        "error": [_short(None if one is None else one.value) for one in errors],
        "low": [_short(low) for low, _ in ends],
        "high": [_short(high) for _, high in ends],
        "median": [_short(_median(run)) for run in runs],
        "of": ["AUROC on test" if is_binary(run) else f"MAE on test, {run.result.scale.name} points" for run in runs],
        "simulated": [int(run.result.cohort.simulated) for run in runs],
        "same": same,
        "apart": {key: _coded(texts) for key, texts in apart.items()},
    }


def _coded(texts: Sequence[str]) -> dict[str, Any]:
    shown = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(shown)}
    return {"texts": shown, "at": [place[text] for text in texts]}


def _columns(
    runs: Sequence[Run], errors: Sequence[Estimate | None], apart: Mapping[str, Sequence[str]]
) -> list[_Listed]:
    results = [run.result for run in runs]
    models = [result.model for result in results]
    cohorts = [public_cohort(result) for result in results]
    found = [_Listed("model", "Model", models, rank=0, names=True)]
    several = len(set(cohorts)) > 1
    found.append(_Listed("cohort", "Cohort", cohorts, rank=1 if several else 3, names=several))
    choices = {name: [str(result.choices.get(name, DASH)) for result in results] for name in _choices(runs)}
    choices = {name: texts for name, texts in choices.items() if len(set(texts)) > 1}
    found += [_Listed(name, _heading(name), texts, rank=1, names=True) for name, texts in choices.items()]
    groups = list(zip(models, cohorts, *choices.values(), strict=True))
    telling = _telling_settings(groups, apart)
    found += [
        _Listed(key.name, key.heading, apart[key.name], _numbers(apart[key.name]), rank=1, names=True)
        for key in keys(telling)
    ]
    seeds = [str(result.seed) for result in results]
    found.append(_Listed("seed", "Seed", seeds, [float(result.seed) for result in results], rank=1, names=True))
    found += _measured(runs, errors)
    found.append(_Listed("audit", "Audit", [_audit(run) for run in runs], rank=2))
    notes = ["; ".join(result.marks) or DASH for result in results]
    if set(notes) != {DASH}:
        found.append(_Listed("note", "Note", notes, rank=1))  # a collapsed model must not go unseen
    return found


def _choices(runs: Sequence[Run]) -> list[str]:
    every = dict.fromkeys(name for run in runs for name in run.result.choices)
    return [name for name in every if is_public(name) and name not in _SILENT and not name.startswith("hydra")]


def _heading(name: str) -> str:
    return name.replace("_", " ").replace("/", ", ").capitalize()


def _telling_settings(groups: Sequence[tuple[str, ...]], apart: Mapping[str, Sequence[str]]) -> list[str]:
    """The settings that differ between runs of one model, cohort and choices; an absent one does not count."""
    found = []
    for key, texts in apart.items():
        seen: dict[tuple[str, ...], set[str]] = {}
        for group, text in zip(groups, texts, strict=True):
            if text != DASH:
                seen.setdefault(group, set()).add(text)
        if any(len(own) > 1 for own in seen.values()) and not key.endswith("_target_"):
            found.append(key)
    return found[:_MAX_SETTINGS]


def _measured(runs: Sequence[Run], errors: Sequence[Estimate | None]) -> list[_Listed]:
    """Metrics and costs; columns that no run has are left out. Correlations of too few people are withheld."""
    metrics = (*(_OF_CLASSES if any(is_binary(run) for run in runs) else ()), *_METRICS)
    names = [f"{split}.{metric}" for split in ("test", "dev") for metric in metrics]
    columns = [parse(name, "recording") for name in (*names, *_COSTS)]
    lines = []
    for run in runs:
        row = Row("model", {}, {column.name: column.cell([run]) for column in columns}, runs=(run,))
        lines += few.withhold([row], columns, few.people_of([run]), _SETTINGS.min_people)
    found = []
    for column in columns:
        cells = [row.cells[column.name] for row in lines]
        texts, values = [cell.text for cell in cells], [cell.summary.mean for cell in cells]
        if all(text == DASH for text in texts):
            continue
        if column.name in ("test.mae", "test.auroc"):
            own = column.name == "test.auroc"
            texts = [
                with_interval(error, 2) if error is not None and is_binary(run) == own and value is not None else text
                for run, error, value, text in zip(runs, errors, values, texts, strict=True)
            ]
        found.append(_Listed(column.name, column.heading, texts, values, rank_of(column)))
    return found


def _audit(run: Run) -> str:
    """How many leaks and warnings the audit of the cohort found."""
    statuses = [entry.status for entry in run.result.audit]
    if not statuses:
        return "not audited"
    counts = [(statuses.count(status), status) for status in ("leak", "warning")]
    return ", ".join(f"{n} {status}{'s' * (n > 1)}" for n, status in counts if n) or "clear"


def _median(run: Run) -> float | None:
    """The error of the training median on test."""
    found = run.result.references.get("train_median", {}).get("test", {}).get("mae")
    return None if found is None or is_binary(run) else float(found)


def _numbers(texts: Sequence[str]) -> list[float | None] | None:
    """The texts as numbers; None where one of them is none."""
    try:
        return [None if text == DASH else float(text) for text in texts]
    except ValueError:
        return None


def _short(value: float | None) -> float | None:
    """Six digits: more would not be seen."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")
