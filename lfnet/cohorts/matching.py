"""Match the rows of a label table with the clips of a drafted manifest: the column of names, and its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from lfnet.cohorts.columns import is_number, is_running, role
from lfnet.cohorts.identity import normal_id, normal_session, without_suffix
from lfnet.errors import LfnetError

__all__ = ["Match", "cells", "match_rows", "text_of"]

_ANY_LEVEL = ("clip", "recording", "person")
# What the names of a column called like this may be: the first group with a match, and in it the level with the most.
_LEVELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "clip": (("clip", "recording"), ("person",)),
    "recording": (("recording", "clip"), ("person",)),
    "person": (("person",), ("recording", "clip")),
}


@dataclass
class Match:
    """One way to read a label table: a column of names at one level, with an optional column of sessions.

    keys: normal form of the name in each row that has one. rows: lines of the rows of each clip, by its position.
    rank: a lower one comes first.
    """

    column: str
    level: str
    rank: tuple[int, ...]
    session: str | None = None
    keys: dict[int, str] = field(default_factory=dict)
    rows: dict[int, list[int]] = field(default_factory=dict)


def text_of(labels: pd.DataFrame, row: int, column: str) -> str:
    """Return the text of a cell; row: its line in the file."""
    return str(labels.at[row, column])


def cells(labels: pd.DataFrame, column: str) -> Iterator[tuple[int, str]]:
    """Iterate over the cells of a column as pairs of line in the file and text."""
    return zip(labels.index.tolist(), labels[column].tolist(), strict=True)


def match_rows(
    table: pd.DataFrame, labels: pd.DataFrame, values: dict[int, float], path: Path, score: str, given: str | None
) -> Match:
    """Find the best way to read a label table.

    Parameters
    ----------
    table : DataFrame
        A drafted manifest.
    labels : DataFrame
        The label table.
    values : dict
        Score of each line that has one.
    path : Path
        File of the label table, for messages.
    score : str
        Column of scores.
    given : str, optional
        Column of names that the user chose.

    Raises
    ------
    LfnetError
        No column matches, or ways that are as good by their names give a clip two scores.
    """
    matches = _matches(table, labels, score, given)
    if not matches:
        raise LfnetError(_no_match(table, labels, path, given))
    # A column without a usual name counts only where no other matches; but it must not disagree either.
    matches.sort(key=lambda match: match.rank)
    best = matches[0]
    named = [column for column in labels.columns if _is_named(column) and column != score]
    if given is None and named and not _is_named(best.column):
        what = role(named[0])
        raise LfnetError(
            f"{path}: no value of column {named[0]!r} names a {what} of the folder, but column {best.column!r} "
            f"matches {len(best.rows)} clips. If it holds their names, give --name-column {best.column}."
        )
    rival = None if given else _unmatched_numbers(labels, matches, best, score)
    if rival is not None:
        raise LfnetError(
            f"{path}: column {best.column!r} matches {len(best.rows)} clips by their numbers, but column {rival!r}, "
            "which is called like an id too, names none. Choose the right one with --name-column NAME."
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


def _disagreement(table: pd.DataFrame, values: dict[int, float], one: Match, other: Match) -> str:
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


def _matches(table: pd.DataFrame, labels: pd.DataFrame, score: str, given: str | None) -> list[Match]:
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
            matches = [Match(column, level, (tier,), session if level == "person" else None) for level in levels]
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


def _unmatched_numbers(labels: pd.DataFrame, matches: Sequence[Match], best: Match, score: str) -> str | None:
    """A second column of ids that holds numbers and names no clip, where the best one may match by accident."""
    used = {row for rows in best.rows.values() for row in rows}
    if role(best.column) != "id" or not all(best.keys[row].replace("_", "").isdecimal() for row in used):
        return None
    matched = {match.column for match in matches}
    for column in labels.columns:
        other_id = column not in (*matched, score) and role(column) == "id"
        if other_id and any(normal_id(text).isdecimal() for text in labels[column]):
            return str(column)
    return None


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


def _match(match: Match, table: pd.DataFrame, labels: pd.DataFrame, keys: Sequence[set[str]]) -> None:
    """Fill in the rows of each clip."""
    places: dict[str, list[int]] = {}
    for place, own in enumerate(keys):
        for key in own:
            places.setdefault(key, []).append(place)
    if match.level == "clip":  # a part of the path that several clips share names none of them
        places = {key: clips for key, clips in places.items() if len(clips) == 1}
    whole = [normal_id(str(without_suffix(PurePosixPath(path)))) for path in table["path"]]
    sessions = [normal_session(text) for text in table["session"]]
    for row, text in cells(labels, match.column):
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
            wanted = normal_session(text_of(labels, row, match.session))
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
