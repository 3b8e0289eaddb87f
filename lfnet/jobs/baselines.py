"""Baselines: predictions that need no training, on the same recordings as a run's.

Their code is no part of a job's fingerprint: a finished run whose baselines other code made gets them recomputed, and
is not trained again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lfnet.audit.audit import filming_of
from lfnet.audit.filming import Filming
from lfnet.cohorts.cohort import Cohort
from lfnet.evaluation.baselines import SECONDS, TRIVIAL, Baseline, Duration, Nuisance, PersonLookup, Ridge, fit_predict
from lfnet.evaluation.predictions import Predictions
from lfnet.features.clip_summaries import ClipSummaries, summarise_store
from lfnet.features.filming import extracted, read_filming
from lfnet.features.store import Readable
from lfnet.fingerprints import digest, source_digest
from lfnet.jobs.session import Session

__all__ = ["baseline_code", "drop_summaries", "filming_numbers", "fit_baselines", "summarise"]

# Dimensions that the random projection leaves: few next to an encoder's, many next to what ridge can use of 50 people.
_PROJECTION = 64
_SUMMARIES = "clip summaries"  # in a session


def baseline_code() -> str:
    """Digest of the code of the baselines, without the oracles': theirs is in the features' fingerprint."""
    return source_digest(
        [
            "lfnet.audit.filming",
            "lfnet.evaluation.baselines",
            "lfnet.evaluation.predictions",
            "lfnet.features.clip_summaries",
            "lfnet.features.filming",
            __name__,
        ]
    )


def summarise(cohort: Cohort, store: Readable, session: Session) -> ClipSummaries:
    """The summaries of all clips of a cohort, until `drop_summaries`; of one store at a time, for they take memory."""
    clip_ids = tuple(cohort.clips["clip_id"])
    key = (str(store.folder), store.fingerprint(clip_ids))
    return session.keep_latest(_SUMMARIES, key, lambda: summarise_store(store, clip_ids))


def drop_summaries(session: Session) -> None:
    """Free the memory of `summarise`, up to 131 KB a clip, which baselines and audit need and no training does."""
    session.drop_latest(_SUMMARIES)


def fit_baselines(
    cohort: Cohort,
    store: Readable,
    recordings: pd.DataFrame,
    session: Session,
    *,
    clip_ids: Sequence[str] | None = None,
    streams: Mapping[str, Readable] | None = None,
) -> dict[str, Predictions]:
    """Fit the baselines, and for a simulated cohort the oracles; once in a session for the same arguments.

    Parameters
    ----------
    cohort : Cohort
    store : Readable
        The features that the heads see. Ridge has the mean over the valid frames of each clip and over the clips of
        each recording, whole clips whatever the protocol cuts.
    recordings : DataFrame
        recording_id, person_id, split, label of the usable recordings. Baselines are fitted on its train rows.
    session : Session
    clip_ids : sequence of str, optional
        The usable clips; None for all of these recordings.
    streams : mapping, optional
        All streams that a fusion sees, by name, for the oracles of a cohort that brings several.

    Returns
    -------
    dict
        Predictions by model, in the order of tables.
    """
    clips = _usable(cohort, recordings, clip_ids)
    rows = recordings[["recording_id", "person_id", "split"]].to_numpy().tolist()
    labels = [None if np.isnan(label) else float(label) for label in recordings["label"]]
    features = store.fingerprint(cohort.clips["clip_id"])
    further = _further(cohort, streams or {})
    more = [further.fingerprint(cohort.clips["clip_id"])] if further else []
    key = digest([cohort.fingerprint(), features, more, rows, labels, clips["clip_id"].tolist()])
    found = session.keep("baselines", key, lambda: _fit(cohort, store, recordings, clips, further, session))
    return dict(found)


def filming_numbers(
    cohort: Cohort, store: Readable, recordings: pd.DataFrame, session: Session, clip_ids: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """What the baseline `nuisance` uses: {"used", "constant", "absent"}, each names in print."""
    found = _filming(cohort, store, _usable(cohort, recordings, clip_ids), session)
    parts = {"used": found.varying, "constant": found.constant, "absent": found.absent}
    return {part: [number.what for number in numbers if not number.of_person] for part, numbers in parts.items()}


def _usable(cohort: Cohort, recordings: pd.DataFrame, clip_ids: Sequence[str] | None) -> pd.DataFrame:
    clips = cohort.clips[cohort.clips["recording_id"].isin(recordings["recording_id"])]
    return clips if clip_ids is None else clips[clips["clip_id"].isin(clip_ids)]


def _filming(cohort: Cohort, store: Readable, clips: pd.DataFrame, session: Session) -> Filming:
    """How the recordings of these clips were filmed."""
    measured = read_filming(store, clips["clip_id"])
    return filming_of(cohort, summarise(cohort, store, session), measured, clips["clip_id"].tolist())


def _further(cohort: Cohort, streams: Mapping[str, Readable]) -> Readable | None:
    """The store of the segments that the cohort itself brings, where it is among those given."""
    more = [own.stream for own in getattr(cohort.own, "more", ())]
    return next((streams[stream] for stream in more if stream in streams), None)


def _fit(
    cohort: Cohort,
    store: Readable,
    recordings: pd.DataFrame,
    clips: pd.DataFrame,
    further: Readable | None,
    session: Session,
) -> dict[str, Predictions]:
    table, vectors = _describe(summarise(cohort, store, session), recordings, clips)
    baselines: list[Baseline] = [*TRIVIAL]
    if table[SECONDS].notna().any():
        baselines.append(Duration())
    filming = _filming(cohort, store, clips, session)
    if numbers := [number for number in filming.varying if not number.of_person]:
        filmed = filming.table.reindex(table["recording_id"])
        for number in numbers:
            values = filmed[number.name]
            positive = np.maximum(values, 1e-9) if number.logarithm else values
            table[number.name] = (np.log(positive) if number.logarithm else values).to_numpy()
        plain, names = (tuple(n.name for n in numbers if n.category == category) for category in (False, True))
        baselines.append(Nuisance(plain, names))
    baselines.append(PersonLookup())
    if any(np.isfinite(vectors[name]).all() for name in table.loc[table["split"] == "train", "recording_id"]):
        baselines += [Ridge(vectors), Ridge(vectors, _PROJECTION, name="random_projection")]
    models = {baseline.name: fit_predict(baseline, table) for baseline in baselines}
    if cohort.scale.kind == "binary":
        # Regressions become probabilities; the oracles know severities, not the probability of a class.
        return {
            name: Predictions(model.frame.assign(score=model.frame["score"].clip(0, 1)))
            for name, model in models.items()
        }
    if cohort.own is not None and hasattr(cohort.own, "references"):
        for model, scores in _score_oracles(cohort, store, further, session).groupby("model", sort=False):
            frame = recordings.merge(scores[["recording_id", "score"]], on="recording_id", how="inner")
            models[str(model)] = Predictions.from_frame(frame, level="recording")
    return models


def _describe(
    pool: ClipSummaries, recordings: pd.DataFrame, clips: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The recordings with their mean duration, and the mean vector of each (NaN where no clip has one)."""
    row = {clip_id: number for number, clip_id in enumerate(pool.clip_ids)}
    stated = (clips["n_frames"] / clips["fps"]).to_numpy(float)
    # The manifest's lengths where it has all of them, else those of the features: never a mixture.
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


def _score_oracles(cohort: Cohort, store: Readable, further: Readable | None, session: Session) -> pd.DataFrame:
    store = extracted(store)  # an oracle reads what its cohort brings, and not what was made of it
    stores = [store] if further is None else [store, further]
    key = digest([cohort.fingerprint(), *(one.fingerprint(cohort.clips["clip_id"]) for one in stores)])
    own: Any = cohort.own
    return session.keep("oracles", key, lambda: own.references(*map(_reader, stores)))


def _reader(store: Readable) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray]:
        clip = store.read(clip_id)
        return clip.features, clip.valid

    return read
