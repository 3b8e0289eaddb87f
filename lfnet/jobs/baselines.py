"""What stands beside every model: predictions that need no training, on the same recordings.

Its code is no part of a job's fingerprint: a finished run whose references were made by other code gets them anew, and
is not trained again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.evaluation.baselines import SECONDS, TRIVIAL, Baseline, Duration, PersonLookup, Ridge, fit_predict
from lfnet.evaluation.predictions import Predictions
from lfnet.features.clip_summaries import pooled
from lfnet.features.joined_streams import Joined
from lfnet.features.store import Readable
from lfnet.fingerprints import digest, source_digest

__all__ = ["references", "referring_code"]

# Dimensions that the random projection leaves: few beside an encoder's, many beside what ridge can use of 50 people.
_PROJECTION = 64

# The oracle reads every frame of a cohort, and ridge is fitted many times: once for all jobs of a process.
_oracles: dict[str, pd.DataFrame] = {}
_fitted: dict[str, dict[str, Predictions]] = {}


def referring_code() -> str:
    """Digest of the code that makes the references, but for the oracles': theirs is in the features' fingerprint."""
    return source_digest(
        ["lfnet.evaluation.baselines", "lfnet.evaluation.predictions", "lfnet.features.clip_summaries", __name__]
    )


def references(
    cohort: Cohort,
    store: Readable,
    recordings: pd.DataFrame,
    clip_ids: Sequence[str] | None = None,
    beside: Mapping[str, Readable] | None = None,
) -> dict[str, Predictions]:
    """The baselines and, for a simulated cohort, the oracles, by name, in the order of tables.

    recordings: recording_id, person_id, split, label of the usable recordings. Baselines are fitted on its train rows.
    store: the features that the heads see; ridge has the mean over the valid frames of each clip and the clips of each
    recording, whole clips whatever the protocol cuts. clip_ids: the usable clips; None for all of these recordings.
    beside: the other streams that a fusion sees, by name, for the oracles of a cohort that brings them.
    The same arguments give the same answer without another fit within a process.
    """
    clips = cohort.clips[cohort.clips["recording_id"].isin(recordings["recording_id"])]
    if clip_ids is not None:
        clips = clips[clips["clip_id"].isin(clip_ids)]
    rows = recordings[["recording_id", "person_id", "split"]].to_numpy().tolist()
    labels = [None if np.isnan(label) else float(label) for label in recordings["label"]]
    features = store.fingerprint(cohort.clips["clip_id"])
    further = _further(cohort, beside or {})
    streams = [further.fingerprint(cohort.clips["clip_id"])] if further else []
    key = digest([cohort.fingerprint(), features, streams, rows, labels, clips["clip_id"].tolist()])
    if key not in _fitted:
        _fitted[key] = _fit(cohort, store, recordings, clips, further)
    return dict(_fitted[key])


def _further(cohort: Cohort, beside: Mapping[str, Readable]) -> Readable | None:
    """The store of the segments that the cohort itself brings, where it is among those given."""
    more = [own.stream for own in getattr(cohort.own, "more", ())]
    return next((beside[stream] for stream in more if stream in beside), None)


def _fit(
    cohort: Cohort,
    store: Readable,
    recordings: pd.DataFrame,
    clips: pd.DataFrame,
    further: Readable | None,
) -> dict[str, Predictions]:
    table, vectors = _described(cohort, store, recordings, clips)
    baselines: list[Baseline] = [*TRIVIAL]
    if table[SECONDS].notna().any():
        baselines.append(Duration())
    baselines.append(PersonLookup())
    if any(np.isfinite(vectors[name]).all() for name in table.loc[table["split"] == "train", "recording_id"]):
        baselines += [Ridge(vectors), Ridge(vectors, _PROJECTION, name="random_projection")]
    models = {baseline.name: fit_predict(baseline, table) for baseline in baselines}
    if cohort.own is not None and hasattr(cohort.own, "references"):
        for model, scores in _oracle(cohort, store, further).groupby("model", sort=False):
            frame = recordings.merge(scores[["recording_id", "score"]], on="recording_id", how="inner")
            models[str(model)] = Predictions.from_frame(frame, level="recording")
    return models


def _described(
    cohort: Cohort, store: Readable, recordings: pd.DataFrame, clips: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The recordings with their mean duration, and the mean vector of each (NaN where no clip has one)."""
    pool = pooled(store, cohort.clips["clip_id"])
    row = {clip_id: number for number, clip_id in enumerate(pool.clip_ids)}
    stated = (clips["n_frames"] / clips["fps"]).to_numpy(float)
    # Where the manifest knows every clip's length it is believed, else the features' times are: never a mixture.
    measured = np.array([pool.seconds_N[row[clip_id]] for clip_id in clips["clip_id"]])
    seconds = pd.Series(stated if np.isfinite(stated).all() else measured, clips["recording_id"].to_numpy())
    described = recordings.assign(**{SECONDS: recordings["recording_id"].map(seconds.groupby(level=0).mean())})
    vectors = {name: np.full(pool.mean_ND.shape[1], np.nan) for name in recordings["recording_id"]}
    for name, own in clips.groupby("recording_id")["clip_id"]:
        means = pool.mean_ND[[row[clip_id] for clip_id in own]]
        seen = means[np.isfinite(means).all(axis=1)]
        if len(seen):
            vectors[str(name)] = seen.mean(axis=0)
    return described, vectors


def _oracle(cohort: Cohort, store: Readable, further: Readable | None) -> pd.DataFrame:
    if isinstance(store, Joined):  # an oracle reads what its cohort brings, and not what was made of it
        store = store.parts[0].store
    stores = [store] if further is None else [store, further]
    key = digest([cohort.fingerprint(), *(one.fingerprint(cohort.clips["clip_id"]) for one in stores)])
    if key not in _oracles:
        own: Any = cohort.own
        readers = [_reader(one) for one in stores]
        _oracles[key] = own.references(*readers)
    return _oracles[key]


def _reader(store: Readable) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray]:
        clip = store.read(clip_id)
        return clip.features, clip.valid

    return read
