"""Headlines of figures, made of the table's verdicts and intervals, and the line that says whom a figure is of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lfnet.evaluation.estimates import Estimate, EvidenceSettings
from lfnet.reports.figure_data import Drawn, Part
from lfnet.tables.formatting import span
from lfnet.tables.table import Block, Table
from lfnet.text import plural

__all__ = [
    "MIN_PEOPLE",
    "describe",
    "few",
    "of_bands",
    "of_comparisons",
    "of_correlations",
    "of_differences",
    "of_pooled",
]

MIN_PEOPLE = EvidenceSettings().min_people
_NAMED, _FEW_ROWS = 2, 6  # so many rows of so few are named in a headline; more are counted
# How a headline says a verdict, of rows that are named or counted, and of all rows.
_VERDICTS = {"cannot tell": ("the data cannot tell for {rows}", "the data cannot tell for any of {rows}")}


def few(person_N: np.ndarray) -> bool:
    """Whether so few people support neither limits nor an error bar."""
    return len(set(person_N.tolist())) < MIN_PEOPLE


def describe(part: Part, rows: Sequence[Drawn] | None = None) -> str:
    """The section, whether its cohort is simulated, and how many recordings, people and seeds are drawn.

    rows: those drawn; None: all with scores.
    """
    rows = [row for row in part.rows if len(row.label_N)] if rows is None else rows
    parts = [f"{part.label}."] * bool(part.label) + ["Simulated cohort."] * part.simulated
    scored = [row for row in rows if len(row.label_N)]
    if scored:
        recordings = [len(row.label_N) for row in scored]
        people = [len(set(row.person_N.tolist())) for row in scored]
        seeds = [len(row.seeds) for row in scored]
        text = f"Test: {span(recordings)} recordings of {_number(people, 'person')}"
        parts.append(f"{text}; {_number(seeds, 'seed')} a row." if max(seeds) else f"{text}.")
    return " ".join(parts)


def describe_table(table: Table) -> str:
    """The banners, cohort and numbers of recordings of a table."""
    facts = dict(table.facts)
    return " ".join(
        [*table.banners, *(f"{name}: {facts[name]}." for name in ("Cohort", "Recordings") if name in facts)]
    )


def of_comparisons(blocks: Sequence[Block]) -> str:
    """What comparisons found, by their verdicts; "" where nothing was compared with a row or reference."""
    texts = []
    for block in blocks:
        found = block.finding
        if found is None or not found.verdicts or not found.question.startswith("vs "):
            continue
        total = sum(len(names) for _, names in found.verdicts)
        said = [_said(verdict, names, total) for verdict, names in found.verdicts]
        texts.append(f"{found.metric.upper()} {found.question}: {'; '.join(said)}.")
    return " ".join(texts[:2])


def _said(verdict: str, names: Sequence[str], total: int) -> str:
    some, every = _VERDICTS.get(verdict, ("{rows} " + verdict, "all {rows} " + verdict))
    if len(names) <= _NAMED and total <= _FEW_ROWS:
        return some.format(rows=" and ".join(names))
    rows = plural(total, "row")
    return every.format(rows=rows) if len(names) == total else some.format(rows=f"{len(names)} of {rows}")


def of_correlations(part: Part) -> str:
    """In how many rows scores rise with labels, by the interval of PCC; "" where there are no intervals."""
    lines = [] if part.intervals is None else part.intervals.data["rows"][: part.intervals.models]
    sides = [_side(line["estimates"].get("pcc", {})) for line in lines]
    return _sides(sides, ("Scores rise with labels", "scores fall with labels"), "the interval of PCC includes 0")


def of_differences(estimates: Sequence[Estimate]) -> str:
    """In how many rows scores are too high or too low on average; "" where no row has an interval."""
    texts = ("On average scores are too high", "on average scores are too low")
    return _sides([_side_of(one) for one in estimates], texts, "the interval of the mean difference includes 0")


def of_bands(part: Part, estimates: Sequence[Mapping[str, Estimate]]) -> str:
    """In how many rows scores are too high in the lowest band and too low in the highest, of bands with enough people.

    estimates: of each row, band → mean error. "" where neither band has enough people.
    """
    texts = []
    names = [name for name, _, _ in part.bands]
    for name, side, word in ((names[0], 1, "high"), (names[-1], -1, "low")) if len(names) > 1 else ():
        sides = [one for row in estimates if (one := _side_of(row[name])) is not None]
        if sides:
            texts.append(f"too {word} for {name} labels in {_share(sides.count(side), len(sides))}")
    return f"Scores are {', and '.join(texts)}." if texts else ""


def of_pooled(part: Part) -> str:
    """What is pooled over cohorts: the rows whose interval does not include 0, and how many include it."""
    texts = []
    for block in part.pooled:
        sides = [_side(line | {"value": line["effect"]}) for line in block.data["rows"]]
        names = [line["row"] for line in block.data["rows"]]
        said = []
        for side, word in ((-1, "lower"), (1, "higher")):
            own = [name for name, one in zip(names, sides, strict=True) if one == side]
            said += [f"{word} MAE: {', '.join(own)}"] if own else []
        said += [f"interval includes 0: {sides.count(0)} of {plural(len(sides), 'row')}"] if 0 in sides else []
        texts.append(f"Pooled {block.data['pooled']}: {'; '.join(said)}.")
    return " ".join(texts)


def _sides(sides: Sequence[int | None], above_below: tuple[str, str], neither: str) -> str:
    """How many rows have an interval above 0, below 0 and about 0; "" where none has an interval."""
    known = [side for side in sides if side is not None]
    texts = []
    for side, text in zip((1, -1, 0), (*above_below, neither), strict=True):
        if count := known.count(side):
            texts.append(f"{text} in {_share(count, len(known))}")
    text = "; ".join(texts)
    return text and f"{text[0].upper()}{text[1:]}."


def _share(count: int, total: int) -> str:
    return f"all {total} rows" if count == total > 1 else f"{count} of {plural(total, 'row')}"


def _side(found: Mapping[str, Any]) -> int | None:
    """1 where an interval is above 0, −1 below, 0 where it includes 0; None without one."""
    if "low" not in found or found.get("value") is None:
        return None
    return int(found["low"] > 0) - int(found["high"] < 0)


def _side_of(found: Estimate) -> int | None:
    return (
        None if found.interval is None else _side({"value": 0, "low": found.interval.low, "high": found.interval.high})
    )


def _number(values: Sequence[int], word: str) -> str:
    return plural(values[0], word) if len(set(values)) == 1 else f"{span(values)} {plural(2, word).partition(' ')[2]}"
