"""Give the clips of a drafted manifest the labels and people of a table."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lfnet.cohorts.columns import find_column, is_group, is_number, is_running, label_column, role
from lfnet.cohorts.csvfile import BLANK, read_table
from lfnet.cohorts.identity import normal_id, one_spelling
from lfnet.cohorts.items import item_columns, sums_of_items
from lfnet.cohorts.matching import Match, cells, match_rows, text_of
from lfnet.cohorts.scale import Scale
from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError
from lfnet.text import first_names

__all__ = ["Merged", "add_labels", "describe_merged"]

_EXAMPLES = 3
_SUM = "sum_of_the_items"


@dataclass(frozen=True)
class Merged:
    """Result of `add_labels`.

    Attributes
    ----------
    level : str
        What the names in the label table are: clip, recording or person.
    column : str
        The column that holds them.
    session : str or None
        The column of sessions, where it was used.
    score : str
        The column of scores.
    matched : int
        Clips that a row names.
    labelled : int
        Clips with a score.
    examples : tuple of (str, int)
        Clips and the line of the row that names them.
    unused : tuple of str
        Names with a score that match no clip.
    groups : tuple of str
        Columns that group people, which the manifest keeps.

    Examples
    --------
    >>> merged = Merged("person", "subject", None, "bdi", 20, 20, (("001_1", 2),), ())
    >>> merged.column, merged.score
    ('subject', 'bdi')
    """

    level: str
    column: str
    session: str | None
    score: str
    matched: int
    labelled: int
    examples: tuple[tuple[str, int], ...]
    unused: tuple[str, ...]
    groups: tuple[str, ...] = ()


def add_labels(
    table: pd.DataFrame,
    path: Path,
    scale: Scale,
    label: str | None = None,
    name: str | None = None,
    person: str | None = None,
    encoding: str | None = None,
) -> Merged:
    """Fill in the labels of a drafted manifest from a table with names of clips, recordings or people.

    Names are compared by `normal_id`. A column called like an id (participant_id, subject, clip, file, …) names the
    clips; another one may only where there is none, and only if it holds no plain numbers. With a column of sessions,
    a row holds for the clips of its person and session. Columns that name clips equally well must agree.

    Parameters
    ----------
    table : DataFrame
        A draft (`lfnet.cohorts.draft.draft`), changed in place.
    path : Path
        The label table.
    scale : Scale
        Scale that the scores must lie on.
    label, name : str, optional
        Columns of scores and of names; by default they are found.
    person : str, optional
        Column of people that replaces what the names of the clips say. By default a column of people replaces only
        guesses that it does not contradict.
    encoding : str, optional
        Encoding of a table that is not UTF-8 and has no byte order mark.

    Raises
    ------
    LfnetError
        No name matches, several columns match and disagree, or scores contradict each other or lie outside the scale.

    Examples
    --------
    `lfnet cohort init DIR --labels CSV` drafts a manifest and calls this function.
    """
    labels = read_table(path, encoding=encoding, option="--encoding")
    if len(labels.columns) == 1:
        raise LfnetError(
            f"{path} has one column, {str(labels.columns[0])!r}. Give one of names and one of scores, separated by "
            "commas, semicolons or tabs."
        )
    if not len(labels):
        raise LfnetError(f"{path} has no rows below its names of columns. Give one row for each clip or person.")
    names = None if name is None else find_column(labels, path, name)
    people = None if person is None else find_column(labels, path, person)
    others = labels.drop(columns=[names] if names else [])
    try:
        score = label_column(others, path, label, "--label-column NAME")
    except LfnetError:
        if label is not None or not scale.items or not set(item_columns(scale)) <= set(labels.columns):
            raise
        score = _SUM
        labels[_SUM] = sums_of_items(labels, scale)
    values, wrong = _scores(labels, score, scale)
    if label is not None and not values and wrong:
        first = text_of(labels, next(iter(wrong)), score)
        words = "Write words as numbers, such as yes as 1 and no as 0" if scale.max == 1 else "Correct them"
        raise LfnetError(
            f"{path}: no value of column {score!r} is a number from {scale.min:g} to {scale.max:g} ({scale.name}); the "
            f"first is {first!r}. {words}, or choose another --scale or --label-column."
        )
    candidates = labels.drop(columns=[people]) if people and people != names else labels
    match = match_rows(table, candidates, values, path, score, names)
    refuse(
        [
            f"row {row}: score {text_of(labels, row, score)!r} of {text_of(labels, row, match.column)!r} {text}"
            for row, text in wrong.items()
        ],
        path,
    )
    _check_spellings(labels, match, path)
    label_of = _label_of_clips(table, labels, match, values, path)
    line_of = {place: match.rows[place][0] for place in label_of}
    if people is None and match.level != "person":
        people = next((c for c in labels.columns if role(c) == "person" and c not in (match.column, score)), None)
    _settle_people(table, labels, match, people, person is not None, path)
    ids = table["clip_id"].tolist()
    table["label"] = [label_of.get(place, float("nan")) for place in range(len(table))]
    problems = []
    for recording, clips in table.groupby("recording_id"):
        if clips["label"].nunique() > 1 or clips["person_id"].nunique() > 1:
            given = ", ".join(f"{clip}: {value:g}" for clip, value in clips[["clip_id", "label"]].to_numpy().tolist())
            problems.append(f"clips of recording {recording} have several scores or people ({given}). Make them equal.")
    refuse(problems, path)
    # The label belongs to the recording, so that clips which the table does not name get their recording's.
    table["label"] = table.groupby("recording_id")["label"].transform("first")
    groups = [
        name for name in labels.columns if is_group(str(name)) and name not in (match.column, score, match.session)
    ]
    items = [name for name in item_columns(scale) if name in labels.columns]
    for name in [*groups, *items]:
        table[name] = [
            text_of(labels, match.rows[place][0], name) if place in match.rows else "" for place in range(len(table))
        ]
    table.attrs["groups"] = [*groups, *items]
    used = {line for lines in match.rows.values() for line in lines}
    unused = dict.fromkeys(
        text_of(labels, line, match.column) for line in match.keys if line in values and line not in used
    )
    return Merged(
        match.level,
        match.column,
        match.session,
        score,
        len(match.rows),
        int(table["label"].notna().sum()),
        tuple((ids[place], line) for place, line in sorted(line_of.items())[:_EXAMPLES]),
        tuple(unused),
        tuple(groups),
    )


def _scores(labels: pd.DataFrame, column: str, scale: Scale) -> tuple[dict[int, float], dict[int, str]]:
    """The score of each line that has one, and what is wrong with that of others."""
    values, wrong = {}, {}
    for line, text in cells(labels, column):
        if text.lower() in BLANK:
            continue
        if not is_number(text):
            wrong[line] = "is not a number. Correct it or leave it empty."
        elif not scale.min <= float(text) <= scale.max:
            span = f"{scale.name} ({scale.min:g} to {scale.max:g})"
            wrong[line] = f"lies outside {span}. Correct it, or choose another --scale or --label-column."
        else:
            values[line] = float(text)
    return values, wrong


def _check_spellings(labels: pd.DataFrame, match: Match, path: Path) -> None:
    """Refuse two names with one normal form whose rows differ: they may be two people."""
    compared = [
        column
        for column in labels.columns
        if column not in (match.column, match.session)
        and role(column) in ("never", "other", "score")
        and re.search(r"[a-z]", column)
        and not column.startswith("unnamed")
        and not is_running(labels[column])
    ]
    lasting = [column for column in compared if re.search(r"sex|gender|birth|dob|geschlecht", column)]
    problems = []
    seen: dict[str, int] = {}
    for lines, columns in (
        (match.keys, compared),
        ({row: key.split(" ")[0] for row, key in match.keys.items()}, lasting),
    ):
        seen = {}
        for row, key in lines.items():
            first = seen.setdefault(key, row)
            names = [text_of(labels, line, match.column) for line in (first, row)]
            differ = [column for column in columns if text_of(labels, first, column) != text_of(labels, row, column)]
            if names[0] != names[1] and differ:
                problems.append(
                    f"row {row}: {names[1]!r} and {names[0]!r} (row {first}) are one {match.level} but for spelling, "
                    f"and differ in {', '.join(map(repr, differ[:3]))}. If they are one, make the rows equal; if not, "
                    "rename one, here and in the folder, by more than case, zeros, separators or a prefix."
                )
    refuse(list(dict.fromkeys(problems)), path)


def _label_of_clips(
    table: pd.DataFrame, labels: pd.DataFrame, match: Match, values: dict[int, float], path: Path
) -> dict[int, float]:
    """The score of each clip that has one; a name with two scores is refused."""
    problems = []
    scores: dict[str, tuple[float, int]] = {}
    for row, key in match.keys.items():
        if row in values:
            first = scores.setdefault(key, (values[row], row))
            if first[0] != values[row]:
                problems.append(
                    f"row {row}: {labels.at[row, match.column]!r} scores {values[row]:g}, but {first[0]:g} in row "
                    f"{first[1]}. Keep one{', or add a column session' if match.level == 'person' else ''}."
                )
    refuse(problems, path)
    label_of = {}
    people = table["person_id"].value_counts()
    for place, rows in match.rows.items():
        found = {values.get(row) for row in rows}
        clip, person = table["clip_id"].iloc[place], table["person_id"].iloc[place]
        if match.session and not table["session"].iloc[place] and (len(found) > 1 or people[person] > 1):
            problems.append(
                f"clip {clip}: its name holds no session, so that it is unclear which of its person's scores it has "
                f"(row {', '.join(map(str, rows))}). Name clips PERSON_SESSION, or remove column {match.session!r}."
            )
        elif given := [values[row] for row in rows if row in values]:
            label_of[place] = given[0]
    refuse(problems, path)
    return label_of


def _settle_people(
    table: pd.DataFrame, labels: pd.DataFrame, match: Match, people: str | None, forced: bool, path: Path
) -> None:
    """Confirm guessed people that the table names; take its people where the clips' names say nothing else."""
    known = {normal_id(person) for person in table["person_id"]}
    column = {name: number for number, name in enumerate(table.columns)}
    problems = []
    for place, rows in sorted(match.rows.items()):
        own = str(table.iat[place, column["person_id"]])
        clip = str(table.iat[place, column["clip_id"]])
        named = "" if people is None else str(labels.at[rows[0], people])
        if named and normal_id(named) != normal_id(own):
            if not forced and own != clip and normal_id(named) in known:
                problems.append(
                    f"row {rows[0]}: {people} of clip {clip} is {named!r}, but its name says {own!r}. Correct one, "
                    f"or let the table decide with --person-column {people}."
                )
            table.iat[place, column["person_id"]] = named
        if named or match.level == "person":
            table.iat[place, column["person_guessed"]] = "no"
    refuse(problems, path)
    spelling = one_spelling(table["person_id"])
    table["person_id"] = [spelling[person] for person in table["person_id"]]


def describe_merged(merged: Merged, clips: int) -> list[str]:
    """Return what was matched with `clips` clips as lines of text.

    Examples
    --------
    >>> describe_merged(Merged("person", "subject", None, "bdi", 20, 20, (("001_1", 2),), ()), 20)
    ['names: subject (20 of 20 clips); score: bdi', '  for example 001_1: row 2']
    """
    session = f" with {merged.session}" if merged.session else ""
    lines = [f"names: {merged.column}{session} ({merged.matched} of {clips} clips); score: {merged.score}"]
    if merged.examples:
        lines.append("  for example " + ", ".join(f"{clip}: row {row}" for clip, row in merged.examples))
    if merged.groups:
        lines.append(f"  groups kept in the manifest: {', '.join(merged.groups)}")
    if merged.unused:
        lines.append(f"  {len(merged.unused)} names with a score match no clip: {first_names(merged.unused)}")
    return lines
