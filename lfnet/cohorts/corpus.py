"""Cohort from a corpus as it is handed out: clips, labels, splits and groups, found by the patterns of one yaml."""

import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from lfnet.cohorts.cohort import COLUMNS, Cohort, Scale, validate
from lfnet.cohorts.feature_stream import FeatureStream, read_streams
from lfnet.cohorts.feature_table import check_columns
from lfnet.cohorts.identity import safe_name
from lfnet.cohorts.label_tables import Facts
from lfnet.cohorts.media import TABLE_SUFFIXES
from lfnet.cohorts.path_patterns import UNMATCHED, LabelPatterns, Survey, survey
from lfnet.cohorts.pattern import Pattern, PersonPattern
from lfnet.cohorts.ready import has_times, ready_features
from lfnet.cohorts.splits import check_split_settings, split_people
from lfnet.cohorts.validation import refuse
from lfnet.config import Positive, read, settings
from lfnet.errors import LfnetError
from lfnet.files import user_path
from lfnet.text import first_names, plural

__all__ = ["Deal", "load"]

_Split = Literal["train", "dev", "test"]
_SPLITS: tuple[_Split, ...] = ("train", "dev", "test")
# Reports that this process has printed.
_reported: set[str] = set()


@settings
class Deal:
    """Splits made by person, stratified by score, of a corpus without official ones.

    Parameters
    ----------
    shares : tuple of float
        Shares of train, dev and test.
    seed : int
        Another seed makes other splits.

    Examples
    --------
    >>> Deal(seed=3).shares
    (0.6, 0.2, 0.2)
    """

    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: Annotated[int, Field(ge=0)] = 0


def load(
    root: Path | str,
    scale: Scale,
    *,
    labels: LabelPatterns,
    splits: dict[_Split, Pattern] | None = None,
    tasks: dict[str, Pattern | None] | None = None,
    clips: tuple[PersonPattern, ...] = (),
    name: str = "corpus",
    title: str = "",
    source: str = "",
    licence: str = "",
    aligned: bool = False,
    media: Literal["videos", "frames", "features"] | None = None,
    fps: Positive = 30.0,
    skip: tuple[Pattern, ...] = (),
    features: dict[str, FeatureStream | None] | None = None,
    deal: Deal | None = None,
    expected: dict[_Split, Annotated[int, Field(ge=0)]] | None = None,
    cache: Path | str | None = None,
) -> Cohort:
    """Load the corpus below `root`.

    conf/cohort/avec2014.yaml and conf/cohort/daic_woz.yaml explain each setting. A task or stream that is None is left
    out. All tasks of a person's session are one recording, with one label. Labels of test recordings may be absent.
    Matched and skipped files are reported on standard error, once a process. Nothing is downloaded.

    Raises
    ------
    LfnetError
        No clip or no label matches (with patterns and files), columns are missing, or the table of clips is invalid
        (see `validate`).
    """
    if not isinstance(labels, LabelPatterns):  # Hydra passes mappings
        labels = read(LabelPatterns, labels, "cohort.labels")
    if deal is not None and not isinstance(deal, Deal):
        deal = read(Deal, deal, "cohort.deal")
    title = title or name
    root = user_path(root).absolute()
    if not root.is_dir():
        raise LfnetError(f"cohort.root: {root} is not a folder. Give cohort.root=DIR, the folder of your {title} copy.")
    used = {task: pattern for task, pattern in (tasks or {}).items() if pattern is not None}
    streams = read_streams(features) if features else {}
    if wrong := [stream for stream, how in streams.items() if "(?P<person>" not in (how.file or "")]:
        raise LfnetError(f"cohort.features.{wrong[0]}.file: give a regular expression with a group (?P<person>…).")
    found = survey(
        root, splits or {}, used, clips, labels, media=media, skip=skip, streams=streams, dealt=deal is not None
    )
    table = _table(found, fps, any("(?P<session>" in pattern for pattern in (*clips, *map(_file_of, streams.values()))))
    learning = table.loc[table["split"].isin(("train", "dev")) | (deal is not None), "label"]
    if len(learning) and learning.isna().all():
        raise LfnetError(_no_labels(root, found, labels))
    if deal is not None and (table["split"] == "unlabelled").all():
        check_split_settings(deal.shares, deal.seed)
        dealt = split_people(table.drop_duplicates("recording_id"), deal.shares, deal.seed)
        table["split"] = table["recording_id"].map(dealt)
    checked = validate(table[list(COLUMNS)], scale, root)
    own = None
    if (table["kind"] == "features").all():
        files = _stream_files(found, table, streams)
        _check_files(files, streams, root)
        folder = None if cache is None else user_path(cache)
        own = ready_features(files, {stream: streams[stream] for stream in files}, folder)
    cohort = Cohort(
        name=safe_name(name),
        clips=checked,
        scale=scale,
        aligned=aligned,
        warnings=tuple(_warnings(table, found, used, aligned, expected, title)),
        own=own,
        about=_about(table, found.facts),
    )
    facts = [f"from {source}"] * bool(source) + [f"licence: {licence}"] * bool(licence)
    if (report := _report(root, cohort, found, used, facts)) not in _reported:
        _reported.add(report)
        print(report, file=sys.stderr)
    return cohort


