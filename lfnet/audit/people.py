"""People in several splits, and how much of the label knowing them gives away."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lfnet.audit.finding import Check, Finding, Status, Test, interval, plural
from lfnet.audit.statistics import intraclass, permutation_p
from lfnet.evaluation.baselines import PersonLookup

__all__ = ["look_up", "shared_people"]

_RESAMPLES = 2000


def shared_people(recordings: pd.DataFrame) -> Check:
    """Who is in two of train, dev and test. recordings: those of the splits, one row each."""
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
            text += "; every recording has a person of its own, so that a wrong person_id would not be seen here"
        return Check.certain(Finding("people", title, "clear", text, numbers=numbers))
    each = ", ".join(f"{got} of {of} {split} recordings" for split, (got, of) in known.items() if of)
    text = (
        f"{len(shared)} of {plural(len(splits), 'person')} are in more than one split and touch {len(touched)} of "
        f"{plural(len(recordings), 'recording')}; {each} are of people seen in training"
    )
    return Check.certain(
        Finding(
            "people",
            title,
            "leak",
            text,
            "Deal people to splits anew (`lfnet cohort split DIR`), or take the shared people out of train. Where the "
            "splits are given, read every row beside the person look-up.",
            people=tuple(map(str, shared)),
            recordings=tuple(touched["recording_id"]),
            numbers=numbers,
        )
    )


def look_up(recordings: pd.DataFrame, random: np.random.Generator, resamples: int) -> Check:
    """How much better is a person's known score than the training mean, and how alike are one person's scores?

    The estimate: the share of squared error about the training mean that the look-up removes, over the dev and test
    recordings of people seen in training; its interval resamples people. p: sign-flips of each person's difference in
    mean absolute error, one-sided.
    """
    title = "label from the person"
    labelled = recordings[recordings["label"].notna()]
    alike = intraclass(labelled["label"].to_numpy(float), labelled["person_id"].to_numpy())
    numbers: dict[str, float | int] = {}
    repeat = "nobody has two scores"
    if alike is not None:
        numbers |= dict(zip(("icc", "icc_low", "icc_high"), alike, strict=True))
        repeat = "one person's scores agree with an intraclass correlation of {:.2f} [{:.2f}, {:.2f}]".format(*alike)
    train, other = labelled[labelled["split"] == "train"], labelled[labelled["split"].isin(("dev", "test"))]
    other = other[other["person_id"].isin(train["person_id"])]
    if not len(other):
        text = f"no person of dev or test has a score in train; {repeat}"
        return Check.certain(Finding("look_up", title, "clear", text, numbers=numbers))
    fitted = PersonLookup().fit(train)
    y = other["label"].to_numpy(float)
    miss, constant = fitted.predict(other) - y, fitted.mean - y
    _, person = np.unique(other["person_id"], return_inverse=True)
    squares_P2 = np.stack([np.bincount(person, error**2) for error in (miss, constant)], axis=1)
    gain_P = np.bincount(person, np.abs(constant) - np.abs(miss)) / np.bincount(person)
    explained = _explained(squares_P2.sum(axis=0))
    people = len(gain_P)
    drawn = random.multinomial(people, np.full(people, 1 / people), _RESAMPLES) @ squares_P2
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
            f"a person's training score explains this share of the label in {plural(len(other), 'recording')} of "
            f"{plural(people, 'person')} known from train: {interval(tests[0], 'R²')}; over all of dev and test its "
            f"MAE is {numbers['mae_look_up']:.2f}, the training mean's {numbers['mae_train_mean']:.2f}; {repeat}"
        )
        found = tests[0].adjusted <= alpha
        mend = "Compare with the baseline person_lookup, and give metrics for unseen people." if found else ""
        status: Status = "leak" if found else "clear"
        names = tuple(other["recording_id"]) if found else ()
        return Finding("look_up", title, status, text, mend, (), names, (), tuple(tests), numbers)

    return Check((test,), conclude)


def _explained(squares: np.ndarray) -> np.ndarray:
    """1 − look-up's squares / constant's; 0 where there are none. squares: [..., 2]."""
    about = squares[..., 1]
    return np.where(about > 0, 1 - squares[..., 0] / np.where(about > 0, about, 1), 0.0)
