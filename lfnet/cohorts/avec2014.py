"""Cohort AVEC2014: the official folder layout and common variations, found by patterns."""

import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from lfnet.cohorts.cohort import COLUMNS, Cohort, Scale, validate
from lfnet.cohorts.identity import safe_name
from lfnet.cohorts.path_patterns import UNMATCHED, LabelPatterns, Survey, survey
from lfnet.cohorts.pattern import Pattern, PersonPattern
from lfnet.config import Positive, read
from lfnet.errors import LfnetError
from lfnet.files import user_path
from lfnet.text import first_names

__all__ = ["load"]

_Split = Literal["train", "dev", "test"]
# Reports that this process has printed.
_reported: set[str] = set()


def load(
    root: Path | str,
    scale: Scale,
    *,
    splits: dict[_Split, Pattern],
    tasks: dict[str, Pattern | None],
    clips: tuple[PersonPattern, ...],
    labels: LabelPatterns,
    name: str = "avec2014",
    aligned: bool = False,
    media: Literal["videos", "frames"] | None = None,
    fps: Positive = 30.0,
    skip: tuple[Pattern, ...] = (),
    expected: dict[_Split, Annotated[int, Field(ge=0)]] | None = None,
) -> Cohort:
    """Load the AVEC2014 cohort below `root`.

    conf/cohort/avec2014.yaml explains each setting. A task whose pattern is None is left out. Both tasks of a person's
    session are one recording, with one label. Labels of test recordings may be absent. Matched and skipped files are
    reported on standard error, once a process.

    Raises
    ------
    LfnetError
        No clip or no label matches (with patterns and files), or the table of clips is invalid (see `validate`).

    References
    ----------
    Valstar et al., "AVEC 2014: 3D dimensional affect and depression recognition challenge", AVEC 2014.
    """
    if not isinstance(labels, LabelPatterns):  # Hydra passes a mapping
        labels = read(LabelPatterns, labels, "cohort.labels")
    root = user_path(root).absolute()
    if not root.is_dir():
        raise LfnetError(
            f"cohort.root: {root} is not a folder. Give cohort.root=DIR, the folder of your AVEC2014 copy."
        )
    used = {task: pattern for task, pattern in tasks.items() if pattern is not None}
    found = survey(root, splits, used, clips, labels, media=media, skip=skip)
    table = found.clips
    recordings = list(zip(table["person"], table["session"], strict=True))
    table["recording_id"] = table["person"] + "_" + table["session"]
    table["clip_id"] = table["recording_id"] + ("_" + table["task"]).where(table["task"] != "", "")
    table["person_id"] = table["person"]
    table["label"] = [found.scores.get(recording, (float("nan"), ""))[0] for recording in recordings]
    table["fps"] = [fps if kind == "frames" else float("nan") for kind in table["kind"]]
    table["n_frames"] = float("nan")
    table["path"] = table["path"].map(str)
    for person, session in sorted(set(found.scores) - set(recordings)):
        found.skip("labels of recordings without a clip", found.scores[person, session][1])
    learning = table.loc[table["split"].isin(("train", "dev")), "label"]
    if len(learning) and learning.isna().all():
        raise LfnetError(_no_labels(root, found, labels))
    checked = validate(table[list(COLUMNS)], scale, root)
    cohort = Cohort(
        name=safe_name(name),
        clips=checked,
        scale=scale,
        aligned=aligned,
        warnings=tuple(_warnings(table, found, used, aligned, expected)),
    )
    if (report := _report(root, cohort, found, used)) not in _reported:
        _reported.add(report)
        print(report, file=sys.stderr)
    return cohort


def _no_labels(root: Path, found: Survey, labels: LabelPatterns) -> str:
    wanted = "\n    ".join([*labels.files, *labels.tables])
    seen = [file for reason, files in found.skipped.items() for file in files if ".csv" in file or ".txt" in file]
    text = "\n    ".join(seen[:10]) or "(none)"
    return (
        f"{root}: no train or dev recording has a label.\n  cohort.labels.files and .tables:\n    {wanted}\n"
        f"  first of {len(seen)} csv and txt files that gave none:\n    {text}\n"
        "  Correct the patterns, or give the place of the labels with cohort.labels.source=PATH."
    )


def _warnings(
    table: pd.DataFrame, found: Survey, tasks: Mapping[str, str], aligned: bool, expected: Mapping[Any, int] | None
) -> list[str]:
    warnings = []
    recordings = table.drop_duplicates("recording_id")
    counts = {split: int((recordings["split"] == split).sum()) for split in ("train", "dev", "test")}
    if expected and any(counts[split] != expected.get(split, counts[split]) for split in counts):
        own, official = ("/".join(str(numbers.get(split, "?")) for split in counts) for numbers in (counts, expected))
        warnings.append(
            f"not the official AVEC2014 partitions: {own} recordings in train/dev/test instead of {official}."
        )
    for reason, files in found.skipped.items():
        if reason.endswith(UNMATCHED):
            warnings.append(f"{len(files)} {reason} were left out.")
    if short := _lack_a_task(table, tasks):
        warnings.append(f"{len(short)} of {len(recordings)} recordings lack a task.")
    named = sum(bool(re.search(r"aligned|cropped|faces?$", file, re.IGNORECASE)) for file in table.index)
    if named and not aligned and (table["kind"] == "frames").all():
        warnings.append(
            f"{named} frame folders are named like face crops, but cohort.aligned is false: "
            "a detector finds few faces in crops. Set cohort.aligned=true if they are."
        )
    return warnings


def _lack_a_task(clips: pd.DataFrame, tasks: Mapping[str, str]) -> list[str]:
    each = clips.groupby("recording_id")["task"].nunique()
    return each.index[each < len(tasks)].tolist() if len(tasks) > 1 else []


def _report(root: Path, cohort: Cohort, found: Survey, tasks: Mapping[str, str]) -> str:
    """The files and recordings by name, for the person at this machine; warnings have their numbers alone."""
    clips, recordings = cohort.clips, cohort.recordings()
    people = clips["person_id"].nunique()
    lines = [f"{cohort.name}: {len(clips)} clips of {len(recordings)} recordings of {people} people in {root}"]
    for split in ("train", "dev", "test"):
        part, own = clips[clips["split"] == split], recordings[recordings["split"] == split]
        counts = ", ".join(
            f"{number} {task or 'of no named task'}" for task, number in sorted(Counter(part["task"]).items())
        )
        labelled = int(own["label"].notna().sum())
        lines.append(f"  {split}: {len(part)} clips ({counts or 'none'}), {len(own)} recordings, {labelled} labelled")
    if found.skipped:
        lines.append("  not used:")
    for reason, files in sorted(found.skipped.items()):
        lines.append(f"    {len(files)} {reason}: {first_names(files)}")
    if short := _lack_a_task(clips, tasks):
        lines.append(f"  {len(short)} recordings that lack a task: {first_names(short)}")
    return "\n".join(lines)
