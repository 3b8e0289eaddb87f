"""Errors of rows by groups of people, and tests of differences between groups.

All statements are about these trained models: people are drawn, each with all recordings, and seeds are averaged.

Axes: P people, S seeds, N recordings, B permutations, C columns of sums.

References
----------
Janssen (1997), "Studentized permutation tests for non-i.i.d. hypotheses and the generalized Behrens-Fisher problem",
Statistics & Probability Letters 36. Chung and Romano (2013), "Exact and asymptotically robust permutation tests",
Annals of Statistics 41. Vovk, Lindsay, Nouretdinov and Gammerman (2003), "Mondrian confidence machine".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lfnet.evaluation import compare
from lfnet.evaluation.aligned_scores import Aligned, RowScores, align
from lfnet.evaluation.compare import Verdict
from lfnet.evaluation.conformal import calibration_rows, conformal_by_group, rank
from lfnet.evaluation.estimates import Difference, Estimate, EvidenceSettings
from lfnet.evaluation.groups import Grouping
from lfnet.evaluation.intervals import symmetric
from lfnet.evaluation.left_out import LeftOut, class_interval, leave_out_mean
from lfnet.evaluation.resample import Quantity, generator
from lfnet.evaluation.sufficient_statistics import SCALES
from lfnet.text import plural

__all__ = ["TESTED", "GroupDifference", "GroupEvidence", "GroupRow", "compute_group_evidence", "two_groups"]

Floats = NDArray[np.float64]

TESTED = ("mae", "bias")
_CHUNK = 1000  # permutations at a time
_MIN_SPREAD = 1e-12  # of scores, as a share of their square: below it they are a constant


@dataclass(frozen=True)
class GroupRow:
    """One row of scores on one group.

    Parameters
    ----------
    row, column, group : str
    people, recordings : int
        Labelled ones.
    estimates : mapping
        mae; bias, the mean of score − label; slope, of the regression of labels on scores, 1 where a point of the score
        is a point of the label; and coverage, the share of the group's new people whose label is in the conformal
        interval of all other new people, None where these are too few for the level.
    half_width : float or None
        Of the conformal interval of this group alone, in points; None where its people are too few for the level.
    """

    row: str
    column: str
    group: str
    people: int
    recordings: int
    estimates: Mapping[str, Estimate]
    half_width: float | None


@dataclass(frozen=True)
class GroupDifference:
    """A metric's difference between two groups, the first minus the second, of one row.

    p_equivalent: of a difference of the margin or more. p_holm, p_equivalent_holm and the verdict follow from all
    differences that were asked together; "better" and "worse" mean that the first group's value is lower or higher.
    """

    row: str
    column: str
    groups: tuple[str, str]
    metric: str
    difference: Difference
    p: float | None
    p_equivalent: float | None
    p_holm: float | None = None
    p_equivalent_holm: float | None = None
    verdict: Verdict = "cannot tell"


@dataclass(frozen=True)
class GroupEvidence:
    """Groups of rows and differences between groups; `notes` are sentences that a reader must know.

    half_widths: row → half-width in points of the conformal interval at `coverage` that all groups share, where there
    are enough people.
    """

    rows: tuple[GroupRow, ...]
    differences: tuple[GroupDifference, ...]
    half_widths: Mapping[str, float]
    coverage: float
    notes: tuple[str, ...]


def compute_group_evidence(
    rows: Sequence[RowScores],
    groupings: Sequence[Grouping],
    settings: EvidenceSettings | None = None,
    coverage: float = 0.9,
) -> GroupEvidence:
    """Measure each row on each group, and test the differences between groups.

    Groups of fewer than `min_people` people are left out. MAE and bias are tested for each pair of groups, by a
    studentised permutation of people, with Holm's adjustment over rows, columns, pairs and both metrics.

    Parameters
    ----------
    rows : sequence of RowScores
        Scores of the same recordings.
    groupings : sequence of Grouping
    settings : EvidenceSettings, optional
        level, margin, flips (the number of permutations), min_people and seed are used.
    coverage : float
        Level of the conformal intervals.

    Returns
    -------
    GroupEvidence

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> people = [f"p{i}" for i in range(80)]
    >>> sex = Grouping("sex", {person: "fm"[i % 2] for i, person in enumerate(people)}, ("f", "m"))
    >>> label = random.integers(0, 40, 80)
    >>> score = label + random.normal(0, 3, 80) - 5 * (np.arange(80) % 2)
    >>> found = compute_group_evidence([RowScores("head", people, people, label, [score])], [sex])
    >>> [(row.group, row.people, round(row.estimates["bias"].value, 1)) for row in found.rows]
    [('f', 40, 0.4), ('m', 40, -4.5)]
    >>> [(one.metric, one.verdict) for one in found.differences]
    [('mae', 'better'), ('bias', 'worse')]
    """
    settings = settings or EvidenceSettings()
    aligned = align(rows)
    drawn = [_one_recording_each(rows[0], row.shared_people) for row in rows]
    made: list[GroupRow] = []
    differences: list[GroupDifference] = []
    notes: list[str] = []
    widths = {}
    for number, row in enumerate(rows):
        everyone = np.full(len(aligned.people), "all", dtype=object)
        if common := _half_widths(aligned, number, drawn[number], everyone, coverage):
            widths[row.name] = common["all"]
    for grouping in groupings:
        group_P = np.array([grouping.group_of.get(person, "") for person in aligned.people], dtype=object)
        notes += grouping.notes
        sizes = {name: int((group_P == name).sum()) for name in grouping.names}
        shown = [name for name, size in sizes.items() if size >= settings.min_people]
        if small := sum(0 < size < settings.min_people for size in sizes.values()):
            few = f"{plural(small, 'group')} of fewer than {settings.min_people} people"
            notes.append(f"{grouping.column}: {few} not shown.")
        for number in range(len(rows)):
            own = _half_widths(aligned, number, drawn[number], group_P, coverage)
            made += [
                _measured(
                    aligned, number, grouping.column, name, group_P == name, drawn[number], own, coverage, settings
                )
                for name in shown
            ]
        for pair in combinations(shown, 2):
            differences += _differences(aligned, grouping.column, pair, group_P, settings)
    adjusted = compare.adjust(differences, lambda one: one.difference.value, settings.alpha)
    return GroupEvidence(tuple(made), tuple(adjusted), MappingProxyType(widths), coverage, tuple(dict.fromkeys(notes)))


def two_groups(
    sum_PC: Floats, count_P: Floats, first_P: NDArray[np.bool_], permutations: int, seed: int
) -> list[Quantity]:
    """Compare two groups of people by the mean over recordings of C numbers, each studentised under permutation.

    Parameters
    ----------
    sum_PC : ndarray
        Sum of each number over a person's recordings.
    count_P : ndarray
        Recordings of each person.
    first_P : ndarray of bool
        Who is in the first group; all others are in the second.
    permutations : int
    seed : int

    Returns
    -------
    list of Quantity
        The first group's mean minus the second's, with the studentised differences of permuted people as pivots, for
        `compare.pivot_p` and `intervals.symmetric`.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> first = np.arange(40) < 20
    >>> (apart,) = two_groups((random.normal(size=40) + 2.0 * first)[:, None], np.ones(40), first, 1000, seed=0)
    >>> round(apart.value, 1), compare.pivot_p(apart)
    (1.8, 0.001)
    """
    random = generator(seed, "groups")
    observed_C, error_C = (part[0] for part in _studentised(sum_PC, count_P, first_P[None].astype(np.float64)))
    pivots = []
    for start in range(0, permutations - 1, _CHUNK):
        size = min(_CHUNK, permutations - 1 - start)
        member_BP = random.permuted(np.tile(first_P, (size, 1)), axis=1).astype(np.float64)
        apart_BC, errors_BC = _studentised(sum_PC, count_P, member_BP)
        with np.errstate(divide="ignore", invalid="ignore"):
            pivots.append(apart_BC / errors_BC)
    pivot_BC = np.concatenate(pivots) if pivots else np.empty((0, sum_PC.shape[1]))
    none = np.empty(0)
    return [
        Quantity(float(value), float(error) ** 2, 0.0, 1, SCALES["difference"], none, none, pivot_B)
        for value, error, pivot_B in zip(observed_C, error_C, pivot_BC.T, strict=True)
    ]


def _studentised(sum_PC: Floats, count_P: Floats, member_BP: Floats) -> tuple[Floats, Floats]:
    """Differences of the two groups' means over recordings and their standard errors over people, each [B, C]."""
    people, columns = sum_PC.shape
    kinds_PK = np.concatenate(
        [sum_PC, sum_PC**2, sum_PC * count_P[:, None], np.stack([count_P, count_P**2, np.ones(people)], axis=1)], axis=1
    )
    first_BK = member_BP @ kinds_PK
    means, variances = [], []
    for part_BK in (first_BK, kinds_PK.sum(axis=0) - first_BK):
        sums, squares, products = (part_BK[:, place * columns : (place + 1) * columns] for place in range(3))
        count, count_squares, size = (part_BK[:, 3 * columns + place, None] for place in range(3))
        mean = sums / count
        spread = np.maximum(squares - 2 * mean * products + mean**2 * count_squares, 0.0)
        means.append(mean)
        variances.append(size / np.maximum(size - 1, 1) * spread / count**2)
    return means[0] - means[1], np.sqrt(variances[0] + variances[1])


