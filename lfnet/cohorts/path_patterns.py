"""Match a tree of clips, feature files and label files against patterns for person, session, task, split and label."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lfnet.cohorts.feature_stream import FeatureStream
from lfnet.cohorts.label_files import read_score, read_scores
from lfnet.cohorts.label_tables import Facts, LabelTable, read_facts
from lfnet.cohorts.media import find
from lfnet.cohorts.pattern import Pattern, PersonPattern, compiled
from lfnet.cohorts.validation import refuse
from lfnet.config import settings
from lfnet.errors import LfnetError
from lfnet.files import user_path

__all__ = ["UNMATCHED", "LabelPatterns", "Survey", "survey"]

# Reason for skipping media that no pattern matches.
UNMATCHED = "whose name matches no pattern"
_KIND = {"videos": "videos", "frames": "frame folders", "features": "clips of feature files"}


@settings
class LabelPatterns:
    """Where labels are found; conf/cohort/avec2014.yaml and conf/cohort/daic_woz.yaml explain each setting."""

    recording: PersonPattern
    source: str | None = None
    files: tuple[PersonPattern, ...] = ()
    tables: tuple[Pattern | LabelTable, ...] = ()
    column: str | None = None


@dataclass
class Survey:
    """Result of `survey`.

    Attributes
    ----------
    clips : DataFrame
        Columns person, session, task, split, kind and path; the index "file" is the path below the root.
    facts : Facts
        What label files and tables say of recordings and people.
    streams : dict
        Feature files of each stream by (person, session, task).
    skipped : dict
        Files that are not used, by reason, as paths below the root.
    """

    clips: pd.DataFrame
    facts: Facts = field(default_factory=Facts)
    streams: dict[str, dict[tuple[str, str, str], Path]] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, file: Path | str) -> None:
        """Record a file that is not used."""
        self.skipped.setdefault(reason, []).append(str(file))


def survey(
    root: Path,
    splits: Mapping[Any, str],
    tasks: Mapping[str, str],
    clips: Sequence[str],
    labels: LabelPatterns,
    *,
    media: str | None = None,
    skip: Sequence[str] = (),
    streams: Mapping[str, FeatureStream] | None = None,
    dealt: bool = False,
) -> Survey:
    """Match all files below `root` against the patterns, without opening a clip.

    The parameters are the settings of conf/cohort/avec2014.yaml and conf/cohort/daic_woz.yaml. dealt: whether splits
    are made by person later.

    Raises
    ------
    LfnetError
        No clip matches, a clip lies in no split, two files are one clip, or there are several kinds of clips and
        `media` chooses none.
    """
    split_of, task_of = compiled(splits), compiled(tasks)
    clip_patterns = compiled({pattern: f"(?:.*/)?(?:{pattern})" for pattern in clips}).values()
    files = {name: how.file for name, how in (streams or {}).items() if how.file is not None}
    stream_patterns = compiled({name: f"(?:.*/)?(?:{pattern})" for name, pattern in files.items()})
    skip_patterns = compiled({pattern: pattern for pattern in skip}).values()
    reader = _Labels(labels)
    found = Survey(pd.DataFrame(), streams={name: {} for name in stream_patterns})
    rows: list[tuple[Any, ...]] = []
    twice = []
    for kind, path in find(root):
        file = path.relative_to(root)
        if any(pattern.fullmatch(file.as_posix()) for pattern in skip_patterns):
            found.skip("left out by cohort.skip", file)
            continue
        held = {name: m for name, pattern in stream_patterns.items() if (m := pattern.fullmatch(file.as_posix()))}
        if held and kind in ("features", "other") and media in (None, "features"):
            for name, match in held.items():
                key = _key(match, file, task_of)
                if key is None:
                    found.skip("clips of other tasks", file)
                elif (first := found.streams[name].setdefault(key, path)) != path:
                    twice.append(f"file {file}: {first.relative_to(root)} is stream {name} of the same clip. Skip one.")
        elif kind in ("videos", "frames"):
            plain = file if kind == "frames" else file.with_suffix("")
            named = next((m for pattern in clip_patterns if (m := pattern.fullmatch(plain.as_posix()))), None)
            key = None if named is None else _key(named, file, task_of)
            if named is None:
                found.skip(f"{_KIND[kind]} {UNMATCHED}", file)
            elif key is None:
                found.skip("clips of other tasks", file)
            else:
                rows.append((str(file), *key, kind, path))
        elif not reader.read(path, file.as_posix(), found.facts):
            found.skip(f"{path.suffix.lower() or 'other'} files", file)
    refuse(twice, root)
    reader.read_source(found.facts)
    for key in dict.fromkeys(key for own in found.streams.values() for key in own):
        path = next(own[key] for own in found.streams.values() if key in own)
        rows.append((str(path.relative_to(root)), *key, "features", path))
    columns = ["file", "person", "session", "task", "kind", "path"]
    found.clips = pd.DataFrame(rows, columns=columns).set_index("file")
    if not rows:
        raise LfnetError(_nothing(root, found, [*clips, *files.values()], tasks))
    _check_split_tables(found, split_of, root, labels, dealt)
    _give_splits(found, split_of, root, splits, dealt)
    found.clips = _one_kind(found, media, root)
    return found


def _key(match: re.Match[str], file: Path, tasks: Mapping[str, re.Pattern[str]]) -> tuple[str, str, str] | None:
    """Person, session and task of a clip; None for an unused task."""
    groups = match.groupdict()
    task = _task(groups.get("task"), file, tasks)
    return None if task is None else (groups["person"], groups.get("session") or "1", task)


def _check_split_tables(
    found: Survey, folders: Mapping[str, re.Pattern[str]], root: Path, labels: LabelPatterns, dealt: bool
) -> None:
    """Refuse a corpus whose tables of splits, the only source of splits, give no train or dev recording."""
    tables = [table for table in labels.tables if not isinstance(table, str) and (table.split or table.splits)]
    if folders or dealt or not tables:
        return
    given = {split for split, _ in found.facts.splits.values()}
    for split in ("train", "dev"):
        own = [table.file for table in tables if table.split == split or (table.splits and not given)]
        if split not in given and own:
            raise LfnetError(
                f"{root}: no table gives recordings of split {split}: {' or '.join(own)}. Put the table below this "
                "folder, or correct `file` in cohort.labels.tables."
            )


def _give_splits(
    found: Survey, folders: Mapping[str, re.Pattern[str]], root: Path, patterns: Mapping[Any, str], dealt: bool
) -> None:
    """Fill in the column split: by tables, else by folders. Clips that no table of splits names are left out."""
    known = found.facts.splits
    splits: list[str | None] = []
    for file, person, session in zip(found.clips.index, found.clips["person"], found.clips["session"], strict=True):
        fact = Facts.find(known, (person, session))
        splits.append(fact[0] if fact else _innermost(Path(file), folders))
    lacking = [file for file, split in zip(found.clips.index, splits, strict=True) if split is None]
    found.clips["split"] = [split or "unlabelled" for split in splits]
    if not lacking or (dealt and not known and not folders):
        return
    if not known:
        refuse([f"file {file}: no folder above it names a split ({_shown(patterns)})." for file in lacking], root)
    for file in lacking:
        found.skip("clips that no table of splits names", file)
    found.clips = found.clips.drop(index=lacking)
    if found.clips.empty:
        raise LfnetError(
            f"{root}: the tables of splits name none of {len(lacking)} clips, such as {lacking[0]}. Correct the "
            "`recording` of cohort.labels.tables."
        )


class _Labels:
    """Reader of label files and tables; two files that contradict each other are an error."""

    def __init__(self, patterns: LabelPatterns) -> None:
        self._patterns = patterns
        self._files = list(compiled({pattern: pattern for pattern in patterns.files}).values())
        self._tables = [
            (re.compile(table if isinstance(table, str) else table.file, re.IGNORECASE), table)
            for table in patterns.tables
        ]

    def read(self, path: Path, name: str, facts: Facts) -> bool:
        """Add the facts of a file if its name matches, and return whether it does."""
        for pattern in self._files:
            if match := pattern.fullmatch(path.name):
                person, session = match.group("person"), match.groupdict().get("session") or "1"
                facts.put(facts.scores, "label", (person, session), read_score(path), name)
                return True
        tables = [table for pattern, table in self._tables if pattern.fullmatch(path.name)]
        for table in tables:
            self._table(path, name, table, facts)
        return bool(tables)

    def read_source(self, facts: Facts) -> None:
        """Add the facts of labels.source, a folder or one csv file."""
        if self._patterns.source is None:
            return
        source = user_path(self._patterns.source)
        if source.is_file():
            if not self.read(source, str(source), facts):
                self._table(source, str(source), "", facts)
        elif source.is_dir():
            for kind, path in find(source):
                if kind == "other":
                    self.read(path, str(path), facts)
        else:
            raise LfnetError(f"cohort.labels.source: {source} does not exist. Give a folder or a csv file, or null.")

    def _table(self, path: Path, name: str, table: str | LabelTable, facts: Facts) -> None:
        patterns = self._patterns
        if not isinstance(table, str):
            read_facts(path, name, table, patterns.recording, facts)
            return
        for row, person, session, label in read_scores(path, patterns.recording, patterns.column).itertuples():
            if label == label:
                facts.put(facts.scores, "label", (str(person), str(session)), float(label), f"{name} row {row}")


def _innermost(file: Path, patterns: Mapping[str, re.Pattern[str]]) -> str | None:
    for folder in reversed(file.parts[:-1]):
        for name, pattern in patterns.items():
            if pattern.fullmatch(folder):
                return name
    return None


def _task(word: str | None, file: Path, tasks: Mapping[str, re.Pattern[str]]) -> str | None:
    """The task named by a clip's name or a folder above it; "" where neither names one; None for an unused task."""
    if word is not None:
        return next((name for name, pattern in tasks.items() if pattern.fullmatch(word)), None)
    return _innermost(file, tasks) or ""


