"""Guess the person, session and task of clips from folders and file names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lfnet.cohorts.identity import clip_name, normal_id
from lfnet.errors import LfnetError
from lfnet.text import plural

__all__ = ["BIDS", "FOLDERS", "OWN", "SESSIONS", "WORDS", "Guess", "guess_people"]

BIDS = "BIDS names (sub-…, ses-…)"
SESSIONS = "names of the form PERSON_SESSION"
FOLDERS = "one folder a person"
WORDS = "the first word of each name"
OWN = "each clip a person of its own"

_MOST = 0.8  # of all clips
_WORD = re.compile(r"[_\-.:\s]+")
_PERSON_SESSION = re.compile(
    r"(?P<person>[A-Za-z]*\d+)[_-](?:s|ses-|session)?(?P<session>\d{1,2})(?:[_-](?P<task>[A-Za-z][A-Za-z0-9]*))?(?:[_-].*)?",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:19|20)\d\d(?:[-_.]?[01]\d(?:[-_.]?[0-3]\d(?:T[\d:.-]*\d)?)?)?(?=$|[_\-. ])")
# Folders named like this hold no person.
_NO_PERSON = re.compile(
    r"(?:session|sess|ses|visit|day|week|month|year|time|timepoint|wave|t|v|run|take|trial|part|block|cam|camera|task|"
    r"clips?|videos?|vids?|rec|recordings?|segment|chunk|frames?|site|group|batch|set|split|fold|train|dev|test)"
    r"[-_ ]?\d*",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"(?:sub|subj|subject|participant|patient|proband|person|pat|vp|pid|id|p)[-_ ]?\d.*|\d+_p", re.IGNORECASE
)
_SESSION_FOLDER = re.compile(
    r"(?:session|sess|ses|visit|day|week|month|time|timepoint|wave|t|v|s)?[-_ ]?(\d{1,4}|(?<=[-_ ])[A-Za-z0-9]+)",
    re.IGNORECASE,
)
_SESSION_IN_NAME = re.compile(r"(?:.*[_\- ])?(?:ses|session|visit)[-_ ]?(\d+)(?:[_\- ].*)?", re.IGNORECASE)
_NUMBER = re.compile(r"[_\-.:\s]+(?:s|ses-|session|visit)?(\d{1,2})", re.IGNORECASE)
# Last words of names that describe the file, not the task.
_NO_TASK = frozenset({"video", "vid", "aligned", "cropped", "face", "faces", "frames", "visual", "features", "clip"})


@dataclass(frozen=True)
class Guess:
    """Person, session and task that a clip's path holds.

    Parameters
    ----------
    person : str
        As the path spells it.
    session, task : str
        "" where the path holds none.
    whole : bool
        Whether all clips of the session are one recording: a folder or a BIDS name says so.

    Examples
    --------
    >>> Guess("203", "1", "talk").session
    '1'
    """

    person: str
    session: str = ""
    task: str = ""
    whole: bool = False


def guess_people(clips: Sequence[Path]) -> tuple[list[Guess], str]:
    """Guess the person, session and task of each clip.

    The first rule that fits every clip is used, or of the first two one that fits four of five clips: BIDS names; names
    of the form PERSON_SESSION_TASK; a folder with a number for each person, and below it one for each session; the text
    before the first "_", "-", ".", ":" or space, after a date and after words that all names begin with; else each clip
    is one person. Where a name and a folder could both hold the person, the one with more values does, or the folder
    called P…, subject… and the like.

    Parameters
    ----------
    clips : sequence of Path
        Paths below the root, without suffix.

    Returns
    -------
    guesses : list of Guess
        One for each clip.
    rule : str
        The rule, in words.

    Raises
    ------
    LfnetError
        A BIDS path names two people.

    Examples
    --------
    >>> guesses, rule = guess_people([Path("203_1_talk"), Path("203_2_talk")])
    >>> guesses[1].person, guesses[1].session, rule
    ('203', '2', 'names of the form PERSON_SESSION')
    >>> guess_people([Path("sub-01/ses-1/rest")])[0][0].person
    'sub-01'
    """
    bids = [_bids(clip) for clip in clips]
    if all(bids):
        return [guess for guess in bids if guess], BIDS
    if _most(bids):
        return _with_strays(bids, clips, BIDS)
    by_name = _from_names([_undated(clip.name) for clip in clips])
    level = _person_level([clip.parts[:-1] for clip in clips])
    if by_name and not (level is not None and _folder_wins([clip.parts[level] for clip in clips], by_name)):
        return by_name, SESSIONS
    if level is not None:
        return _from_folders(clips, level), FOLDERS
    some = [_from_names([_undated(clip.name)]) for clip in clips]
    if _most(some):
        return _with_strays([found[0] if found else None for found in some], clips, SESSIONS)
    names = _without_common_start([_undated(clip.name) for clip in clips])
    starts = [_WORD.split(name)[0] for name in names]
    if len(set(starts)) > 1 and all(starts) and not all(_NO_PERSON.fullmatch(start) for start in starts):
        rests = [_NUMBER.fullmatch(name[len(start) :]) for name, start in zip(names, starts, strict=True)]
        sessions = [match.group(1) for match in rests if match] if all(rests) else [""] * len(names)
        return [Guess(start, session) for start, session in zip(starts, sessions, strict=True)], WORDS
    return [Guess(clip_name(clip)) for clip in clips], OWN


def _most(found: Sequence[object]) -> bool:
    """Whether a rule fits so many clips that the others are strays, such as a film for calibration."""
    fitting = sum(map(bool, found))
    return fitting >= max(3, _MOST * len(found))


def _with_strays(found: Sequence[Guess | None], clips: Sequence[Path], rule: str) -> tuple[list[Guess], str]:
    strays = sum(guess is None for guess in found)
    guesses = [Guess(clip_name(clip)) if guess is None else guess for guess, clip in zip(found, clips, strict=True)]
    return guesses, f"{rule}; {plural(strays, 'clip')} of another name each a person of its own"


def _bids(clip: Path) -> Guess | None:
    """The guess of a path with `sub-…` in it; None for any other."""
    text = "/".join(clip.parts)
    people = re.findall(r"(?:^|[/_])(sub-[^/_]+)", text, re.IGNORECASE)
    if not people:
        return None
    if len({normal_id(person) for person in people}) > 1:
        raise LfnetError(f"{text} names two people, {people[0]} and {people[-1]}. Rename or move the file.")
    session = re.search(r"(?:^|[/_])ses-([^/_]+)", text, re.IGNORECASE)
    task = re.search(r"_task-([^/_]+)", text, re.IGNORECASE)
    words = [task.group(1)] if task else [word for word in clip.name.split("_") if "-" not in word]
    return Guess(people[0], session.group(1) if session else "", _task(words[-1] if words else ""), bool(session))


def _task(word: str) -> str:
    return "" if word.lower() in _NO_TASK or not re.fullmatch(r"[^\W\d_][\w-]{0,39}", word) else word


def _undated(name: str) -> str:
    """The name without a date at its beginning, if something follows it."""
    date = _DATE.match(name)
    rest = name[date.end() :].strip("_-. ") if date and len(date.group()) > 4 else ""
    return rest or name


def _from_names(names: Sequence[str]) -> list[Guess] | None:
    for stems in (names, _without_common_start(names)):
        matches = [match for stem in stems if (match := _PERSON_SESSION.fullmatch(stem))]
        if len(matches) == len(names):
            return [
                Guess(match.group("person"), match.group("session"), _task(match.group("task") or ""))
                for match in matches
            ]
    return None


def _person_level(folders: Sequence[tuple[str, ...]]) -> int | None:
    """The depth of the folders that hold a number for each person; None where there is none."""
    candidates = []
    for level in range(min(map(len, folders), default=0)):
        values = [parts[level] for parts in folders]
        numbered = all(re.search(r"\d", value) for value in values)
        if len(set(values)) > 1 and numbered and not any(map(_no_person, values)):
            candidates.append((level, len({normal_id(value) for value in values}), all(map(_PERSON.fullmatch, values))))
    named = [level for level, _, is_named in candidates if is_named]
    if named or not candidates:
        return named[0] if named else None
    outer, count, _ = candidates[0]
    for level, more, _ in candidates[1:]:
        # ID/session/clip, unless the outer folders are small numbers and the same ids occur below several of them.
        pairs = {(parts[outer], parts[level]) for parts in folders}
        small = [all(re.fullmatch(r"\d{1,2}", parts[place]) for parts in folders) for place in (outer, level)]
        if small == [True, False] and more > count and len(pairs) > more:
            outer, count = level, more
    return outer


def _no_person(folder: str) -> bool:
    date = _DATE.fullmatch(folder)
    return bool(_NO_PERSON.fullmatch(folder) or (date and len(folder) >= 4))


def _folder_wins(folders: Sequence[str], by_name: Sequence[Guess]) -> bool:
    """Whether folders hold the people, and not names that could hold them too."""
    pairs = {(normal_id(folder), normal_id(guess.person)) for folder, guess in zip(folders, by_name, strict=True)}
    in_folders, in_names = len({folder for folder, _ in pairs}), len({person for _, person in pairs})
    if len(pairs) == in_folders == in_names:  # both say the same
        return False
    return all(map(_PERSON.fullmatch, folders)) or (in_folders > in_names and len(pairs) > in_names)


def _from_folders(clips: Sequence[Path], level: int) -> list[Guess]:
    sessions = _session_folders(clips, level)
    if sessions is None:
        found = [_SESSION_IN_NAME.fullmatch(clip.name) for clip in clips]
        sessions = [match.group(1) for match in found if match] if all(found) else None
    if sessions is None:
        return [Guess(clip.parts[level]) for clip in clips]
    return [
        Guess(clip.parts[level], session, _task(clip.name), whole=True)
        for clip, session in zip(clips, sessions, strict=True)
    ]


def _session_folders(clips: Sequence[Path], level: int) -> list[str] | None:
    """The session of each clip: the first level of folders other than `level` that reads as one."""
    depth = min(len(clip.parts) for clip in clips) - 1
    for other in [*range(level + 1, depth), *range(level)]:
        values = [clip.parts[other] for clip in clips]
        found = [_SESSION_FOLDER.fullmatch(value) for value in values]
        if len(set(values)) > 1 and all(
            match or _DATE.fullmatch(value) for match, value in zip(found, values, strict=True)
        ):
            return [match.group(1) if match else value for match, value in zip(found, values, strict=True)]
    return None


def _without_common_start(names: Sequence[str]) -> list[str]:
    """The names without the words that all of them begin with, while every name keeps one."""
    rest = list(names)
    while len(set(rest)) > 1:
        cut = [_WORD.split(name, maxsplit=1) for name in rest]
        if len({parts[0] for parts in cut}) > 1 or any(len(parts) < 2 or not parts[1] for parts in cut):
            break
        rest = [parts[1] for parts in cut]
    return rest
