"""Findings of an audit: one per check, with its evidence, the ids it concerns and advice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lfnet.text import fixed

__all__ = ["Check", "Finding", "Status", "Test", "interval", "p_text"]

Status = Literal["leak", "warning", "clear", "not checked"]


@dataclass(frozen=True)
class Test:
    """A statistical test of an audit.

    Parameters
    ----------
    name : str
    p : float
        Unadjusted p-value.
    estimate, low, high : float
        Estimate and its 95 % interval; NaN where it has none.
    adjusted : float
        p-value with Holm's adjustment over all tests of the audit; NaN until they are known.
    """

    __test__ = False  # not a test for pytest to collect

    name: str
    p: float
    estimate: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    adjusted: float = float("nan")


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    name, title : str
        Its key, and its name in print.
    status : {"leak", "warning", "clear", "not checked"}
        "leak": a model could score well on dev or test for a wrong reason. "warning": numbers are easily misread.
        "not checked": the text names what is missing.
    text : str
        One or two sentences without ids.
    advice : str
        What to do; "" where there is nothing to do.
    people, recordings, clips : tuple
        Ids concerned; for a terminal, never for a tracker.
    evidence : tuple of str
        One line for each pair of clips or people, with their ids and what shows it.
    tests : tuple of Test
    numbers : dict
        Counts and estimates.
    """

    name: str
    title: str
    status: Status
    text: str
    advice: str = ""
    people: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()
    clips: tuple[tuple[str, ...], ...] = ()
    evidence: tuple[str, ...] = ()
    tests: tuple[Test, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def flagged(self) -> bool:
        """Whether it is a leak or a warning."""
        return self.status in ("leak", "warning")

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a dict, NaN as None."""
        fields = ("name", "title", "status", "flagged", "text", "advice", "people", "recordings", "clips", "evidence")
        content = {name: getattr(self, name) for name in (*fields, "tests", "numbers")}
        numbers = ("name", "estimate", "low", "high", "p", "adjusted")
        content["tests"] = [{name: getattr(test, name) for name in numbers} for test in self.tests]
        plain: dict[str, Any] = _plain(content)
        return plain


@dataclass(frozen=True)
class Check:
    """Tests of one check, and the finding they lead to once all p-values of the audit are adjusted.

    `conclude(tests, alpha)` returns the finding, given the tests with their adjusted p-values.
    """

    tests: tuple[Test, ...]
    conclude: Callable[[Sequence[Test], float], Finding]

    @classmethod
    def certain(cls, finding: Finding) -> "Check":
        """A check without a test: people and files are counted, not estimated."""
        return cls((), lambda tests, alpha: finding)


def interval(test: Test, name: str) -> str:
    """Format an estimate: `rank correlation 0.31 [0.10, 0.49], p = 0.012`; p is the adjusted one."""
    return f"{name} {fixed(test.estimate)} [{fixed(test.low)}, {fixed(test.high)}], {p_text(test.adjusted)}"


def p_text(p: float) -> str:
    """Format a p-value."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value
