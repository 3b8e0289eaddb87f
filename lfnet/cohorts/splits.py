"""Splits of a cohort: its own, without shared people, or new ones by person, stratified by label."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.identity import one_spelling
from lfnet.cohorts.validation import validate
from lfnet.errors import LfnetError

__all__ = [
    "CROSS_VALIDATION",
    "FEW_PEOPLE",
    "fewer_people",
    "fold_people",
    "grouped",
    "official",
    "split_people",
    "unshared",
]

CROSS_VALIDATION = "splits=grouped splits.fold=1,2,3,4,5"  # settings that test each person once
# With fewer people, a test split holds a handful of persons and its numbers describe them alone.
FEW_PEOPLE = 20
_TRIALS = 200
_FEWER = 3  # separates the random order of training people from other uses of a seed
_NAMES = ("train", "dev", "test")


def official(cohort: Cohort, *, name: str = "official") -> Cohort:
    """Return the cohort with its own splits."""
    return cohort


def unshared(cohort: Cohort, *, name: str = "unshared") -> Cohort:
    """Return the cohort with its own test split, and train and dev without people of another split.

    Recordings in train of people who are in dev or test are left out, and recordings in dev of people who are in test.
    A warning says how many are left; every table prints it.

    Raises
    ------
    LfnetError
        A split would be empty.
    """
    recordings = _one_spelling(cohort.recordings())
    people = {split: set(part["person_id"]) for split, part in recordings.groupby("split")}
    test, dev = people.get("test", set()), people.get("dev", set())
    keep = {}
    for row in recordings.itertuples():
        barred = {"train": dev | test, "dev": test}.get(str(row.split), set())
        if row.person_id not in barred:
            keep[str(row.recording_id)] = str(row.split)
    left = []
    for split in ("train", "dev"):
        before = int((recordings["split"] == split).sum())
        after = sum(own == split for own in keep.values())
        if before and not after:
            raise LfnetError(
                f"splits=unshared leaves split {split} empty: all its people are in "
                f"{'dev or test' if split == 'train' else 'test'} too. Use splits=grouped."
            )
        if after < before:
            left.append(f"{after} of {before} {split} recordings")
    warning = f"people in two splits were left out, test is unchanged: {' and '.join(left)} are left." if left else ""
    return _with_splits(cohort, keep, warning)


def grouped(
    cohort: Cohort,
    *,
    folds: Annotated[int, Field(ge=3)],
    fold: Annotated[int, Field(ge=1)],
    seed: Annotated[int, Field(ge=0)],
    name: str = "grouped",
) -> Cohort:
    """Return the cohort in one fold of a cross-validation by person.

    Recordings without a label are left out.

    Parameters
    ----------
    cohort : Cohort
        The cohort; people keep all their recordings in one fold.
    folds : int
        Number of folds, of equal size and similar labels (see `fold_people`).
    fold : int
        The fold, from 1, that is the test split. The next one is dev, the others are train.
    seed : int
        Seed of the assignment. Another one repeats the cross-validation with other folds.
    name : str
        Name of the splits in tables.

    Raises
    ------
    LfnetError
        `fold` is above `folds`, or there are fewer labelled people than folds.
    """
    if fold > folds:
        raise LfnetError(f"splits.fold={fold}: give a whole number from 1 to splits.folds={folds}.")
    recordings = cohort.recordings()
    fold_of = fold_people(recordings[recordings["split"] != "unlabelled"], folds, seed)
    names = {fold: "test", fold % folds + 1: "dev"}
    splits = {str(recording): names.get(int(number), "train") for recording, number in fold_of.items() if number}
    return _with_splits(cohort, splits)


def fewer_people(cohort: Cohort, people: int, seed: int = 0) -> Cohort:
    """Return the cohort with this number of people in its training split, all other splits as they are.

    The people of a smaller number are among those of a larger one with the same seed.

    Parameters
    ----------
    cohort : Cohort
    people : int
    seed : int
        Of the order in which people are taken.

    Raises
    ------
    LfnetError
        The training split has fewer people.
    """
    recordings = _one_spelling(cohort.recordings())
    train = recordings[recordings["split"] == "train"]
    known = sorted(set(train["person_id"]))
    if people > len(known):
        raise LfnetError(
            f"amount.train_people={people}: split train of cohort {cohort.name} has {len(known)} people; give at most "
            "that, or null for all."
        )
    order = np.random.default_rng([seed, _FEWER]).permutation(len(known))
    kept = {known[place] for place in order[:people]}
    stays = recordings[(recordings["split"] != "train") | recordings["person_id"].isin(kept)]
    return _with_splits(cohort, dict(zip(stays["recording_id"], stays["split"], strict=True)))


def _with_splits(cohort: Cohort, split_of: Mapping[str, str], warning: str = "") -> Cohort:
    """The cohort with these recordings only, in these splits."""
    clips = cohort.clips[cohort.clips["recording_id"].isin(list(split_of))]
    clips = clips.assign(split=clips["recording_id"].map(dict(split_of)))
    own: Any = cohort.own
    if hasattr(own, "resplit"):  # the oracles of a simulated cohort depend on who is trained on
        own = own.resplit(split_of)
    return replace(
        cohort,
        clips=validate(clips.reset_index(drop=True), cohort.scale, f"cohort {cohort.name}"),
        warnings=(*cohort.warnings, *([warning] if warning else [])),
        own=own,
    )


def split_people(recordings: pd.DataFrame, shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0) -> pd.Series:
    """Assign people to train, dev and test, stratified by label.

    Of `_TRIALS` seeded assignments, the one is kept whose split sizes are nearest to the shares and whose splits differ
    least in mean and SD of the labels. No split is empty. The order of the rows does not matter. Ids that differ only
    in spelling (`lfnet.cohorts.identity.normal_id`) are one person.

    Parameters
    ----------
    recordings : DataFrame
        Columns recording_id, person_id and label, one row a recording.
    shares : sequence of float
        Shares of the recordings for train, dev and test.
    seed : int
        Seed of the assignments.

    Returns
    -------
    Series
        Split of each recording_id; "unlabelled" for a recording without a label.

    Raises
    ------
    LfnetError
        The shares are not three positive numbers with sum 1, or there are fewer than three labelled people.

    Examples
    --------
    >>> people = [f"p{number}" for number in range(10)]
    >>> recordings = pd.DataFrame({"recording_id": people, "person_id": people, "label": range(10)})
    >>> split_people(recordings, (0.6, 0.2, 0.2)).value_counts().sort_index().to_dict()
    {'dev': 2, 'test': 2, 'train': 6}
    """
    check_split_settings(shares, seed)
    part_of = _assign(recordings, np.asarray(shares, float), seed, "three splits")
    return part_of.map(lambda number: "unlabelled" if number < 0 else _NAMES[number]).rename("split")


def fold_people(recordings: pd.DataFrame, folds: int = 5, seed: int = 0) -> pd.Series:
    """Assign people to `folds` equal parts for grouped cross-validation, as `split_people` does.

    Returns
    -------
    Series
        Fold of each recording_id, from 1; 0 for a recording without a label.

    Raises
    ------
    LfnetError
        There are fewer than three folds, or fewer labelled people than folds.
    """
    if folds < 3:
        raise LfnetError(f"{folds} folds cannot make train, dev and test. Give 3 or more.")
    return (_assign(recordings, np.full(folds, 1 / folds), seed, f"{folds} folds") + 1).rename("fold")


def check_split_settings(shares: Sequence[float] | None, seed: int) -> None:
    """Raise `LfnetError` where shares (None for folds) or seed cannot be used."""
    if seed < 0:
        raise LfnetError(f"seed {seed}: give 0 or more.")
    if shares is not None and (
        len(shares) != 3 or not all(share > 0 for share in shares) or not abs(sum(shares) - 1) <= 1e-6
    ):
        given = ",".join(f"{share:g}" for share in shares)
        raise LfnetError(
            f"splits {given}: give three positive shares for train, dev and test with sum 1 (0.6,0.2,0.2)."
        )


def _one_spelling(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings.assign(person_id=recordings["person_id"].map(one_spelling(recordings["person_id"])))


def _assign(recordings: pd.DataFrame, shares: np.ndarray, seed: int, what: str) -> pd.Series:
    """The part of each recording_id, -1 where it has no label."""
    check_split_settings(None, seed)
    recordings = _one_spelling(recordings)
    labelled = recordings[recordings["label"].notna()].sort_values("recording_id")
    people = labelled.groupby("person_id", sort=True)["label"].agg(["size", "mean"])
    if len(people) < len(shares):
        raise LfnetError(f"{len(people)} people with labels cannot fill {what}: no person may be in two of them.")
    sizes, means = people["size"].to_numpy(), people["mean"].to_numpy(float)
    scores = [group.to_numpy(float) for _, group in labelled.groupby("person_id", sort=True)["label"]]
    sd = float(labelled["label"].std(ddof=0)) or 1.0
    whole = np.array([labelled["label"].mean(), sd])
    # Cost of an assignment: how far size, label mean and label SD of each part are from the whole cohort's.
    best, best_cost = None, np.inf
    rng = np.random.default_rng(seed)
    for _ in range(_TRIALS):
        # Noise on the means makes the assignments differ; each still goes from low labels to high.
        order = np.argsort(means + rng.normal(0, 0.2 * sd, len(means)), kind="stable")
        parts = _one_assignment(sizes[order], shares, rng)
        back = np.empty_like(parts)
        back[order] = parts
        cost = 0.0
        for part, share in enumerate(shares):
            inside = np.concatenate([scores[person] for person in np.flatnonzero(back == part)])
            off = (np.array([inside.mean(), inside.std()]) - whole) / sd
            cost += (len(inside) / sizes.sum() / share - 1) ** 2 + 2 * off[0] ** 2 + off[1] ** 2
        if cost < best_cost:
            best, best_cost = back, cost
    assert best is not None
    part_of = dict(zip(people.index, best.tolist(), strict=True))
    unique = recordings.drop_duplicates("recording_id").set_index("recording_id")
    known = unique["label"].notna()
    numbers = [part_of[person] if has else -1 for person, has in zip(unique["person_id"], known, strict=True)]
    return pd.Series(numbers, index=unique.index, dtype="int64")


def _one_assignment(sizes: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each person in turn to the part that is furthest below its share; ties are broken at random.

    Half of the new person counts (Sainte-Laguë's rule), so that all parts fill at the pace of their shares and each
    takes people from the whole range of labels. No part stays empty.
    """
    wanted = shares * sizes.sum()
    given = np.zeros(len(shares))
    parts = np.empty(len(sizes), dtype=np.int64)
    for person, size in enumerate(sizes):
        filled = (given + size / 2) / wanted + rng.uniform(0, 1e-6, len(shares))
        parts[person] = int(filled.argmin())
        given[parts[person]] += size
    for empty in np.flatnonzero(np.bincount(parts, minlength=len(shares)) == 0):
        crowded = np.bincount(parts, minlength=len(shares)).argmax()
        candidates = np.flatnonzero(parts == crowded)
        parts[rng.choice(candidates[sizes[candidates] == sizes[candidates].min()])] = empty
    return parts
