"""Checks of people by their ids: shared between splits, and label known from the person."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lfnet.audit.finding import Check, Finding, Status, Test, interval
from lfnet.audit.statistics import MIN_CLEAR, intraclass, permutation_p
from lfnet.cohorts.identity import one_spelling, spellings
from lfnet.evaluation.baselines import PersonLookup
from lfnet.text import fixed, plural

__all__ = ["look_up", "shared_people"]

_RESAMPLES = 2000
_BATCH = 2_000_000  # numbers in memory at a time


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
        text = f"each of {plural(len(splits), 'person_id')} is in one split only"
        if len(splits) == len(recordings) > 1:
            text += "; no person_id has two recordings, and whether two ids are one person is the last check"
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
        repeat = "labels of one person have an intraclass correlation of {} [{}, {}]".format(*map(fixed, icc))
    train, other = labelled[labelled["split"] == "train"], labelled[labelled["split"].isin(("dev", "test"))]
    if train.empty or other.empty:
        empty = "train" if train.empty else "dev or test"
        text = f"there is no label in {empty}; {repeat}"
        return Check.certain(Finding("look_up", title, "not checked", text, numbers=numbers))
    other = other[other["person_id"].isin(train["person_id"])]
    if other.empty:
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
        if people < MIN_CLEAR and not found:
            few = f"{plural(people, 'person')} of dev and test known from train are too few to tell; {repeat}"
            return Finding("look_up", title, "not checked", few, tests=tuple(tests), numbers=numbers)
        advice = "Compare with the baseline person_lookup, and report metrics for unseen people." if found else ""
        status: Status = "leak" if found else "clear"
        names = tuple(other["recording_id"]) if found else ()
        return Finding("look_up", title, status, text, advice, recordings=names, tests=tuple(tests), numbers=numbers)

    return Check((test,), conclude)


def _explained(squares: np.ndarray) -> np.ndarray:
    """R² of the look-up: 1 − its squared error / the constant's; 0 where that is 0. squares: [..., 2]."""
    about = squares[..., 1]
    return np.where(about > 0, 1 - squares[..., 0] / np.where(about > 0, about, 1), 0.0)
