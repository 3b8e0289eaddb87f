"""Numbers as text: few digits, separated thousands, true minus signs. CSV and JSON have the raw numbers."""

from collections.abc import Sequence

from lfnet.evaluation.estimates import Difference, Estimate
from lfnet.evaluation.replicates import Summary
from lfnet.text import MINUS, fixed

__all__ = [
    "DASH",
    "MINUS",
    "amount",
    "count",
    "fixed",
    "magnitude",
    "p_text",
    "points",
    "span",
    "spread",
    "with_interval",
]

DASH = "—"
_PREFIXES = ("", "k", "M", "G", "T", "P")


def points(number: float) -> str:
    """A number of points: "1 point", "0.5 points"."""
    return f"{number:g} point{'' if number == 1 else 's'}"


def p_text(value: float | None) -> str:
    """A p-value without its zero: .031, < .001; a dash where nothing was tested."""
    if value is None:
        return DASH
    return "< .001" if value < 0.001 else fixed(value, 3).removeprefix("0")


def with_interval(found: Estimate | Difference | None, digits: int, sign: bool = False) -> str:
    """A value with its interval where there is one: −1.10 [−1.60, −0.60]."""
    if found is None or found.value is None:
        return "undefined"
    text = fixed(found.value, digits, sign)
    if found.interval is not None:
        low, high = (fixed(end, digits, sign) for end in (found.interval.low, found.interval.high))
        text += f" [{low}, {high}]"
    return text


def count(value: float) -> str:
    """A whole number with separated thousands: 131,585."""
    return f"{round(value):,}".replace("-", MINUS)


def magnitude(value: float) -> str:
    """A large number by three digits and a prefix: 62.3 M, 1.25 G."""
    if value < 999.5:
        return count(value)
    mantissa, exponent = f"{value:.2e}".split("e")
    power, shift = divmod(int(exponent), 3)
    return f"{float(mantissa) * 10**shift:.{2 - shift}f} {_PREFIXES[power]}"


def amount(value: float) -> str:
    """A measured amount (seconds): one decimal below 100, none above."""
    return fixed(value, 1) if abs(value) < 99.95 else count(value)


def spread(summary: Summary, digits: int = 2, sign: bool = False) -> str:
    """Mean ± sd of the defined values ("undefined" where there are none), and how many of them are not defined."""
    if summary.mean is None:
        return "undefined"
    text = fixed(summary.mean, digits, sign)
    if summary.sd is not None:
        text += f" ± {fixed(summary.sd, digits)}"
    if summary.undefined:
        text += f" (undefined in {summary.undefined} of {summary.n + summary.undefined})"
    return text


def span(values: Sequence[float]) -> str:
    """Whole numbers as a range: 12, or 9–12."""
    low, high = min(values), max(values)
    return count(low) if low == high else f"{count(low)}–{count(high)}"
