"""Data of a report's figures: scores, seeds and learning curves of each row, read from run folders."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lfnet.evaluation.conformal import calibration_rows
from lfnet.evaluation.coverage import (
    Curve,
    conformal_curve,
    mean_curve,
    quantile_conformal_curve,
    quantile_curve,
    spread_curve,
)
from lfnet.evaluation.mean_error import mean_error
from lfnet.runs.collection import DifferentRecordings, Ensemble
from lfnet.runs.run import Run
from lfnet.runs.scores import RecordingScores
from lfnet.tables.table import Block, Row, Section, Table
from lfnet.tables.tuning import budget_curve

__all__ = ["Budget", "Course", "Drawn", "Part", "curves", "mae_interval", "parts"]


def curves(runs: Sequence[Run], low: float, high: float) -> tuple[Curve, ...]:
    """The curves that a row's runs allow, none without predictions.

    Conformal ones are of test recordings of people in neither training nor dev, one a person, and means over seeds;
    those by a spread or by quantiles alone are of all test recordings. low, high: the ends of the scale.
    """
    if not all(run.has_scores for run in runs):
        return ()
    frames = [run.predictions.at("recording").frame for run in runs]
    if not len(frames[0]):
        return ()
    used = set(runs[0].trained_people) | set(frames[0].loc[frames[0]["split"] == "dev", "person_id"])
    own = [conformal_curve(calibration_rows(_test(frame), used), low, high) for frame in frames]
    dropout = [spread_curve("dropout", _test(run.spread), low, high) for run in runs if run.spread is not None]
    predicted = [_test(run.quantiles) for run in runs if run.quantiles is not None]
    quantiles = [quantile_curve(rows, low, high) for rows in predicted]
    adjusted = [quantile_conformal_curve(calibration_rows(rows, used), low, high) for rows in predicted]
    kinds = (own, dropout, quantiles, adjusted)
    found = [mean_curve([curve for curve in some if curve is not None]) for some in kinds]
    return tuple(curve for curve in [*found, *_ensemble(runs, used, low, high)] if curve is not None)


def _ensemble(runs: Sequence[Run], used: set[str], low: float, high: float) -> list[Curve | None]:
    """The curves of a bundle of all seeds: conformal by the spread, and by the spread alone."""
    if len(runs) < 2:
        return []
    try:
        table = Ensemble(tuple(runs)).spread
    except DifferentRecordings:
        return []
    typical = float(table.loc[table["split"] == "dev", "sd"].mean())
    found = [spread_curve(f"ensemble of {len(runs)}", _test(table), low, high)]
    if typical > 0:
        found.append(conformal_curve(calibration_rows(_test(table), used), low, high, typical=typical))
    return found


def _test(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["split"] == "test"]


@dataclass(frozen=True)
class Course:
    """One run's MAE after each epoch, in scale points, of `of`: windows, clips or recordings of the split that chooses.

    best: the epoch that was kept (from 1). converged: whether MAE had stopped improving when training ended.
    """

    seed: int
    of: str
    mae_E: np.ndarray
    best: int | None
    converged: bool | None = None


@dataclass(frozen=True)
class Budget:
    """The best so far after each of K trials, a mean over a row's runs: by the metric that chooses, and on test."""

    name: str
    metric: str
    select_K: np.ndarray
    test_K: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """A row's data for figures.

    label_N, score_N, person_N: test recordings, the score being the mean over seeds; people are numbered. seeds: (dev
    MAE, test MAE) of each run, None where a split was not measured. curves: coverage of its intervals.
    """

    name: str
    label_N: np.ndarray
    score_N: np.ndarray
    person_N: np.ndarray
    seeds: tuple[tuple[float | None, float | None], ...]
    courses: tuple[Course, ...]
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class Part:
    """A section of the table: its rows to draw, its intervals, and the scale that its labels are on.

    budgets: of tuned models, and of tuned controls. binary: whether labels are 0 and 1 and scores are probabilities.
    pooled: differences over cohorts, of a section without rows. simulated: whether the cohort is. controls: names of
    the rows of controls. compared: blocks of comparisons, each with its finding.
    """

    label: str
    rows: tuple[Drawn, ...]
    intervals: Block | None
    scale: str
    low: float
    high: float
    bands: tuple[tuple[str, float, float], ...]
    budgets: tuple[Budget, ...] = ()
    binary: bool = False
    pooled: tuple[Block, ...] = ()
    simulated: bool = False
    controls: tuple[str, ...] = ()
    compared: tuple[Block, ...] = ()


def parts(table: Table) -> tuple[Part, ...]:
    """The sections of `table` that have models, and what is pooled over them."""
    return tuple(part for section in table.sections if (part := _part(table, section)) is not None)