def _differences(
    aligned: Aligned, column: str, pair: tuple[str, str], group_P: NDArray[np.object_], settings: EvidenceSettings
) -> list[GroupDifference]:
    chosen_P = np.isin(group_P, pair)
    sums = []
    for score_SN in aligned.score_RSN:
        error_SN = score_SN - aligned.label_N
        for values_N in (np.abs(error_SN).mean(axis=0), error_SN.mean(axis=0)):  # as TESTED
            sums.append(np.bincount(aligned.person_N, values_N).astype(np.float64))
    first_P = (group_P == pair[0])[chosen_P]
    found = two_groups(
        np.stack(sums, axis=1)[chosen_P], aligned.recordings[chosen_P], first_P, settings.flips, settings.seed
    )
    named = [(name, metric) for name in aligned.names for metric in TESTED]
    return [
        GroupDifference(
            name,
            column,
            pair,
            metric,
            Difference(one.value, symmetric(one, settings.level) if one.error > 0 else None),
            compare.pivot_p(one),
            compare.equivalence_p(one, settings.margin),
        )
        for (name, metric), one in zip(named, found, strict=True)
    ]


def _measured(
    aligned: Aligned,
    number: int,
    column: str,
    name: str,
    inside_P: NDArray[np.bool_],
    drawn: NDArray[np.intp],
    own: Mapping[str, float],
    coverage: float,
    settings: EvidenceSettings,
) -> GroupRow:
    inside_N = inside_P[aligned.person_N]
    person_N = np.unique(aligned.person_N[inside_N], return_inverse=True)[1]
    label_N, score_SN = aligned.label_N[inside_N], aligned.score_RSN[number][:, inside_N]
    people = int(inside_P.sum())
    error_SN = score_SN - label_N
    found = {
        "mae": leave_out_mean("mae", np.abs(error_SN), person_N, people),
        "bias": leave_out_mean("bias", error_SN, person_N, people),
        "slope": _left_out_slope(label_N, score_SN, person_N, people),
    }
    covered_SM = _covered(_errors(aligned, number, drawn), coverage)
    members = inside_P[aligned.person_N[drawn]]
    if covered_SM is not None and members.sum() >= settings.min_people:
        covered = covered_SM[:, members].astype(np.float64)
        count = covered.shape[1]
        found["coverage"] = leave_out_mean("coverage", covered, np.arange(count), count)
    return GroupRow(
        aligned.names[number],
        column,
        name,
        people,
        int(inside_N.sum()),
        MappingProxyType({metric: _estimate(one, settings.level) for metric, one in found.items()}),
        own.get(name),
    )


