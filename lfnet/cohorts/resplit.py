"""The same cohort under other splits (`conf/splits`): without people on both sides, or dealt anew by person."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.splits import fold_people
from lfnet.cohorts.validation import validate
from lfnet.errors import LfnetError

__all__ = ["grouped", "official", "unshared"]


def official(cohort: Cohort, *, name: str = "official") -> Cohort:
    """The cohort's own splits."""
    return cohort


def unshared(cohort: Cohort, *, name: str = "unshared") -> Cohort:
    """The cohort's own test split, and train and dev without anybody of it: nobody is on two sides.

    Left out are recordings in train of people who are in dev or test too, and recordings in dev of people in test. How
    many are left is a warning, and so stands above every table. Raises `LfnetError` where nobody would be left.
    """
    recordings = cohort.recordings()
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
                f"splits=unshared leaves nobody in {split}: all its people are in "
                f"{'dev or test' if split == 'train' else 'test'} too. Use splits=grouped."
            )
        if after < before:
            left.append(f"{after} of {before} {split} recordings")
    said = f"people in two splits were left out, test is unchanged: {' and '.join(left)} are left." if left else ""
    return _with(cohort, keep, said)


def grouped(cohort: Cohort, *, folds: int, fold: int, seed: int, name: str = "grouped") -> Cohort:
    """One fold of a cross-validation by person: this fold is test, the next one dev, the others train.

    People are dealt to folds of equal size and like scores (`fold_people`). fold: 1 to folds. seed: of the deal;
    another one repeats the cross-validation. Recordings without a label stay out of it. Raises `LfnetError` for too few
    people and for a fold that there is not.
    """
    if not isinstance(fold, int) or not isinstance(folds, int) or not 1 <= fold <= folds:
        raise LfnetError(f"splits.fold={fold}: give a number from 1 to splits.folds={folds}.")
    if not isinstance(seed, int) or seed < 0:
        raise LfnetError(f"splits.seed={seed}: give a whole number, 0 or more.")
    recordings = cohort.recordings()
    dealt = fold_people(recordings[recordings["split"] != "unlabelled"], folds, seed)
    names = {fold: "test", fold % folds + 1: "dev"}
    return _with(
        cohort, {str(recording): names.get(int(number), "train") for recording, number in dealt.items() if number}
    )


def _with(cohort: Cohort, split_of: Mapping[str, str], warning: str = "") -> Cohort:
    """The cohort with these recordings only, in these splits."""
    clips = cohort.clips[cohort.clips["recording_id"].isin(list(split_of))]
    clips = clips.assign(split=clips["recording_id"].map(dict(split_of)))
    own: Any = cohort.own
    if hasattr(own, "resplit"):  # a cohort whose truth is known, and depends on who was trained on
        own = own.resplit(split_of)
    return replace(
        cohort,
        clips=validate(clips.reset_index(drop=True), cohort.scale, f"cohort {cohort.name}"),
        warnings=(*cohort.warnings, *([warning] if warning else [])),
        own=own,
    )
