"""Splits by person: what must hold for every cohort, and what holds for one of a usual size."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfnet.cohorts.splits import fold_people, split_people
from lfnet.errors import LfnetError

SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}


def cohort(people: list[list[float | None]]) -> pd.DataFrame:
    """One inner list a person, one label a recording."""
    rows = [
        (f"r{person}_{sitting}", f"p{person}", np.nan if label is None else label)
        for person, labels in enumerate(people)
        for sitting, label in enumerate(labels)
    ]
    return pd.DataFrame(rows, columns=["recording_id", "person_id", "label"])


def people(least: int, most: int) -> st.SearchStrategy[list[list[float | None]]]:
    label = st.one_of(st.integers(0, 63).map(float), st.none())
    first = st.integers(0, 63).map(float)
    one = st.tuples(first, st.lists(label, max_size=3)).map(lambda pair: [pair[0], *pair[1]])
    return st.lists(one, min_size=least, max_size=most)


@settings(max_examples=40, deadline=None)
@given(people(3, 45), st.integers(0, 1000))
def test_properties_of_every_split(persons: list[list[float | None]], seed: int) -> None:
    recordings = cohort(persons)
    split = split_people(recordings, seed=seed)
    dealt = recordings.assign(split=recordings["recording_id"].map(split))
    labelled = dealt[dealt["label"].notna()]
    assert set(labelled["split"]) == {"train", "dev", "test"}, "no split is empty"
    assert (dealt.loc[dealt["label"].isna(), "split"] == "unlabelled").all()
    assert (labelled.groupby("person_id")["split"].nunique() == 1).all(), "nobody is in two splits"
    if len(persons) >= 20:
        largest = labelled.groupby("person_id").size().max()
        for name, share in SHARES.items():
            assert abs((labelled["split"] == name).sum() - share * len(labelled)) <= largest
    shuffled = recordings.sample(frac=1, random_state=seed)
    again = split_people(shuffled, seed=seed)
    assert again.sort_index().equals(split.sort_index()), "the same seed deals alike, whatever the order of the rows"


@settings(max_examples=20, deadline=None)
@given(people(5, 25), st.integers(3, 5), st.integers(0, 100))
def test_folds(persons: list[list[float | None]], folds: int, seed: int) -> None:
    recordings = cohort(persons)
    fold = fold_people(recordings, folds, seed)
    dealt = recordings.assign(fold=recordings["recording_id"].map(fold))
    labelled = dealt[dealt["label"].notna()]
    assert set(labelled["fold"]) == set(range(1, folds + 1))
    assert (labelled.groupby("person_id")["fold"].nunique() == 1).all()
    assert (dealt.loc[dealt["label"].isna(), "fold"] == 0).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.2), (1 / 3, 1 / 3, 1 / 3), (0.8, 0.1, 0.1)])
def test_scores_are_similar_in_all_splits(seed: int, shares: tuple[float, ...]) -> None:
    """84 people, 150 recordings, skewed scores: the splits' means lie closer than those of random splits by person."""
    rng = np.random.default_rng(seed)
    sittings = 1 + rng.multinomial(66, np.full(84, 1 / 84))
    scores = [np.clip(rng.gamma(1.6, 9.4) + rng.normal(0, 4, number), 0, 63).round().tolist() for number in sittings]
    recordings = cohort(scores)
    dealt = recordings.assign(split=recordings["recording_id"].map(split_people(recordings, shares, seed)))
    groups = dealt.groupby("split")["label"]
    spread = recordings["label"].std()
    assert (groups.mean().max() - groups.mean().min()) / spread < 0.2
    assert abs(groups.std() / spread - 1).max() < 0.3
    for name, share in zip(("train", "dev", "test"), shares, strict=True):
        assert abs((dealt["split"] == name).sum() - share * 150) <= 2


def test_seeds_give_different_splits() -> None:
    recordings = cohort([[float(score)] for score in range(40)])
    assert not split_people(recordings, seed=0).equals(split_people(recordings, seed=1))


@pytest.mark.parametrize(
    "shares", [(0.6, 0.4), (0.6, 0.2, 0.3), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1), (0.6, 0.2, float("nan"))]
)
def test_unsound_shares(shares: tuple[float, ...]) -> None:
    with pytest.raises(LfnetError, match="three positive shares"):
        split_people(cohort([[1.0]] * 20), shares)


def test_too_few_people() -> None:
    with pytest.raises(LfnetError, match="2 people with labels cannot fill three splits"):
        split_people(cohort([[1.0, 2.0], [3.0], [None]]))
    with pytest.raises(LfnetError, match="4 people with labels cannot fill 5 folds"):
        fold_people(cohort([[1.0]] * 4), 5)
    with pytest.raises(LfnetError, match="2 folds cannot make"):
        fold_people(cohort([[1.0]] * 4), 2)


def test_a_negative_seed_is_refused() -> None:
    recordings = cohort([[1.0], [2.0], [3.0]])
    for split in (split_people, fold_people):
        with pytest.raises(LfnetError, match="seed -1: give 0 or more"):
            split(recordings, seed=-1) if split is split_people else split(recordings, 3, -1)
