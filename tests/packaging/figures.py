"""The figures that a page quotes, and those that result files hold."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

# A number with a decimal point, which is not part of a version, a file name or a longer number.
_FIGURE = re.compile(r"(?<![\w.,/])(?:\d{1,3}(?:,\d{3})+|\d+)?\.\d+(?![\w/]|\.\d)")
_NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)?\.?\d+(?:e-?\d+)?")
_SIGNED = r"[+−-]?(?:\d{1,3}(?:,\d{3})+|\d+)?\.?\d+"
_INTERVAL = re.compile(rf"({_SIGNED})(?: %| points?| of MAE)* \[({_SIGNED}), ({_SIGNED})\]")  # 1.2 points [0.1, 2.3]


def quoted_figures(page: str, *, everywhere: bool = False) -> list[str]:
    """Return the figures of a page's tables, and those of its paragraphs from **Result** on that are not in code.

    `everywhere` takes all paragraphs: those of a page that is no experiment's.

    >>> quoted_figures("**Hypothesis:** .5\\n\\n**Result:** the MAE is 6.4 (`lr=1.5`), 1.2.3.\\n\\n**Limits:** 7.5")
    ['6.4']
    >>> quoted_figures("It takes 6.4 s.", everywhere=True)
    ['6.4']
    """
    found: list[str] = []
    result = False
    for paragraph in re.split(r"\n\s*\n", re.sub(r"<!--.*?-->|^```.*?^```", "", page, flags=re.S | re.M)):
        opening = re.match(r"\*\*(\w+)|#", paragraph)
        if opening:
            result = opening[1] in ("Result", "Answer")
        if everywhere or result or paragraph.lstrip().startswith("|"):
            found += _FIGURE.findall(re.sub(r"`[^`]*`|\]\([^)]*\)", "", paragraph))
    return found


def recorded_numbers(files: Iterable[Path]) -> np.ndarray:
    """Return the sorted absolute values of the numbers in result files."""
    found = [np.empty(0)]
    for path in files:
        if path.suffix == ".csv":
            found.append(pd.read_csv(path).select_dtypes(["number", "bool"]).to_numpy(float).ravel())
        elif path.suffix == ".md":
            numbers = _NUMBER.findall(path.read_text(encoding="utf-8"))
            found.append(np.array([float(number.replace(",", "")) for number in numbers]))
    values = np.concatenate(found)
    return np.unique(np.abs(values[np.isfinite(values)]))


def unrecorded(figures: Sequence[str], files: Iterable[Path]) -> list[str]:
    """Return the figures that are no number of result files."""
    numbers = recorded_numbers(files)
    return [figure for figure in figures if not is_recorded(figure, numbers)]


def is_recorded(figure: str, numbers: np.ndarray) -> bool:
    """Say whether a number, or 100 times it, rounds to the figure.

    >>> [is_recorded(figure, np.array([0.9286, 6.3501])) for figure in ("6.4", "92.9", "6.3")]
    [True, True, False]
    """
    value, half = float(figure.replace(",", "")), 0.5001 * 10.0 ** -len(figure.split(".")[1])
    return any(
        np.searchsorted(numbers, (value - half) / scale) < np.searchsorted(numbers, (value + half) / scale, "right")
        for scale in (1, 100)
    )


def quoted_intervals(text: str) -> list[tuple[str, str, str]]:
    """Return each value of a text that has an interval, with the interval's ends.

    >>> quoted_intervals("better by 1.2 points [0.1, 2.3], .5 %, −.4 [−.5, −.3] (`.1 [.0, .2]`)")
    [('1.2', '0.1', '2.3'), ('−.4', '−.5', '−.3')]
    """
    return [match.groups() for match in _INTERVAL.finditer(re.sub(r"`[^`]*`", "", text))]  # type: ignore[misc]


def unrecorded_intervals(quoted: Sequence[tuple[str, str, str]], files: Iterable[Path]) -> list[tuple[str, str, str]]:
    """Return the values with intervals that stand together nowhere: in no place of a text, in no row of a csv.

    Signs count; all three turned round (a difference the other way) are the same result.
    """
    places = list(_places(files))
    return [figures for figures in quoted if not any(_holds(place, figures) for place in places)]


def _places(files: Iterable[Path]) -> Iterator[np.ndarray]:
    """Numbers that belong together: a value and its interval [3, 1], or for each of the three a csv's row [1, n]."""
    for path in files:
        if path.suffix == ".csv":
            yield from pd.read_csv(path).select_dtypes(["number", "bool"]).to_numpy(float)[:, None]
        elif path.suffix == ".md":
            found = quoted_intervals(path.read_text(encoding="utf-8"))
            yield from (np.array([[_signed(figure)] for figure in figures]) for figures in found)


def _signed(figure: str) -> float:
    return float(figure.replace("−", "-").replace(",", ""))


def _holds(place: np.ndarray, figures: tuple[str, str, str]) -> bool:
    value, low, high = map(_signed, figures)
    half = np.array([0.5001 * 10.0 ** -len(figure.partition(".")[2]) for figure in figures])
    for first, second, third, ends in ((value, low, high, half), (-value, -high, -low, half[[0, 2, 1]])):
        wanted = np.array([first, second, third])[:, None]
        for scale in (1, 100):
            if (np.abs(scale * place - wanted) <= ends[:, None]).any(axis=1).all():
                return True
    return False
