"""Splits by person: nobody in two of them, sizes near the asked shares, scores alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError

__all__ = ["FEW_PEOPLE", "fold_people", "split_people"]

# Under so many people a test split is a handful of persons, and its numbers are theirs.
FEW_PEOPLE = 20
_TRIALS = 200
_NAMES = ("train", "dev", "test")


def split_people(recordings: pd.DataFrame, shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0) -> pd.Series:
    """Deal people to train, dev and test, stratified by score.

    recordings: recording_id, person_id and label, one row a recording. shares: of the recordings, for train, dev, test.
    Returns the split of each recording_id; a recording without a label is "unlabelled". No split is empty, and among
    `_TRIALS` seeded deals the one is kept in which sizes lie nearest to the shares and mean and spread of the labels
    differ least. The order of the rows does not matter.
    Raises `LfnetError` for shares that are not three positive numbers of sum 1, and under three labelled people.
    """
    if len(shares) != 3 or not all(share > 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        said = ",".join(f"{share:g}" for share in shares)
        raise LfnetError(
            f"splits {said}: give three positive shares for train, dev and test that sum to 1 (0.6,0.2,0.2)."
        )
    dealt = _deal(recordings, np.asarray(shares, float), seed, "three splits")
    return dealt.map(lambda number: "unlabelled" if number < 0 else _NAMES[number]).rename("split")


def fold_people(recordings: pd.DataFrame, folds: int = 5, seed: int = 0) -> pd.Series:
    """Deal people to `folds` equal parts, numbered from 1, for grouped cross-validation; as `split_people` otherwise.

    Returns the fold of each recording_id, 0 for a recording without a label.
    """
    if folds < 3:
        raise LfnetError(f"{folds} folds cannot make train, dev and test. Ask for 3 or more.")
    return (_deal(recordings, np.full(folds, 1 / folds), seed, f"{folds} folds") + 1).rename("fold")


def _deal(recordings: pd.DataFrame, shares: np.ndarray, seed: int, what: str) -> pd.Series:
    """The part of each recording_id, -1 where it has no label."""
    labelled = recordings[recordings["label"].notna()].sort_values("recording_id")
    people = labelled.groupby("person_id", sort=True)["label"].agg(["size", "mean"])
    if len(people) < len(shares):
        raise LfnetError(f"{len(people)} people with labels cannot fill {what}: nobody may be in two of them.")
    sizes, means = people["size"].to_numpy(), people["mean"].to_numpy(float)
    scores = [group.to_numpy(float) for _, group in labelled.groupby("person_id", sort=True)["label"]]
    spread = float(labelled["label"].std(ddof=0)) or 1.0
    whole = np.array([labelled["label"].mean(), spread])
    # A deal is judged by how far each part's size, label mean and label spread lie from the whole cohort's.
    best, best_cost = None, np.inf
    rng = np.random.default_rng(seed)
    for _ in range(_TRIALS):
        # The jitter lets near neighbours change places, so that the deals differ but each goes from low scores to high.
        order = np.argsort(means + rng.normal(0, 0.2 * spread, len(means)), kind="stable")
        parts = _one_deal(sizes[order], shares, rng)
        back = np.empty_like(parts)
        back[order] = parts
        cost = 0.0
        for part, share in enumerate(shares):
            inside = np.concatenate([scores[person] for person in np.flatnonzero(back == part)])
            off = (np.array([inside.mean(), inside.std()]) - whole) / spread
            cost += (len(inside) / sizes.sum() / share - 1) ** 2 + 2 * off[0] ** 2 + off[1] ** 2
        if cost < best_cost:
            best, best_cost = back, cost
    assert best is not None
    part_of = dict(zip(people.index, best.tolist(), strict=True))
    unique = recordings.drop_duplicates("recording_id").set_index("recording_id")
    known = unique["label"].notna()
    dealt = [part_of[person] if has else -1 for person, has in zip(unique["person_id"], known, strict=True)]
    return pd.Series(dealt, index=unique.index, dtype="int64")


def _one_deal(sizes: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give person after person to the part that is furthest behind; ties fall at random. No part stays empty.

    Counting half of the new person (Sainte-Laguë's rule for seats) keeps all parts filling at the pace of their shares,
    so that each takes people from the whole range of the order.
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
