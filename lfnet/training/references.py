"""What stands beside every model: predictions that need no training, on the same recordings."""

from typing import Any

import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.evaluation.baselines import TRIVIAL, fit_predict
from lfnet.evaluation.predictions import Predictions

__all__ = ["references"]


def references(cohort: Cohort, recordings: pd.DataFrame) -> dict[str, Predictions]:
    """The trivial baselines and, for a simulated cohort, the oracles, by name.

    recordings: recording_id, person_id, split, label of the usable recordings. Baselines are fitted on its train rows.
    """
    models = {baseline.name: fit_predict(baseline, recordings) for baseline in TRIVIAL}
    own: Any = cohort.own
    if own is not None and hasattr(own, "references"):
        for model, scores in own.references().groupby("model", sort=False):
            frame = recordings.merge(scores[["recording_id", "score"]], on="recording_id", how="inner")
            models[str(model)] = Predictions.from_frame(frame, level="recording")
    return models