def _part(table: Table, section: Section) -> Part | None:
    models = [row for row in section.rows if row.kind == "model"]
    if not models:
        pooled = tuple(block for block in section.evidence if "pooled" in block.data)
        runs = [run for row in table.rows for run in row.runs]
        if not pooled or not runs:
            return None
        scale = runs[0].result.scale
        low, high = float(scale.min), float(scale.max)
        return Part(section.label, (), None, scale.name, low, high, (), pooled=pooled, simulated=table.simulated)
    controls = [row for row in section.rows if row.kind == "control"]
    first = models[0].runs[0].result
    binary = first.scale.whole is not None and first.scale.whole.kind == "binary"
    of_labels = first.config.get("cohort" if first.tested is None else "test_cohort", {})
    bands = of_labels.get("scale", {}).get("bands") or ()
    return Part(
        section.label,
        tuple(_drawn(table, row) for row in models),
        next((block for block in section.evidence if binary == bool(block.data.get("binary"))), None),
        first.scale.name,
        float(first.scale.min),
        float(first.scale.max),
        tuple((str(band["name"]), float(band["low"]), float(band["high"])) for band in bands),
        tuple(own for row in (*models, *controls) if (own := _budget(table, row)) is not None),
        binary,
        simulated=all(run.result.cohort.simulated for row in models for run in row.runs),
        controls=tuple(", ".join(table.names(row)) for row in controls),
        compared=tuple(block for block in section.evidence if block.finding),
    )


def _drawn(table: Table, row: Row) -> Drawn:
    label_N, score_N, person_N = _scores(row.runs)
    measured = [run for run in row.runs if {"dev", "test"} & set(run.result.metrics)]
    seeds = tuple((_mae(run, "dev"), _mae(run, "test")) for run in measured)
    courses = [course for run in row.runs if (course := _course(run)) is not None]
    scale = row.runs[0].result.scale
    shown = curves(row.runs, float(scale.min), float(scale.max))
    return Drawn(", ".join(table.names(row)), label_N, score_N, person_N, seeds, tuple(courses), shown)


def _budget(table: Table, row: Row) -> Budget | None:
    """The mean budget curve of tuned runs; None where a run was not tuned, or has another budget or metric."""
    runs = row.runs
    tuned = [run.result.tuning for run in runs if run.result.tuning is not None]
    if not tuned or len(tuned) < len(runs) or len({(one["trials"], one["select"]["metric"]) for one in tuned}) > 1:
        return None
    trials = tuned[0]["trials"]
    found = np.full((2, len(runs), trials), np.nan)
    for number, run in enumerate(runs):
        for trial, *values in budget_curve(run.result):  # each holds until the next
            for place, value in enumerate(values):
                found[place, number, trial - 1 :] = np.nan if value is None else value
    return Budget(", ".join(table.names(row)), tuned[0]["select"]["metric"], *found.mean(axis=1))


def mae_interval(runs: Sequence[Run], split: str) -> tuple[float, float] | None:
    """The 95 % interval over people of these trained models' MAE; None without scores or enough people."""
    if not runs or not all(run.has_scores for run in runs):
        return None
    read = RecordingScores(runs)
    every = pd.concat([read.rows(run, split) for run in runs])
    every = every[every["label"].notna()]
    errors = (every["score"] - every["label"]).abs().groupby(every["recording_id"]).mean()
    people = every.groupby("recording_id")["person_id"].first()
    found = mean_error(errors, people[errors.index], absolute=True).interval
    return None if found is None else (found.low, found.high)


def _mae(run: Run, split: str) -> float | None:
    value = run.result.metrics.get(split, {}).get("recording", {}).get("mae")
    return None if value is None else float(value)


def _scores(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scored = [run for run in runs if run.has_scores]
    read = RecordingScores(scored)
    tables = [read.rows(run, "test") for run in scored]
    if not tables:
        return np.zeros(0), np.zeros(0), np.zeros(0, int)
    every = pd.concat(tables)
    every = every[every["label"].notna()]
    every = every.assign(person=pd.factorize(every["person_id"])[0])
    numbers = every[["label", "score", "person"]].groupby(every["recording_id"]).mean()
    return numbers["label"].to_numpy(), numbers["score"].to_numpy(), numbers["person"].to_numpy(int)


def _course(run: Run) -> Course | None:
    table = run.learning_curve
    if table is None:
        return None
    column = next((name for name in table.columns if name.endswith("/mae") and not name.startswith("train")), None)
    if column is None:
        return None
    mae_E = table.dropna(subset=[column])[column].to_numpy(float)
    of = f"{column.split('/')[0]} {run.result.config['protocol']['select']['level']}s"
    training = run.result.training
    return Course(run.seed, of, mae_E, training.best_epoch, training.converged)