def _file_of(how: FeatureStream) -> str:
    return how.file or ""


def _table(found: Survey, fps: float, with_sessions: bool) -> pd.DataFrame:
    """The clips with ids and labels; labels and groups of recordings without a clip are recorded as skipped."""
    table, facts = found.clips, found.facts
    recordings = list(zip(table["person"], table["session"], strict=True))
    table["recording_id"] = table["person"] + ("_" + table["session"] if with_sessions else "")
    table["clip_id"] = table["recording_id"] + ("_" + table["task"]).where(table["task"] != "", "")
    table["person_id"] = table["person"]
    table["label"] = [(Facts.find(facts.scores, key) or (float("nan"), ""))[0] for key in recordings]
    table["fps"] = [fps if kind == "frames" else float("nan") for kind in table["kind"]]
    table["n_frames"] = float("nan")
    table["path"] = table["path"].map(str)
    present = {*recordings, *((person, "") for person, _ in recordings)}
    for key in sorted(set(facts.scores) - present):
        found.skip("labels of recordings without a clip", facts.scores[key][1])
    return table


def _about(table: pd.DataFrame, facts: Facts) -> pd.DataFrame | None:
    """The groups of each clip's person or recording; None where there is none."""
    if not facts.groups:
        return None
    keys = list(zip(table["person"], table["session"], strict=True))
    columns = {name: [(Facts.find(known, key) or ("", ""))[0] for key in keys] for name, known in facts.groups.items()}
    return pd.DataFrame({**columns, "path": table.index.tolist()}, index=pd.Index(table["clip_id"].tolist()))


def _stream_files(
    found: Survey, table: pd.DataFrame, streams: Mapping[str, FeatureStream]
) -> dict[str, dict[str, tuple[Path, float]]]:
    """Files of each stream by clip; a stream without any is left out."""
    keys = zip(table["person"], table["session"], table["task"], table["clip_id"], strict=True)
    clip_of = {(person, session, task): clip for person, session, task, clip in keys}
    files: dict[str, dict[str, tuple[Path, float]]] = {}
    for name in streams:
        own = {clip_of[key]: (path, float("nan")) for key, path in found.streams[name].items() if key in clip_of}
        if own:
            files[name] = own
    return files


def _check_files(
    files: Mapping[str, Mapping[str, tuple[Path, float]]], streams: Mapping[str, FeatureStream], root: Path
) -> None:
    """Refuse files that lack a stream's columns or times."""
    problems = []
    for name, own in files.items():
        for path, _ in own.values():
            try:
                if path.suffix.lower() in TABLE_SUFFIXES:
                    check_columns(path, streams[name])
                elif streams[name].fps is None and not has_times(path):
                    problems.append(f"{path} holds no `time`. Give cohort.features.{name}.fps.")
            except LfnetError as error:
                problems.append(str(error))
    refuse(problems, root)


