"""`Grouping`, whose groups are found once, against `levels`, which checks every row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfnet.data.protocol import Aggregate, Protocol
from lfnet.training.predict import Grouping, window_predictions


def windows_of(sizes, rng):
    """A table of windows: sizes[r][c] windows in clip c of recording r, rows in any order."""
    rows = [
        (w, f"c{r}{c}", f"r{r}", f"p{r}", "dev", float(r % 7))
        for r, clips in enumerate(sizes)
        for c, count in enumerate(clips)
        for w in range(count)
    ]
    columns = ["window", "clip_id", "recording_id", "person_id", "split", "label"]
    return pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=rng.integers(1 << 30), ignore_index=True)


@pytest.mark.parametrize("level", ["window", "clip", "recording"])
@settings(max_examples=40)
@given(
    sizes=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=4),
    clip=st.sampled_from(["mean", "median"]),
    recording=st.sampled_from(["mean", "median"]),
    seed=st.integers(0, 1000),
)
def test_grouping_equals_the_aggregation_of_predictions(level, sizes, clip, recording, seed):
    rng = np.random.default_rng(seed)
    table = windows_of(sizes, rng)
    scores = rng.normal(15, 10, len(table))
    protocol = Protocol(name="t", window=1, hop=1, aggregate=Aggregate(clip=clip, recording=recording))
    expected = window_predictions(table, scores).all_levels(clip, recording).at(level).frame
    found = Grouping(table, protocol, level)
    pairs = sorted(zip(found.labels, found.scores(scores), strict=True))
    np.testing.assert_allclose(pairs, sorted(zip(expected["label"], expected["score"], strict=True)), rtol=1e-12)
