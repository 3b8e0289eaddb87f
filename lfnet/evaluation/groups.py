"""Groups of people by one column: sex, age in bands, site, language.

A person is in one group of a column, whatever the number of recordings. A number of a person is the mean over the
recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lfnet.errors import LfnetError
from lfnet.text import plural

__all__ = ["Grouping", "Groups", "check_groups", "make_grouping"]

Groups = Mapping[str, Sequence[float] | None]
"""Column → the numbers at which its bands begin; None: its values are groups, or its bands are guessed."""

_MAX_VALUES = 6  # a column of numbers with more values is cut into bands


@dataclass(frozen=True)
class Grouping:
    """The groups of one column.

    Parameters
    ----------
    column : str
    group_of : mapping
        Person → group, of the people whose group is known.
    names : tuple of str
        The groups in order: bands by size, other groups by name.
    notes : tuple of str
        What was guessed and who was left out, as sentences without ids.
    """

    column: str
    group_of: Mapping[str, str]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def check_groups(asked: Groups | None, columns: Sequence[str], setting: str) -> None:
    """Refuse groups that the cohort does not have, and bands that are not in order.

    Parameters
    ----------
    asked : mapping or None
    columns : sequence of str
        The columns that there are.
    setting : str
        Name of the setting, for the message.

    Raises
    ------
    LfnetError

    Examples
    --------
    >>> check_groups({"gender": None}, ["age", "sex"], "table.evidence.groups")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: table.evidence.groups.gender: the cohort has no such group. There are: age, sex.
    """
    for column, edges in (asked or {}).items():
        if column not in columns:
            known = ", ".join(columns) or "none"
            raise LfnetError(f"{setting}.{column}: the cohort has no such group. There are: {known}.")
        if edges is not None and (not len(edges) or any(b <= a for a, b in pairwise(edges))):
            shown = ", ".join(f"{edge:g}" for edge in edges)
            raise LfnetError(f"{setting}.{column}=[{shown}]: give rising numbers at which bands begin, or null.")


def make_grouping(column: str, values: Mapping[str, Sequence[str]], edges: Sequence[float] | None = None) -> Grouping:
    """Put people into groups.

    Parameters
    ----------
    column : str
    values : mapping
        Person → the column's text in each of the person's recordings, "" where unknown.
    edges : sequence of float, optional
        Where bands of numbers begin. Without it, a column of more than six numbers is cut into thirds of its people.

    Returns
    -------
    Grouping

    Raises
    ------
    LfnetError
        Edges of a column that holds words.

    Examples
    --------
    >>> made = make_grouping("age", {"ann": ["29"], "bob": ["30", "32"], "cem": [""]}, [30])
    >>> made.group_of, made.names
    ({'ann': 'below 30', 'bob': '30 or more'}, ('below 30', '30 or more'))
    >>> made.notes
    ('age is unknown for 1 person.',)
    """
    known = {person: own for person, texts in values.items() if (own := sorted({text for text in texts if text}))}
    notes = []
    if absent := len(values) - len(known):
        notes.append(f"{column} is unknown for {plural(absent, 'person')}.")
    texts = sorted({text for own in known.values() for text in own})
    numbers = _numbers(texts)
    if edges is not None and numbers is None:
        raise LfnetError(f"groups.{column}: its values are no numbers (such as {_word(texts)!r}). Give null for bands.")
    words = sum(_numbers([text]) is None for text in texts)
    if numbers is None and words < len(texts) / 2 and len(texts) > _MAX_VALUES:
        notes.append(
            f"{column} is not cut into bands: {words} of its {len(texts)} values are no numbers. Leave these empty."
        )
    if numbers is None or (edges is None and len(texts) <= _MAX_VALUES):
        several = [person for person, own in known.items() if len(own) > 1]
        if several:
            notes.append(f"{plural(len(several), 'person')} with several values of {column} left out.")
        one = {person: own[0] for person, own in known.items() if len(own) == 1}
        order = sorted(set(one.values()), key=lambda text: ((numbers or {}).get(text, 0.0), text))
        return Grouping(column, one, tuple(order), tuple(notes))
    mean = {person: float(np.mean([numbers[text] for text in own])) for person, own in known.items()}
    if edges is None:
        edges = sorted({float(f"{cut:.3g}") for cut in np.quantile([*mean.values()], [1 / 3, 2 / 3])})
        cuts = " and ".join(f"{edge:g}" for edge in edges)
        notes.append(f"{column} is cut at {cuts}, which is guessed from the thirds of these people.")
    names = _bands(edges)
    group_of = {person: names[int(np.searchsorted(edges, value, side="right"))] for person, value in mean.items()}
    return Grouping(column, group_of, names, tuple(notes))


def _bands(edges: Sequence[float]) -> tuple[str, ...]:
    inner = [f"{low:g} to below {high:g}" for low, high in pairwise(edges)]
    return (f"below {edges[0]:g}", *inner, f"{edges[-1]:g} or more")


def _numbers(texts: Sequence[str]) -> dict[str, float] | None:
    """Text → number; None where one text is none, or there is no text."""
    try:
        found = {text: float(text) for text in texts}
    except ValueError:
        return None
    return found if found and np.isfinite([*found.values()]).all() else None


def _word(texts: Sequence[str]) -> str:
    return next((text for text in texts if _numbers([text]) is None), "")
