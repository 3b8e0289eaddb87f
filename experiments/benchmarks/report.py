"""Rows of measurements, and their CSV and Markdown files."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from experiments.benchmarks.measure import Usage

__all__ = [
    "MACHINE",
    "Row",
    "Target",
    "csv_text",
    "energy_row",
    "markdown",
    "median",
    "merged",
    "of_pairs",
    "read_rows",
    "verdict",
]

MACHINE = "machine"  # the stage whose rows describe the machine


@dataclass(frozen=True)
class Target:
    """A limit of a number. kind: "min" (the number must be `value` or more) or "max" (`value` or less)."""

    kind: str
    value: float

    def reached(self, number: float) -> bool:
        """Whether `number` reaches the target."""
        return number >= self.value if self.kind == "min" else number <= self.value


@dataclass(frozen=True)
class Row:
    """One measurement.

    what: a short description. peer, project: medians in `unit`, or None. ratio: how many times as fast the project is,
    the median over pairs measured alternately; low, high: minimum and maximum of the pairs; n: their number. target: on
    the ratio if there is one, else on `project`. share: of the measured ceiling, from 0 to 1. load: processes of others
    that ran during the measurement, on average. note: what a reader must know. device: the processor; on: the time
    (UTC).
    """

    stage: str
    what: str
    project: float | None = None
    unit: str = ""
    peer: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 1
    target: Target | None = None
    share: float | None = None
    load: float | None = None
    note: str = ""
    device: str = ""
    on: str = ""


def of_pairs(peer: Sequence[float], project: Sequence[float]) -> dict[str, float | int]:
    """Compute medians, ratio and its range from times of the two measured alternately, as fields of `Row`.

    Raises `ValueError` if the numbers of times differ or are zero.
    """
    if len(peer) != len(project) or not peer:
        raise ValueError(f"{len(peer)} times of the peer and {len(project)} of the project are no pairs")
    ratios = [one / other for one, other in zip(peer, project, strict=True)]
    return {
        "peer": median(peer),
        "project": median(project),
        "ratio": median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "n": len(ratios),
    }


def energy_row(stage: str, what: str, used: Usage, parts: float) -> Row:
    """Divide the energy of a command by its number of parts; without a counter the row says so."""
    if used.joules is None:
        return Row(stage, what, note="not measured: this machine has no energy counter that can be read")
    return Row(stage, what, used.joules / parts, "J", load=used.load, note="processor packages, by RAPL")


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two middle values."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def verdict(row: Row) -> str:
    """Return "reached", or by how much a row misses its target; "" without a target."""
    if row.target is None:
        return ""
    number = row.project if row.ratio is None else row.ratio
    if number is None:
        return "missed: not measured"
    if row.target.reached(number):
        return "reached"
    part = number / row.target.value if row.target.kind == "min" else row.target.value / number
    return f"missed: {100 * part:.0f} % of the way"


def csv_text(rows: Sequence[Row]) -> str:
    """Format rows as CSV, one a line, with the target as two columns and the verdict."""
    names = [item.name for item in fields(Row) if item.name != "target"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, "target_kind", "target", "verdict"])
    for row in rows:
        values = asdict(row)
        target = (row.target.kind, f"{row.target.value:g}") if row.target else ("", "")
        writer.writerow([*(_plain(values[name]) for name in names), *target, verdict(row)])
    return out.getvalue()


def read_rows(text: str) -> list[Row]:
    """Read the rows of `csv_text`, to six digits."""
    rows = []
    for line in csv.DictReader(io.StringIO(text)):
        values: dict[str, object] = {name: line[name] for name in ("stage", "what", "unit", "note", "device", "on")}
        for name in ("project", "peer", "ratio", "low", "high", "share", "load"):
            values[name] = float(line[name]) if line[name] else None
        target = Target(line["target_kind"], float(line["target"])) if line["target_kind"] else None
        rows.append(Row(**values, n=int(line["n"]), target=target))  # type: ignore[arg-type]
    return rows


def merged(old: Sequence[Row], new: Sequence[Row], stages: Sequence[str]) -> list[Row]:
    """Replace the rows of each stage that was measured again on the same device.

    stages: the order of the result.
    """
    measured = {(row.stage, row.device) for row in new}
    kept = [row for row in old if (row.stage, row.device) not in measured]
    order = [MACHINE, *stages]
    return sorted([*kept, *new], key=lambda row: order.index(row.stage) if row.stage in order else len(order))


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def markdown(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """Format the result as Markdown: the machine, the targets, then one table per stage and device."""
    lines = [f"# {title}", "", "Measured by `make bench`; nothing here is copied from elsewhere.", ""]
    for device in dict.fromkeys(row.device for row in rows if row.stage == MACHINE):
        own = [row for row in rows if row.stage == MACHINE and row.device == device]
        lines += ["| | |", "|---|---|", *(f"| {row.what} | {_fact(row)} |" for row in own), ""]
    rows = [row for row in rows if row.stage != MACHINE]
    lines += [f"{note}\n" for note in notes]
    if judged := [row for row in rows if row.target]:
        lines += ["## Targets", "", "| stage | what | measured | target | |", "|---|---|---|---|---|"]
        for row in judged:
            lines.append(f"| {row.stage} | {row.what} | {_measured(row)} | {_target(row)} | {verdict(row)} |")
        lines.append("")
    for stage, device in dict.fromkeys((row.stage, row.device) for row in rows):
        own = [row for row in rows if (row.stage, row.device) == (stage, device)]
        where = ", ".join(dict.fromkeys(f"{row.device}, {row.on}".strip(", ") for row in own))
        lines += [f"## {stage}", "", *([f"On {where}.", ""] if where else []), *_table(own), ""]
    return "\n".join(lines)


def _fact(row: Row) -> str:
    return row.note if row.project is None else f"{_number(row.project)} {row.unit}"


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| what | peer | project | unit | times as fast (range, n) | share of ceiling | other load | note |",
        "|---|---:|---:|---|---:|---:|---:|---|",
    ]
    for row in rows:
        share = "" if row.share is None else f"{100 * row.share:.0f} %"
        load = "" if row.load is None else f"{row.load:.1f}"
        lines.append(
            f"| {row.what} | {_number(row.peer)} | {_project(row)} | {row.unit} | {_ratio(row)} | {share} | "
            f"{load} | {row.note} |"
        )
    return lines


def _project(row: Row) -> str:
    if row.ratio is not None or row.low is None or row.high is None:
        return _number(row.project)
    return f"{_number(row.project)} ({_number(row.low)}–{_number(row.high)}, {row.n})"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    if row.low is None or row.high is None or row.n < 2:
        return f"{row.ratio:.2f} (n = {row.n})"
    return f"{row.ratio:.2f} ({row.low:.2f}–{row.high:.2f}, {row.n})"


def _measured(row: Row) -> str:
    return f"{_ratio(row)} times" if row.ratio is not None else f"{_number(row.project)} {row.unit}"


def _target(row: Row) -> str:
    assert row.target is not None
    word = "at least" if row.target.kind == "min" else "at most"
    return f"{word} {row.target.value:g}" + (" times" if row.ratio is not None else f" {row.unit}")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
