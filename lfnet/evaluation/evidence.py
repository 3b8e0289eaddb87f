"""Rows of scores become evidence: intervals, variance by its source, comparisons with a reference, and verdicts.

Two things can be estimated, and evidence says which it did:
- trained: how far *these trained models* err on new people. Only people are drawn; seeds stay as they are.
- architecture: how far *this architecture* errs, over people and over the seeds of training. Both are drawn. It needs
  five seeds or more of every row that has any.
The training recordings are the same throughout: what another training set would have brought is in neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from lfnet.errors import LfnetError
from lfnet.evaluation import compare
from lfnet.evaluation.aligned_scores import Aligned, RowScores, align
from lfnet.evaluation.compare import Verdict, verdict
from lfnet.evaluation.estimates import Difference, Estimate, Measured, Settings, measure_rows

__all__ = [
    "Comparison",
    "Difference",
    "Estimate",
    "Evidence",
    "RowEvidence",
    "RowScores",
    "Settings",
    "Subset",
    "evidence",
]

Estimand = Literal["trained", "architecture"]


@dataclass(frozen=True)
class Comparison:
    """A row beside the reference. Tested is MAE alone; the other metrics' differences describe.

    p: of no difference, by sign flips of people (trained) or resamples of seeds and people (architecture).
    p_equivalent: of a difference of the margin or more (TOST). Each with Holm's adjustment over the rows. effect:
    `compare.effect_size`; probability: `compare.probability_of_improvement`.
    """

    reference: str
    differences: Mapping[str, Difference]
    p: float | None
    p_holm: float | None
    p_equivalent: float | None
    p_equivalent_holm: float | None
    effect: float | None
    probability: float
    verdict: Verdict


@dataclass(frozen=True)
class Subset:
    """The metrics of a row on some of the people: those its training saw, or those it did not."""

    people: int
    recordings: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class RowEvidence:
    """All there is to say of a row. comparison: None for the reference; seen, unseen: None where there is nobody."""

    name: str
    seeds: int
    estimates: Mapping[str, Estimate]
    comparison: Comparison | None
    seen: Subset | None
    unseen: Subset | None


@dataclass(frozen=True)
class Evidence:
    """The evidence of rows on one set of recordings. notes: sentences that a reader must know."""

    estimand: Estimand
    reference: str | None
    people: int
    recordings: int
    settings: Settings
    rows: Mapping[str, RowEvidence]
    notes: tuple[str, ...]


def evidence(
    rows: Sequence[RowScores],
    reference: str | None = None,
    settings: Settings | None = None,
    constant: float | None = None,
) -> Evidence:
    """Intervals of each row's metrics and, where a row is named as reference, a verdict on each of the others.

    constant: the score for everybody that skill compares with (the training median); None: no skill. The same input
    gives the same numbers, whatever the order of recordings; a row's own interval does not depend on the other rows.
    Raises `LfnetError` for rows that cannot be compared, an unknown reference, an architecture with too few seeds.
    """
    settings = settings or Settings()
    aligned = align(rows)
    if reference is not None and reference not in aligned.names:
        raise LfnetError(f"the reference {reference!r} is no row. Choose one of {', '.join(aligned.names)}.")
    estimand, notes = _estimand(rows, settings)
    joint = estimand == "architecture"
    people, recordings = len(aligned.people), len(aligned.label_N)
    if people < settings.fewest_people:
        who = "1 person is" if people == 1 else f"{people} people are"
        notes.append(f"{who} too few for an interval (fewer than {settings.fewest_people}).")
    measured = measure_rows(aligned, constant, settings, joint, reference)
    compared = _compared(aligned, measured, reference, settings, joint)
    found = {}
    for number, row in enumerate(rows):
        seen = frozenset(row.trained_people) & set(aligned.people)
        unseen = frozenset(aligned.people) - seen
        found[row.name] = RowEvidence(
            row.name,
            len(aligned.score_RSN[number]),
            measured.estimates[number],
            compared.get(row.name),
            _subset(aligned, number, seen, constant, settings, joint),
            _subset(aligned, number, unseen, constant, settings, joint) if seen else None,
        )
    return Evidence(estimand, reference, people, recordings, settings, MappingProxyType(found), tuple(notes))


def _estimand(rows: Sequence[RowScores], settings: Settings) -> tuple[Estimand, list[str]]:
    seeded = {row.name: len(np.asarray(row.score)) for row in rows if not row.deterministic}
    short = {name: seeds for name, seeds in seeded.items() if seeds < settings.fewest_seeds}
    if settings.estimand == "trained" or not seeded:
        return "trained", []
    if not short:
        return "architecture", []
    name, seeds = min(short.items(), key=lambda item: item[1])
    if settings.estimand == "architecture":
        raise LfnetError(
            f"evidence.estimand=architecture needs {settings.fewest_seeds} seeds of every row, but {name} has {seeds}. "
            f"Train more (seed={','.join(map(str, range(settings.fewest_seeds)))}), or set evidence.estimand=trained."
        )
    several = f"{name} has {seeds}" if len(short) == 1 else f"{len(short)} rows have fewer"
    return "trained", [
        f"Verdicts are about these trained models, not about architectures: that needs {settings.fewest_seeds} seeds, "
        f"and {several}."
    ]


def _compared(
    aligned: Aligned, measured: Measured, reference: str | None, settings: Settings, joint: bool
) -> dict[str, Comparison]:
    if reference is None:
        return {}
    base = aligned.names.index(reference)
    others = [number for number in range(len(aligned.names)) if number != base]
    apart = {number: aligned.mean_errors(number) - aligned.mean_errors(base) for number in others}
    p: list[float | None] = []
    p_equivalent: list[float | None] = []
    for number in others:
        gap = measured.mae[number]
        if gap is None:
            p.append(None)
            p_equivalent.append(None)
            continue
        # A person's mean difference counts once for each recording, so that what is tested is the difference shown.
        flipped = (
            None if joint else compare.sign_flip_p(apart[number] * aligned.recordings, settings.flips, settings.seed)
        )
        p.append(compare.pivot_p(gap) if joint else flipped)
        p_equivalent.append(compare.equivalence_p(gap, settings.margin))
    adjusted, adjusted_equivalent = compare.holm(p), compare.holm(p_equivalent)
    found = {}
    for place, number in enumerate(others):
        differences = measured.differences[number]
        found[aligned.names[number]] = Comparison(
            reference,
            MappingProxyType(differences),
            p[place],
            adjusted[place],
            p_equivalent[place],
            adjusted_equivalent[place],
            compare.effect_size(apart[number]),
            compare.probability_of_improvement(apart[number]),
            verdict(differences["mae"].value or 0.0, adjusted[place], adjusted_equivalent[place], settings.alpha),
        )
    return found


def _subset(
    aligned: Aligned, row: int, people: frozenset[str], constant: float | None, settings: Settings, joint: bool
) -> Subset | None:
    part = aligned.only(people, row)
    if part is None:
        return None
    estimates = measure_rows(part, constant, settings, joint, None).estimates[0]
    return Subset(len(part.people), len(part.label_N), MappingProxyType(estimates))
