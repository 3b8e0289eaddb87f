"""What an audit says: one finding a question, with how strong, where, and what would mend it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Check", "Finding", "Status", "Test", "interval", "p_text", "plural"]

Status = Literal["leak", "warning", "clear", "not checked"]


@dataclass(frozen=True)
class Test:
    """One test of an audit.

    estimate with its 95 % interval [low, high], NaN where it has none. p: by itself. adjusted: Holm's, over all tests
    of the audit, NaN until they are known.
    """

    __test__ = False  # pytest, this is no test of ours

    name: str
    p: float
    estimate: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    adjusted: float = float("nan")


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    name: its key. title: in print. status: "leak" where a model could do well on dev or test for a wrong reason,
    "warning" where numbers mean something else than they seem to, "clear", or "not checked" (text says what is
    missing). text: one or two sentences that name nobody. mend: what to do about it, "" where there is nothing.
    people, recordings, clips: whom it touches; for a terminal, never for a tracker. numbers: for machines.
    """

    name: str
    title: str
    status: Status
    text: str
    mend: str = ""
    people: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()
    clips: tuple[tuple[str, ...], ...] = ()
    tests: tuple[Test, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def flagged(self) -> bool:
        """Whether a reader must do something about it."""
        return self.status in ("leak", "warning")

    def to_json(self) -> dict[str, Any]:
        """The finding for machines, NaN as None."""
        return {
            "name": self.name,
            "title": self.title,
            "status": self.status,
            "flagged": self.flagged,
            "text": self.text,
            "mend": self.mend,
            "people": list(self.people),
            "recordings": list(self.recordings),
            "clips": [list(clips) for clips in self.clips],
            "tests": [
                {
                    "name": test.name,
                    **{key: _finite(getattr(test, key)) for key in ("estimate", "low", "high", "p", "adjusted")},
                }
                for test in self.tests
            ],
            "numbers": {key: _finite(value) for key, value in self.numbers.items()},
        }


@dataclass(frozen=True)
class Check:
    """A question whose tests are done and whose answer waits for the p-values of all the others.

    conclude(tests, alpha): the finding, from the tests with their adjusted p-values.
    """

    tests: tuple[Test, ...]
    conclude: Callable[[Sequence[Test], float], Finding]

    @classmethod
    def certain(cls, finding: Finding) -> "Check":
        """An answer that needs no test: people and files are counted, not estimated."""
        return cls((), lambda tests, alpha: finding)


def interval(test: Test, name: str) -> str:
    """An estimate in print: `rank correlation 0.31 [0.10, 0.49], p = 0.012`; p is the adjusted one."""
    return f"{name} {test.estimate:.2f} [{test.low:.2f}, {test.high:.2f}], {p_text(test.adjusted)}"


def p_text(p: float) -> str:
    """A p-value in print."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def plural(number: int, word: str) -> str:
    """`1 person`, `2 people`, `3 clips`."""
    words = {"person": "people"}
    return f"{number:,} {word if number == 1 else words.get(word, word + 's')}"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
