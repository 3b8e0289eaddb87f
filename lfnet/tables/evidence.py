"""Evidence under a section: intervals of each row, and comparisons with the rows that the table names.

The statistics are those of `lfnet.evaluation.evidence`.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from lfnet.evaluation.evidence import Comparison, Evidence, RowEvidence, RowScores, compute_evidence
from lfnet.runs.collection import DifferentRecordings, RunCollection, joined_training_sets
from lfnet.runs.run import Run
from lfnet.runs.scores import RecordingScores, recording_rows
from lfnet.tables.controls import control_blocks, measure_controls
from lfnet.tables.ensembles import ensemble_scores
from lfnet.tables.evidence_text import Numbers, comparisons, intervals, scored_on, subject_of
from lfnet.tables.findings import Asked
from lfnet.tables.grouping import Group, keys, seeds_of
from lfnet.tables.reference_rows import is_oracle, label
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
    aside, more = _models(node, controls, row_keys, models[0][1])
    notes += more
    first = next(run for group in groups for run in group.runs)
    given = _references(node, references, _repeats(models[0][0], first), models[0][1])
    constant = _constant(first)
    joint = [one for _, row in models if (one := ensemble_scores(row)) is not None] if ensembles else []
    every = [*(row for _, row in models), *joint, *given.values()]
    found = compute_evidence(every, None, node, constant)
    alone, more = measure_controls(node, found, aside, constant)
    notes += more
    measured = {**found.rows, **alone}
    shown = [*(row for _, row in (*models, *aside)), *joint]
    lines = [(row.name, measured[row.name].estimates, measured[row.name]) for row in shown]
    what = "heads" if all(run.result.kind == "head" for group in groups for run in group.runs) else "models"
    made = [intervals(found, [*lines, *_reference_lines(found, given)], len(models), what, node.split)]
    short = short_names([group for group, _ in models], row_keys)
    for against in node.names:
        made += _compared(node, against, models, given, constant, what, short, notes)
    blocks_of_controls, more = control_blocks(node, models, aside, constant, what, short)
    made += blocks_of_controls
    notes += more
    return tuple(made), tuple(dict.fromkeys([*notes, *found.notes]))


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


def _alike(first: RowScores, other: RowScores) -> bool:
    same = list(first.recording_id) == list(other.recording_id)
    return same and np.array_equal(np.asarray(first.label), np.asarray(other.label), equal_nan=True)


def _repeats(group: Group, first: Run) -> list[Run]:
    """The run with the references; of a repeated cross-validation, one of each repeat: references are fitted too."""
    repeats = {run.setting("splits.seed"): run for run in group.runs if run.folds}
    return list(repeats.values()) or [first]


def _references(
    node: TableEvidence, names: Sequence[str], runs: Sequence[Run], like: RowScores
) -> dict[tuple[str, str], RowScores]:
    """(reference, "median" or "mean") → its scores, of the references that the runs have for these recordings.

    An oracle's median is the best guess for MAE and skill, its mean for all else; other references have one score.
    """
    wanted = {name for name in names} | {name for name in node.names if "=" not in name}
    found = {}
    for name in [*names, *sorted(wanted - set(names))]:
        for which in ("median", "mean"):
            models = [run.baselines.get(f"{name}_{which}" if is_oracle(name) else name) for run in runs]
            tables = [recording_rows(model.frame, node.split) for model in models if model is not None]
            if len(tables) < len(runs) or any(
                table["recording_id"].tolist() != list(like.recording_id) for table in tables
            ):
                continue
            table = tables[0]
            own = label(name) if which == "median" else f"{label(name)} (mean)"
            found[name, which] = RowScores(
                own,
                table["recording_id"].tolist(),
                table["person_id"].tolist(),
                table["label"].to_numpy(float),
                np.stack([table["score"].to_numpy(float) for table in tables]),
                like.shared_people if name == "person_lookup" or name == "oracle_people" else frozenset(),
                deterministic=True,
                training=joined_training_sets(runs, list(like.recording_id)) if node.split == "test" else None,
            )
            if not is_oracle(name):
                break
    return found


def _constant(run: Run) -> float | None:
    model = run.baselines.get("train_median")
    # The folds of a cross-validation have a median each; they differ little.
    return None if model is None else float(model.frame["score"].median())


def _reference_lines(
    found: Evidence, given: Mapping[tuple[str, str], RowScores]
) -> list[tuple[str, Numbers, RowEvidence]]:
    lines: list[tuple[str, Numbers, RowEvidence]] = []
    for name in dict.fromkeys(reference for reference, _ in given):
        median = found.rows[given[name, "median"].name]
        mean = found.rows[given[name, "mean"].name] if (name, "mean") in given else median
        estimates = {
            metric: (median if metric in ("mae", "skill") else mean).estimates.get(metric)
            for metric in median.estimates
        }
        lines.append((label(name), estimates, median))
    return lines


def _compared(
    node: TableEvidence,
    against: str,
    models: Sequence[tuple[Group, RowScores]],
    given: Mapping[tuple[str, str], RowScores],
    constant: float | None,
    what: str,
    short: Mapping[str, str],
    notes: list[str],
) -> list[Block]:
    found: Evidence | None = None
    made: list[tuple[str, str, Comparison]] = []
    if "=" not in against:
        reference = given.get((against, "median"))
        if reference is None:
            notes.append(f"No run has the reference {against}: nothing is compared with it.")
            return []
        found, made = _compare_with(node, reference, [row for _, row in models], constant, short)
        title = f"vs {label(against)}"
    else:
        key, _, value = against.partition("=")
        parts: dict[tuple[str, ...], list[tuple[Group, RowScores]]] = {}
        for group, row in models:
            rest = tuple(text for name, text in group.identity.items() if name != key)
            parts.setdefault(rest, []).append((group, row))
        for members in parts.values():
            base = [row for group, row in members if group.identity[key] == value]
            others = node.only.get(against)
            rows = [
                row
                for group, row in members
                if group.identity[key] != value and (others is None or group.identity[key] in others)
            ]
            if base and rows:
                found, compared = _compare_with(node, base[0], rows, constant, short)
                made += compared
        title = f"vs {_worded(key, value)}" + (", in the same row otherwise" if len(parts) > 1 else "")
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


def short_names(groups: Sequence[Group], row_keys: Sequence[str]) -> dict[str, str]:
    """The name of each row → its name by the keys in which the rows differ."""
    apart = [key for key in row_keys if len({group.identity[key] for group in groups}) > 1] or row_keys[:1]
    return {
        ", ".join(group.identity[key] for key in row_keys): ", ".join(
            _worded(key, group.identity[key]) for key in apart
        )
        for group in groups
    }


def _worded(key: str, text: str) -> str:
    """A row key's text, with the key's name where it is only a number: "patch size 8"."""
    return f"{keys([key])[0].heading.lower()} {text}" if re.fullmatch(r"[\d.]+", text) else text
