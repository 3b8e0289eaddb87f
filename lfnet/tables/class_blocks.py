"""Evidence on labels as classes: intervals at each cut-off, and comparisons by AUROC."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lfnet.cohorts.scale import Scale
from lfnet.errors import LfnetError
from lfnet.evaluation.class_evidence import ClassEvidence, ClassRow, compute_class_evidence
from lfnet.evaluation.classes import Cut, choose_threshold, cuts_of
from lfnet.evaluation.estimates import Difference, Estimate
from lfnet.evaluation.evidence import RowScores
from lfnet.runs.collection import RunCollection
from lfnet.tables.class_text import THRESHOLDS, describe_cut
from lfnet.tables.findings import Asked, finding
from lfnet.tables.formatting import DASH, p_text, with_interval
from lfnet.tables.grouping import Group
from lfnet.tables.pairs import pairings
from lfnet.tables.reference_scores import ReferenceScores
from lfnet.tables.settings import TableEvidence
from lfnet.tables.table import Block

__all__ = ["class_blocks", "cuts_shown"]

_SHOWN = {"auroc": "AUROC", "auprc": "AUPRC", "sensitivity": "Sens.", "specificity": "Spec.", "brier": "Brier"}


def cuts_shown(node: TableEvidence, scale: Scale | None) -> tuple[Cut, ...]:
    """The cut-offs that the table asks for; of binary labels their own question.

    Raises `LfnetError` for a cut-off that the scale does not have.
    """
    cuts = () if scale is None else cuts_of(scale)
    if scale is not None and scale.kind == "binary":
        return cuts
    known = {cut.score: cut for cut in cuts}
    for score in node.cutoffs or ():
        if score not in known:
            there = ", ".join(f"{one:g}" for one in known) or "none"
            raise LfnetError(
                f"table.evidence.cutoffs={score:g}: the scale has no such cut-off. There are: {there}. Add it, with "
                "its source, to cohort.scale.cutoffs."
            )
    return tuple(known[score] for score in node.cutoffs or ())


def class_blocks(
    node: TableEvidence,
    cuts: Sequence[Cut],
    models: Sequence[tuple[Group, RowScores]],
    references: Sequence[ReferenceScores],
    scale: str,
    joint: bool,
    subject: str,
    short: Mapping[str, str],
    ranked: Sequence[tuple[Group, RowScores]] = (),
) -> tuple[list[Block], list[str]]:
    """Make the blocks of each cut-off, and sentences on what is not in them.

    Parameters
    ----------
    node : TableEvidence
    cuts : sequence of Cut
        Of `cuts_shown`.
    models : sequence
        Groups of runs and their scores.
    references : sequence of ReferenceScores
        To show and to compare with; of an oracle, its mean.
    scale : str
        Name of the scale.
    joint : bool
        Whether statements are about architectures.
    subject : str
        What verdicts are about.
    short : mapping
        Name of a model row → its name in findings.
    ranked : sequence
        As `models`, of scores on another scale than the labels: the cut-off is none of theirs.
    """
    blocks: list[Block] = []
    notes: list[str] = []
    given = [(one, one.means or one.scores) for one in references]
    rows = [*(row for _, row in (*models, *ranked)), *(row for _, row in given)]
    others = {row.name for _, row in ranked}
    for cut in cuts:
        limits = _thresholds(node, cut, models)
        if limits is None:
            notes.append(
                f"No thresholds from dev (table.evidence.threshold={node.threshold}): folds have no common dev."
            )
        found = compute_class_evidence(rows, cut, None, node, joint=joint, thresholds=limits)
        kept = {name: _ranks(row) if name in others else row for name, row in found.rows.items()}
        blocks.append(_intervals(node, replace(found, rows=kept), cut, len(models) + len(ranked), scale))
        for against in node.names:
            question, asked_for = pairings(node, against, [*models, *ranked], references)
            made = [
                compute_class_evidence([*one.rows, base], cut, base.name, node, joint=joint)
                for one in asked_for
                if one.rows and (base := one.mean or one.reference)
            ]
            if made:
                blocks.append(_comparisons(node, made, cut, question, scale, subject, short))
    return blocks, notes


def _ranks(row: ClassRow) -> ClassRow:
    """The metrics that need no threshold."""
    own = {name: estimate for name, estimate in row.estimates.items() if name in ("auroc", "auprc")}
    return replace(row, estimates=own, thresholds=None)


def _thresholds(
    node: TableEvidence, cut: Cut, models: Sequence[tuple[Group, RowScores]]
) -> dict[str, list[float]] | None:
    """Thresholds of each model's seeds, chosen on its own scores of dev; {} where the cut-off itself is used."""
    if node.threshold == "cutoff":
        return {}
    limits = {}
    for group, row in models:
        runs = sorted(group.runs, key=lambda run: (run.seed, run.name))
        if any(run.folds for run in runs):
            return None
        dev = RunCollection(runs).row_scores(row.name, "dev")
        known = ~np.isnan(np.asarray(dev.label, float))
        positive = cut.positive(np.asarray(dev.label, float)[known])
        limits[row.name] = [choose_threshold(positive, score[known], node.threshold) for score in np.asarray(dev.score)]
    return limits


