"""Deep ensembles of finished runs that differ in their seed alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.replicates import mean_scores, spread_of_runs
from lfnet.files import read_json
from lfnet.runs.run import RESULT, require_one_thing

__all__ = ["Ensemble", "ensemble"]


class Ensemble(NamedTuple):
    """Runs that differ in their seed alone: their mean scores at every level, and each recording's spread."""

    predictions: Predictions
    spread: pd.DataFrame


def ensemble(folders: Sequence[Path]) -> Ensemble:
    """The deep ensemble of finished runs of one thing with several seeds; nothing is trained.

    Raises `LfnetError` where a run is not finished, a seed is there twice, or runs differ in more than their seed.
    """
    if len(folders) < 2:
        raise LfnetError("an ensemble needs two runs or more: train with several seeds (lfnet train -m seed=0,1,2 …).")
    for folder in folders:
        if not (folder / RESULT).is_file():
            raise LfnetError(f"{folder} is no finished run: it has no {RESULT}.")
    require_one_thing(folders, [read_json(folder / RESULT) for folder in folders])
    members = [
        Predictions.from_csv_text((folder / "predictions.csv").read_text(encoding="utf-8")) for folder in folders
    ]
    return Ensemble(mean_scores(members), spread_of_runs(members))
