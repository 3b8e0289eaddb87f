"""Patterns of file names: the parts that hold person, session and task as groups, any number for a number."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lfnet.cohorts.guess import FOLDERS, OWN, Guess
from lfnet.cohorts.identity import without_suffix

__all__ = ["Forms", "Namer", "generalised", "person_patterns", "without_end"]

_SESSION_WORDS = r"(?:session|sess|ses|visit|timepoint|time|wave|week|month|day|s|t|v)?[-_ ]?"


def person_patterns(people: Sequence[str], rule: str) -> tuple[str, str]:
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


class Forms(NamedTuple):
    """Names of files as patterns. of_file: pattern and text of each; named: patterns, the most frequent first."""

    of_file: tuple[tuple[str, str], ...]
    named: tuple[str, ...]


class Namer:
    """Makes patterns of names. whole: whether suffixes are part of them."""

    def __init__(self, paths: Sequence[Path], guesses: Sequence[Guess], rule: str, person: str, *, whole: bool) -> None:
        self._paths = [path if whole else Path(without_suffix(path)) for path in paths]
        self._guesses, self._rule, self._person = guesses, rule, person

    def forms(self, *, with_tasks: bool, rest: bool = False) -> Forms:
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
        return Forms(of_file, named)

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
            return generalised(text[:at]) + self._person + _REST + re.escape(suffix), text
        for word, group, lead in (
            (guess.session, r"(?P<session>[^_\-./]+)", _SESSION_WORDS),
            (guess.task if with_tasks else "", r"(?P<task>[^_\-./]+)", ""),
        ):
            found = re.compile(rf"(?<=[/_\-. ])({lead}){re.escape(word)}(?=[/_\-. ]|$)", re.IGNORECASE)
            if word and (match := found.search(text, marks[-1][1])):
                marks.append((match.end(1), match.end(), group))
        pattern, done = "", 0
        for begin, end, group in marks:
            pattern += generalised(text[done:begin]) + group
            done = end
        return pattern + generalised(text[done:]), text


def generalised(text: str) -> str:
    """A text as a pattern, any number for a number."""
    return r"\d+".join(re.escape(part) for part in re.split(r"\d+", text))


def without_end(pattern: str) -> str:
    """The pattern of a clip's name without suffix and the folders above."""
    return re.split(r"/(?![^\[]*\])", re.sub(r"\\\.[A-Za-z0-9]{1,11}$", "", pattern))[-1]
