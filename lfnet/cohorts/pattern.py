"""Regular expressions among settings."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator

__all__ = ["Pattern", "PersonPattern", "compiled"]

_Key = TypeVar("_Key")


def _valid_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"give a regular expression ({error}).") from error
    return pattern


def _with_person(pattern: str) -> str:
    if "person" not in re.compile(pattern).groupindex:
        raise ValueError("give a regular expression with a group (?P<person>…).")
    return pattern


# A regular expression, as text; case is ignored.
Pattern = Annotated[str, AfterValidator(_valid_pattern)]
PersonPattern = Annotated[Pattern, AfterValidator(_with_person)]


def compiled(patterns: Mapping[_Key, str]) -> dict[_Key, re.Pattern[str]]:
    """Compile patterns that ignore case.

    Examples
    --------
    >>> bool(compiled({"units": r"AU\\d+_r"})["units"].fullmatch("au01_r"))
    True
    """
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in patterns.items()}
