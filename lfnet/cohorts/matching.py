"""Match the rows of a label table with the clips of a drafted manifest."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from lfnet.cohorts.columns import find_column, is_number, is_running, label_column, role
from lfnet.cohorts.csvfile import BLANK, read_table
from lfnet.cohorts.identity import normal_id, normal_session, one_spelling, without_suffix
from lfnet.cohorts.scale import Scale
from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError
from lfnet.text import first_names

__all__ = ["Merged", "add_labels", "describe_merged"]

_ANY_LEVEL = ("clip", "recording", "person")
# What the names of a column called like this may be: the first group with a match, and in it the level with the most.
_LEVELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "clip": (("clip", "recording"), ("person",)),
    "recording": (("recording", "clip"), ("person",)),
    "person": (("person",), ("recording", "clip")),
}
_EXAMPLES = 3


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


@dataclass
class _Match:
    """One way to read the table: a column of names at one level."""

    column: str
    level: str
    rank: tuple[int, ...]
    session: str | None = None
    # Key of each row that has a name, and lines of the rows of each clip (by position).
    keys: dict[int, str] = field(default_factory=dict)
    rows: dict[int, list[int]] = field(default_factory=dict)


def add_labels(
    table: pd.DataFrame,
    path: Path,
    scale: Scale,
    label: str | None = None,
    name: str | None = None,
    person: str | None = None,
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

    Raises
    ------
    LfnetError
        No name matches, several columns match and disagree, or scores contradict each other or lie outside the scale.

    Examples
    --------
    `lfnet cohort init DIR --labels CSV` drafts a manifest and calls this function.
    """
    labels = read_table(path)
    names = None if name is None else find_column(labels, path, name)
    people = None if person is None else find_column(labels, path, person)
    score = label_column(labels.drop(columns=[names] if names else []), path, label, "--label-column NAME")
    values, wrong = _scores(labels, score, scale)
    candidates = labels.drop(columns=[people]) if people and people != names else labels
    match = _chosen(table, candidates, values, path, score, names)
    refuse(
        [
            f"row {row}: score {_text(labels, row, score)!r} of {_text(labels, row, match.column)!r} {text}"
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
    used = {line for lines in match.rows.values() for line in lines}
    unused = dict.fromkeys(
        _text(labels, line, match.column) for line in match.keys if line in values and line not in used
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
    )


def _text(labels: pd.DataFrame, row: int, column: str) -> str:
    return str(labels.at[row, column])


def _cells(labels: pd.DataFrame, column: str) -> Iterator[tuple[int, str]]:
    """Pairs of line in the file and text."""
    return zip(labels.index.tolist(), labels[column].tolist(), strict=True)


def _scores(labels: pd.DataFrame, column: str, scale: Scale) -> tuple[dict[int, float], dict[int, str]]:
    """The score of each line that has one, and what is wrong with that of others."""
    values, wrong = {}, {}
    for line, text in _cells(labels, column):
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


def _chosen(
    table: pd.DataFrame, labels: pd.DataFrame, values: dict[int, float], path: Path, score: str, given: str | None
) -> _Match:
    """The best way to read the table. Ways that are as good by their names must give every clip the same score."""
    matches = _matches(table, labels, score, given)
    if not matches:
        raise LfnetError(_no_match(table, labels, path, given))
    # A column without a usual name counts only where no other matches; but it must not disagree either.
    matches.sort(key=lambda match: match.rank)
    best = matches[0]
    people = [column for column in labels.columns if role(column) == "person"]
    if given is None and people and not _is_named(best.column):
        raise LfnetError(
            f"{path}: no value of column {people[0]!r} names a person of the folder, but column {best.column!r} "
            f"matches {len(best.rows)} clips. If it holds their names, give --name-column {best.column}."
        )
    for other in matches[1:]:
        if other.column == best.column:
            continue
        problem = _disagreement(table, values, best, other)
        if problem:
            raise LfnetError(
                f"{path}: columns {best.column!r} and {other.column!r} both name clips, but {problem}. Choose the "
                "right one with --name-column NAME."
            )
    return best


def _disagreement(table: pd.DataFrame, values: dict[int, float], one: _Match, other: _Match) -> str:
    """Where two ways to read the table give a clip two scores, or a row two clips; "" where they agree."""
    for place in one.rows.keys() & other.rows.keys():
        first, second = ({values[row] for row in match.rows[place] if row in values} for match in (one, other))
        if len(first) == len(second) == 1 and first != second:
            rows = one.rows[place][0], other.rows[place][0]
            clip = table["clip_id"].iloc[place]
            return f"give {clip} the scores {first.pop():g} (row {rows[0]}) and {second.pop():g} (row {rows[1]})"
    if one.level == other.level:  # ids of one kind: where both columns name people of the folder, no row names two
        used = {row for match in (one, other) for rows_of in match.rows.values() for row in rows_of}
        for row in sorted(used & one.keys.keys() & other.keys.keys()):
            if one.keys[row] != other.keys[row]:
                return f"row {row} names two"
    clips_of: list[dict[int, set[int]]] = [{}, {}]
    for clips, match in zip(clips_of, (one, other), strict=True):
        for place, rows_of in match.rows.items():
            for row in rows_of:
                clips.setdefault(row, set()).add(place)
    for row in clips_of[0].keys() & clips_of[1].keys():
        if clips_of[0][row].isdisjoint(clips_of[1][row]):
            names = [table["clip_id"].iloc[min(clips[row])] for clips in clips_of]
            return f"row {row} is of {names[0]} by one and of {names[1]} by the other"
    return ""


def _matches(table: pd.DataFrame, labels: pd.DataFrame, score: str, given: str | None) -> list[_Match]:
    keys = {level: _clip_keys(table, level) for level in _ANY_LEVEL}
    session = next((c for c in labels.columns if role(c) == "session" and c not in (score, given)), None)
    single = not table["person_id"].duplicated().any()
    found = []
    for column in [given] if given else [c for c in labels.columns if c != score]:
        what = role(column)
        named = what in ("clip", "recording", "person", "id")
        if given is None and (
            what in ("never", "session", "score") or (not named and not _has_letters(labels[column]))
        ):
            continue
        if given is None and what == "id" and is_running(labels[column]) and any(map(_is_named, labels.columns)):
            continue
        tier = 0 if named or given else 1
        for levels in _LEVELS.get(what, tuple((level,) for level in _ANY_LEVEL)):
            # A file name does not stand for all files of a person.
            if levels == ("person",) and what in ("clip", "recording") and not single and given is None:
                continue
            matches = [_Match(column, level, (tier,), session if level == "person" else None) for level in levels]
            for match in matches:
                _match(match, table, labels, keys[match.level])
            best = max(matches, key=lambda match: len(match.rows))
            if not best.rows:
                continue
            own = any(best.keys[row] not in keys["person"][place] for place, rows in best.rows.items() for row in rows)
            specific = best.level != "person" and own
            best.rank = (tier, not specific, what not in ("clip", "recording", "person"), -len(best.rows))
            found.append(best)
            if what in _LEVELS:
                break
    return found


def _is_named(column: str) -> bool:
    return role(column) in ("clip", "recording", "person")


def _has_letters(values: "pd.Series[str]") -> bool:
    """Whether a column holds names: not a plain number in every cell."""
    return any(value and not is_number(value) for value in values)


def _clip_keys(table: pd.DataFrame, level: str) -> list[set[str]]:
    """The normal forms by which a name may mean each clip."""
    if level == "person":
        return [{normal_id(person)} for person in table["person_id"]]
    if level == "recording":
        own = [normal_id(recording) for recording in table["recording_id"]]
        return [{key} for key in own]
    keys = []
    for clip, path in zip(table["clip_id"], table["path"], strict=True):
        parts = without_suffix(PurePosixPath(path)).parts
        keys.append({normal_id(clip), *(normal_id("/".join(parts[start:])) for start in range(len(parts)))})
    return keys


def _match(match: _Match, table: pd.DataFrame, labels: pd.DataFrame, keys: Sequence[set[str]]) -> None:
    """Fill in the rows of each clip."""
    places: dict[str, list[int]] = {}
    for place, own in enumerate(keys):
        for key in own:
            places.setdefault(key, []).append(place)
    if match.level == "clip":  # a part of the path that several clips share names none of them
        places = {key: clips for key, clips in places.items() if len(clips) == 1}
    whole = [normal_id(str(without_suffix(PurePosixPath(path)))) for path in table["path"]]
    sessions = [normal_session(text) for text in table["session"]]
    for row, text in _cells(labels, match.column):
        if not text:
            continue
        parts = without_suffix(PurePosixPath(text.replace("\\", "/"))).parts
        key = normal_id("/".join(parts))
        match.keys[row] = key
        clips = places.get(key, [])
        for start in range(1, len(parts) if match.level == "clip" else 0):
            # A longer path than the clip's, such as one of another machine, ends with the whole of it.
            shorter = normal_id("/".join(parts[start:]))
            clips = clips or [place for place in places.get(shorter, []) if whole[place] == shorter]
        if match.session:
            wanted = normal_session(_text(labels, row, match.session))
            match.keys[row] = f"{key} {wanted}"
            clips = [place for place in clips if wanted and sessions[place] in ("", wanted)]
        for place in clips:
            match.rows.setdefault(place, []).append(row)


def _no_match(table: pd.DataFrame, labels: pd.DataFrame, path: Path, given: str | None) -> str:
    shown = labels.iloc[0].tolist() if len(labels) else ["no rows"]
    first = table.iloc[0]
    what = f"no value of column {given!r}" if given else "no row"
    session = f", session {first['session']}" if first["session"] else ""
    ids = [name for name in labels.columns if role(name) in ("clip", "recording", "person", "id")]
    usual = "" if ids or given else " No column is called like an id (participant_id, subject, clip, file, …)."
    return (
        f"{path}: {what} names a clip, a recording or a person of the folder. Its first row: {', '.join(shown)}. The "
        f"folder's first clip: {first['clip_id']}, recording {first['recording_id']}, person {first['person_id']}"
        f"{session}.{usual} Give the table a column with one of these names, or choose it with --name-column NAME."
    )


def _check_spellings(labels: pd.DataFrame, match: _Match, path: Path) -> None:
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
            names = [_text(labels, line, match.column) for line in (first, row)]
            differ = [column for column in columns if _text(labels, first, column) != _text(labels, row, column)]
            if names[0] != names[1] and differ:
                problems.append(
                    f"row {row}: {names[1]!r} and {names[0]!r} (row {first}) are one {match.level} but for spelling, "
                    f"and differ in {', '.join(map(repr, differ[:3]))}. If they are one, make the rows equal; if not, "
                    "rename one, here and in the folder, by more than case, zeros, separators or a prefix."
                )
    refuse(list(dict.fromkeys(problems)), path)


def _label_of_clips(
    table: pd.DataFrame, labels: pd.DataFrame, match: _Match, values: dict[int, float], path: Path
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
    table: pd.DataFrame, labels: pd.DataFrame, match: _Match, people: str | None, forced: bool, path: Path
) -> None:
    """Confirm guessed people that the table names; take its people where the clips' names say nothing else."""
    known = {normal_id(person) for person in table["person_id"]}
    column = {name: number for number, name in enumerate(table.columns)}
    problems = []
    for place, rows in sorted(match.rows.items()):
        own = str(table.iat[place, column["person_id"]])
        clip = str(table.iat[place, column["clip_id"]])
        told = "" if people is None else str(labels.at[rows[0], people])
        if told and normal_id(told) != normal_id(own):
            if not forced and own != clip and normal_id(told) in known:
                problems.append(
                    f"row {rows[0]}: {people} of clip {clip} is {told!r}, but its name says {own!r}. Correct one, "
                    f"or let the table decide with --person-column {people}."
                )
            table.iat[place, column["person_id"]] = told
        if told or match.level == "person":
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
    if merged.unused:
        lines.append(f"  {len(merged.unused)} names with a score match no clip: {first_names(merged.unused)}")
    return lines
