"""Shortened clips: the first rows, at least one, and a fingerprint of their own."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.features.shortened import ShortenedStream
from lfnet.features.store import ClipFeatures, FeatureStore


@pytest.mark.parametrize(("frames", "share", "rows"), [(10, 0.25, 3), (40, 0.1, 4), (3, 0.01, 1), (0, 0.5, 0)])
def test_the_first_rows_are_read(tmp_path: Path, frames: int, share: float, rows: int) -> None:
    store = FeatureStore(tmp_path, "mine", "0" * 64)
    x_TD = np.arange(2 * frames, dtype=np.float32).reshape(frames, 2)
    store.write("a", ClipFeatures(x_TD, np.arange(frames) % 3 > 0, np.arange(frames) / 30), "a")
    short = ShortenedStream(store, share)
    clip = short.read("a")
    assert clip.features.tolist() == x_TD[:rows].tolist() and len(clip.valid) == len(clip.time) == rows
    assert short.shape("a") == (rows, 2)
    prints = {one.fingerprint(["a"]) for one in (store, short, ShortenedStream(store, 0.9))}
    assert len(prints) == 3
