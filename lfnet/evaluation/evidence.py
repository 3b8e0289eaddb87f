"""Evidence on rows of scores: intervals, variance by its source, comparisons with a reference, and verdicts.

There are three estimands, and every result names its own:

- trained: the error of *these trained models* on other people. Only people are drawn; seeds stay fixed.
- architecture: the error of *this architecture*, over people and over the seeds of training. Both are drawn, which
  needs `min_seeds` seeds of every row that has any.

People are drawn as those of this split were. They are *new people* only where none of them is in another split;
where somebody is, each row also has its metrics on the new people alone.

- training_sets: a difference between *two architectures trained on other people*, from repeats of a cross-validation
  by person. Training sets are drawn as well (`lfnet.evaluation.training_sets`); a row's own intervals stay those of the
  trained models.

For the first two the training recordings are the same throughout: they leave out the variance from drawing others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lfnet.errors import LfnetError
from lfnet.evaluation import compare
from lfnet.evaluation.aligned_scores import Aligned, RowScores, align
from lfnet.evaluation.compare import Verdict
from lfnet.evaluation.estimates import Difference, Estimate, EvidenceSettings, Measured, measure_rows, ranks_backwards
from lfnet.evaluation.resample import Quantity
from lfnet.evaluation.training_sets import FEWEST_SETS, corrected_resampled, over_people

__all__ = [
    "Comparison",
    "Difference",
    "Estimate",
    "Evidence",
    "EvidenceSettings",
    "RowEvidence",
    "RowScores",
    "Subset",
    "adjust_together",
    "compute_evidence",
]

Floats = NDArray[np.float64]
Estimand = Literal["trained", "architecture", "training_sets"]


@dataclass(frozen=True)
class Comparison:
    """A row compared with the reference. Only MAE is tested; the other differences are descriptive.

    Parameters
    ----------
    reference : str
        Name of the reference row.
    differences : mapping
        Metric → Difference.
    p, p_holm : float or None
        Of no difference in MAE, by sign flips of people (trained), resamples of seeds and people (architecture) or the
        corrected resampled t (training_sets); and with Holm's adjustment over the rows.
    p_equivalent, p_equivalent_holm : float or None
        Of a difference of the margin or more (two one-sided tests).
    effect : float or None
        `compare.effect_size`.
    probability : float
        `compare.probability_of_improvement`.
    verdict : str
        One of `compare.VERDICTS`.
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
    """Metrics of a row on some of the people: those in another split too, or the new ones."""

    people: int
    recordings: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class RowEvidence:
    """Evidence on one row.

    `comparison` is None for the reference; `shared` and `new` (people in another split too, or not) are None where
    no one is shared.
    """

    name: str
    seeds: int
    estimates: Mapping[str, Estimate]
    comparison: Comparison | None
    shared: Subset | None
    new: Subset | None


@dataclass(frozen=True)
class Evidence:
    """Evidence on rows of scores of the same recordings; `notes` are sentences that a reader must know.

    `shared` of the people are in another split too.
    """

    estimand: Estimand
    reference: str | None
    people: int
    recordings: int
    shared: int
    settings: EvidenceSettings
    rows: Mapping[str, RowEvidence]
    notes: tuple[str, ...]

    @property
    def whom(self) -> str:
        """Whom the intervals are about."""
        if not self.shared:
            return "new people"
        return f"people drawn as these, {self.shared} of {self.people} of whom are in another split too"


