"""A tree of clips and label files, matched against patterns: whose clip, which sitting, task, split and score."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lfnet.cohorts.labels import read_score, read_scores
from lfnet.cohorts.media import find
from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError

__all__ = ["UNMATCHED", "Survey", "survey"]

# The reason for which media are passed over that nothing recognises.
UNMATCHED = "whose name matches no pattern"
_KIND = {"videos": "videos", "frames": "frame folders"}
_Scores = dict[tuple[str, str], tuple[float, str]]


@dataclass
class Survey:
    """What the patterns found in a tree.

    clips: person, session, task, split, kind, path; the index "file" is the path below the root. scores: label of each
    (person, session), and where it stands. passed: files that were not used, by reason, as paths below the root.
    """

    clips: pd.DataFrame
    scores: _Scores = field(default_factory=dict)
    passed: dict[str, list[str]] = field(default_factory=dict)

    def pass_over(self, reason: str, file: Path | str) -> None:
        """Note a file that is not used."""
        self.passed.setdefault(reason, []).append(str(file))


def survey(
    root: Path,
    splits: Mapping[str, str],
    tasks: Mapping[str, str],
    clips: Sequence[str],
    labels: Mapping[str, Any],
    *,
    media: str | None = None,
    skip: Sequence[str] = (),
) -> Survey:
    """Match all files below `root` against the patterns, without opening a clip.

    Raises `LfnetError` where no clip matches, a clip lies in no split, or videos and frames of the clips are both there
    and `media` does not choose.
    """
    if media not in (None, "videos", "frames"):
        raise LfnetError(f"cohort.media: {media!r} is not known. Choose videos, frames or null.")
    split_of, task_of = _compiled(splits, "splits"), _compiled(tasks, "tasks")
    clip_patterns = [_compile(f"(?:.*/)?(?:{pattern})", "clips") for pattern in clips]
    skipped = [_compile(pattern, "skip") for pattern in skip]
    reader = _Labels(labels)
    found = Survey(pd.DataFrame())
    rows, strays = [], []
    for kind, path in find(root):
        file = path.relative_to(root)
        if any(pattern.fullmatch(file.as_posix()) for pattern in skipped):
            found.pass_over("left out by cohort.skip", file)
            continue
        if kind in ("videos", "frames"):
            plain = file if kind == "frames" else file.with_suffix("")
            match = next((m for pattern in clip_patterns if (m := pattern.fullmatch(plain.as_posix()))), None)
            if match is None:
                found.pass_over(f"{_KIND[kind]} {UNMATCHED}", file)
                continue
            said = match.groupdict()
            task = _task(said.get("task"), file, task_of)
            if task is None:
                found.pass_over("clips of other tasks", file)
                continue
            split = _innermost(file, split_of)
            if split is None:
                strays.append(file)
                continue
            person, session = said["person"], said.get("session") or "1"
            rows.append((str(file), person, session, task, split, kind, path))
        elif not reader.read(path, file.as_posix(), found.scores):
            found.pass_over(f"{path.suffix.lower() or 'other'} files", file)
    reader.read_source(found.scores)
    refuse([f"file {file}: no folder above it names a split ({_shown(splits)})." for file in strays], root)
    columns = ["file", "person", "session", "task", "split", "kind", "path"]
    found.clips = pd.DataFrame(rows, columns=columns).set_index("file")
    if not rows:
        raise LfnetError(_nothing(root, found, clips, tasks))
    found.clips = _one_kind(found, media, root)
    return found


class _Labels:
    """Reads what the label patterns match, and notices when two files disagree."""

    def __init__(self, labels: Mapping[str, Any]) -> None:
        self._files = [_compile(pattern, "labels.files") for pattern in labels.get("files") or ()]
        self._tables = [_compile(pattern, "labels.tables") for pattern in labels.get("tables") or ()]
        self._recording = str(labels["recording"])
        _compile(self._recording, "labels.recording")
        self._column = labels.get("column")
        self._source = labels.get("source")

    def read(self, path: Path, said: str, scores: _Scores) -> bool:
        """Take the scores of a file whose name matches; returns whether it does."""
        for pattern in self._files:
            if match := pattern.fullmatch(path.name):
                person, session = match.group("person"), match.groupdict().get("session") or "1"
                self._put(scores, (person, session), read_score(path), said)
                return True
        if any(pattern.fullmatch(path.name) for pattern in self._tables):
            self._table(path, said, scores)
            return True
        return False

    def read_source(self, scores: _Scores) -> None:
        """Take the scores of labels.source, a folder or one csv file."""
        if self._source is None:
            return
        source = Path(self._source).expanduser()
        if source.is_file():
            self._table(source, str(source), scores)
        elif source.is_dir():
            for kind, path in find(source):
                if kind == "other":
                    self.read(path, str(path), scores)
        else:
            raise LfnetError(f"cohort.labels.source: {source} does not exist. Give a folder or a csv file, or null.")

    def _table(self, path: Path, said: str, scores: _Scores) -> None:
        for row, person, session, label in read_scores(path, self._recording, self._column).itertuples():
            if label == label:
                self._put(scores, (str(person), str(session)), float(label), f"{said} row {row}")

    @staticmethod
    def _put(scores: _Scores, key: tuple[str, str], label: float, said: str) -> None:
        known = scores.setdefault(key, (label, said))
        if known[0] != label:
            raise LfnetError(
                f"recording {'_'.join(key)} has label {known[0]:g} in {known[1]}, but {label:g} in {said}. Correct one."
            )


def _compile(pattern: str, setting: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise LfnetError(f"cohort.{setting}: {pattern!r} is no regular expression ({error}).") from error


def _compiled(patterns: Mapping[str, str], setting: str) -> dict[str, re.Pattern[str]]:
    return {name: _compile(pattern, f"{setting}.{name}") for name, pattern in patterns.items()}


def _innermost(file: Path, patterns: Mapping[str, re.Pattern[str]]) -> str | None:
    for folder in reversed(file.parts[:-1]):
        for name, pattern in patterns.items():
            if pattern.fullmatch(folder):
                return name
    return None


def _task(said: str | None, file: Path, tasks: Mapping[str, re.Pattern[str]]) -> str | None:
    """The task that a clip's name or a folder above it says; "" where neither says one; None for another task."""
    if said is not None:
        return next((name for name, pattern in tasks.items() if pattern.fullmatch(said)), None)
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
        found.pass_over(f"left out by cohort.media={media}", file)
    return found.clips[found.clips["kind"] == media].copy()


def _shown(patterns: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {pattern}" for name, pattern in patterns.items())


def _nothing(root: Path, found: Survey, clips: Sequence[str], tasks: Mapping[str, str]) -> str:
    files = [file for files in found.passed.values() for file in files]
    seen = "\n    ".join(files[:10]) or "(no file at all)"
    wanted = "\n    ".join(clips)
    return (
        f"{root}: nothing looks like a clip.\n  cohort.clips:\n    {wanted}\n  cohort.tasks: {_shown(tasks)}\n"
        f"  first of {len(files)} files seen:\n    {seen}\n"
        "  Correct cohort.root or the patterns, or use cohort=folder with a manifest (`lfnet cohort init DIR`)."
    )
