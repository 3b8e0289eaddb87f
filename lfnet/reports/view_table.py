"""A table in short: its findings, its runs and its forest plot, for the page that lists all tables."""

from collections.abc import Sequence
from typing import Any

from lfnet.reports.figure_data import Part
from lfnet.tables.table import Table
from lfnet.text import plural

__all__ = ["summarise_table"]


def summarise_table(table: Table, shown: Sequence[Part]) -> dict[str, Any]:
    """What the list of tables says of one.

    Parameters
    ----------
    table : Table
        As it may be handed on (`lfnet.tables.public`).
    shown : sequence of Part
        Its sections.

    Returns
    -------
    dict
        JSON: name, title, variant (the overrides in its name), question, banners, findings, counts (in words), runs
        (names, those of each fold) and forests (of `charts.js`).
    """
    models = [row for row in table.rows if row.kind in ("model", "control")]
    runs = dict.fromkeys(name for row in models for joined in row.run_names for name in joined.split("+"))
    pending = sum(failure.pending for failure in table.failures)
    counts = [plural(len(runs), "finished run")]
    counts += [f"{pending} pending"] * bool(pending)
    counts += [f"{len(table.failures) - pending} failed"] * (len(table.failures) > pending)
    loud = len(table.warnings) + sum(label in ("Leak", "Warning") for label, _ in table.audit)
    counts += [plural(loud, "warning")] * bool(loud)
    findings = table.findings
    return {
        "name": table.name,
        "title": table.title,
        "variant": table.name.partition("_")[2] if "=" in table.name else "",
        "question": table.question,
        "banners": list(table.banners),
        "findings": None if findings is None else {"head": findings.head, "lines": findings.lines},
        "counts": ", ".join(counts) + ".",
        "runs": list(runs),
        "forests": [forest for part in shown if (forest := _forest(part, table.simulated)) is not None],
    }


def _forest(part: Part, simulated: bool) -> dict[str, Any] | None:
    """The intervals of one section's rows; None where there are none."""
    if part.intervals is None:
        return None
    metric = "auroc" if part.binary else "mae"
    rows = []
    for number, line in enumerate(part.intervals.data["rows"]):
        found = line["estimates"].get(metric) or {"value": None}
        if found["value"] is not None:
            ends = {end: found.get(end) for end in ("low", "high")}
            name = {"name": line["row"], "reference": number >= part.intervals.models}
            rows.append({**name, "value": found["value"], **ends})
    if not rows:
        return None
    what = "AUROC" if part.binary else "MAE"
    return {
        "title": ". ".join([*([part.label] if part.label else []), f"Test {what} with its interval"]),
        "about": "Circles: models, means over seeds; diamonds: controls and references.",
        "unit": f"{what} on test" + ("" if part.binary else f", {part.scale} points"),
        "rows": rows,
        "simulated": simulated,
    }
