"""Cohort: a validated table of clips, a severity scale and the warnings that every table prints."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from lfnet.cohorts.columns import is_group
from lfnet.cohorts.identity import one_spelling, spellings
from lfnet.cohorts.scale import Band, Cutoff, Scale
from lfnet.cohorts.validation import COLUMNS, SPLITS, validate
from lfnet.fingerprints import digest

__all__ = ["COLUMNS", "SPLITS", "Band", "Cohort", "Cutoff", "OwnFeatures", "Scale", "validate"]

_SHARED = "people in more than one split: "
_SPELLED = "ids of people: "
_UNMEASURED = "test labels are absent: "


@runtime_checkable
class OwnFeatures(Protocol):
    """Features that a cohort brings itself, so that no encoder is needed.

    Optional attributes: `more`, a tuple of further streams, each an `OwnFeatures`; `meta`, text for the headers of
    the feature files: `per_segment` is "true" where rows are segments instead of frames, `sparse` where zero and
    constant vectors are values, `names` is a JSON list of the feature names; and `facts`, such text of single clips,
    known once a clip was read.

    Attributes
    ----------
    stream : str
        Short name of the stream ("simulated", "ready").
    recipe : str
        Digest of what computes the features.
    """

    stream: str
    recipe: str

    def source(self, clip_id: str) -> str:
        """Return the digest of what the clip's features are computed from."""
        ...

    def clip(self, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a clip's features float32 [T, D], valid bool [T] and time float64 [T] in seconds."""
        ...


@dataclass(frozen=True, eq=False)
class Cohort:
    """A validated table of clips and its severity scale.

    A recording is one session of one person. The label belongs to the recording; it is NaN in split unlabelled, and in
    test where test labels are absent.

    Parameters
    ----------
    name : str
        Name in tables and in the cache.
    clips : DataFrame
        One row a clip, as `validate` returns it.
    scale : Scale
        Scale of the labels.
    aligned : bool
        Whether frames are face crops already, so that no face is detected.
    simulated : bool
        Whether the cohort is simulated; every table then says so.
    warnings : tuple of str
        Sentences that every table prints. People in two splits, ids in several
        spellings and absent test labels are added here.
    own : OwnFeatures, optional
        Features that the cohort brings itself.
    about : DataFrame, optional
        Further columns of the manifest as text, indexed by clip_id: what an audit and the baseline `nuisance` read of
        how clips were filmed. They are no part of the fingerprint.
    items : DataFrame, optional
        Scores of the items of a questionnaire, indexed by recording_id; NaN where they are unknown.

    Examples
    --------
    >>> clips = pd.DataFrame({
    ...     "clip_id": ["a", "b", "c"], "recording_id": ["a", "b", "c"], "person_id": ["ann", "bob", "ann"],
    ...     "split": ["train", "dev", "test"], "task": "", "label": [3, 20, 9], "path": "", "fps": 30, "n_frames": 900,
    ... })
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=[{"name": "all", "low": 0, "high": 24}])
    >>> cohort = Cohort("three", validate(clips, scale, "clips"), scale)
    >>> cohort.in_split("test")["label"].tolist()
    [9.0]
    >>> cohort.warnings[0][:58]
    'people in more than one split: 1 of 2 people, 2 of 3 recor'
    """

    name: str
    clips: pd.DataFrame
    scale: Scale
    aligned: bool = False
    simulated: bool = False
    warnings: tuple[str, ...] = ()
    own: OwnFeatures | None = None
    about: pd.DataFrame | None = None
    items: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if list(self.clips.columns) != list(COLUMNS):
            raise ValueError(f"clips must be what `validate` returns, with columns {COLUMNS}, not {tuple(self.clips)}")
        given = [text for text in self.warnings if not text.startswith((_SHARED, _SPELLED, _UNMEASURED))]
        found = [_shared_people(self.clips), _people_in_spellings(self.clips), _absent_test_labels(self.recordings())]
        object.__setattr__(self, "warnings", (*given, *(text for text in found if text)))

    def fingerprint(self) -> str:
        """Return the digest of ids, people, splits, tasks, labels and scale.

        Paths do not count: a moved folder is the same cohort.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        named = self.clips[["clip_id", "recording_id", "person_id", "split", "task"]].astype(object).to_numpy().tolist()
        labels = [None if np.isnan(label) else float(label) for label in self.clips["label"]]
        clips = [[*names, label] for names, label in zip(named, labels, strict=True)]
        items = {} if self.items is None else {"items": self.items.to_csv(float_format="%g", lineterminator="\n")}
        scale = [self.scale.name, float(self.scale.min), float(self.scale.max)]
        return digest({"clips": clips, "scale": scale, **items})

    @property
    def groups(self) -> tuple[str, ...]:
        """Columns of `about` that group people by what they are: sex, age, site, language and the like."""
        return () if self.about is None else tuple(name for name in map(str, self.about.columns) if is_group(name))

    def in_split(self, split: str) -> pd.DataFrame:
        """Return the clips of one split, in order, with a new index. An unknown split is a `ValueError`."""
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: one of {SPLITS}")
        return self.clips[self.clips["split"] == split].reset_index(drop=True)

    def recordings(self) -> pd.DataFrame:
        """Return one row a recording: recording_id, person_id, split, label; sorted by recording_id."""
        columns = ["recording_id", "person_id", "split", "label"]
        return self.clips[columns].drop_duplicates("recording_id").sort_values("recording_id").reset_index(drop=True)


def _shared_people(clips: pd.DataFrame) -> str | None:
    recordings = clips[clips["split"] != "unlabelled"].drop_duplicates("recording_id")
    people = recordings["person_id"].map(one_spelling(recordings["person_id"]))
    splits = recordings.groupby(people)["split"].nunique()
    shared = set(splits.index[splits > 1])
    if not shared:
        return None
    touched = int(people.isin(shared).sum())
    return (
        f"{_SHARED}{len(shared)} of {len(splits)} people, {touched} of {len(recordings)} recordings. "
        "A model can recognise them instead of reading severity."
    )


def _people_in_spellings(clips: pd.DataFrame) -> str | None:
    several = spellings(clips["person_id"])
    if not several:
        return None
    ids = clips["person_id"].nunique()
    people = ids - sum(len(group) - 1 for group in several)
    one = len(several) == 1
    return (
        f"{_SPELLED}{len(several)} {'person has' if one else 'people have'} several spellings that differ in case, "
        f"zeros, separators or a prefix. Splits that lfnet makes, and the audit, count {people} people; tables and "
        f"intervals count {ids} ids, so that intervals are too short: write each id in one way."
    )


def _absent_test_labels(recordings: pd.DataFrame) -> str | None:
    labels = recordings.loc[recordings["split"] == "test", "label"]
    absent = int(labels.isna().sum())
    if not absent:
        return None
    return f"{_UNMEASURED}{absent} of {len(labels)} test recordings are scored but not measured."
