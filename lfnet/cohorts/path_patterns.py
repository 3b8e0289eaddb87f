"""Match a tree of clips and label files against patterns for person, session, task, split and label."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lfnet.cohorts.label_files import read_score, read_scores
from lfnet.cohorts.media import find
from lfnet.cohorts.pattern import Pattern, PersonPattern
from lfnet.cohorts.validation import refuse
from lfnet.config import settings
from lfnet.errors import LfnetError
from lfnet.files import user_path

__all__ = ["UNMATCHED", "LabelPatterns", "Survey", "survey"]

# Reason for skipping media that no pattern matches.
UNMATCHED = "whose name matches no pattern"
_KIND = {"videos": "videos", "frames": "frame folders"}
_Scores = dict[tuple[str, str], tuple[float, str]]


@settings
class LabelPatterns:
    """Where labels are found; conf/cohort/avec2014.yaml explains each setting."""

    recording: PersonPattern
    source: str | None = None
    files: tuple[PersonPattern, ...] = ()
    tables: tuple[Pattern, ...] = ()
    column: str | None = None


@dataclass
class Survey:
    """Result of `survey`.

    Attributes
    ----------
    clips : DataFrame
        Columns person, session, task, split, kind and path; the index "file" is the path below the root.
    scores : dict
        Label of each (person, session), and the file that holds it.
    skipped : dict
        Files that are not used, by reason, as paths below the root.
    """

    clips: pd.DataFrame
    scores: _Scores = field(default_factory=dict)
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
) -> Survey:
    """Match all files below `root` against the patterns, without opening a clip.

    The parameters are the settings of conf/cohort/avec2014.yaml.

    Raises
    ------
    LfnetError
        No clip matches, a clip lies in no split, or there are both videos and frames and `media` chooses neither.
    """
    split_of, task_of = ({name: _compile(text) for name, text in part.items()} for part in (splits, tasks))
    clip_patterns = [_compile(f"(?:.*/)?(?:{pattern})") for pattern in clips]
    skip_patterns = [_compile(pattern) for pattern in skip]
    reader = _Labels(labels)
    found = Survey(pd.DataFrame())
    rows, without_split = [], []
    for kind, path in find(root):
        file = path.relative_to(root)
        if any(pattern.fullmatch(file.as_posix()) for pattern in skip_patterns):
            found.skip("left out by cohort.skip", file)
            continue
        if kind in ("videos", "frames"):
            plain = file if kind == "frames" else file.with_suffix("")
            match = next((m for pattern in clip_patterns if (m := pattern.fullmatch(plain.as_posix()))), None)
            if match is None:
                found.skip(f"{_KIND[kind]} {UNMATCHED}", file)
                continue
            groups = match.groupdict()
            task = _task(groups.get("task"), file, task_of)
            if task is None:
                found.skip("clips of other tasks", file)
                continue
            split = _innermost(file, split_of)
            if split is None:
                without_split.append(file)
                continue
            person, session = groups["person"], groups.get("session") or "1"
            rows.append((str(file), person, session, task, split, kind, path))
        elif not reader.read(path, file.as_posix(), found.scores):
            found.skip(f"{path.suffix.lower() or 'other'} files", file)
    reader.read_source(found.scores)
    refuse([f"file {file}: no folder above it names a split ({_shown(splits)})." for file in without_split], root)
    columns = ["file", "person", "session", "task", "split", "kind", "path"]
    found.clips = pd.DataFrame(rows, columns=columns).set_index("file")
    if not rows:
        raise LfnetError(_nothing(root, found, clips, tasks))
    found.clips = _one_kind(found, media, root)
    return found


class _Labels:
    """Reader of label files; two files that contradict each other are an error."""

    def __init__(self, patterns: LabelPatterns) -> None:
        self._patterns = patterns
        self._files = [_compile(pattern) for pattern in patterns.files]
        self._tables = [_compile(pattern) for pattern in patterns.tables]

    def read(self, path: Path, name: str, scores: _Scores) -> bool:
        """Add the scores of a file if its name matches, and return whether it does."""
        for pattern in self._files:
            if match := pattern.fullmatch(path.name):
                person, session = match.group("person"), match.groupdict().get("session") or "1"
                self._put(scores, (person, session), read_score(path), name)
                return True
        if any(pattern.fullmatch(path.name) for pattern in self._tables):
            self._table(path, name, scores)
            return True
        return False

    def read_source(self, scores: _Scores) -> None:
        """Add the scores of labels.source, a folder or one csv file."""
        if self._patterns.source is None:
            return
        source = user_path(self._patterns.source)
        if source.is_file():
            self._table(source, str(source), scores)
        elif source.is_dir():
            for kind, path in find(source):
                if kind == "other":
                    self.read(path, str(path), scores)
        else:
            raise LfnetError(f"cohort.labels.source: {source} does not exist. Give a folder or a csv file, or null.")

    def _table(self, path: Path, name: str, scores: _Scores) -> None:
        patterns = self._patterns
        for row, person, session, label in read_scores(path, patterns.recording, patterns.column).itertuples():
            if label == label:
                self._put(scores, (str(person), str(session)), float(label), f"{name} row {row}")

    @staticmethod
    def _put(scores: _Scores, key: tuple[str, str], label: float, place: str) -> None:
        known = scores.setdefault(key, (label, place))
        if known[0] != label:
            raise LfnetError(
                f"recording {'_'.join(key)} has label {known[0]:g} in {known[1]}, but {label:g} in {place}. "
                "Correct one."
            )


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


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
        raise LfnetError(f"{root} holds {counts}. Choose one: cohort.media=videos or cohort.media=frames.")
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
