"""The box above a table: what the audits of its runs' cohorts found, in a few lines that name nobody."""

from collections.abc import Sequence
from typing import Any

from lfnet.tables.collect import Run

__all__ = ["audit_box"]

_FLAGGED = ("leak", "warning")


def audit_box(runs: Sequence[Run]) -> tuple[tuple[str, str], ...]:
    """(label, text) lines from the `audit` entries of the runs' results; none where no run holds one.

    A leak or warning has a line of its own; what is clear, and what was not checked, share one each. Where runs stand
    on several cohorts, a line says of how many it holds, with the first one's numbers.
    """
    audits: dict[str, list[dict[str, Any]]] = {}
    unaudited = set()
    for run in runs:
        cohort = run.cohort["fingerprint"]
        if run.result.get("audit"):
            audits.setdefault(cohort, run.result["audit"])
        else:
            unaudited.add(cohort)
    if not audits:
        return ()
    total = len(audits)
    lines = []
    quiet: dict[str, list[str]] = {"clear": [], "not checked": []}
    for name in dict.fromkeys(entry["name"] for audit in audits.values() for entry in audit):
        entries = [entry for audit in audits.values() for entry in audit if entry["name"] == name]
        for status in _FLAGGED:
            own = [entry for entry in entries if entry["status"] == status]
            if own:
                lines.append((status.capitalize(), _of(own, total)))
        for status, titles in quiet.items():
            own = [entry for entry in entries if entry["status"] == status]
            if own:
                titles.append(own[0]["title"] + (f" ({len(own)} of {total} cohorts)" if len(own) < total else ""))
    lines.sort(key=lambda line: line[0] != "Leak")
    lines += [(status.capitalize(), ", ".join(titles)) for status, titles in quiet.items() if titles]
    if unaudited - set(audits):
        number = len(unaudited - set(audits))
        lines.append(("Not audited", f"{number} of {number + total} cohorts; run the table again"))
    return tuple((label, f"{text}.") for label, text in lines)


def _of(own: Sequence[dict[str, Any]], total: int) -> str:
    text = own[0]["text"]
    if total == 1:
        return str(text)
    same = len({entry["text"] for entry in own}) == 1
    which = f"{len(own)} of {total} cohorts"
    return f"{text} ({which})" if same else f"{text} (the first of {which})"
