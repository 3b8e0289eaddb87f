"""The line that closes system B's table: how far apart do architectures lie, next to how far test lies from dev?"""

from collections.abc import Sequence

from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.seeds import summarise
from lfnet.tables.numbers import fixed
from lfnet.tables.table import Row

__all__ = ["closing_lines"]

_METRICS = ("mae", "pcc")


def closing_lines(rows: Sequence[Row], row_keys: Sequence[str], over: bool | str) -> tuple[str, ...]:
    """Mean, sd, range and gap of test MAE and PCC over the rows' means, once for each value of the other row keys.

    over: the row key to close over; true means `head` where heads differ, else all rows together; false means no line.
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
        numbers = [text for text in (_numbers(members, metric) for metric in _METRICS) if text]
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
        f"{METRICS[metric].label} mean {fixed(summary.mean)}, sd {fixed(summary.sd)}, "
        f"range [{fixed(summary.min)}, {fixed(summary.max)}]{undefined}{gap_text}"
    )


def _means(rows: Sequence[Row], column: str) -> list[float | None]:
    return [row.cells[column].summary.mean for row in rows if column in row.cells]
