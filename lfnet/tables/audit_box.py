"""Audit box above a table: what the audits of its runs' cohorts found."""

from collections.abc import Sequence

from lfnet.runs.result import AuditEntry
from lfnet.runs.run import Run

__all__ = ["audit_box"]

_FLAGGED = ("leak", "warning")


def audit_box(runs: Sequence[Run]) -> tuple[tuple[str, str], ...]:
    """(label, text) lines from the `audit` entries of the runs' results; none if no run has one.

    A leak or warning has a line of its own; what is clear, and what was not checked, share one each. With several
    cohorts, a line names their number, and gives the numbers of the first.
    """
    audits: dict[str, Sequence[AuditEntry]] = {}
    unaudited = set()
    for run in runs:
        cohort = run.result.cohort.fingerprint
        if run.result.audit:
            audits.setdefault(cohort, run.result.audit)
        else:
            unaudited.add(cohort)
    if not audits:
        return ()
    total = len(audits)
    lines = []
    quiet: dict[str, list[str]] = {"clear": [], "not checked": []}
    for name in dict.fromkeys(entry.name for audit in audits.values() for entry in audit):
        entries = [entry for audit in audits.values() for entry in audit if entry.name == name]
        for status in _FLAGGED:
            own = [entry for entry in entries if entry.status == status]
            if own:
                lines.append((status.capitalize(), _of(own, total)))
        for status, titles in quiet.items():
            own = [entry for entry in entries if entry.status == status]
            if own:
                titles.append(own[0].title + (f" ({len(own)} of {total} cohorts)" if len(own) < total else ""))
    lines.sort(key=lambda line: line[0] != "Leak")
    lines += [(status.capitalize(), ", ".join(titles)) for status, titles in quiet.items() if titles]
    if unaudited - set(audits):
        number = len(unaudited - set(audits))
        lines.append(("Not audited", f"{number} of {number + total} cohorts; run the table again"))
    return tuple((label, f"{text}.") for label, text in lines)


def _of(own: Sequence[AuditEntry], total: int) -> str:
    text = own[0].text
    if total == 1:
        return text
    same = len({entry.text for entry in own}) == 1
    which = f"{len(own)} of {total} cohorts"
    return f"{text} ({which})" if same else f"{text} (the first of {which})"
