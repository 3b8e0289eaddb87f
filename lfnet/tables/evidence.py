"""Evidence under a section: intervals of each row, and comparisons with the rows that the table names.

The statistics are those of `lfnet.evaluation.evidence`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lfnet.evaluation.evidence import Comparison, Evidence, RowScores, compute_evidence
from lfnet.evaluation.group_evidence import compute_group_evidence
from lfnet.runs.collection import DifferentRecordings, RunCollection
from lfnet.runs.scores import RecordingScores
from lfnet.tables.class_blocks import class_blocks, cuts_shown
from lfnet.tables.controls import control_blocks, measure_controls
from lfnet.tables.ensembles import ensemble_scores
from lfnet.tables.evidence_text import comparisons, intervals, scored_on, subject_of
from lfnet.tables.findings import Asked
from lfnet.tables.group_blocks import MEANING, NOT_BINARY, group_blocks, groupings_of, hint
from lfnet.tables.grouping import Group, seeds_of
from lfnet.tables.pairs import pairings, worded
from lfnet.tables.reference_scores import ReferenceScores, reference_lines, reference_scores, training_median
from lfnet.tables.settings import TableEvidence
from lfnet.tables.table import Block

__all__ = ["blocks"]


def blocks(
    node: TableEvidence,
    groups: Sequence[Group],
    controls: Sequence[Group],
    row_keys: Sequence[str],
    references: Sequence[str],
    ensembles: bool = False,
) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """Make the blocks of one section, and sentences on what is not in them.

    groups: its model rows, controls: its control rows, each compared with its own model alone; row_keys: the keys that
    name them (constants left out); references: those the table shows. ensembles: whether each model row's ensemble of
    seeds is shown too.
    """
    models, notes = _models(node, groups, row_keys)
    if not models:
        return (), tuple(notes)
    ranked = [pair for pair in models if not _in_points(pair[0])]
    models = [pair for pair in models if _in_points(pair[0])]
    if ranked:
        names = ", ".join(row.name for _, row in ranked)
        notes.append(f"No evidence in points on {names}: scores and labels are on different scales, ranks alone.")
    if not models:
        scale = ranked[0][0].runs[0].result.scale
        short, subject = _short_names([group for group, _ in ranked], row_keys), subject_of("trained", "heads")
        cuts = cuts_shown(node, scale.whole)
        made, more = class_blocks(node, cuts, [], [], scale.name, False, subject, short, ranked)
        return tuple(made), tuple(dict.fromkeys([*notes, *more]))
    aside, more = _models(node, controls, row_keys, models[0][1])
    notes += more
    measured_groups = [group for group, _ in models]
    given = reference_scores(node, references, measured_groups, row_keys, models[0][1])
    constant, text = training_median(measured_groups, row_keys, node)
    notes += [text] * bool(text)
    joint = [one for _, row in models if (one := ensemble_scores(row)) is not None] if ensembles else []
    every = [*(row for _, row in models), *joint, *(row for one in given for row in one.rows)]
    found = compute_evidence(every, None, node, constant)
    alone, more = measure_controls(node, found, aside, constant)
    notes += more
    measured = {**found.rows, **alone}
    shown = [*(row for _, row in (*models, *aside)), *joint]
    lines = [(row.name, measured[row.name].estimates, measured[row.name]) for row in shown]
    what = "heads" if all(run.result.kind == "head" for group in groups for run in group.runs) else "models"
    made = [intervals(found, [*lines, *reference_lines(found, given)], len(models), what, node.split)]
    scale = measured_groups[0].runs[0].result.scale
    cuts = cuts_shown(node, scale.whole)
    short = _short_names([*measured_groups, *(group for group, _ in ranked)], row_keys)
    joint_seeds, subject = found.estimand == "architecture", subject_of(found.estimand, what)
    of_classes, more = class_blocks(node, cuts, models, given, scale.name, joint_seeds, subject, short, ranked)
    made += of_classes
    notes += more
    binary = any(cut.probability for cut in cuts)
    of_groups, more = _of_groups(node, models, binary)
    made += of_groups
    notes += more
    if binary:
        # A difference in points says little of labels that are 0 and 1.
        return tuple(made), tuple(dict.fromkeys([*notes, *found.notes]))
    for against in node.names:
        made += _compared(node, against, models, given, constant, what, short, notes)
    blocks_of_controls, more = control_blocks(node, models, aside, constant, what, short)
    made += blocks_of_controls
    notes += more
    return tuple(made), tuple(dict.fromkeys([*notes, *found.notes]))


def _of_groups(
    node: TableEvidence, models: Sequence[tuple[Group, RowScores]], binary: bool
) -> tuple[list[Block], list[str]]:
    """The blocks of groups of people, where the table asks for them; sentences on what is not in them."""
    group, row = models[0]
    table = group.runs[0].groups
    if not node.groups:
        return [], [] if table is None or binary else [hint(table)]
    if binary:
        return [], [NOT_BINARY]
    groupings, notes = groupings_of(table, node.groups, row.person_id)
    if not groupings:
        return [], notes
    found = compute_group_evidence([row for _, row in models], groupings, node, node.coverage)
    return group_blocks(found, node, node.split), [MEANING, *notes, *found.notes]


def _models(
    node: TableEvidence,
    groups: Sequence[Group],
    row_keys: Sequence[str],
    like: RowScores | None = None,
) -> tuple[list[tuple[Group, RowScores]], list[str]]:
    """The rows that share their recordings with `like`, by default the first; sentences on the others."""
    models: list[tuple[Group, RowScores]] = []
    apart: list[str] = []
    silent: list[str] = []
    ordered = [sorted(group.runs, key=lambda run: (seeds_of(run), run.name)) for group in groups]
    scored = [all(run.has_scores for run in runs) for runs in ordered]
    read = RecordingScores([run for runs, has in zip(ordered, scored, strict=True) if has for run in runs])
    for group, runs, has in zip(groups, ordered, scored, strict=True):
        if not runs:
            continue
        name = ", ".join(group.identity[key] for key in row_keys)
        if not has:
            silent.append(name)
            continue
        try:
            row = RunCollection(runs).row_scores(name, node.split, read)
        except DifferentRecordings:
            apart.append(name)
            continue
        if np.isnan(np.asarray(row.label, float)).all():
            silent.append(name)
        elif like is not None and not _alike(like, row):
            apart.append(name)
        else:
            like = like or row
            models.append((group, row))
    notes = []
    if apart:
        notes.append(
            f"No evidence on {', '.join(apart)}: scored on other recordings than the rows above or than its own seeds."
        )
    if silent:
        notes.append(f"No evidence on {', '.join(silent)}: no labelled {node.split} predictions.")
    return models, notes


def _in_points(group: Group) -> bool:
    """Whether the scores of a row and the labels are in the same points."""
    return all(run.result.tested is None or run.result.tested["points"] for run in group.runs)


def _alike(first: RowScores, other: RowScores) -> bool:
    same = list(first.recording_id) == list(other.recording_id)
    return same and np.array_equal(np.asarray(first.label), np.asarray(other.label), equal_nan=True)


def _compared(
    node: TableEvidence,
    against: str,
    models: Sequence[tuple[Group, RowScores]],
    given: Sequence[ReferenceScores],
    constant: float | None,
    what: str,
    short: Mapping[str, str],
    notes: list[str],
) -> list[Block]:
    title, asked_for = pairings(node, against, models, given)
    if not asked_for and "=" not in against:
        notes.append(f"No run has the reference {against}: nothing is compared with it.")
    found: Evidence | None = None
    made: list[tuple[str, str, Comparison]] = []
    for one in asked_for:
        found, compared = _compare_with(node, one.reference, one.rows, constant, short)
        made += compared
    if found is None or not made:
        return []
    subject = subject_of(found.estimand, what)
    asked = Asked(title, subject, scored_on(found), found.people, node.min_people, node.margin)
    return [comparisons(asked, made)]


def _compare_with(
    node: TableEvidence,
    reference: RowScores,
    rows: Sequence[RowScores],
    constant: float | None,
    short: Mapping[str, str],
) -> tuple[Evidence, list[tuple[str, str, Comparison]]]:
    """The evidence, and the name, short name and comparison of each row with the reference."""
    found = compute_evidence([*rows, reference], reference.name, node, constant)
    return found, [
        (row.name, short[row.name], comparison)
        for row in rows
        if (comparison := found.rows[row.name].comparison) is not None
    ]


def _short_names(groups: Sequence[Group], row_keys: Sequence[str]) -> dict[str, str]:
    """The name of each row → its name by the keys in which the rows differ."""
    apart = [key for key in row_keys if len({group.identity[key] for group in groups}) > 1] or row_keys[:1]
    return {
        ", ".join(group.identity[key] for key in row_keys): ", ".join(worded(key, group.identity[key]) for key in apart)
        for group in groups
    }
