"""Guess which tables of an unknown tree hold scores, splits and groups, and what their columns are."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lfnet.cohorts.columns import is_group, is_number, label_column, role
from lfnet.cohorts.csvfile import BLANK, read_table
from lfnet.cohorts.label_files import read_score
from lfnet.cohorts.media import TABLE_SUFFIXES
from lfnet.cohorts.name_patterns import generalised
from lfnet.cohorts.validation import SPLIT_ALIASES
from lfnet.errors import LfnetError
from lfnet.text import first_names, plural

__all__ = ["SPLIT_NAMES", "draft_labels"]

SPLIT_NAMES = {name: name for name in ("train", "dev", "test")} | SPLIT_ALIASES
_NEARLY_ALL = 0.9
_MAX_TABLES = 50
_FEW_ALIKE = 2  # tables whose names differ in a number; more of them are of single clips
_NEGATIVE = re.compile(r"(?i)(normal|healthy|control|none?|non[-_ ]?depress\w*|no|negative|hc)\b")
_IDS = ("clip", "recording", "person", "id")


def draft_labels(
    tables: Sequence[Path], names: Sequence[str], known: set[str], *, score: str | None = None, given: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Draft the node `labels` of a corpus: tables and files whose names are those of clips, recordings or people.

    Parameters
    ----------
    tables : sequence of Path
        Files that may be such.
    names : sequence of str
        Patterns of names in tables, with the group person; the first one is of people alone.
    known : set of str
        The people of the corpus.
    score : str, optional
        The column of scores.
    given : bool
        Whether a person named the table: then it is an error that it cannot be read.

    Returns
    -------
    labels : dict
    notes : list of str
        What was guessed and left out.
    """
    labels: dict[str, Any] = {"recording": names[0], "tables": []}
    notes: list[str] = []
    suffixes = (*TABLE_SUFFIXES, ".xlsx")
    forms = Counter(generalised(path.name) for path in tables)
    single = [path for path in tables if forms[generalised(path.name)] <= _FEW_ALIKE]
    if left := [path.name for path in tables if path not in single]:
        labels["files"] = _score_files([path for path in tables if path not in single], names, known)
        taken = f"files of one score: {first_names(labels['files'])}; else " if labels["files"] else ""
        notes.append(f"{taken}left out: {plural(len(left), 'file')} of several people: {first_names(left)}")
    for path in [path for path in single if path.suffix.lower() in suffixes][:_MAX_TABLES]:
        try:
            rows = read_table(path)
            table = _table(notes, path, rows, names, known, score)
        except LfnetError as error:
            if given:
                raise
            notes.append(f"left out: {error}")
            continue
        if table is not None:
            labels["tables"].append(table)
    if not labels.get("files") and not any(table.get("score") for table in labels["tables"]):
        notes.append("scores: no table of them was found; give it with --labels CSV, or complete labels.tables")
    return labels, notes


def _score_files(paths: Sequence[Path], names: Sequence[str], known: set[str]) -> list[str]:
    """Patterns of files that hold one number, the score of the person (and session) in their name."""
    groups = [names[0].strip("^$"), *[r"(?P<session>\d+)"] * any("(?P<session>" in name for name in names)]
    found = []
    for form, path in {generalised(path.name): path for path in reversed(paths)}.items():
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


def _table(
    notes: list[str], path: Path, rows: pd.DataFrame, names: Sequence[str], known: set[str], wanted: str | None
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
    if split := next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None):
        table["split"] = split
    for other in rows.columns:
        if (
            not split
            and {text.lower() for text in rows[other]} - BLANK <= set(SPLIT_NAMES)
            and rows[other].nunique() > 1
        ):
            table["splits"] = str(other)
    groups = [str(other) for other in rows.columns if is_group(str(other)) and other != column]
    if groups:
        table["groups"] = groups
    try:
        score = label_column(rows.drop(columns=column), path, wanted, "--label-column NAME")
    except LfnetError as error:
        notes.append(f"no score of {path.name} is taken: {error}")
        score = ""
    if score:
        table["score"] = [score]
        table |= _meaning(notes, path, rows[score], score)
    said = [f"{key} {value}" for key, value in table.items() if key not in ("file", "names", "recording")]
    if not said:
        return None
    matched = f"{number} of {plural(len(rows), 'row')}"
    notes.append(f"table {path.name}: names in {column} ({matched}); {'; '.join(said)}")
    return table


def _meaning(notes: list[str], path: Path, column: "pd.Series[str]", score: str) -> Mapping[str, Any]:
    """What two words in place of scores mean."""
    words = sorted({text for text in column if text.lower() not in BLANK and not is_number(text)})
    if not words:
        return {}
    negative = [word for word in words if _NEGATIVE.match(word)]
    if len(words) != 2 or len(negative) != 1:
        notes.append(f"column {score} of {path.name} holds {first_names(words)}: say what they mean in `values`")
        return {}
    notes.append(f"column {score} of {path.name}: {negative[0]} is 0, the other 1")
    return {"values": {score: {word: int(word not in negative) for word in words}}}
