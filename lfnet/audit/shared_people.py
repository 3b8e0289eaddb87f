"""Checks of people: shared between splits, label known from the person, identity in features, two ids of one person."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lfnet.audit.finding import Check, Finding, Status, Test, interval
from lfnet.audit.statistics import auc_test, intraclass, permutation_p
from lfnet.cohorts.identity import one_spelling, spellings
from lfnet.evaluation.baselines import PersonLookup
from lfnet.features.clip_summaries import ClipSummaries
from lfnet.text import plural

__all__ = ["look_up", "recording_vectors", "shared_people", "two_names", "verification"]

_RESAMPLES = 2000
_BATCH = 2_000_000  # numbers in memory at a time
_MAX_RECORDINGS = 300  # compared with each other: pairs grow with the square
# Two ids of one person are searched for where features identify people this well (AUC) on this many pairs; a suspect
# lies this many robust standard deviations (of Fisher's z of the cosine) above pairs of two people.
_MIN_AUC, _MIN_PAIRS, _MIN_Z = 0.9, 5, 6.0
_ONE = 1 - 1e-9


def shared_people(recordings: pd.DataFrame) -> Check:
    """Check for people in two of train, dev and test. `recordings`: one row each, unlabelled left out.

    Ids that differ only in spelling are one person.
    """
    several = spellings(recordings["person_id"])
    recordings = recordings.assign(person_id=recordings["person_id"].map(one_spelling(recordings["person_id"])))
    spelled = f"; {plural(len(several), 'person')} with an id in several spellings" if several else ""
    splits = recordings.groupby("person_id")["split"].nunique()
    shared = splits.index[splits > 1]
    touched = recordings[recordings["person_id"].isin(shared)]
    in_train = set(recordings.loc[recordings["split"] == "train", "person_id"])
    known = {}
    for split in ("dev", "test"):
        own = recordings[recordings["split"] == split]
        known[split] = (int(own["person_id"].isin(in_train).sum()), len(own))
    numbers = {
        "people": len(splits),
        "people_shared": len(shared),
        "recordings": len(recordings),
        "recordings_touched": len(touched),
        **{f"{split}_known_from_train": pair[0] for split, pair in known.items()},
    }
    title = "people in several splits"
    if not recordings["split"].nunique() > 1:
        return Check.certain(Finding("people", title, "not checked", "there is only one split", numbers=numbers))
    if not len(shared):
        text = f"each of {plural(len(splits), 'person')} is in one split only"
        if len(splits) == len(recordings) > 1:
            text += "; no person has two recordings, so a wrong person_id cannot be detected"
        if several:
            advice = "Write each person_id in one way, or make ids of two people differ by more than case and zeros."
            names = tuple(name for group in several for name in group)
            return Check.certain(Finding("people", title, "warning", text + spelled, advice, names, numbers=numbers))
        return Check.certain(Finding("people", title, "clear", text, numbers=numbers))
    each = ", ".join(f"{got} of {of} {split} recordings" for split, (got, of) in known.items() if of)
    text = (
        f"{len(shared)} of {plural(len(splits), 'person')} are in more than one split, with {len(touched)} of "
        f"{plural(len(recordings), 'recording')}; {each} are of people seen in training{spelled}"
    )
    return Check.certain(
        Finding(
            "people",
            title,
            "leak",
            text,
            "Make new splits by person (`lfnet cohort split DIR`), or remove the shared people from train. Where the "
            "splits are given, compare every row with the baseline person_lookup.",
            people=tuple(map(str, shared)),
            recordings=tuple(touched["recording_id"]),
            numbers=numbers,
        )
    )


def look_up(recordings: pd.DataFrame, random: np.random.Generator, resamples: int) -> Check:
    """Check how much of the label is known from the person, and how similar the labels of one person are.

    The estimate is the share of squared error about the training mean that the person's training label explains, over
    the dev and test recordings of people seen in training; its interval resamples people. p: one-sided sign flips of
    each person's difference in mean absolute error.
    """
    title = "label from the person"
    labelled = recordings[recordings["label"].notna()]
    icc = intraclass(labelled["label"].to_numpy(float), labelled["person_id"].to_numpy())
    numbers: dict[str, float | int] = {}
    repeat = "no person has two labels"
    if icc is not None:
        numbers |= dict(zip(("icc", "icc_low", "icc_high"), icc, strict=True))
        repeat = "labels of one person have an intraclass correlation of {:.2f} [{:.2f}, {:.2f}]".format(*icc)
    train, other = labelled[labelled["split"] == "train"], labelled[labelled["split"].isin(("dev", "test"))]
    other = other[other["person_id"].isin(train["person_id"])]
    if not len(other):
        text = f"no person of dev or test has a label in train; {repeat}"
        return Check.certain(Finding("look_up", title, "clear", text, numbers=numbers))
    fitted = PersonLookup().fit(train)
    y = other["label"].to_numpy(float)
    miss, constant = fitted.predict(other) - y, fitted.mean - y
    _, person = np.unique(other["person_id"], return_inverse=True)
    squares_P2 = np.stack([np.bincount(person, error**2) for error in (miss, constant)], axis=1)
    gain_P = np.bincount(person, np.abs(constant) - np.abs(miss)) / np.bincount(person)
    explained = _explained(squares_P2.sum(axis=0))
    people = len(gain_P)
    size = max(1, _BATCH // people)
    parts = [min(size, _RESAMPLES - done) for done in range(0, _RESAMPLES, size)]
    drawn = np.concatenate([random.multinomial(people, np.full(people, 1 / people), n) @ squares_P2 for n in parts])
    low, high = np.quantile(_explained(drawn), (0.025, 0.975))

    def draw(size: int) -> np.ndarray:
        return (random.integers(0, 2, (size, people)) * 2 - 1) @ gain_P

    p = permutation_p(draw, float(gain_P.sum()), resamples, people)
    test = Test("look_up", p, float(explained), float(low), float(high))
    whole = labelled[labelled["split"].isin(("dev", "test"))]
    of_all = whole["label"].to_numpy(float)
    numbers |= {
        "known_recordings": len(other),
        "known_people": people,
        "mae_look_up": float(np.abs(fitted.predict(whole) - of_all).mean()),
        "mae_train_mean": float(np.abs(fitted.mean - of_all).mean()),
    }

    def conclude(tests: Sequence[Test], alpha: float) -> Finding:
        text = (
            f"a person's training label explains this share of the label in {plural(len(other), 'recording')} of "
            f"{plural(people, 'person')} known from train: {interval(tests[0], 'R²')}; over all of dev and test its "
            f"MAE is {numbers['mae_look_up']:.2f}, the training mean's {numbers['mae_train_mean']:.2f}; {repeat}"
        )
        found = tests[0].adjusted <= alpha
        advice = "Compare with the baseline person_lookup, and report metrics for unseen people." if found else ""
        status: Status = "leak" if found else "clear"
        names = tuple(other["recording_id"]) if found else ()
        return Finding("look_up", title, status, text, advice, (), names, (), tuple(tests), numbers)

    return Check((test,), conclude)


def _explained(squares: np.ndarray) -> np.ndarray:
    """R² of the look-up: 1 − its squared error / the constant's; 0 where that is 0. squares: [..., 2]."""
    about = squares[..., 1]
    return np.where(about > 0, 1 - squares[..., 0] / np.where(about > 0, about, 1), 0.0)


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


