"""Draft the yaml of a corpus from an unknown tree: patterns of its clips or feature files, its tables and splits."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lfnet.cohorts.columns import is_group, is_number, label_column, role
from lfnet.cohorts.csvfile import BLANK, read_table
from lfnet.cohorts.draft import clips_below
from lfnet.cohorts.feature_table import feature_tables, table_columns
from lfnet.cohorts.guess import FOLDERS, OWN, WORDS, Guess, guess_people
from lfnet.cohorts.identity import without_suffix
from lfnet.cohorts.label_files import read_score
from lfnet.cohorts.media import TABLE_SUFFIXES
from lfnet.cohorts.ready import has_times
from lfnet.cohorts.validation import SPLIT_ALIASES
from lfnet.errors import LfnetError
from lfnet.text import first_names, plural

__all__ = ["CorpusDraft", "draft_corpus"]

_SPLITS = {name: name for name in ("train", "dev", "test")} | SPLIT_ALIASES
_MAX_FORMS = 12
_NEARLY_ALL = 0.9
_MAX_TABLES = 50
_FEW_ALIKE = 2  # tables whose names differ in a number; more of them are of single clips
_SESSION_WORDS = r"(?:session|sess|ses|visit|timepoint|time|wave|week|month|day|s|t|v)?[-_ ]?"
_NEGATIVE = re.compile(r"(?i)(normal|healthy|control|none?|non[-_ ]?depress\w*|no|negative|hc)\b")
_IDS = ("clip", "recording", "person", "id")

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
    person, in_tables = _person_patterns([guess.person for guess in guesses], rule)
    node: dict[str, Any] = {"name": name, "title": name, "root": str(Path(root).absolute()), "media": chosen}
    made = CorpusDraft(node, [f"people: {rule}; as the pattern {person}"])
    namer = _Namer(paths, guesses, rule, person, whole=chosen == "features")
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
    names = [f"^{pattern}$" for pattern in dict.fromkeys((in_tables, *map(_without_end, forms.named)))]
    _add_labels(made, Path(root), others if labels is None else [labels], known, names, given=labels, score=score)
    folders = _split_folders(paths)
    if folders:
        node["splits"] = folders
        made.notes.append(f"splits: folders {', '.join(folders.values())}")
    elif not any(table.get("split") or table.get("splits") for table in node["labels"]["tables"]):
        node["deal"] = {"shares": [0.6, 0.2, 0.2], "seed": 0}
        made.notes.append("splits: none was found; made by person, stratified by score (deal)")
    return made


def _person_patterns(people: Sequence[str], rule: str) -> tuple[str, str]:
    """Patterns with the group person, of paths and of tables: the number where ids differ in it alone."""
    parts = [re.fullmatch(r"(\D*?)0*(\d+)(\D*)", person) for person in people]
    around = {(match[1].casefold(), match[3].casefold()) for match in parts if match}
    if all(parts) and len(around) == 1:
        before, after = around.pop()
        before, after = re.escape(before), re.escape(after)
        optional = [f"(?:{text})?" if text else "" for text in (before, after)]
        number = r"0*(?P<person>\d+)"
        return f"{before}{number}{after}", f"{optional[0]}{number}{optional[1]}"
    same = r"(?P<person>[^/]+)" if rule == OWN or any(re.search(r"[_\-.\s]", one) for one in people) else _WORD
    return same, same


_REST = r"(?:[_\-. ]+(?P<session>[^/]+?))?"
_WORD = r"(?P<person>[^_\-.\s/]+)"


class _Forms(NamedTuple):
    """Names of files as patterns. of_file: pattern and text of each; named: patterns, the most frequent first."""

    of_file: tuple[tuple[str, str], ...]
    named: tuple[str, ...]


class _Namer:
    """Makes patterns of names. whole: whether suffixes are part of them."""

    def __init__(self, paths: Sequence[Path], guesses: Sequence[Guess], rule: str, person: str, *, whole: bool) -> None:
        self._paths = [path if whole else Path(without_suffix(path)) for path in paths]
        self._guesses, self._rule, self._person = guesses, rule, person

    def forms(self, *, with_tasks: bool, rest: bool = False) -> _Forms:
        """The pattern of each file's name, with as many folders above it as tell two files of one name apart.

        rest: what follows the person in a name is the session.
        """
        deepest = max(len(path.parts) for path in self._paths)
        for above in range(deepest):
            pairs = zip(self._paths, self._guesses, strict=True)
            of_file = tuple(self._form(path, guess, with_tasks, above, rest) for path, guess in pairs)
            if len(set(of_file)) == len(of_file):
                break
        named = tuple(pattern for pattern, _ in Counter(pattern for pattern, _ in of_file).most_common())
        return _Forms(of_file, named)

    def _form(self, path: Path, guess: Guess, with_tasks: bool, above: int, rest: bool) -> tuple[str, str]:
        parts = path.parts
        level = len(parts) - 1
        if self._rule == FOLDERS or guess.person not in parts[-1]:
            level = next((n for n, part in enumerate(parts) if part == guess.person), level)
        text = "/".join(parts[max(0, level - above) :])
        own = without_suffix(Path(parts[-1])).name if self._rule == OWN else guess.person
        at = text.index(own, len("/".join(parts[max(0, level - above) : level])))
        marks = [(at, at + len(own), self._person)]
        if rest:
            suffix = text[len(without_suffix(Path(text)).as_posix()) :]
            return _generalised(text[:at]) + self._person + _REST + re.escape(suffix), text
        for word, group, lead in (
            (guess.session, r"(?P<session>[^_\-./]+)", _SESSION_WORDS),
            (guess.task if with_tasks else "", r"(?P<task>[^_\-./]+)", ""),
        ):
            found = re.compile(rf"(?<=[/_\-. ])({lead}){re.escape(word)}(?=[/_\-. ]|$)", re.IGNORECASE)
            if word and (match := found.search(text, marks[-1][1])):
                marks.append((match.end(1), match.end(), group))
        pattern, done = "", 0
        for begin, end, group in marks:
            pattern += _generalised(text[done:begin]) + group
            done = end
        return pattern + _generalised(text[done:]), text


def _generalised(text: str) -> str:
    """A text as a pattern, any number for a number."""
    return r"\d+".join(re.escape(part) for part in re.split(r"\d+", text))


def _tasks_are_streams(namer: _Namer, files: Sequence[Path]) -> bool:
    """Whether files that differ in a task alone have other columns: then they are streams."""
    forms, apart = namer.forms(with_tasks=True), namer.forms(with_tasks=False)
    return len(apart.named) > len(forms.named) and len(_layouts(apart, files)) > 1


def _layouts(forms: _Forms, files: Sequence[Path]) -> set[Any]:
    """The columns of one file of each form; of files that are no tables, the form."""
    first = {pattern: path for (pattern, _), path in zip(reversed(forms.of_file), reversed(files), strict=True)}
    return {
        tuple(table_columns(path)) if path.suffix.lower() in TABLE_SUFFIXES else pattern
        for pattern, path in first.items()
    }


def _add_streams(made: CorpusDraft, forms: _Forms, files: Sequence[Path], sets: Sets, fps: float | None) -> None:
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
        named = next((part for part in reversed(path.parts[:-1]) if part.lower() in _SPLITS), None)
        if named is None:
            return {}
        found[_SPLITS[named.lower()]] = re.escape(named)
    return dict(sorted(found.items())) if {"train", "dev"} <= set(found) else {}


def _add_labels(
    made: CorpusDraft,
    root: Path,
    tables: Sequence[Path],
    known: set[str],
    names: Sequence[str],
    given: Path | None,
    score: str | None,
) -> None:
    """Add the tables whose names are those of clips, recordings or people."""
    labels: dict[str, Any] = {"recording": names[0], "tables": []}
    if given is not None and not given.absolute().is_relative_to(root.absolute()):
        labels["source"] = str(given.absolute())
    suffixes = (*TABLE_SUFFIXES, ".xlsx")
    forms = Counter(_generalised(path.name) for path in tables)
    single = [path for path in tables if forms[_generalised(path.name)] <= _FEW_ALIKE]
    if left := [path.name for path in tables if path not in single]:
        labels["files"] = _label_files([path for path in tables if path not in single], names, known)
        taken = f"files of one score: {first_names(labels['files'])}; else " if labels["files"] else ""
        made.notes.append(f"{taken}left out: {plural(len(left), 'file')} of several people: {first_names(left)}")
    for path in [path for path in single if path.suffix.lower() in suffixes][:_MAX_TABLES]:
        try:
            rows = read_table(path)
            table = _table(made, path, rows, names, known, score)
        except LfnetError as error:
            if given is not None:
                raise
            made.notes.append(f"left out: {error}")
            continue
        if table is not None:
            labels["tables"].append(table)
    if not labels.get("files") and not any(table.get("score") for table in labels["tables"]):
        made.notes.append("scores: no table of them was found; give it with --labels CSV, or complete labels.tables")
    made.node["labels"] = labels


def _label_files(paths: Sequence[Path], names: Sequence[str], known: set[str]) -> list[str]:
    """Patterns of files that hold one number, the score of the person (and session) in their name."""
    groups = [names[0].strip("^$"), *[r"(?P<session>\d+)"] * any("(?P<session>" in name for name in names)]
    found = []
    for form, path in {_generalised(path.name): path for path in reversed(paths)}.items():
        parts = form.split(r"\d+")
        numbers = [*groups, *[r"\d+"] * len(parts)]
        pattern = "".join(text for pair in zip(parts, numbers, strict=False) for text in pair)
        pattern = pattern.removesuffix(numbers[len(parts) - 1])
        match = re.fullmatch(pattern, path.name, re.IGNORECASE)
        if match is None or match["person"] not in known:
            continue
        try:
            read_score(path)
        except LfnetError:
            continue
        found.append(pattern)
    return found


def _without_end(pattern: str) -> str:
    """The pattern of a clip's name without suffix and the folders above."""
    return re.split(r"/(?![^\[]*\])", re.sub(r"\\\.[A-Za-z0-9]{1,11}$", "", pattern))[-1]