@threadpool_limits.wrap(1, user_api="blas")  # threads would wait for each other on a machine that others use
def compute_evidence(
    rows: Sequence[RowScores],
    reference: str | None = None,
    settings: EvidenceSettings | None = None,
    constant: float | None = None,
    paired: bool = False,
) -> Evidence:
    """Compute intervals of each row's metrics and, with a reference, a verdict on each of the other rows.

    Parameters
    ----------
    rows : sequence of RowScores
        Scores of the same recordings.
    reference : str, optional
        Name of the row that the others are compared with.
    settings : EvidenceSettings, optional
    constant : float, optional
        The constant score that skill compares with (the training median); without it there is no skill.
    paired : bool
        Whether all rows have the same seeds in the same order, as a model and its control do: seeds are then drawn
        together, so that what two runs of one seed have in common cancels.

    Returns
    -------
    Evidence
        The same input gives the same numbers, whatever the order of recordings; a row's own interval does not depend on
        the other rows.

    Raises
    ------
    LfnetError
        Rows that cannot be compared, an unknown reference, rows to pair with different numbers of seeds, or an
        architecture with too few seeds.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> people = [f"p{i}" for i in range(30)]
    >>> label = random.integers(0, 40, 30)
    >>> close, far = label + random.normal(0, 3, 30), label + random.normal(0, 9, 30)
    >>> rows = [RowScores("close", people, people, label, [close]), RowScores("far", people, people, label, [far])]
    >>> found = compute_evidence(rows, "far")
    >>> found.estimand, found.rows["close"].comparison.verdict
    ('trained', 'better')
    """
    settings = settings or EvidenceSettings()
    aligned = align(rows)
    if reference is not None and reference not in aligned.names:
        raise LfnetError(f"there is no row {reference!r} to compare with. Choose one of {', '.join(aligned.names)}.")
    if paired and len({len(score_SN) for score_SN in aligned.score_RSN}) > 1:
        raise LfnetError(f"{', '.join(aligned.names)} have different numbers of seeds and cannot be paired by seed.")
    estimand, notes = _estimand(rows, aligned, settings, reference)
    joint = estimand == "architecture"
    people, recordings = len(aligned.people), len(aligned.label_N)
    if people < settings.min_people:
        who = "1 person is" if people == 1 else f"{people} people are"
        notes.append(f"{who} too few for an interval (fewer than {settings.min_people}).")
    # Over training sets no difference is resampled.
    against = None if estimand == "training_sets" else reference
    measured = measure_rows(aligned, constant, settings, joint, against, paired)
    compared = {} if reference is None else _compared(aligned, measured, reference, settings, estimand)
    found = {}
    for number, row in enumerate(rows):
        shared = frozenset(row.shared_people) & set(aligned.people)
        new = frozenset(aligned.people) - shared
        found[row.name] = RowEvidence(
            row.name,
            len(aligned.score_RSN[number]),
            measured.estimates[number],
            compared.get(row.name),
            _subset(aligned, number, shared, constant, settings, joint),
            _subset(aligned, number, new, constant, settings, joint) if shared else None,
        )
    shared = frozenset().union(*(row.shared_people for row in rows)) & set(aligned.people)
    return Evidence(
        estimand, reference, people, recordings, len(shared), settings, MappingProxyType(found), tuple(notes)
    )


def adjust_together(comparisons: Sequence[Comparison], alpha: float) -> list[Comparison]:
    """Adjust the p-values of comparisons with different references as one family, and give each its verdict again.

    Parameters
    ----------
    comparisons : sequence of Comparison
    alpha : float
        The level of the tests.

    Returns
    -------
    list of Comparison

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> one = Comparison("b", {"mae": Difference(2.0)}, 0.03, 0.03, 0.9, 0.9, None, 0.2, "worse")
    >>> [(pair.p_holm, pair.verdict) for pair in adjust_together([one, one], alpha=0.05)]
    [(0.06, 'cannot tell'), (0.06, 'cannot tell')]
    """
    return compare.adjust(comparisons, lambda one: one.differences["mae"].value, alpha)


def _estimand(
    rows: Sequence[RowScores], aligned: Aligned, settings: EvidenceSettings, reference: str | None
) -> tuple[Estimand, list[str]]:
    if settings.estimand in ("auto", "training_sets"):
        repeated = _same_training_sets(aligned)
        if repeated:
            return ("trained" if reference is None else "training_sets"), []
        if settings.estimand == "training_sets":
            raise LfnetError(
                f"The estimand training_sets needs {FEWEST_SETS} training sets or more, the same ones for every row. "
                "Repeat a cross-validation by person: splits=grouped splits.fold=1,2,3,4,5 splits.seed=0,1,2."
            )
    seeded = {row.name: len(np.asarray(row.score)) for row in rows if not row.deterministic}
    short = {name: seeds for name, seeds in seeded.items() if seeds < settings.min_seeds}
    if settings.estimand == "trained" or not seeded:
        return "trained", []
    if not short:
        return "architecture", []
    name, seeds = min(short.items(), key=lambda item: item[1])
    if settings.estimand == "architecture":
        raise LfnetError(
            f"The estimand architecture needs {settings.min_seeds} seeds of every row, but {name} has {seeds}. "
            f"Train more (seed={','.join(map(str, range(settings.min_seeds)))}), or choose the estimand trained."
        )
    several = f"{name} has {seeds}" if len(short) == 1 else f"{len(short)} rows have fewer"
    return "trained", [
        f"Verdicts are about these trained models, not about architectures: that needs {settings.min_seeds} seeds, "
        f"and {several}."
    ]


