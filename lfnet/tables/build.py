"""Table of a sweep, built from its record and run folders. Reads files, runs nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import METRICS
from lfnet.fingerprints import digest
from lfnet.runs.run import Run, leaves
from lfnet.runs.sweep_record import collect
from lfnet.tables import columns, few, grouping, header_and_footer, reference_rows
from lfnet.tables.audit_box import audit_box
from lfnet.tables.controls import explain_controls, split_controls
from lfnet.tables.ensembles import MEANING as ENSEMBLE
from lfnet.tables.ensembles import with_ensembles
from lfnet.tables.evidence import blocks
from lfnet.tables.findings import collect_findings
from lfnet.tables.formatting import DASH
from lfnet.tables.grouping import Group
from lfnet.tables.optimism import fill_optimism
from lfnet.tables.pooled import pooled_section
from lfnet.tables.reference_rows import published_rows
from lfnet.tables.remarks import closing_lines, target_lines
from lfnet.tables.settings import TableEvidence, read_table
from lfnet.tables.table import Column, Row, Section, Table
from lfnet.text import plural

__all__ = ["build"]

_SHORT = 60


def build(manifest: Path, runs: Path, *, show_paths: bool = False) -> Table:
    """Build the table that a sweep was run for.

    Parameters
    ----------
    manifest : Path
        The record of the sweep.
    runs : Path
        The folder of its run folders.
    show_paths : bool
        Show settings that name places, such as `cohort.root`, in names of rows and in files. By default their values
        are numbered.

    Raises
    ------
    LfnetError
        The record or its settings (`TableSettings`) are wrong, or runs cannot be shown in one table.
    """
    sweep = collect(manifest, runs)
    asked = read_table({"table": sweep.table})
    if asked.name is None:
        raise LfnetError(f"{manifest} is the record of jobs started by hand, which have no table.")
    row_keys, section_keys = asked.rows, grouping.section_keys(sweep, asked.sections or ())
    wanted = asked.references or ()
    trained = any(run.result.training.epochs is not None for run in sweep.runs) or not sweep.runs
    shown = asked.shown(trained)
    binary = bool(sweep.runs) and all(_is_binary(run) for run in sweep.runs)
    if binary:
        shown = columns.lead_with_classes(shown, asked.level)
    quoted = published_rows(asked.published or (), shown)
    _check_cohorts(sweep.runs)
    groups = grouping.groups(sweep, section_keys + row_keys, show_paths=show_paths)
    constants = _constants(groups, row_keys)
    parts = [(part, *split_controls(members)) for part, members in _parts(groups, section_keys)]
    fewest = (asked.evidence or TableEvidence()).min_people
    sections = tuple(
        _section(part, models, controls, shown, row_keys, wanted, asked.closing, fewest, quoted, asked.bounds, binary)
        for part, models, controls in parts
    )
    notes: list[str] = []
    names = [key for key in row_keys if key not in constants]
    joint = asked.ensembles
    if joint:
        sections = with_ensembles(sections, [models for _, models, _ in parts], shown, names, fewest)
    if asked.evidence is not None:
        sections, notes = _with_evidence(asked.evidence, sections, parts, names, wanted, joint)
        if asked.evidence.pool:
            section, more = pooled_section(sections, asked.evidence)
            sections, notes = (*sections, *([] if section is None else [section])), [*notes, *more]
    notes.append(explain_controls(asked.controls or (), any(controls for _, _, controls in parts)))
    notes += [ENSEMBLE] * joint
    fingerprint = digest(sorted(run.result.fingerprint for run in sweep.runs))
    lifted = {
        key.heading.lower(): groups[0].identity[key.name]
        for key in grouping.keys(row_keys)
        if key.name in constants and groups[0].identity[key.name] not in (grouping.UNKNOWN, DASH)
    }
    return Table(
        name=asked.name,
        title=asked.title or asked.name,
        question=asked.question or "",
        level=asked.level,
        command=sweep.command,
        simulated=bool(sweep.runs) and all(run.result.cohort.simulated for run in sweep.runs),
        keys=grouping.keys(row_keys),
        constants=constants,
        columns=shown,
        sections=sections,
        facts=header_and_footer.head(sweep.runs, asked.level, row_keys + section_keys, lifted),
        warnings=header_and_footer.warnings(sweep.runs, asked.level),
        foot=header_and_footer.foot(sweep, shown, sections, wanted, fingerprint, asked.evidence, notes),
        failures=sweep.failures,
        digest=fingerprint,
        findings=collect_findings(sections, asked.evidence or TableEvidence()),
        few=few.banner(sweep.runs, fewest),
        shortened=header_and_footer.shortened(sweep.runs),
        audit=audit_box(sweep.runs),
        figure=asked.figure,
        show_paths=show_paths,
    )


def _check_cohorts(runs: Sequence[Run]) -> None:
    """Check that cohorts with equal settings have equal content: otherwise rows were measured on different labels."""
    first: dict[str, Run] = {}
    for run in runs:
        config = run.result.config
        nodes = {name: config.get(name) for name in ("cohort", "splits", "amount", "test_cohort", "test_split")}
        settings = digest([sorted(leaves(nodes), key=lambda leaf: leaf[0]), list(run.folds)])
        twin = first.setdefault(settings + run.result.cohort.name, run)
        if twin.result.cohort.fingerprint != run.result.cohort.fingerprint:
            raise LfnetError(
                f"the cohort {run.result.cohort.name} changed between {twin.name} and {run.name}: their rows "
                "cannot be in one table. Run the table again: runs on the old cohort are trained again."
            )


def _is_binary(run: Run) -> bool:
    scale = run.result.scale.whole
    return scale is not None and scale.kind == "binary"


def _constants(groups: Sequence[Group], row_keys: Sequence[str]) -> tuple[str, ...]:
    """The row keys with one value in all rows; the first key stays a column if no other would."""
    same = [key for key in row_keys if len({group.identity[key] for group in groups}) == 1]
    return tuple(same[1:] if len(same) == len(row_keys) else same)


def _parts(groups: Sequence[Group], section_keys: Sequence[str]) -> list[tuple[dict[str, str], list[Group]]]:
    parts: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        parts.setdefault(tuple(group.identity[key] for key in section_keys), []).append(group)
    return [(dict(zip(section_keys, texts, strict=True)), members) for texts, members in parts.items()]


def _section(
    part: dict[str, str],
    groups: Sequence[Group],
    controls: Sequence[Group],
    shown: Sequence[Column],
    row_keys: Sequence[str],
    wanted: Sequence[str],
    closing: bool | str,
    fewest: int,
    quoted: Sequence[Row] = (),
    targets: dict[str, tuple[str, float]] | None = None,
    binary: bool = False,
) -> Section:
    people = few.people_of([run for group in groups for run in group.runs])
    models = fill_optimism([_row(group, shown, row_keys) for group in groups], shown)
    models = few.withhold(models, shown, people, fewest)
    others = [row for name in wanted for row in reference_rows.reference_rows(name, groups, _metrics(shown), row_keys)]
    text = "; ".join(f"{key.heading}: {part[key.name]}" for key in grouping.keys(tuple(part)))
    lines = closing_lines(models, row_keys, closing, binary) + target_lines(targets or {}, models, groups, shown)
    below = [_row(group, shown, row_keys, "control") for group in controls]
    return Section(text, part, (*models, *few.withhold([*below, *others], shown, people, fewest), *quoted), lines)


def _with_evidence(
    asked: TableEvidence,
    sections: Sequence[Section],
    parts: Sequence[tuple[dict[str, str], list[Group], list[Group]]],
    names: Sequence[str],
    wanted: Sequence[str],
    joint: bool,
) -> tuple[tuple[Section, ...], list[str]]:
    """The sections with evidence on their rows, and sentences on what is not in it."""
    filled, notes = [], []
    for section, (part, models, controls) in zip(sections, parts, strict=True):
        found, missing = blocks(asked.in_section(part), models, controls, names, wanted, joint)
        filled.append(replace(section, evidence=found))
        notes += [f"{section.label}: {text}" if section.label and text.startswith("No ") else text for text in missing]
    return tuple(filled), list(dict.fromkeys(notes))


def _metrics(shown: Sequence[Column]) -> list[Column]:
    return [column for column in shown if column.metric is not None]


def _row(
    group: Group, shown: Sequence[Column], row_keys: Sequence[str], kind: Literal["model", "control"] = "model"
) -> Row:
    named = {key: group.identity[key] for key in row_keys}
    groups = {"failed": [one for one in group.failures if not one.pending]}
    groups["missing"] = [one for one in group.failures if one.pending]
    reasons = {word: dict.fromkeys(one.reason for one in members) for word, members in groups.items() if members}
    if not group.runs:
        notes = [f"{word}: {_shorten(reason)}" for word, own in reasons.items() for reason in own]
        return Row("failed" if groups["failed"] else "missing", named, notes=tuple(notes))
    runs = sorted(group.runs, key=lambda run: (run.seed, run.name))
    notes = [_mark(mark, [run for run in runs if mark in run.result.marks], runs) for mark in _marks(runs)]
    cells = {column.name: column.cell(runs) for column in shown}
    notes += _sigma_notes(runs, shown, {name for name, cell in cells.items() if cell.summary.undefined})
    total = plural(len(runs) + len(group.failures), "job")
    for word, own in reasons.items():
        notes.append(f"{len(groups[word])} of {total} {word}: {_shorten(next(iter(own)))}")
    return Row(kind, named, cells, "", tuple(run.seed for run in runs), tuple(notes), tuple(runs))


def _marks(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(mark for run in runs for mark in run.result.marks))


def _mark(mark: str, marked: Sequence[Run], runs: Sequence[Run]) -> str:
    if len(marked) == len(runs):
        return mark
    # Draws or deals of a cohort may share a seed of training.
    seeds = len({run.seed for run in runs}) == len(runs)
    return f"{mark} ({len(marked)} of {len(runs)} {'seeds' if seeds else 'runs'})"


def _sigma_notes(runs: Sequence[Run], shown: Sequence[Column], undefined: set[str]) -> list[str]:
    """Show how much the scores vary where a correlation is undefined; as a note if no column shows it."""
    notes = []
    for column in _metrics(shown):
        if column.metric not in METRICS:
            continue
        split = column.name.partition(".")[0]
        sigma = column.name.rpartition(".")[0] + ".sigma_ratio"
        if column.name in undefined and split != "gap" and sigma not in {other.name for other in shown}:
            ratio = columns.parse(sigma, "recording").cell(runs)
            notes.append(f"{split} sigma_ratio {ratio.text}")
    return list(dict.fromkeys(notes))


def _shorten(text: str) -> str:
    return text if len(text) <= _SHORT else text[: _SHORT - 1].rstrip() + "…"
