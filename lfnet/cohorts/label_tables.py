"""Facts of recordings and people from a corpus's tables: scores, splits, groups."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lfnet.cohorts.columns import is_number
from lfnet.cohorts.csvfile import BLANK, read_table
from lfnet.cohorts.pattern import Pattern, PersonPattern
from lfnet.cohorts.validation import SPLIT_ALIASES, SPLITS
from lfnet.config import settings
from lfnet.errors import LfnetError

__all__ = ["Facts", "Key", "LabelTable", "read_facts"]

Key = tuple[str, str]  # person and session; session "" holds for all sessions of the person


@settings
class LabelTable:
    """A table with columns of names, scores, splits or groups; conf/cohort/daic_woz.yaml explains each setting.

    Parameters
    ----------
    file : str
        Pattern of the table's whole file name.
    names : str, optional
        Column of names; None for the one in which most values match `recording`.
    recording : str, optional
        Pattern of the names, with the groups person and session; None for that of all tables. Without the group
        session, a row holds for all sessions of the person.
    score : tuple of str
        Columns of scores: the first one that there is; none by default.
    split : {"train", "dev", "test"}, optional
        Split of all rows.
    splits : str, optional
        Column of splits.
    groups : tuple of str
        Columns that group people; a table may lack them.
    missing : tuple of str
        Patterns of scores that count as none, such as two ratings that tie.
    values : mapping
        For a column, what its values mean: {label: {depression: 1, normal: 0}}.

    Examples
    --------
    >>> LabelTable(file="dev_split.csv", split="dev", score=("phq8_score",)).split
    'dev'
    """

    file: Pattern
    names: str | None = None
    recording: PersonPattern | None = None
    score: tuple[str, ...] = ()
    split: Literal["train", "dev", "test"] | None = None
    splits: str | None = None
    groups: tuple[str, ...] = ()
    missing: tuple[Pattern, ...] = ()
    values: dict[str, dict[str | int | float, str | int | float]] = field(default_factory=dict)


@dataclass
class Facts:
    """What is known of recordings, by person and session, each with the file and row that say so.

    Attributes
    ----------
    scores : dict
    splits : dict
    groups : dict
        For each column, its values.
    """

    scores: dict[Key, tuple[float, str]] = field(default_factory=dict)
    splits: dict[Key, tuple[str, str]] = field(default_factory=dict)
    groups: dict[str, dict[Key, tuple[str, str]]] = field(default_factory=dict)

    def put(self, known: dict[Key, tuple[Any, str]], what: str, key: Key, value: Any, place: str) -> None:
        """Add a fact. Raises `LfnetError` where another file says something else."""
        first = known.setdefault(key, (value, place))
        if first[0] != value:
            one, two = (f"{given:g}" if isinstance(given, float) else repr(given) for given in (first[0], value))
            name = "_".join(part for part in key if part)
            raise LfnetError(f"recording {name} has {what} {one} in {first[1]}, but {two} in {place}. Correct one.")

    @staticmethod
    def find(known: dict[Key, tuple[Any, str]], key: Key) -> tuple[Any, str] | None:
        """Return what is known of a recording, or of its person."""
        return known.get(key) or known.get((key[0], ""))


def read_facts(path: Path, name: str, table: LabelTable, recording: str, facts: Facts) -> None:
    """Add what a table says to the facts; rows whose name does not match are passed over.

    Parameters
    ----------
    path : Path
        A csv or xlsx file.
    name : str
        The file, for messages.
    table : LabelTable
        Its columns.
    recording : str
        Pattern of names where the table has none of its own.
    facts : Facts
        Changed in place.

    Raises
    ------
    LfnetError
        A column is missing, no name matches, a score is no number, a split is unknown, or files contradict each other.
    """
    rows = read_table(path)
    pattern = re.compile(table.recording or recording, re.IGNORECASE)
    names = _column(rows, path, (table.names,), "names") if table.names else _best_names(rows, path, pattern)
    score = _column(rows, path, table.score, "scores") if table.score else None
    splits = _column(rows, path, (table.splits,), "splits") if table.splits else None
    groups = [group for group in map(_normal, table.groups) if group in rows.columns]
    meant = {
        _normal(column): {str(key).strip().lower(): str(value) for key, value in values.items()}
        for column, values in table.values.items()
    }
    for row, record in zip(rows.index, rows.to_dict("records"), strict=True):
        named = str(record[names])
        match = pattern.search(Path(named.replace("\\", "/")).name) or pattern.search(named)
        if match is None:
            continue
        found = match.groupdict()
        session = "" if "session" not in pattern.groupindex else found["session"] or "1"
        key, place = (found["person"], session), f"{name} row {row}"

        def cell(column: str, record: Any = record) -> str:
            text = str(record[column]).strip()
            return meant.get(column, {}).get(text.lower(), text)

        if score is not None and not _is_blank(text := cell(score), table.missing):
            if not is_number(text):
                raise LfnetError(
                    f"{path}: row {row}: score {text!r} of {named} is not a number. Correct it, leave it empty, or say "
                    "what it means in the table's `values`."
                )
            facts.put(facts.scores, "label", key, float(text), place)
        if table.split is not None:
            facts.put(facts.splits, "split", key, table.split, place)
        if splits is not None and (text := cell(splits).lower()) not in BLANK:
            split = SPLIT_ALIASES.get(text, text)
            if split not in SPLITS:
                raise LfnetError(
                    f"{path}: row {row}: split {text!r} is none of {', '.join(SPLITS)}. Say what it means in the "
                    "table's `values`."
                )
            facts.put(facts.splits, "split", key, split, place)
        for group in groups:
            if (text := cell(group)).lower() not in BLANK:
                facts.put(facts.groups.setdefault(group, {}), group, key, text, place)


def _is_blank(text: str, missing: tuple[str, ...]) -> bool:
    return text.lower() in BLANK or any(re.fullmatch(pattern, text) for pattern in missing)


def _normal(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _column(rows: pd.DataFrame, path: Path, wanted: tuple[str | None, ...], what: str) -> str:
    for name in wanted:
        if name is not None and _normal(name) in rows.columns:
            return _normal(name)
    known = ", ".join(map(str, rows.columns))
    named = " or ".join(repr(name) for name in wanted)
    raise LfnetError(f"{path} has no column {named} of {what}. There are: {known}. Correct cohort.labels.tables.")


def _best_names(rows: pd.DataFrame, path: Path, pattern: re.Pattern[str]) -> str:
    hits = {str(name): int(rows[name].map(lambda value: bool(pattern.search(value))).sum()) for name in rows.columns}
    names = max(hits, key=lambda name: hits[name]) if hits else ""
    if not hits.get(names):
        raise LfnetError(f"{path}: no value matches {pattern.pattern!r}. Correct the table's `recording`.")
    return names
