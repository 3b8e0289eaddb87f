"""Who was filmed, when, and how they scored: one validated table, a scale, and what a reader must know about both."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from lfnet.cohorts.scale import Band, Scale
from lfnet.cohorts.validation import COLUMNS, SPLITS, validate
from lfnet.fingerprints import digest
from lfnet.once import once

__all__ = ["COLUMNS", "SPLITS", "Band", "Cohort", "OwnFeatures", "Scale", "validate"]

_SHARED = "people in more than one split: "
_UNMEASURED = "test labels are absent: "


@runtime_checkable
class OwnFeatures(Protocol):
    """What a cohort offers that brings its own vectors, so that no encoder is needed.

    stream: a short name ("simulated", "ready"). recipe: digest of what makes the vectors.
    It may also have `more`, a tuple of further streams, each an OwnFeatures; and `meta`, text for the headers of its
    files: `per_segment` is "true" where rows are segments and not frames, `names` a JSON list of the features' names.
    """

    stream: str
    recipe: str

    def source(self, clip_id: str) -> str:
        """Digest of what the clip's vectors come from."""
        ...

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A clip's features float32 [T, D], valid bool [T] and time float64 [T] in seconds."""
        ...


@dataclass(frozen=True, eq=False)
class Cohort:
    """A validated table of clips and what is known about it.

    clips: what `validate` returns. A recording is one sitting of one person; the label belongs to the recording and is
    NaN in split unlabelled or where test labels are absent. aligned: frames are face crops already, nothing is to be
    detected. simulated: no person was filmed. warnings: one sentence each for what every table must say; people in two
    splits and absent test labels are found here and need not be given. own: the vectors that the cohort brings.
    """

    name: str
    clips: pd.DataFrame
    scale: Scale
    aligned: bool = False
    simulated: bool = False
    warnings: tuple[str, ...] = ()
    own: OwnFeatures | None = None

    def __post_init__(self) -> None:
        if list(self.clips.columns) != list(COLUMNS):
            raise ValueError(f"clips must be what `validate` returns, with columns {COLUMNS}, not {tuple(self.clips)}")
        given = [text for text in self.warnings if not text.startswith((_SHARED, _UNMEASURED))]
        found = [_shared_people(self.clips), _absent_test_labels(self.recordings())]
        object.__setattr__(self, "warnings", (*given, *(text for text in found if text)))

    def fingerprint(self) -> str:
        """Digest of ids, persons, splits, tasks, labels and scale; not of paths: a moved folder is the same cohort."""
        return once(("cohort", self), self._fingerprint)

    def _fingerprint(self) -> str:
        named = self.clips[["clip_id", "recording_id", "person_id", "split", "task"]].astype(object).to_numpy().tolist()
        labels = [None if np.isnan(label) else float(label) for label in self.clips["label"]]
        clips = [[*names, label] for names, label in zip(named, labels, strict=True)]
        return digest({"clips": clips, "scale": [self.scale.name, float(self.scale.min), float(self.scale.max)]})

    def in_split(self, split: str) -> pd.DataFrame:
        """The clips of one split, in order, with a fresh index. Raises `ValueError` for an unknown split."""
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: one of {SPLITS}")
        return self.clips[self.clips["split"] == split].reset_index(drop=True)

    def recordings(self) -> pd.DataFrame:
        """One row a recording: recording_id, person_id, split, label; sorted by recording_id."""
        columns = ["recording_id", "person_id", "split", "label"]
        return self.clips[columns].drop_duplicates("recording_id").sort_values("recording_id").reset_index(drop=True)


def _shared_people(clips: pd.DataFrame) -> str | None:
    recordings = clips[clips["split"] != "unlabelled"].drop_duplicates("recording_id")
    splits = recordings.groupby("person_id")["split"].nunique()
    shared = set(splits.index[splits > 1])
    if not shared:
        return None
    touched = int(recordings["person_id"].isin(shared).sum())
    return (
        f"{_SHARED}{len(shared)} of {len(splits)} people, {touched} of {len(recordings)} recordings. "
        "A model can recognise them instead of reading severity."
    )


def _absent_test_labels(recordings: pd.DataFrame) -> str | None:
    labels = recordings.loc[recordings["split"] == "test", "label"]
    absent = int(labels.isna().sum())
    if not absent:
        return None
    return f"{_UNMEASURED}{absent} of {len(labels)} test recordings are scored but not measured."
