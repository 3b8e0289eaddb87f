"""AVEC2014 as it lies on disk: the official layout and the variations that people make of it, by patterns."""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lfnet.cohorts.cohort import COLUMNS, Cohort, Scale, validate
from lfnet.cohorts.folder import safe_name
from lfnet.cohorts.path_patterns import UNMATCHED, Survey, survey
from lfnet.errors import LfnetError

__all__ = ["load"]

_FIRST = 3
_said: set[str] = set()


def load(
    root: Path | str,
    scale: Scale,
    *,
    splits: Mapping[str, str],
    tasks: Mapping[str, str | None],
    clips: Sequence[str],
    labels: Mapping[str, Any],
    name: str = "avec2014",
    aligned: bool = False,
    media: str | None = None,
    fps: float = 30.0,
    skip: Sequence[str] = (),
    expected: Mapping[str, int] | None = None,
) -> Cohort:
    """The AVEC2014 cohort below `root`; every setting is explained in conf/cohort/avec2014.yaml.

    A task whose pattern is None is left out. Person and session come from a clip's name; both tasks of a person's
    session are one recording, with one label. Labels of test recordings may be absent. What was matched and what was
    not goes to standard error, once a process.
    Raises `LfnetError` naming patterns and files where nothing matches, and as `validate` does.
    """
    root = Path(root).expanduser().absolute()
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
        found.pass_over("labels of recordings without a clip", found.scores[person, session][1])
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
    _say(_report(root, cohort, found))
    return cohort


def _no_labels(root: Path, found: Survey, labels: Mapping[str, Any]) -> str:
    wanted = "\n    ".join([*(labels.get("files") or ()), *(labels.get("tables") or ())])
    seen = [file for reason, files in found.passed.items() for file in files if ".csv" in file or ".txt" in file]
    text = "\n    ".join(seen[:10]) or "(none)"
    return (
        f"{root}: no train or dev recording has a label.\n  cohort.labels.files and .tables:\n    {wanted}\n"
        f"  first of {len(seen)} csv and txt files that gave none:\n    {text}\n"
        "  Correct the patterns, or name the labels' place with cohort.labels.source=PATH."
    )


def _warnings(
    table: pd.DataFrame, found: Survey, tasks: Mapping[str, str], aligned: bool, expected: Mapping[str, int] | None
) -> list[str]:
    warnings = []
    recordings = table.drop_duplicates("recording_id")
    counts = {split: int((recordings["split"] == split).sum()) for split in ("train", "dev", "test")}
    if expected and any(counts[split] != expected.get(split, counts[split]) for split in counts):
        said, official = ("/".join(str(numbers.get(split, "?")) for split in counts) for numbers in (counts, expected))
        warnings.append(
            f"not the official AVEC2014 partitions: {said} recordings in train/dev/test instead of {official}."
        )
    for reason, files in found.passed.items():
        if reason.endswith(UNMATCHED):
            warnings.append(f"{len(files)} {reason} were left out ({_first(files)}).")
    if len(tasks) > 1:
        each = table.groupby("recording_id")["task"].nunique()
        short = each.index[each < len(tasks)].tolist()
        if short:
            warnings.append(f"{len(short)} of {len(each)} recordings lack a task ({_first(short)}).")
    named = sum(bool(re.search(r"aligned|cropped|faces?$", file, re.IGNORECASE)) for file in table.index)
    if named and not aligned and (table["kind"] == "frames").all():
        warnings.append(
            f"{named} frame folders are named like face crops, but cohort.aligned is false: "
            "a detector finds few faces in crops. Set cohort.aligned=true if they are."
        )
    return warnings


def _report(root: Path, cohort: Cohort, found: Survey) -> str:
    clips, recordings = cohort.clips, cohort.recordings()
    people = clips["person_id"].nunique()
    lines = [f"{cohort.name}: {len(clips)} clips of {len(recordings)} recordings of {people} people in {root}"]
    for split in ("train", "dev", "test"):
        part, sat = clips[clips["split"] == split], recordings[recordings["split"] == split]
        tasks = ", ".join(
            f"{number} {task or 'of no named task'}" for task, number in sorted(Counter(part["task"]).items())
        )
        labelled = int(sat["label"].notna().sum())
        lines.append(f"  {split}: {len(part)} clips ({tasks or 'none'}), {len(sat)} recordings, {labelled} labelled")
    if found.passed:
        lines.append("  not used:")
    for reason, files in sorted(found.passed.items()):
        lines.append(f"    {len(files)} {reason}: {_first(files)}")
    return "\n".join(lines)


def _first(files: Sequence[str]) -> str:
    return ", ".join(files[:_FIRST]) + ", …" * (len(files) > _FIRST)


def _say(report: str) -> None:
    if report not in _said:
        _said.add(report)
        print(report, file=sys.stderr)