def _estimate(found: LeftOut, level: float) -> Estimate:
    if not np.isfinite(found.value_S).all():
        return Estimate(None, undefined=int((~np.isfinite(found.value_S)).sum()))
    quantity = found.quantity(joint=False)
    return Estimate(quantity.value, class_interval(found, False, level), var_people=quantity.people)


def _left_out_slope(label_N: Floats, score_SN: Floats, person_N: NDArray[np.intp], people: int) -> LeftOut:
    values, left = [], []
    y_N = label_N - label_N.mean()
    for score_N in score_SN:
        s_N = score_N - score_N.mean()
        kinds = [np.ones_like(y_N), y_N, s_N, s_N * y_N, s_N * s_N]
        sums_KP = np.stack([np.bincount(person_N, kind, people) for kind in kinds])
        whole_K = sums_KP.sum(axis=1)
        small = _MIN_SPREAD * float(np.max(score_N**2, initial=0.0))
        values.append(_slope(whole_K, small))
        left.append(_slope(whole_K[:, None] - sums_KP, small))
    return LeftOut("slope", np.array(values, float), np.stack(left), people)


def _slope(sums: Floats, small: float) -> Floats:
    """Covariance of score and label over the variance of scores, from sums of 1, y, s, sy and ss."""
    n, y, s, sy, ss = sums
    variance = ss / n - (s / n) ** 2
    return (sy / n - y * s / n**2) / np.where(variance > small, variance, np.nan)


