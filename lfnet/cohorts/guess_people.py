"""Whose clip is it? What file names say about person, session and task, when nobody else says it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lfnet.cohorts.folder import safe_name

__all__ = ["Guess", "guess"]

_TOKEN = re.compile(r"[_\-. ]+")
_SITTING = re.compile(
    r"(?P<person>[A-Za-z]*\d+)[_-](?:s|ses-|session)?(?P<session>\d{1,2})(?:[_-](?P<task>[A-Za-z][A-Za-z0-9]*))?(?:[_-].*)?",
    re.IGNORECASE,
)
# Words at the end of names that say what a file is, not what the person did.
_NO_TASK = frozenset({"video", "vid", "aligned", "cropped", "face", "faces", "frames", "visual", "features", "clip"})


@dataclass(frozen=True)
class Guess:
    """What one clip's name says. session and task are "" where it says none."""

    person: str
    session: str = ""
    task: str = ""


def guess(clips: Sequence[Path]) -> tuple[list[Guess], str]:
    """Guess the person, session and task of each clip from its path without suffix, below the root.

    Returns the guesses and, in words, the rule that gave them. The first rule that fits every clip is taken: names of
    the form PERSON_SESSION_TASK; a folder with a number for each person; what stands before the first "_", "-", "." or
    space, after words that all names begin with; else each clip is a person of its own.
    """
    names = [clip.name for clip in clips]
    for stems in (names, _without_common_start(names)):
        matches = [match for stem in stems if (match := _SITTING.fullmatch(stem))]
        if len(matches) == len(clips):
            return [_sitting(match) for match in matches], "names of the form PERSON_SESSION"
    folders = [clip.parent.name for clip in clips]
    if len(set(folders)) > 1 and all(re.search(r"\d", folder) for folder in folders):
        return [Guess(safe_name(folder)) for folder in folders], "one folder a person"
    starts = [_TOKEN.split(stem)[0] for stem in _without_common_start(names)]
    if len(set(starts)) > 1 and all(starts):
        return [Guess(safe_name(start)) for start in starts], "the first word of each name"
    return [Guess(safe_name("_".join(clip.parts))) for clip in clips], "each clip a person of its own"


def _sitting(match: re.Match[str]) -> Guess:
    task = match.group("task") or ""
    return Guess(match.group("person"), match.group("session"), "" if task.lower() in _NO_TASK else task)


def _without_common_start(names: Sequence[str]) -> list[str]:
    """The names without the words that all of them begin with, as long as every name keeps one."""
    rest = list(names)
    while len(set(rest)) > 1:
        cut = [_TOKEN.split(name, maxsplit=1) for name in rest]
        if len({parts[0] for parts in cut}) > 1 or any(len(parts) < 2 or not parts[1] for parts in cut):
            break
        rest = [parts[1] for parts in cut]
    return rest
