"""Closing lines and target lines below the rows of a table."""

from collections.abc import Sequence

from lfnet.evaluation.class_metrics import CLASS_METRICS
from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.replicates import summarise
from lfnet.runs.public_settings import public_cohort
from lfnet.tables.formatting import fixed, magnitude
from lfnet.tables.grouping import Group
from lfnet.tables.table import Column, Row

__all__ = ["SIDES", "closing_lines", "target_lines"]

_METRICS = ("mae", "pcc")
_OF_CLASSES = ("auroc", "brier")


def closing_lines(
    rows: Sequence[Row], row_keys: Sequence[str], over: bool | str, binary: bool = False
) -> tuple[str, ...]:
    """Mean, sd, range and gap of test MAE and PCC over the rows' means, once for each value of the other row keys.

    over: the row key to close over; true means `head` where heads differ, else all rows together; false means no line.
    binary: of AUROC and Brier score instead.
    """
    models = [row for row in rows if row.kind == "model"]
    if over is False:
        return ()
    key = over if isinstance(over, str) else "head"
    if key not in row_keys or (over is True and len({row.identity[key] for row in models}) < 2):
        key = ""
    parts: dict[tuple[str, ...], list[Row]] = {}
    for row in models:
        others = tuple(text for name, text in row.identity.items() if name != key)
        parts.setdefault(others if key else (), []).append(row)
    lines = []
    for texts, members in parts.items():
        metrics = _OF_CLASSES if binary else _METRICS
        numbers = [text for text in (_numbers(members, metric) for metric in metrics) if text]
        if numbers and len(members) > 1:
            what = f"{len(members)} {'architectures' if key == 'head' else 'rows'}"
            which = f" ({', '.join(texts)})" if len(parts) > 1 else ""
            lines.append(f"Test over {what}{which}: {'; '.join(numbers)}.")
    return tuple(lines)


def _numbers(rows: Sequence[Row], metric: str) -> str:
    test = _means(rows, f"test.{metric}")
    summary = summarise(test)
    if summary.mean is None or summary.sd is None or summary.min is None or summary.max is None:
        return ""
    undefined = f" (undefined in {summary.undefined} of {len(test)})" if summary.undefined else ""
    pairs = zip(test, _means(rows, f"dev.{metric}"), strict=False)
    gap = summarise([after - before for after, before in pairs if after is not None and before is not None]).mean
    gap_text = "" if gap is None else f", gap {fixed(gap, sign=True)}"
    return (
        f"{(METRICS.get(metric) or CLASS_METRICS[metric]).label} mean {fixed(summary.mean)}, sd {fixed(summary.sd)}, "
        f"range [{fixed(summary.min)}, {fixed(summary.max)}]{undefined}{gap_text}"
    )


def _means(rows: Sequence[Row], column: str) -> list[float | None]:
    return [row.cells[column].summary.mean for row in rows if column in row.cells]


_OF = {
    "frame_latency": ", of the head alone, on this machine",
    "latency": ", of the head alone, on this machine",
    "parameters": ", of the head alone",
    "active_parameters": ", of the head alone",
}
SIDES = {"below": lambda value, bound: value < bound, "above": lambda value, bound: value > bound}


def target_lines(
    targets: dict[str, tuple[str, float]], rows: Sequence[Row], groups: Sequence[Group], shown: Sequence[Column]
) -> tuple[str, ...]:
    """One line a target: on which cohort, or of what, it was measured; which rows reach it, by their means over seeds,
    and which do not.
    """
    models = [row for row in rows if row.kind == "model"]
    if not targets or not models:
        return ()
    cohorts = {public_cohort(run.result): run.result.cohort.simulated for group in groups for run in group.runs}
    names = " and ".join(f"{name} (simulated)" if made else name for name, made in cohorts.items())
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
                # As many digits as the comparison with the bound needs.
                shown_value = magnitude(value) if bound >= 1000 else fixed(value, 2 if abs(value) >= 0.01 else 5)
                (reached if SIDES[side](value, bound) else missed).append(f"{text} ({shown_value})")
        wanted = magnitude(bound) if bound >= 1000 else f"{bound:g}"
        verdict = f"reached by {', '.join(reached)}" if reached else "reached by none"
        wanted += of[column]
        lines.append(
            f"{headings[column]} {side} {wanted}: {verdict}" + (f"; not by {', '.join(missed)}" if missed else "") + "."
        )
    return tuple(lines)