def verification(vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator, shared: bool) -> Check:
    """Check whether features identify people, which leaks where people are in several splits."""
    title = "people in the features"
    _, _, test, same, different = _pairs(vectors_RD, recordings, random)
    if test is None:
        text = "no person has two recordings with features"
        return Check.certain(Finding("identity", title, "not checked", text))
    numbers = {"pairs_same": int(same.sum()), "pairs_different": int(different.sum())}
    known = test.low > 0.5
    what = "the mean vectors identify people" if known else "the mean vectors do not visibly identify people"
    text = (
        f"{what}: verification AUC {test.estimate:.2f} [{test.low:.2f}, {test.high:.2f}] between "
        f"{plural(numbers['pairs_same'], 'pair')} of recordings of one person and "
        f"{numbers['pairs_different']:,} of two people"
    )
    leaks = known and shared
    advice = "A model can recognise the people who are in several splits: make new splits." if leaks else ""
    status: Status = "leak" if leaks else "clear"
    # Not in the family of tests: it is an estimate and raises no alarm by itself.
    return Check.certain(Finding("identity", title, status, text, advice, tests=(test,), numbers=numbers))


def two_names(vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator) -> Check:
    """Check for two people in different splits whose recordings are as similar as those of one person.

    Only where the features identify people well. Suspects are pairs more similar than the median pair of one person
    and, by median and quartiles, far outside the pairs of two people.
    """
    title = "one person with two ids"
    table, cosine, test, same, different = _pairs(vectors_RD, recordings, random)
    people, splits = table["person_id"].to_numpy(), table["split"].to_numpy()
    if test is None or test.estimate < _MIN_AUC or same.sum() < _MIN_PAIRS:
        text = "the features do not identify people well enough, or too few people have two recordings"
        return Check.certain(Finding("names", title, "not checked", text))
    low, middle, high = np.quantile(np.arctanh(np.clip(cosine[different], -_ONE, _ONE)), (0.25, 0.5, 0.75))
    threshold = max(float(np.median(cosine[same])), float(np.tanh(middle + _MIN_Z * (high - low) / 1.349)))
    suspects = np.argwhere(different & (splits[:, None] != splits[None, :]) & (cosine >= threshold))
    if not len(suspects):
        text = "no two people of different splits are as similar as one person"
        return Check.certain(Finding("names", title, "clear", text))
    pairs = {tuple(sorted((people[i], people[j]))) for i, j in suspects.tolist()}
    touched = sorted({str(table["recording_id"].iloc[i]) for pair in suspects.tolist() for i in pair})
    text = f"{plural(len(pairs), 'pair')} of people in different splits are as similar as two recordings of one person"
    advice = "Look at these recordings: if it is one person, give them one person_id and make new splits."
    names = tuple(sorted({str(person) for pair in pairs for person in pair}))
    numbers = {"pairs": len(pairs)}
    return Check.certain(Finding("names", title, "warning", text, advice, names, tuple(touched), numbers=numbers))


