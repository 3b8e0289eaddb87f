"""Answers that a thousand jobs share, found once while they are looked at together."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["once", "together"]

_T = TypeVar("_T")
_answers: dict[Hashable, Any] | None = None


@contextmanager
def together() -> Iterator[None]:
    """While this lasts, `once` remembers. What it answers from must not change meanwhile, so it is kept short."""
    global _answers
    before = _answers
    _answers = {} if before is None else before
    try:
        yield
    finally:
        _answers = before


def once(key: Hashable, answer: Callable[[], _T]) -> _T:
    """`answer()`, remembered by `key` within `together`; made each time elsewhere. What raises is not remembered."""
    if _answers is None:
        return answer()
    if key not in _answers:
        _answers[key] = answer()
    found: _T = _answers[key]
    return found
