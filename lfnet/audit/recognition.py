"""Checks of people by their features: whether features identify people, and whether two ids are one person."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lfnet.audit.finding import Check, Finding, Status, Test
from lfnet.audit.statistics import auc_test
from lfnet.features.clip_summaries import ClipSummaries
from lfnet.text import plural

__all__ = ["recording_vectors", "two_ids", "verification"]

_HOW_TO_CHECK = "extract features with encoder=mobileface, and name it in the audit, to check this"
_MAX_RECORDINGS = 300  # of which all pairs enter the AUC: pairs grow with the square
_MAX_COMPARED = 10_000  # recordings whose pairs are compared with the threshold: some seconds
_BLOCK = 1000  # recordings compared with all others at a time
_MAX_AUC = 0.7  # upper limit of the AUC's interval up to which features count as not identifying people


def recording_vectors(pool: ClipSummaries, clips: pd.DataFrame, recordings: pd.DataFrame) -> np.ndarray:
    """Average the mean vectors of each recording's clips: float64 [recordings, D], NaN where none is known."""
    row = {clip_id: number for number, clip_id in enumerate(pool.clip_ids)}
    vectors = np.full((len(recordings), pool.mean_ND.shape[1]), np.nan)
    own = clips.groupby("recording_id")["clip_id"].agg(list)
    for number, name in enumerate(recordings["recording_id"]):
        means = pool.mean_ND[[row[clip] for clip in own[name] if clip in row]]
        known = means[np.isfinite(means).all(axis=1)]
        if len(known):
            vectors[number] = known.mean(axis=0)
    return vectors


def two_ids(vectors_RD: np.ndarray, recordings: pd.DataFrame, min_cosine: float | None, encoder: str) -> Check:
    """Check whether recordings under two person_ids show one person: a cosine of `min_cosine` or more.

    One recording for each id is enough. The threshold holds for one encoder, for which its error rates were measured
    (`audit.same_person`); without one nothing is compared, since cosines of other features mean something else.

    Parameters
    ----------
    vectors_RD : ndarray of float64, shape [recordings, D]
        Mean vector of each recording, NaN where unknown.
    recordings : DataFrame
        recording_id, person_id and split of each recording.
    min_cosine : float or None
    encoder : str
        Name of the features.
    """
    title = "one person with two ids"
    if min_cosine is None:
        text = f"no cosine is known from which {encoder} vectors show one person (audit.same_person); {_HOW_TO_CHECK}"
        return Check.certain(Finding("names", title, "not checked", text))
    known = np.flatnonzero(np.isfinite(vectors_RD).all(axis=1) & (np.abs(vectors_RD).max(axis=1, initial=0) > 0))
    compared = known[:_MAX_COMPARED]
    table = recordings.iloc[compared]
    people, splits = table["person_id"].to_numpy(), table["split"].to_numpy()
    if len(set(people)) < 2:
        return Check.certain(Finding("names", title, "not checked", "fewer than two people have features"))
    pairs: dict[tuple[str, str], float] = {}
    across: set[tuple[str, str]] = set()
    touched: set[str] = set()
    highest = -1.0
    for cosine, i, j in _cosines_of_two(vectors_RD[compared], people, min_cosine):
        highest = max(highest, cosine)
        if cosine < min_cosine:
            continue
        one, other = sorted((str(people[i]), str(people[j])))
        pairs[one, other] = max(cosine, pairs.get((one, other), -1.0))
        across |= {(one, other)} if splits[i] != splits[j] else set()
        touched |= {str(table["recording_id"].iloc[row]) for row in (i, j)}
    numbers = {"pairs": len(pairs), "pairs_across_splits": len(across), "max_cosine": round(highest, 4)}
    left = len(recordings) - len(compared)
    beyond = (
        f"; {plural(left, 'recording')} without features, or beyond {_MAX_COMPARED:,}, not compared" if left else ""
    )
    bar = f"one person from {min_cosine:g}"
    if not pairs:
        text = f"no two of {plural(len(set(people)), 'person')} look like one: highest cosine {highest:.2f}, {bar}"
        return Check.certain(Finding("names", title, "clear", text + beyond, numbers=numbers))
    ordered = sorted(pairs, key=lambda pair: (pair not in across, -pairs[pair]))
    verb = "looks like one person" if len(pairs) == 1 else "look like one person"
    text = f"{plural(len(pairs), 'pair')} of person_ids {verb} (highest cosine {highest:.2f}, {bar}), "
    text += f"{len(across)} of them in different splits"
    advice = (
        "Look at the recordings of each pair. If they show one person, give them one person_id in the manifest and "
        "make new splits; relatives, and faces in bad light, can look alike."
    )
    names = tuple(dict.fromkeys(name for pair in ordered for name in pair))
    evidence = tuple(f"{one} = {other} (cosine {pairs[one, other]:.2f})" for one, other in ordered)
    return Check.certain(
        Finding(
            "names",
            title,
            "warning",
            text + beyond,
            advice,
            people=names,
            recordings=tuple(sorted(touched)),
            evidence=evidence,
            numbers=numbers,
        )
    )