_Tests = tuple[float | None, float | None]


def _tests(aligned: Aligned, gap: Quantity | None, apart_P: Floats, settings: EvidenceSettings, joint: bool) -> _Tests:
    """p-values of no difference in MAE from the reference, and of one of the margin or more."""
    if gap is None:
        return None, None
    equivalence = compare.equivalence_p(gap, settings.margin)
    if joint:
        return compare.pivot_p(gap), equivalence
    # Weighted by the number of recordings, so that the tested difference is the reported one.
    return compare.sign_flip_p(apart_P * aligned.recordings, settings.flips, settings.seed), equivalence


def _same_training_sets(aligned: Aligned) -> bool:
    """Whether all rows come from the same training sets, enough of them to measure how much these matter."""
    if not all(aligned.training_R):
        return False
    names = [aligned.over_training_sets(number)[0].tolist() for number in range(len(aligned.names))]
    return len(names[0]) >= FEWEST_SETS and all(own == names[0] for own in names)


def _over_training_sets(
    aligned: Aligned, measured: Measured, number: int, base: int, apart_P: Floats, settings: EvidenceSettings
) -> tuple[dict[str, Difference], _Tests]:
    """A row's differences from the reference, of which only MAE's has an interval over training sets; and its tests."""
    enough = len(aligned.people) >= settings.min_people
    _, reference_K, _ = aligned.over_training_sets(base)
    _, error_K, count_K = aligned.over_training_sets(number)
    ratio = aligned.training_R[number].ratio  # type: ignore[union-attr]
    apart = max(
        corrected_resampled(error_K - reference_K, count_K, ratio),
        over_people(apart_P, aligned.recordings),
        key=lambda found: found.error,
    )
    differences = {}
    for metric, own in measured.estimates[number].items():
        other = measured.estimates[base][metric]
        if own.value is not None and other.value is not None:
            interval = apart.interval(settings.level) if metric == "mae" and enough else None
            error = apart.error if interval is not None else None
            differences[metric] = Difference(own.value - other.value, interval, error)
    return differences, (apart.p(), apart.equivalence_p(settings.margin)) if enough else (None, None)


def _compared(
    aligned: Aligned, measured: Measured, reference: str, settings: EvidenceSettings, estimand: Estimand
) -> dict[str, Comparison]:
    base = aligned.names.index(reference)
    others = [number for number in range(len(aligned.names)) if number != base]
    apart = {number: aligned.mean_errors(number) - aligned.mean_errors(base) for number in others}
    found = []
    for number in others:
        if estimand == "training_sets":
            own, (p, p_equivalent) = _over_training_sets(aligned, measured, number, base, apart[number], settings)
        else:
            own = measured.differences[number]
            p, p_equivalent = _tests(aligned, measured.mae[number], apart[number], settings, estimand == "architecture")
        both_backwards = ranks_backwards(measured.estimates[number]) and ranks_backwards(measured.estimates[base])
        found.append(
            Comparison(
                reference,
                MappingProxyType(own),
                p,
                None,
                p_equivalent,
                None,
                compare.effect_size(apart[number]),
                compare.probability_of_improvement(apart[number]),
                "not compared" if both_backwards else "cannot tell",
            )
        )
    names = [aligned.names[number] for number in others]
    return dict(zip(names, adjust_together(found, settings.alpha), strict=True))


def _subset(
    aligned: Aligned, row: int, people: frozenset[str], constant: float | None, settings: EvidenceSettings, joint: bool
) -> Subset | None:
    part = aligned.only(people, row)
    if part is None:
        return None
    estimates = measure_rows(part, constant, settings, joint, None).estimates[0]
    return Subset(len(part.people), len(part.label_N), MappingProxyType(estimates))
