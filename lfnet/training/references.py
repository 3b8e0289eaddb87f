"""What stands beside every model: predictions that need no training, on the same recordings."""

from typing import Any

import numpy as np
import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.evaluation.baselines import TRIVIAL, fit_predict
from lfnet.evaluation.predictions import Predictions
from lfnet.features.store import FeatureStore

__all__ = ["references"]


# The oracle reads every frame of a cohort: once for all jobs of a process.
_oracles: dict[str, pd.DataFrame] = {}


def references(cohort: Cohort, store: FeatureStore, recordings: pd.DataFrame) -> dict[str, Predictions]:
    """The trivial baselines and, for a simulated cohort, the oracles, by name.

    recordings: recording_id, person_id, split, label of the usable recordings. Baselines are fitted on its train rows.
    store: the features that the oracles read, those that the heads see.
    """
    models = {baseline.name: fit_predict(baseline, recordings) for baseline in TRIVIAL}
    if cohort.own is not None and hasattr(cohort.own, "references"):
        for model, scores in _oracle(cohort, store).groupby("model", sort=False):
            frame = recordings.merge(scores[["recording_id", "score"]], on="recording_id", how="inner")
            models[str(model)] = Predictions.from_frame(frame, level="recording")
    return models


def _oracle(cohort: Cohort, store: FeatureStore) -> pd.DataFrame:
    key = f"{cohort.fingerprint()}-{store.fingerprint(cohort.clips['clip_id'])}"
    if key not in _oracles:

        def read(clip_id: str) -> tuple[np.ndarray, np.ndarray]:
            clip = store.read(clip_id)
            return clip.features, clip.valid

        own: Any = cohort.own
        _oracles[key] = own.references(read)
    return _oracles[key]