def _no_labels(root: Path, found: Survey, labels: LabelPatterns) -> str:
    wanted = "\n    ".join([*labels.files, *(t if isinstance(t, str) else t.file for t in labels.tables)])
    seen = [file for reason, files in found.skipped.items() for file in files if ".csv" in file or ".txt" in file]
    text = "\n    ".join(seen[:10]) or "(none)"
    return (
        f"{root}: no train or dev recording has a label.\n  cohort.labels.files and .tables:\n    {wanted}\n"
        f"  first of {len(seen)} csv and txt files that gave none:\n    {text}\n"
        "  Correct the patterns, or give the place of the labels with cohort.labels.source=PATH."
    )


def _warnings(
    table: pd.DataFrame,
    found: Survey,
    tasks: Mapping[str, str],
    aligned: bool,
    expected: Mapping[Any, int] | None,
    title: str,
) -> list[str]:
    warnings = []
    recordings = table.drop_duplicates("recording_id")
    counts = {split: int((recordings["split"] == split).sum()) for split in _SPLITS}
    if expected and any(counts[split] != expected.get(split, counts[split]) for split in counts):
        own, official = ("/".join(str(numbers.get(split, "?")) for split in counts) for numbers in (counts, expected))
        warnings.append(
            f"not the official {title} partitions: {own} recordings in train/dev/test instead of {official}."
        )
    for reason, files in found.skipped.items():
        if reason.endswith(UNMATCHED):
            warnings.append(f"{len(files)} {reason} were left out.")
    if short := _lack_a_task(table, tasks):
        warnings.append(f"{len(short)} of {len(recordings)} recordings lack a task.")
    for stream, absent in _lack_a_stream(table, found).items():
        warnings.append(f"{len(absent)} of {plural(len(table), 'clip')} have no file of stream {stream}.")
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


def _lack_a_stream(table: pd.DataFrame, found: Survey) -> dict[str, list[str]]:
    """The clips that have no file of a stream, by stream."""
    if not (table["kind"] == "features").all():
        return {}
    keys = list(zip(table["person"], table["session"], table["task"], strict=True))
    lacking = {
        stream: [clip for clip, key in zip(table["clip_id"], keys, strict=True) if key not in own]
        for stream, own in found.streams.items()
    }
    return {stream: clips for stream, clips in lacking.items() if clips}


def _report(root: Path, cohort: Cohort, found: Survey, tasks: Mapping[str, str], facts: list[str]) -> str:
    """The files and recordings by name, for the person at this machine; warnings have their numbers alone."""
    clips, recordings = cohort.clips, cohort.recordings()
    people = clips["person_id"].nunique()
    lines = [f"{cohort.name}: {len(clips)} clips of {len(recordings)} recordings of {people} people in {root}"]
    lines += [f"  {fact}" for fact in facts]
    for split in _SPLITS:
        part, own = clips[clips["split"] == split], recordings[recordings["split"] == split]
        counts = ", ".join(
            f"{number} {task or 'of no named task'}" for task, number in sorted(Counter(part["task"]).items())
        )
        labelled = int(own["label"].notna().sum())
        lines.append(f"  {split}: {len(part)} clips ({counts or 'none'}), {len(own)} recordings, {labelled} labelled")
    if cohort.own is not None:
        lines.append("  streams: " + ", ".join(f"{name} {len(own)} files" for name, own in found.streams.items()))
    if found.skipped:
        lines.append("  not used:")
    for reason, files in sorted(found.skipped.items()):
        lines.append(f"    {len(files)} {reason}: {first_names(files)}")
    if short := _lack_a_task(clips, tasks):
        lines.append(f"  {len(short)} recordings that lack a task: {first_names(short)}")
    for stream, absent in _lack_a_stream(found.clips, found).items():
        lines.append(f"  {len(absent)} clips without a file of stream {stream}: {first_names(absent)}")
    return "\n".join(lines)
