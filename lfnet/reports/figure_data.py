"""What the pictures of a report show: each row's scores, seeds and courses, read from its run folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import calibration_rows
from lfnet.evaluation.coverage import Curve, conformal_curve, mean_curve, spread_curve
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.replicates import spread_of_runs
from lfnet.files import read_json
from lfnet.tables.table import Block, Row, Section, Table

__all__ = ["Course", "Drawn", "Part", "curves", "parts"]


def curves(folders: Sequence[Path], low: float, high: float) -> tuple[Curve, ...]:
    """The curves that a row's runs allow, none without predictions.

    Conformal ones are of test recordings of people in neither training nor dev, one a person, and means over seeds;
    those by a spread are of all test recordings. low, high: the ends of the scale.
    """
    try:
        members = [Predictions.from_csv_text((folder / "predictions.csv").read_text("utf-8")) for folder in folders]
        used = _people(folders[0])
    except (OSError, KeyError, ValueError, LfnetError, IndexError):
        return ()
    frames = [member.at("recording").frame for member in members]
    used |= set(frames[0].loc[frames[0]["split"] == "dev", "person_id"])
    own = [conformal_curve(calibration_rows(_test(frame), used), low, high) for frame in frames]
    dropout = [
        spread_curve("dropout", _test(pd.read_csv(file)), low, high)
        for file in (folder / "spread.csv" for folder in folders)
        if file.is_file()
    ]
    found = [mean_curve([curve for curve in some if curve is not None]) for some in (own, dropout)]
    return tuple(curve for curve in [*found, *_ensemble(members, used, low, high)] if curve is not None)


def _ensemble(members: Sequence[Predictions], used: set[str], low: float, high: float) -> list[Curve | None]:
    """What a bundle of all seeds would say: conformal by the spread, and by the spread alone."""
    try:
        table = spread_of_runs(members)
    except ValueError:  # one seed, or seeds on other recordings
        return []
    typical = float(table.loc[table["split"] == "dev", "sd"].mean())
    found = [spread_curve(f"ensemble of {len(members)}", _test(table), low, high)]
    if typical > 0:
        found.append(conformal_curve(calibration_rows(_test(table), used), low, high, typical=typical))
    return found


def _test(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["split"] == "test"]


def _people(folder: Path) -> set[str]:
    """Whom the training saw."""
    table = pd.read_csv(folder / "references.csv", dtype=str, keep_default_na=False, usecols=["split", "person_id"])
    return set(table.loc[table["split"] == "train", "person_id"])


_BUNDLE = ("dev", "test")


@dataclass(frozen=True)
class Course:
    """One run's dev MAE after each epoch, in scale points. best: the epoch that was kept (from 1)."""

    seed: int
    mae_E: np.ndarray
    best: int | None


@dataclass(frozen=True)
class Drawn:
    """A row as pictures need it.

    label_N, score_N: test recordings, the score being the mean over seeds; nothing says whose they are. seeds: (dev
    MAE, test MAE) of each run, None where a split was not measured. curves: how often its intervals hold.
    """

    name: str
    label_N: np.ndarray
    score_N: np.ndarray
    seeds: tuple[tuple[float | None, float | None], ...]
    courses: tuple[Course, ...]
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class Part:
    """A section of the table: its rows to draw, its intervals, and the scale that its labels are on."""

    label: str
    rows: tuple[Drawn, ...]
    intervals: Block | None
    scale: str
    low: float
    high: float
    bands: tuple[tuple[str, float, float], ...]


def parts(table: Table, runs: Path) -> tuple[Part, ...]:
    """The sections of `table`, whose run folders lie below `runs`."""
    return tuple(part for section in table.sections if (part := _part(table, section, Path(runs))) is not None)


def _part(table: Table, section: Section, runs: Path) -> Part | None:
    models = [row for row in section.rows if row.kind == "model"]
    if not models:
        return None
    first = read_json(runs / models[0].runs[0] / "result.json")
    scale = first["scale"]
    bands = first.get("config", {}).get("cohort", {}).get("scale", {}).get("bands") or ()
    return Part(
        section.label,
        tuple(_drawn(table, row, runs) for row in models),
        section.evidence[0] if section.evidence else None,
        scale["name"],
        float(scale["min"]),
        float(scale["max"]),
        tuple((str(band["name"]), float(band["low"]), float(band["high"])) for band in bands),
    )


def _drawn(table: Table, row: Row, runs: Path) -> Drawn:
    name = ", ".join(text for key, text in row.identity.items() if key not in table.constants)
    results = [read_json(runs / run / "result.json") for run in row.runs]
    label_N, score_N = _scores([runs / run / "predictions.csv" for run in row.runs])
    seeds = tuple(
        (_mae(result, "dev"), _mae(result, "test")) for result in results if set(result.get("metrics", {})) & {*_BUNDLE}
    )
    courses = [_course(result, runs / run / "metrics.csv") for result, run in zip(results, row.runs, strict=True)]
    held = curves(
        [runs / run for run in row.runs], float(results[0]["scale"]["min"]), float(results[0]["scale"]["max"])
    )
    return Drawn(name, label_N, score_N, seeds, tuple(course for course in courses if course is not None), held)


def _mae(result: dict[str, Any], split: str) -> float | None:
    value = result["metrics"].get(split, {}).get("recording", {}).get("mae")
    return None if value is None else float(value)


def _scores(files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    tables = [pd.read_csv(file, dtype=str, keep_default_na=False) for file in files if file.is_file()]
    if not tables:
        return np.zeros(0), np.zeros(0)
    every = pd.concat(tables)
    every = every[(every["level"] == "recording") & (every["split"] == "test") & (every["label"] != "")]
    numbers = every[["label", "score"]].astype(float).groupby(every["recording_id"]).mean()
    return numbers["label"].to_numpy(), numbers["score"].to_numpy()


def _course(result: dict[str, Any], file: Path) -> Course | None:
    if not file.is_file():
        return None
    table = pd.read_csv(file)
    column = next((name for name in table.columns if name.endswith("/mae") and not name.startswith("train")), None)
    if column is None:
        return None
    mae_E = table.dropna(subset=[column]).sort_values("epoch")[column].to_numpy(float)
    return Course(int(result["seed"]), mae_E, result.get("training", {}).get("best_epoch"))
