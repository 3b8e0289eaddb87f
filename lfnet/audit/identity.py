"""How well the features know people: verification between recordings, and people who may have two names."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lfnet.audit.finding import Check, Finding, Status, Test, plural
from lfnet.audit.statistics import auc_test
from lfnet.features.clip_summaries import Pooled

__all__ = ["identity", "recording_vectors", "two_names"]

# Recordings compared at most: pairs grow with the square.
_MOST = 300
# Features that know people so well, and pairs of one person that must be there, before strangers are suspected; how
# many robust standard deviations (of Fisher's z of the cosine) above strangers a suspect must lie.
_SURE, _PAIRS, _APART = 0.9, 5, 6.0
_ONE = 1 - 1e-9


def recording_vectors(pool: Pooled, clips: pd.DataFrame, recordings: pd.DataFrame) -> np.ndarray:
    """float64 [recordings, D]: the mean of each recording's clips' mean vectors, NaN where none is known."""
    row = {clip_id: number for number, clip_id in enumerate(pool.clip_ids)}
    vectors = np.full((len(recordings), pool.mean_ND.shape[1]), np.nan)
    own = clips.groupby("recording_id")["clip_id"].agg(list)
    for number, name in enumerate(recordings["recording_id"]):
        means = pool.mean_ND[[row[clip] for clip in own[name] if clip in row]]
        known = means[np.isfinite(means).all(axis=1)]
        if len(known):
            vectors[number] = known.mean(axis=0)
    return vectors


def identity(vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator, shared: bool) -> Check:
    """Do the features tell one person's recordings from another's? That leaks where people are in several splits."""
    title = "people in the features"
    kept = _some(vectors_RD, recordings, random)
    people = recordings["person_id"].to_numpy()[kept]
    alike = _alike(vectors_RD[kept])
    test = auc_test("identity", alike, people)
    if test is None:
        text = "nobody has two recordings with features, so that one person's could be compared"
        return Check.certain(Finding("identity", title, "not checked", text))
    same = people[:, None] == people[None, :]
    above = np.triu(np.ones(same.shape, bool), 1)
    numbers = {"pairs_same": int((same & above).sum()), "pairs_different": int((~same & above).sum())}

    def conclude(tests: Sequence[Test], alpha: float) -> Finding:
        known = test.low > 0.5
        what = "the mean vectors tell people apart" if known else "the mean vectors do not visibly tell people apart"
        text = (
            f"{what}: verification AUC {test.estimate:.2f} [{test.low:.2f}, {test.high:.2f}] between "
            f"{plural(numbers['pairs_same'], 'pair')} of recordings of one person and "
            f"{numbers['pairs_different']:,} of two"
        )
        leaks = known and shared
        mend = "A model can recognise the people who are in several splits: mend the splits." if leaks else ""
        status: Status = "leak" if leaks else "clear"
        return Finding("identity", title, status, text, mend, tests=(test,), numbers=numbers)

    # Not in the family of tests: it is an estimate, and alone no alarm.
    return Check((), conclude)


def two_names(vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator) -> Check:
    """Are recordings of two people in two splits as alike as those of one?

    Asked only where the features know people well. Suspects are pairs more alike than the median pair of one person
    and, by median and quartiles, far outside what two people are.
    """
    title = "one person under two names"
    kept = _some(vectors_RD, recordings, random)
    table = recordings.iloc[kept]
    people, splits = table["person_id"].to_numpy(), table["split"].to_numpy()
    alike = _alike(vectors_RD[kept])
    test = auc_test("identity", alike, people)
    same = people[:, None] == people[None, :]
    above = np.triu(np.ones(same.shape, bool), 1)
    if test is None or test.estimate < _SURE or (same & above).sum() < _PAIRS:
        text = "the features do not know people well enough, or too few people have two recordings"
        return Check.certain(Finding("names", title, "not checked", text))
    low, middle, high = np.quantile(np.arctanh(np.clip(alike[~same & above], -_ONE, _ONE)), (0.25, 0.5, 0.75))
    bar = max(float(np.median(alike[same & above])), float(np.tanh(middle + _APART * (high - low) / 1.349)))
    suspects = np.argwhere(above & ~same & (splits[:, None] != splits[None, :]) & (alike >= bar))
    if not len(suspects):
        text = "no two people of different splits look like one"
        return Check.certain(Finding("names", title, "clear", text))
    pairs = {tuple(sorted((people[i], people[j]))) for i, j in suspects.tolist()}
    touched = sorted({str(table["recording_id"].iloc[i]) for pair in suspects.tolist() for i in pair})
    text = f"{plural(len(pairs), 'pair')} of people in different splits look as one person does on two days"
    mend = "Look at these recordings: where it is one person, give them one person_id and make the splits anew."
    names = tuple(sorted({str(person) for pair in pairs for person in pair}))
    numbers = {"pairs": len(pairs)}
    return Check.certain(Finding("names", title, "warning", text, mend, names, tuple(touched), numbers=numbers))


def _some(vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Rows with a vector: all, or `_MOST` of them with those first whose person has several recordings."""
    known = np.flatnonzero(np.isfinite(vectors_RD).all(axis=1))
    if len(known) <= _MOST:
        return known
    people = recordings["person_id"].iloc[known]
    several = people.map(people.value_counts()).to_numpy() > 1
    whose = people.map({person: number for number, person in enumerate(random.permutation(people.unique()))}).to_numpy()
    return np.sort(known[np.lexsort((whose, ~several))[:_MOST]])


def _alike(vectors_RD: np.ndarray) -> np.ndarray:
    """Cosines [R, R] of the vectors about their mean."""
    x = vectors_RD - vectors_RD.mean(axis=0) if len(vectors_RD) else vectors_RD
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return x @ x.T