def _one_recording_each(row: RowScores, excluded: frozenset[str]) -> NDArray[np.intp]:
    """Places among the labelled recordings, in order of their ids, of one recording of each new person."""
    frame = pd.DataFrame(
        {
            "recording_id": np.asarray(row.recording_id, dtype=str),
            "person_id": np.asarray(row.person_id, dtype=str),
            "label": np.asarray(row.label, dtype=np.float64),
        }
    )
    known = frame[frame["label"].notna()].sort_values("recording_id", kind="stable").reset_index(drop=True)
    return calibration_rows(known.assign(place=np.arange(len(known))), excluded)["place"].to_numpy(np.intp)


def _errors(aligned: Aligned, number: int, drawn: NDArray[np.intp]) -> Floats:
    """|error| of the drawn recordings, [S, M]."""
    return np.abs(aligned.score_RSN[number] - aligned.label_N)[:, drawn]


def _half_widths(
    aligned: Aligned, number: int, drawn: NDArray[np.intp], group_P: NDArray[np.object_], coverage: float
) -> dict[str, float]:
    """Half-width of each group's own conformal interval, mean over seeds, where its people are enough."""
    group_M = group_P[aligned.person_N[drawn]]
    seeds = [conformal_by_group(errors_M, group_M, coverage) for errors_M in _errors(aligned, number, drawn)]
    return {name: float(np.mean([found[name].half_width for found in seeds])) for name in seeds[0]}


def _covered(errors_SM: Floats, coverage: float) -> NDArray[np.bool_] | None:
    """Whether each error is in the interval that is calibrated on all other people; None where they are too few.

    The k-th smallest error of the others is an error's own or larger exactly where it is among the k smallest of all.
    """
    k = rank(errors_SM.shape[1] - 1, coverage)
    if not 0 < k < errors_SM.shape[1]:
        return None
    return errors_SM <= np.sort(errors_SM, axis=1)[:, k - 1 : k]
