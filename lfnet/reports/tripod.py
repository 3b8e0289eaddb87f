"""TRIPOD+AI checklist of a table: what its runs tell of each item, and what is left to state.

The items are those of Collins et al. (2024), in words of our own; the published wording is that of the statement.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lfnet import RESEARCH_ONLY, __version__
from lfnet.files import write_text
from lfnet.reports.markdown import escape
from lfnet.reports.tripod_facts import Facts
from lfnet.tables.table import Table
from lfnet.text import plural

__all__ = ["Entry", "checklist", "summary", "write_tripod"]

REFERENCE = (
    "Collins et al. (2024), TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use "
    "regression or machine learning methods, BMJ 385, e078378, doi 10.1136/bmj-2023-078378, CC BY 4.0. The items are "
    "named in other, shorter words here; read the statement for theirs."
)


@dataclass(frozen=True)
class Entry:
    """One sub-item of the checklist.

    number: of the statement, such as 12c. topic: what is asked, in few words. found: what the runs tell, "" for
    nothing. lacking: what the author still has to state, "" for nothing.
    """

    number: str
    topic: str
    found: str
    lacking: str


_Tell = Callable[[Facts], str] | None


def _items() -> Iterator[tuple[str, str, _Tell, str]]:
    """Number, topic, what tells of it, and what the author must add."""
    yield "1", "Title: prediction, population, outcome", None, "a title"
    yield "2", "Abstract", None, "an abstract by TRIPOD+AI for Abstracts"
    yield "3a", "Context in care, and why a prediction", None, "the use that is meant; none in care is supported here"
    yield (
        "3b",
        "Target population, place in the pathway, users",
        None,
        "whom they are for, and who reads them",
    )
    yield "3c", "Known inequalities between groups", None, "inequalities in depression care of these groups"
    yield "4", "Objectives", lambda facts: escape(facts.table.question), "development, evaluation or both"
    yield "5a", "Sources of the data", Facts.source, "recruitment, and whom the people represent"
    yield "5b", "Dates of the data", None, "when recordings and labels were made"
    yield "6a", "Setting and centres", None, "where, and how many centres"
    yield "6b", "Eligibility", None, "who could take part"
    yield "6c", "Treatments", None, "treatments of the people, and how they enter"
    yield "7", "Preparation and quality of the data", Facts.handling, "whether alike in all groups"
    yield "8a", "Outcome and its time", Facts.outcome, "why this scale, and the time between recording and label"
    yield "8b", "Who rated the outcome", None, "self-report or raters, and their training"
    yield "8c", "Blinding of the outcome", None, "whether raters knew the videos"
    yield "9a", "Choice of predictors", Facts.predictors, "why these, and whether any were left out before"
    yield "9b", "Definition of predictors", Facts.coverage, "camera, room and task of the recordings"
    yield "9c", "Who rated predictors", lambda _: "no person: networks and signal processing", ""
    yield "10", "Sample size", Facts.sizes, "how it was chosen (lfnet power: what it can detect)"
    yield "11", "Missing data", Facts.handling, "people and recordings that are missing, and why"
    yield "12a", "Partition of the data", Facts.split, ""
    yield "12b", "Form of predictors", Facts.predictors, ""
    yield "12c", "Type of model, building, tuning, internal validation", Facts.building, ""
    yield "12d", "Differences between clusters", None, "centres, tasks or languages"
    yield "12e", "Measures and plots", Facts.measures, "why these"
    yield "12f", "Updating of the model", lambda _: "none: no model is changed after its test", ""
    yield "12g", "How predictions are computed at evaluation", Facts.split, ""
    yield "13", "Class imbalance", None, "of classes: their shares, and what was done"
    yield "14", "Fairness", Facts.group_errors, "what was done about errors in groups (table.evidence.groups)"
    yield "15", "Output of the model, thresholds", Facts.outcome, "thresholds, where any are used"
    yield (
        "16",
        "Differences between training and evaluation",
        Facts.differences,
        "in people, setting and labels",
    )
    yield "17", "Ethical approval and consent", None, "committee, number, consent"
    yield "18a", "Funding", None, "funders and their role"
    yield "18b", "Conflicts of interest", None, "of all authors"
    yield (
        "18c",
        "Protocol of the study",
        lambda facts: f"settings: {facts.table.command}",
        "where a protocol is, or none",
    )
    yield "18d", "Registration", None, "register and number, or none"
    yield "18e", "Data", None, "whether and how the data can be had"
    yield "18f", "Code", lambda facts: f"lfnet {__version__}, Apache-2.0; {facts.versions()}", "where your own code is"
    yield "19", "Involvement of patients and the public", None, "how, or that there was none"
    yield "20a", "Flow of participants", Facts.sizes, "who was excluded, and follow-up"
    yield (
        "20b",
        "Characteristics of participants",
        Facts.known_groups,
        "age, sex and others of each split",
    )
    yield "20c", "Development vs evaluation data", Facts.labels, "distributions of predictors"
    yield "21", "Numbers in each analysis", Facts.sizes, ""
    yield (
        "22",
        "The whole model, so that others can predict",
        Facts.size_of_models,
        "where the bundle is (lfnet export)",
    )
    yield (
        "23a",
        "Performance with intervals, in groups too",
        Facts.performance_in_groups,
        "in groups that are not known",
    )
    yield "23b", "Heterogeneity of performance", Facts.seeds, "between centres or cohorts"
    yield "24", "Results of updating", lambda _: "none: see 12f", ""
    yield "25", "Interpretation", Facts.findings, "with fairness, and earlier studies"
    yield "26", "Limitations", Facts.limits, "of sampling, labels and generality"
    yield "27a", "Poor or missing input at use", Facts.handling, ""
    yield "27b", "Skill that users need", None, "who would handle inputs and scores"
    yield "27c", "Next steps, generality", None, "other cohorts (test_cohort=…) and cameras"


def checklist(table: Table) -> list[Entry]:
    """Fill the checklist from the runs of a table.

    Parameters
    ----------
    table : Table
        A table that has been run.

    Returns
    -------
    list of Entry
        The 52 sub-items of the 27 items, in order. An item that the runs tell nothing of has no `found`.

    References
    ----------
    Collins et al. (2024), "TRIPOD+AI statement", BMJ 385, e078378.

    Examples
    --------
    >>> from lfnet.tables.build import build
    >>> entries = checklist(build(record, record.parent.parent))  # record: lfnet_runs/sweeps/architectures.json
    >>> len(entries), entries[20].number, entries[20].found
    (52, '12a', 'splits official, epochs or recipes chosen by dev mae')
    """
    facts = Facts(table)
    entries = []
    for number, topic, tell, lacking in _items():
        found = tell(facts) if tell is not None and facts.results else ""
        entries.append(Entry(number, topic, found, lacking if found or lacking else "no run tells it"))
    return entries


def write_tripod(table: Table, folder: Path) -> tuple[Path, list[Entry]]:
    """Write NAME.tripod.md, the checklist of a table, into `folder`; return its path and entries.

    It names no person, clip, path or host unless the table was built with `show_paths`.
    """
    entries = checklist(table)
    path = Path(folder) / f"{table.name}.tripod.md"
    write_text(path, _markdown(table, entries), personal=False)
    return path, entries


def summary(entries: Iterable[Entry]) -> str:
    """Say in one line how many sub-items are complete, begun and empty."""
    entries = list(entries)
    whole = sum(not entry.lacking for entry in entries)
    begun = sum(bool(entry.found and entry.lacking) for entry in entries)
    empty = [entry.number for entry in entries if not entry.found]
    return (
        f"TRIPOD+AI: of {plural(len(entries), 'sub-item')} the runs fill {whole} and begin {begun}; "
        f"{len(empty)} are yours alone: {', '.join(empty)}."
    )


def _markdown(table: Table, entries: list[Entry]) -> str:
    lines = [f"| {one.number} | {one.topic} | {one.found or '—'} | {one.lacking or '—'} |" for one in entries]
    simulated = "**Simulated cohort: no person was filmed; a checklist of real data is to be made of real runs.**"
    parts = [
        f"# TRIPOD+AI checklist: {escape(table.title)}",
        f"**{RESEARCH_ONLY}**",
        *([simulated] if table.simulated else []),
        summary(entries),
        "\n".join(["| item | topic | from the runs | still to state |", "|---|---|---|---|", *lines]),
        f"Reference: {REFERENCE}",
    ]
    return "\n\n".join(parts) + "\n"