def _pairs(
    vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray, Test | None, np.ndarray, np.ndarray]:
    """Compare recordings: those compared, their cosines, the test, and masks of pairs of one and of two people."""
    kept = _sample(vectors_RD, recordings, random)
    table, cosine = recordings.iloc[kept], _cosines(vectors_RD[kept])
    people = table["person_id"].to_numpy()
    same = people[:, None] == people[None, :]
    above = np.triu(np.ones(same.shape, bool), 1)
    return table, cosine, auc_test("identity", cosine, people), same & above, ~same & above


def _sample(vectors_RD: np.ndarray, recordings: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Rows with a vector: at most `_MAX_RECORDINGS`, those of people with several recordings first."""
    known = np.flatnonzero(np.isfinite(vectors_RD).all(axis=1))
    if len(known) <= _MAX_RECORDINGS:
        return known
    people = recordings["person_id"].iloc[known]
    several = people.map(people.value_counts()).to_numpy() > 1
    whose = people.map({person: number for number, person in enumerate(random.permutation(people.unique()))}).to_numpy()
    return np.sort(known[np.lexsort((whose, ~several))[:_MAX_RECORDINGS]])


def _cosines(vectors_RD: np.ndarray) -> np.ndarray:
    """Cosines [R, R] of the centred vectors."""
    x = vectors_RD - vectors_RD.mean(axis=0) if len(vectors_RD) else vectors_RD
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return x @ x.T
