"""Draft the yaml of a corpus from an unknown tree: patterns of its clips or feature files, its tables and splits."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lfnet.cohorts.draft import clips_below
from lfnet.cohorts.feature_table import feature_tables, table_columns
from lfnet.cohorts.guess import WORDS, guess_people
from lfnet.cohorts.identity import without_suffix
from lfnet.cohorts.label_draft import SPLIT_NAMES, draft_labels
from lfnet.cohorts.media import TABLE_SUFFIXES
from lfnet.cohorts.name_patterns import Forms, Namer, person_patterns, without_end
from lfnet.cohorts.ready import has_times
from lfnet.errors import LfnetError
from lfnet.text import first_names

__all__ = ["CorpusDraft", "draft_corpus"]

_MAX_FORMS = 12

Sets = Callable[[Path], tuple[str, Sequence[str]] | None]
"""A table's yaml of conf/features and its streams; None where none fits."""


@dataclass
class CorpusDraft:
    """A drafted corpus.

    Attributes
    ----------
    node : dict
        Settings of `lfnet.cohorts.corpus.load`, without scale.
    notes : list of str
        What was guessed, and what was left out.
    columns : str or None
        The yaml of conf/features that the streams of `node` take their columns from.
    binary : bool
        Whether scores are two words, of which one means 1.
    """

    node: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    columns: str | None = None
    binary: bool = False


def draft_corpus(
    root: Path,
    name: str,
    sets: Sets,
    *,
    labels: Path | None = None,
    score: str | None = None,
    kind: str | None = None,
    fps: float | None = None,
) -> CorpusDraft:
    """Guess the settings of a corpus; nothing but headers of tables is read of its clips.

    Parameters
    ----------
    root : Path
        The folder.
    name : str
        Name of the corpus.
    sets : callable
        Finds the columns of feature tables.
    labels : Path, optional
        The table of scores; by default, tables below `root` whose names fit are taken.
    score : str, optional
        The column of scores.
    kind : str, optional
        As for `lfnet.cohorts.draft.draft`.
    fps : float, optional
        Frames a second of frame folders, and of feature files without times.

    Raises
    ------
    LfnetError
        There are no clips, or their names have too many forms.
    """
    files, chosen, others = clips_below(Path(root), kind)
    if chosen == "features":  # tables of features may lie among others
        files = sorted({*files, *feature_tables(others)})
        others = [path for path in others if path not in files]
    paths = [path.relative_to(root) for path in files]
    guesses, rule = guess_people([path if chosen == "frames" else Path(without_suffix(path)) for path in paths])
    person, in_tables = person_patterns([guess.person for guess in guesses], rule)
    node: dict[str, Any] = {"name": name, "title": name, "root": str(Path(root).absolute()), "media": chosen}
    made = CorpusDraft(node, [f"people: {rule}; as the pattern {person}"])
    namer = Namer(paths, guesses, rule, person, whole=chosen == "features")
    with_tasks = chosen != "features" or not _tasks_are_streams(namer, files)
    forms = namer.forms(with_tasks=with_tasks)
    if len(forms.named) > 1 and rule == WORDS and (chosen != "features" or len(_layouts(forms, files)) == 1):
        forms = namer.forms(with_tasks=with_tasks, rest=True)
        made.notes.append("what follows a person in a name is a session, with a label of its own or of its person")
    if len(forms.named) > _MAX_FORMS:
        raise LfnetError(
            f"the names of {len(files)} clips have {len(forms.named)} forms, such as {first_names(forms.named)}. Draft "
            "a manifest instead, by `lfnet cohort init` without --yaml."
        )
    if chosen == "features":
        _add_streams(made, forms, files, sets, fps)
    else:
        node["fps"] = fps or 30.0
        node["clips"] = list(forms.named)
    tasks = sorted({guess.task for guess in guesses if guess.task}) if with_tasks else []
    if tasks:
        node["tasks"] = {task: re.escape(task) for task in tasks}
        made.notes.append(f"tasks of one recording: {', '.join(tasks)}")
    known = {match["person"] for pattern, text in forms.of_file if (match := re.fullmatch(pattern, text, re.I))}
    names = [f"^{pattern}$" for pattern in dict.fromkeys((in_tables, *map(without_end, forms.named)))]
    tables = others if labels is None else [labels]
    node["labels"], notes = draft_labels(tables, names, known, score=score, given=labels is not None)
    made.notes += notes
    made.binary = any("values" in table for table in node["labels"]["tables"])
    if labels is not None and not labels.absolute().is_relative_to(Path(root).absolute()):
        node["labels"]["source"] = str(labels.absolute())
    folders = _split_folders(paths)
    if folders:
        node["splits"] = folders
        made.notes.append(f"splits: folders {', '.join(folders.values())}")
    elif not any(table.get("split") or table.get("splits") for table in node["labels"]["tables"]):
        node["deal"] = {"shares": [0.6, 0.2, 0.2], "seed": 0}
        made.notes.append("splits: none was found; made by person, stratified by score (deal)")
    return made


