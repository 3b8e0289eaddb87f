"""Lines under a table that say which rows reach stated targets, and on which cohort."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.tables.columns import Column
from lfnet.tables.identity import Group
from lfnet.tables.numbers import fixed, magnitude
from lfnet.tables.table import Row

__all__ = ["check_targets", "target_lines"]

_OF = {
    "frame_latency": ", of the head alone, on this machine",
    "latency": ", of the head alone, on this machine",
    "parameters": ", of the head alone",
    "active_parameters": ", of the head alone",
}
_SIDES = {"below": lambda value, bound: value < bound, "above": lambda value, bound: value > bound}


def check_targets(node: Any, shown: Sequence[Column], where: Path | str) -> dict[str, tuple[str, float]]:
    """`table.targets`, such as {test.mae: below 9.5}, as {column: (side, bound)}. Raises `LfnetError`."""
    found = {}
    for name, text in (node or {}).items():
        side, _, number = str(text).partition(" ")
        try:
            bound = float(number)
        except ValueError:
            bound = float("nan")
        if side not in _SIDES or bound != bound:
            raise LfnetError(f"{where}: table.targets.{name} is {text!r}: write `below NUMBER` or `above NUMBER`.")
        if name not in {column.name for column in shown}:
            raise LfnetError(f"{where}: table.targets names {name}, which is none of table.columns.")
        found[name] = (side, bound)
    return found


def target_lines(
    targets: dict[str, tuple[str, float]], rows: Sequence[Row], groups: Sequence[Group], shown: Sequence[Column]
) -> tuple[str, ...]:
    """One line a target: on which cohort, or of what, it was measured; which rows reach it, by their means over seeds,
    and which do not.
    """
    models = [row for row in rows if row.kind == "model"]
    if not targets or not models:
        return ()
    cohorts = {run.cohort["name"]: run.cohort["simulated"] for group in groups for run in group.runs}
    names = " and ".join(f"{name} (simulated: nobody was filmed)" if made else name for name, made in cohorts.items())
    lines = ["Targets, each row by its mean over seeds:"]
    of = {column.name: f", on cohort {names}" if column.metric else _OF.get(column.name, "") for column in shown}
    headings = {column.name: column.heading.rstrip(" ↑↓") for column in shown}
    for column, (side, bound) in targets.items():
        reached: list[str] = []
        missed: list[str] = []
        for row in models:
            value = row.cells[column].summary.mean if column in row.cells else None
            text = ", ".join(row.identity.values())
            if value is None:
                missed.append(f"{text} (undefined)")
            else:
                # As many digits as tell it from the bound.
                shown_value = magnitude(value) if bound >= 1000 else fixed(value, 2 if abs(value) >= 0.01 else 5)
                (reached if _SIDES[side](value, bound) else missed).append(f"{text} ({shown_value})")
        wanted = magnitude(bound) if bound >= 1000 else f"{bound:g}"
        verdict = f"reached by {', '.join(reached)}" if reached else "reached by none"
        wanted += of[column]
        lines.append(
            f"{headings[column]} {side} {wanted}: {verdict}" + (f"; not by {', '.join(missed)}" if missed else "") + "."
        )
    return tuple(lines)