def _table(
    made: CorpusDraft, path: Path, rows: pd.DataFrame, names: Sequence[str], known: set[str], wanted: str | None
) -> dict[str, Any] | None:
    """The settings of a table; None where no column names people of the corpus."""
    hits: list[tuple[bool, int, str, str]] = []
    for column in rows.columns:
        for pattern in names:
            found = [re.search(pattern, re.sub(r"\.0+$", "", text), re.IGNORECASE) for text in rows[column]]
            people = [match["person"] for match in found if match is not None and match["person"] in known]
            is_id = role(str(column)) in _IDS
            # A column of another name may hold numbers of any kind: it must name nearly everyone, and each once.
            if is_id or len(people) == len(set(people)) >= _NEARLY_ALL * len(known):
                hits.append((is_id, len(people), str(column), pattern))
    _, number, column, pattern = max(hits, key=lambda hit: hit[:2], default=(False, 0, "", ""))
    if not number or 2 * number < len(rows):
        return None
    table: dict[str, Any] = {"file": re.escape(path.name), "names": column}
    if pattern != names[0]:
        table["recording"] = pattern
    words = re.split(r"[^a-z]+", path.stem.lower())
    if split := next((_SPLITS[word] for word in words if word in _SPLITS), None):
        table["split"] = split
    for other in rows.columns:
        if not split and {text.lower() for text in rows[other]} - BLANK <= set(_SPLITS) and rows[other].nunique() > 1:
            table["splits"] = str(other)
    groups = [str(other) for other in rows.columns if is_group(str(other)) and other != column]
    if groups:
        table["groups"] = groups
    try:
        score = label_column(rows.drop(columns=column), path, wanted, "--label-column NAME")
    except LfnetError as error:
        made.notes.append(f"no score of {path.name} is taken: {error}")
        score = ""
    if score:
        table["score"] = [score]
        table |= _meaning(made, path, rows[score], score)
    said = [f"{key} {value}" for key, value in table.items() if key not in ("file", "names", "recording")]
    made.notes.append(
        f"table {path.name}: names in {column} ({number} of {plural(len(rows), 'row')}); {'; '.join(said)}"
    )
    return table if len(said) else None


def _meaning(made: CorpusDraft, path: Path, column: "pd.Series[str]", score: str) -> Mapping[str, Any]:
    """What two words in place of scores mean."""
    words = sorted({text for text in column if text.lower() not in BLANK and not is_number(text)})
    if not words:
        return {}
    negative = [word for word in words if _NEGATIVE.match(word)]
    if len(words) != 2 or len(negative) != 1:
        made.notes.append(f"column {score} of {path.name} holds {first_names(words)}: say what they mean in `values`")
        return {}
    made.binary = True
    made.notes.append(f"column {score} of {path.name}: {negative[0]} is 0, the other 1")
    return {"values": {score: {word: int(word not in negative) for word in words}}}