def _tasks_are_streams(namer: Namer, files: Sequence[Path]) -> bool:
    """Whether files that differ in a task alone have other columns: then they are streams."""
    forms, apart = namer.forms(with_tasks=True), namer.forms(with_tasks=False)
    return len(apart.named) > len(forms.named) and len(_layouts(apart, files)) > 1


def _layouts(forms: Forms, files: Sequence[Path]) -> set[Any]:
    """The columns of one file of each form; of files that are no tables, the form."""
    first = {pattern: path for (pattern, _), path in zip(reversed(forms.of_file), reversed(files), strict=True)}
    return {
        tuple(table_columns(path)) if path.suffix.lower() in TABLE_SUFFIXES else pattern
        for pattern, path in first.items()
    }


def _add_streams(made: CorpusDraft, forms: Forms, files: Sequence[Path], sets: Sets, fps: float | None) -> None:
    """Add one stream for each form of file, or those of a set of columns."""
    streams: dict[str, dict[str, Any]] = {}
    for pattern in forms.named:
        path = files[next(n for n, (own, _) in enumerate(forms.of_file) if own == pattern)]
        fitting = sets(path) if path.suffix.lower() in TABLE_SUFFIXES and made.columns is None else None
        if fitting is not None:
            made.columns = fitting[0]
            streams |= {stream: {"file": pattern} for stream in fitting[1]}
            made.notes.append(f"columns of {path.name}: {fitting[0]} ({', '.join(fitting[1])})")
            continue
        words = re.findall(r"[A-Za-z][A-Za-z0-9]+", re.sub(r"\(\?P<\w+>[^)]*\)|\\[a-z]\+?", " ", pattern))
        label = "_".join(word.lower() for word in words if f".{word.lower()}" != path.suffix.lower())[:40] or "features"
        while label in streams:
            label += "_2"
        streams[label] = {"file": pattern}
        if path.suffix.lower() not in TABLE_SUFFIXES and not has_times(path):
            if fps is None:
                raise LfnetError(f"{path} holds no `time`: give its frame rate with --fps.")
            streams[label]["fps"] = fps
        made.notes.append(f"stream {label}: all columns of {path.name}, as they are")
    made.node["features"] = streams


def _split_folders(paths: Sequence[Path]) -> dict[str, str]:
    """Split → its folder, where each path has one above it and there are train and dev."""
    found: dict[str, str] = {}
    for path in paths:
        named = next((part for part in reversed(path.parts[:-1]) if part.lower() in SPLIT_NAMES), None)
        if named is None:
            return {}
        found[SPLIT_NAMES[named.lower()]] = re.escape(named)
    return dict(sorted(found.items())) if {"train", "dev"} <= set(found) else {}