def _intervals(node: TableEvidence, found: ClassEvidence, cut: Cut, models: int, scale: str) -> Block:
    metrics = [metric for metric in _SHOWN if metric != "brier" or cut.probability]
    level = f"{100 * node.level:g} %"
    headings = ("Row", *(f"{_SHOWN[metric]} [{level}]" for metric in metrics))
    rows = []
    for name, row in found.rows.items():
        cells = [_cell(row, metric, found.withheld) for metric in metrics]
        rows.append((name, *cells))
    title = (
        f"Classification, positive: {describe_cut(cut, scale)}; {found.positive} people with a positive recording of "
        f"{node.split}, {found.negative} with another"
        + ("" if node.threshold == "cutoff" else f"; {THRESHOLDS[node.threshold]}")
    )
    data = {
        "cutoff": cut.score,
        "split": node.split,
        "binary": cut.probability,
        "rows": [_raw(row, found.withheld) for row in found.rows.values()],
    }
    return Block(title, headings, tuple(rows), models, data)


def _cell(row: ClassRow, metric: str, withheld: str | None) -> str:
    estimate = row.estimates.get(metric)
    if estimate is None:
        return DASH
    return withheld or with_interval(estimate, 2)


def _comparisons(
    node: TableEvidence,
    found: Sequence[ClassEvidence],
    cut: Cut,
    question: str,
    scale: str,
    subject: str,
    short: Mapping[str, str],
) -> Block:
    compared = [(name, row, part.withheld) for part in found for name, row in part.rows.items() if row.comparison]
    rows = []
    for name, row, withheld in compared:
        own = row.comparison
        assert own is not None
        gap = withheld or with_interval(own.differences.get("auroc"), 2, sign=True)
        rows.append((name, gap, p_text(own.p), p_text(own.p_holm), own.verdict))
    at = scale if cut.probability else f"{scale} ≥ {cut.score:g}"
    title = f"{question}: verdicts on AUROC at {at}, margin {node.margin_auroc:g}"
    headings = ("Row", "Difference in AUROC", "p", "p (Holm)", "Verdict on AUROC")
    data = {"cutoff": cut.score, "rows": [_raw(row, withheld) for _, row, withheld in compared]}
    sentence = None
    if cut.probability:
        positive, negative = found[0].positive, found[0].negative
        whom = f"{positive} people with a positive recording and {negative} with another"
        asked = Asked(
            question, subject, whom, min(positive, negative), node.min_people, node.margin_auroc, metric="auroc"
        )
        sentence = finding(asked, [(short[name], row.comparison) for name, row, _ in compared if row.comparison])
    return Block(title, headings, tuple(rows), len(rows), data, sentence)


def _raw(row: ClassRow, withheld: str | None) -> dict[str, Any]:
    """The numbers behind a line, for machines; None where they are withheld."""
    made: dict[str, Any] = {"row": row.name, "thresholds": row.thresholds}
    differences = row.comparison.differences if row.comparison else {}
    parts: dict[str, Mapping[str, Estimate | Difference]] = {"estimates": row.estimates, "differences": differences}
    for part, found in parts.items():
        made[part] = {
            metric: {
                "value": None if withheld else one.value,
                **({} if one.interval is None else {"low": one.interval.low, "high": one.interval.high}),
            }
            for metric, one in found.items()
        }
    if (own := row.comparison) is not None:
        made |= {name: getattr(own, name) for name in ("p", "p_holm", "p_equivalent", "p_equivalent_holm", "verdict")}
    return made