def verification(
    vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator, shared: bool, ids: Status
) -> Check:
    """Check whether features identify people, which leaks where people are in several splits.

    Parameters
    ----------
    vectors_RD, recordings
        As for `two_ids`.
    random : numpy.random.Generator
    shared : bool
        Whether a person_id is in several splits.
    ids : str
        Status of `two_ids`: whether other people are in several splits unnoticed.
    """
    title = "people in the features"
    test, pairs_same, pairs_different = _verified(vectors_RD, recordings, random)
    if test is None:
        text = "no person has two recordings with features"
        return Check.certain(Finding("identity", title, "not checked", text))
    measured = (
        f"verification AUC {test.estimate:.2f} [{test.low:.2f}, {test.high:.2f}] between "
        f"{plural(pairs_same, 'pair')} of recordings of one person and {pairs_different:,} of two people"
    )
    advice = ""
    status: Status = "clear"
    if test.low > 0.5 and shared:
        status, text = "leak", f"the mean vectors identify people, who are in several splits: {measured}"
        advice = "A model can recognise the people who are in several splits: make new splits."
    elif test.low > 0.5:
        status = "clear" if ids == "clear" else "not checked"
        sure = "" if ids == "clear" else ", but that each id is one person is not certain (see the next check)"
        text = f"the mean vectors identify people, and no person_id is in two splits{sure}: {measured}"
    elif test.high > _MAX_AUC:
        status, text = "not checked", f"too few people with two recordings to tell: {measured}"
    else:
        text = f"the mean vectors do not visibly identify people: {measured}"
    numbers = {"pairs_same": pairs_same, "pairs_different": pairs_different}
    # Not in the family of tests: it is an estimate and raises no alarm by itself.
    return Check.certain(Finding("identity", title, status, text, advice, tests=(test,), numbers=numbers))


def _verified(
    vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator
) -> tuple[Test | None, int, int]:
    """The test of recordings against each other, and the numbers of pairs of one and of two people."""
    kept = _sample(vectors_RD, recordings, random)
    people = recordings["person_id"].iloc[kept].to_numpy()
    same = people[:, None] == people[None, :]
    above = np.triu(np.ones(same.shape, bool), 1)
    cosine = _centred_cosines(vectors_RD[kept])
    return auc_test("identity", cosine, people), int((same & above).sum()), int((~same & above).sum())


def _sample(vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Rows with a vector: at most `_MAX_RECORDINGS`, those of people with several recordings first."""
    known = np.flatnonzero(np.isfinite(vectors_RD).all(axis=1))
    if len(known) <= _MAX_RECORDINGS:
        return known
    people = recordings["person_id"].iloc[known]
    several = people.map(people.value_counts()).to_numpy() > 1
    whose = people.map({person: number for number, person in enumerate(random.permutation(people.unique()))}).to_numpy()
    return np.sort(known[np.lexsort((whose, ~several))[:_MAX_RECORDINGS]])


def _centred_cosines(vectors_RD: np.ndarray) -> np.ndarray:
    """Cosines [R, R] of the vectors minus their mean."""
    x = _unit(vectors_RD - vectors_RD.mean(axis=0)) if len(vectors_RD) else vectors_RD
    return np.asarray(x @ x.T)


def _cosines_of_two(vectors_RD: np.ndarray, people: np.ndarray, low: float) -> Iterator[tuple[float, int, int]]:
    """Yield (cosine, i, j) of the pairs of two people at or above `low`, and the highest of each block of rows."""
    unit_RD = _unit(vectors_RD).astype(np.float32)
    _, person = np.unique(people, return_inverse=True)
    for start in range(0, len(unit_RD), _BLOCK):
        block = unit_RD[start : start + _BLOCK] @ unit_RD[start:].T
        block[person[start : start + _BLOCK, None] == person[None, start:]] = -1
        block[np.tril_indices(len(block), -1, block.shape[1])] = -1
        top = np.unravel_index(int(block.argmax()), block.shape)
        for i, j in {tuple(map(int, top)), *map(tuple, np.argwhere(block >= low).tolist())}:
            yield float(block[i, j]), start + i, start + j


def _unit(x_RD: np.ndarray) -> np.ndarray:
    return np.asarray(x_RD / np.maximum(np.linalg.norm(x_RD, axis=1, keepdims=True), 1e-12))
