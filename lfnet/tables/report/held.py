"""Calibration curves of a row's intervals, from its run folders: conformal, by dropout, by the ensemble of seeds."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import calibration_rows
from lfnet.evaluation.coverage import Curve, conformal_curve, mean_curve, spread_curve
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.spread import spread_of

__all__ = ["curves"]


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
        table = spread_of(members)
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
