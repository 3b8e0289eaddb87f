"""Labels of clips as `exchanged` deals them."""

from collections.abc import Collection

import pandas as pd

from lfnet.data.labels import exchanged

__all__ = ["permuted"]


def permuted(clips: pd.DataFrame, seed: int, splits: Collection[str] = ("train", "dev")) -> pd.Series:
    """Return the labels of clips with the labels of recordings exchanged between people."""
    label_of = clips.drop_duplicates("recording_id").set_index("recording_id")["label"].astype(float)
    return exchanged(clips, seed, splits).map(label_of).astype(float)
