"""Permuted labels: the same labels for other people, everything else unchanged."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from tests.data.exchanged_labels import permuted


def clips_of(sittings, tasks=2):
    rows = []
    for person, count in enumerate(sittings):
        for session in range(count):
            name = f"p{person}_{session}"
            split = ("train", "train", "dev")[session] if person % 3 == 0 else "train"
            label = 10.0 * person + session
            rows += [(f"{name}_{task}", name, f"p{person}", split, label) for task in range(tasks)]
    return pd.DataFrame(rows, columns=["clip_id", "recording_id", "person_id", "split", "label"])


@given(st.lists(st.integers(1, 3), min_size=2, max_size=9), st.integers(0, 30))
def test_training_labels_are_exchanged_and_nothing_else_changes(sittings, seed):
    clips = clips_of(sittings)
    new = permuted(clips, seed, ["train"])
    train = clips["split"] == "train"
    assert (new[~train] == clips.loc[~train, "label"]).all()
    table = clips.assign(new=new)
    assert (table.groupby("recording_id")["new"].nunique() == 1).all()
    recordings = table[train].drop_duplicates("recording_id")
    assert sorted(recordings["new"]) == sorted(recordings["label"])
    pd.testing.assert_series_equal(new, permuted(clips, seed, ["train"]), check_names=False)


def test_a_persons_labels_stay_together_and_fall_to_any_person():
    clips = clips_of([1] * 6)
    owners = np.array([permuted(clips, seed, ["train"])[0] // 10 for seed in range(600)])
    assert np.bincount(owners.astype(int), minlength=6) == pytest.approx(100, abs=5 * np.sqrt(600 * 5 / 36))
    pairs = clips_of([2] * 8).query("person_id != 'p0'")
    pairs = pairs.assign(split="train")
    new = permuted(pairs, 3, ["train"])
    assert (pairs.assign(of=new // 10).groupby("person_id")["of"].nunique() == 1).all()


def test_one_person_is_refused():
    with pytest.raises(LfnetError, match="two people or more in split train"):
        permuted(clips_of([2]), 0)


def test_the_split_that_chooses_is_exchanged_too_within_itself():
    clips = clips_of([3] * 12)
    new = permuted(clips, 5)
    assert (new[clips["split"] == "train"] == permuted(clips, 5, ["train"])[clips["split"] == "train"]).all()
    dev = clips[clips["split"] == "dev"]
    assert (new[dev.index] != dev["label"]).any() and sorted(new[dev.index]) == sorted(dev["label"])