def _one_kind(found: Survey, media: str | None, root: Path) -> pd.DataFrame:
    kinds = Counter(found.clips["kind"])
    if media is None and len(kinds) > 1:
        counts = " and ".join(f"{number} {_KIND[kind]}" for kind, number in sorted(kinds.items()))
        choices = " or ".join(f"cohort.media={kind}" for kind in sorted(kinds, reverse=True))
        raise LfnetError(f"{root} holds {counts}. Choose one: {choices}.")
    if media is None:
        return found.clips
    if media not in kinds:
        raise LfnetError(f"{root} holds no {_KIND[media]} that match cohort.clips. Set cohort.media=null.")
    for file in found.clips.index[found.clips["kind"] != media]:
        found.skip(f"left out by cohort.media={media}", file)
    return found.clips[found.clips["kind"] == media].copy()


def _shown(patterns: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {pattern}" for name, pattern in patterns.items())


def _nothing(root: Path, found: Survey, clips: Sequence[str], tasks: Mapping[str, str]) -> str:
    files = [file for files in found.skipped.values() for file in files]
    seen = "\n    ".join(files[:10]) or "(no file at all)"
    wanted = "\n    ".join(clips)
    return (
        f"{root}: no file matches the patterns of clips.\n  cohort.clips:\n    {wanted}\n"
        f"  cohort.tasks: {_shown(tasks)}\n"
        f"  first of {len(files)} files seen:\n    {seen}\n"
        "  Correct cohort.root or the patterns, or use cohort=folder with a manifest (`lfnet cohort init DIR`)."
    )
