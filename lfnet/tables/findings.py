"""Sentences on what a table found: one for each question, made from the comparisons that its verdicts come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from lfnet.evaluation.class_evidence import ClassComparison
from lfnet.evaluation.compare import EQUIVALENT, VERDICTS
from lfnet.evaluation.estimates import too_few
from lfnet.evaluation.evidence import Comparison
from lfnet.tables.formatting import MINUS, points, with_interval
from lfnet.tables.settings import TableEvidence
from lfnet.tables.table import Finding, Findings, Section

__all__ = ["EITHER_WAY", "Asked", "collect_findings", "finding"]

EITHER_WAY = "no evidence either way"
_MAX_NAMED = 12  # rows that a brief finding names


@dataclass(frozen=True)
class Asked:
    """What a block of comparisons asks, and of whom.

    Parameters
    ----------
    question : str
        "vs mean_mlp", or what a control changes.
    subject : str
        "these trained heads" or "the architectures".
    whom : str
        The people who were scored.
    people, min_people : int
        Their number, and below which number nothing is compared.
    margin : float
        In points.
    worse : str
        What follows where a row is worse, "" for nothing: a control that is worse lacks what its model uses.
    metric : "mae" or "auroc"
        What is compared; the margin of AUROC has its unit.
    """

    question: str
    subject: str
    whom: str
    people: int
    min_people: int
    margin: float
    worse: str = ""
    metric: str = "mae"


def finding(asked: Asked, found: Sequence[tuple[str, Comparison | ClassComparison]]) -> Finding:
    """Say which rows have which verdict, each row with its difference.

    Parameters
    ----------
    asked : Asked
    found : sequence
        Name and comparison of each row.

    Examples
    --------
    >>> from lfnet.evaluation.estimates import Difference
    >>> from lfnet.evaluation.intervals import Interval
    >>> apart = {"mae": Difference(-1.1, Interval(-1.6, -0.6, 0.95, "studentised"))}
    >>> comparison = Comparison("mean_mlp", apart, 0.001, 0.002, 0.7, 0.7, 0.6, 0.8, "better")
    >>> asked = Asked("vs mean_mlp", "the architectures", "new people", 300, 10, margin=1.0)
    >>> finding(asked, [("ldbm", comparison)]).text
    'better: ldbm −1.10 [−1.60, −0.60]'
    """
    if asked.people < asked.min_people:
        few = f"{too_few(asked.people)} people to compare"
        return Finding(asked.question, asked.subject, asked.whom, few, asked.metric)
    parts: dict[str, list[str]] = {}
    named: dict[str, tuple[str, ...]] = {}
    for verdict in VERDICTS:
        for name, comparison in found:
            if comparison.verdict == verdict:
                difference = with_interval(comparison.differences.get(asked.metric), 2, sign=True)
                parts.setdefault(_lead(asked, comparison), []).append(f"{name} {difference}")
                named[verdict] = (*named.get(verdict, ()), name)
    text = "; ".join(f"{lead}: {', '.join(rows)}" for lead, rows in parts.items())
    brief = text
    if (total := len(found)) > _MAX_NAMED:
        brief = "; ".join(f"{lead}: {len(rows)} of {total} rows" for lead, rows in parts.items())
    return Finding(asked.question, asked.subject, asked.whom, text, asked.metric, tuple(named.items()), brief)


def _lead(asked: Asked, comparison: Comparison | ClassComparison) -> str:
    """The verdict, and what follows from it."""
    verdict, apart = comparison.verdict, comparison.differences[asked.metric].interval
    if verdict.startswith("worse") and asked.worse:
        return f"{verdict}, so {asked.worse}"
    if verdict == "cannot tell" and apart and apart.low <= -asked.margin and apart.high >= asked.margin:
        return f"{verdict}, {EITHER_WAY}"
    return verdict


def collect_findings(sections: Sequence[Section], settings: TableEvidence) -> Findings | None:
    """Gather the findings of all sections; what is the same in all of them is said once, in the head.

    Returns
    -------
    Findings or None
        None where nothing was compared.
    """
    found = [(section.label, block.finding) for section in sections for block in section.evidence if block.finding]
    if not found:
        return None
    subjects = list(dict.fromkeys(one.subject for _, one in found))
    whom = list(dict.fromkeys(one.whom for _, one in found))
    about = f" about {subjects[0]}" if len(subjects) == 1 else ""
    on = f", on {whom[0]}" if len(whom) == 1 else ""
    metrics = {one.metric for _, one in found}
    ways = [way for metric, way in _ways(settings).items() if metric in metrics]
    head = f"What was found{about}{on}: {'; of binary labels, '.join(ways)}."
    if any("equivalent" in one.text for _, one in found):
        head += " " + EQUIVALENT.format(level=f"{100 * (2 * settings.level - 1):g}")
    lines, brief = [], []
    for label, one in found:
        aside = [text for text, many in ((one.subject, len(subjects) > 1), (one.whom, len(whom) > 1)) if many]
        lead = ". ".join([*[label] * bool(label), one.question]) + (f" ({', '.join(aside)})" if aside else "")
        lines.append((lead, one.text))
        brief.append((lead, one.brief or one.text))
    return Findings(head, tuple(lines), tuple(brief))


def _ways(settings: TableEvidence) -> dict[str, str]:
    """Metric → what is shown of it, and which way is better."""
    level = f"with {100 * settings.level:g} % interval; margin"
    return {
        "mae": f"difference in {settings.split} MAE in points, row {MINUS} reference (below 0: the row is better), "
        f"{level} {points(settings.margin)}",
        "auroc": f"difference in {settings.split} AUROC, row {MINUS} reference (above 0: the row is better), {level} "
        f"{settings.margin_auroc:g}",
    }
