"""Estimates of each row's metrics: intervals, components of variance, and differences from a reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lfnet.config import Positive, settings
from lfnet.evaluation.aligned_scores import Aligned
from lfnet.evaluation.intervals import DIFFERENCES, METHODS, RESAMPLED, Interval, interval
from lfnet.evaluation.metrics import METRICS
from lfnet.evaluation.resample import Quantity, measure, people_weights, seed_shares
from lfnet.evaluation.sufficient_statistics import EVIDENCE_METRICS, Labels, Scores, influence, means

__all__ = [
    "CORRELATIONS",
    "Difference",
    "Estimate",
    "EvidenceSettings",
    "Measured",
    "estimate_text",
    "measure_rows",
    "ranks_backwards",
    "too_few",
]

# Withheld below `min_people` people: two recordings correlate by 1 or −1 whatever a model does.
CORRELATIONS = ("pcc", "ccc", "spearman")


@settings
class EvidenceSettings:
    """Settings of intervals and comparisons (`table.evidence`).

    Parameters
    ----------
    level : float
        Of intervals; 1 − α of tests.
    margin : float
        Difference in MAE, in points, below which two rows count as equivalent.
    margin_auroc : float
        Difference in AUROC (or in the quadratic kappa of bands) below which two rows count as equivalent.
    estimand : {"auto", "trained", "architecture", "training_sets"}
        Statements about these trained models (people are drawn), or about the architecture (people and seeds are
        drawn), or about the architecture trained on other people (training sets are drawn). "auto": training_sets where
        a cross-validation was repeated (10 folds or more in all), else architecture where every row has `min_seeds`
        seeds or more.
    resamples, flips : int
        Number of resamples of people, and of random sign flips of a test.
    min_people : int
        Below this number of people there are no intervals.
    min_seeds : int
        Below this number of seeds there are no statements about an architecture.
    seed : int
        Of the resamples and flips.

    Examples
    --------
    >>> from lfnet.config import read
    >>> read(EvidenceSettings, {"margin": 2}, "table.evidence").margin
    2.0
    >>> read(EvidenceSettings, {"margin": -1}, "table.evidence")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: table.evidence.margin=-1: give a number above 0.
    """

    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    margin: Positive = 1.0
    margin_auroc: Positive = 0.05
    estimand: Literal["auto", "trained", "architecture", "training_sets"] = "auto"
    resamples: Annotated[int, Field(ge=200)] = 10_000
    flips: Annotated[int, Field(ge=200)] = 10_000
    min_people: Annotated[int, Field(ge=3)] = 10
    min_seeds: Annotated[int, Field(ge=3)] = 5
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def alpha(self) -> float:
        """The level of tests, 1 − `level`."""
        return round(1 - self.level, 12)


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A metric's mean over seeds, with its interval and components of variance.

    Parameters
    ----------
    value : float or None
        None where the metric is undefined for every seed.
    interval : Interval or None
        None where there are too few people or the sample allows none.
    undefined : int
        Seeds for which the metric is undefined; they are left out.
    sd_seeds : float or None
        SD (ddof 1) over seeds, as tables show it.
    var_people, var_seeds : float or None
        Variance of `value` from drawing people, and from drawing seeds.
    sd_effect : float or None
        The part of `sd_seeds` that would remain on unlimited people; the rest comes from this sample of people.
    """

    value: float | None
    interval: Interval | None = None
    undefined: int = 0
    sd_seeds: float | None = None
    var_people: float | None = None
    var_seeds: float | None = None
    sd_effect: float | None = None


@dataclass(frozen=True)
class Difference:
    """A metric's difference from the reference (row − reference), with its interval and standard error."""

    value: float | None
    interval: Interval | None = None
    error: float | None = None


def ranks_backwards(estimates: Mapping[str, Estimate | None]) -> bool:
    """Whether the interval of PCC lies below 0: higher scores go with lower labels.

    Examples
    --------
    >>> ranks_backwards({"pcc": Estimate(-0.5, Interval(-0.7, -0.2, 0.95, "studentised"))})
    True
    """
    pcc = estimates.get("pcc")
    return pcc is not None and pcc.interval is not None and pcc.interval.high < 0


def too_few(people: int) -> str:
    """What stands in place of a number that so few people cannot carry."""
    return f"n = {people}: too few"


def estimate_text(found: Estimate | Difference | None, form: str, interval: bool = True) -> str:
    """Format a value and, if wanted, its interval, both by `form` such as ".2f": `5.31 [4.02, 6.60]`."""
    if found is None or found.value is None:
        return "undefined"
    ends = found.interval if interval else None
    return f"{found.value:{form}}" + ("" if ends is None else f" [{ends.low:{form}}, {ends.high:{form}}]")


@dataclass(frozen=True)
class Measured:
    """Estimates and differences of all rows.

    Parameters
    ----------
    estimates, differences : list of dict
        Metric → value, one dict a row.
    mae : list of Quantity or None
        The MAE differences with their resamples, for tests.
    """

    estimates: list[dict[str, Estimate]]
    differences: list[dict[str, Difference]]
    mae: list[Quantity | None]


def measure_rows(
    aligned: Aligned,
    constant: float | None,
    options: EvidenceSettings,
    joint: bool,
    reference: str | None,
    paired: bool = False,
) -> Measured:
    """Measure all rows on all metrics.

    Parameters
    ----------
    aligned : Aligned
        Rows on the same recordings.
    constant : float or None
        The constant score that skill compares with; None: no skill.
    options : EvidenceSettings
    joint : bool
        Whether seeds are drawn as well as people.
    reference : str or None
        The row that others are compared with.
    paired : bool
        Whether all rows have the same seeds in the same order.
    """
    labels = aligned.labels(constant)
    rows = [aligned.scores(number) for number in range(len(aligned.names))]
    enough = len(aligned.people) >= options.min_people
    weight_BP = people_weights(labels.people, options.resamples if enough else 0, options.seed)
    shares = None
    if joint:
        shares = [
            seed_shares("" if paired else name, row.seeds, len(weight_BP), options.seed)
            for name, row in zip(aligned.names, rows, strict=True)
        ]
    found = Measured([{} for _ in rows], [{} for _ in rows], [None] * len(rows))
    for metric in EVIDENCE_METRICS:
        if metric == "skill" and constant is None:
            continue
        values = [_seed_values(metric, aligned, number, constant) for number in range(len(rows))]
        defined = [np.isfinite(value_S) for value_S in values]
        if paired:
            defined = [np.logical_and.reduce(defined)] * len(rows)
        chosen = [number for number in range(len(rows)) if defined[number].any()]
        base = aligned.names.index(reference) if reference is not None else None
        needed = {METHODS[metric]} if base is None else {METHODS[metric], DIFFERENCES[metric]}
        quantities, gaps = measure(
            metric,
            labels,
            [rows[number].of(defined[number]) for number in chosen],
            weight_BP=weight_BP if needed & RESAMPLED else None,
            shares=None if shares is None else [_shares_of(shares[number], defined[number]) for number in chosen],
            reference=chosen.index(base) if base in chosen else None,
            paired=paired,
        )
        for number in range(len(rows)):
            found.estimates[number][metric] = Estimate(None, undefined=len(values[number]))
        for number, quantity, gap in zip(chosen, quantities, gaps, strict=True):
            value_S = values[number][defined[number]]
            kept = rows[number].of(defined[number])
            given = interval(quantity, METHODS[metric], options.level) if enough else None
            found.estimates[number][metric] = _estimate(
                metric, value_S, len(values[number]) - len(value_S), quantity, given, labels, kept
            )
            if gap is not None and base is not None:
                value = float(value_S.mean() - values[base][defined[base]].mean())
                given = interval(gap, DIFFERENCES[metric], options.level) if enough else None
                found.differences[number][metric] = Difference(value, given, gap.error if enough else None)
                if metric == "mae" and enough:
                    found.mae[number] = gap
    return found


def _shares_of(share_BS: Floats, defined: NDArray[np.bool_]) -> Floats:
    """Shares among the seeds that remain; a resample that drew none of them is undefined."""
    kept = share_BS[:, defined]
    total = kept.sum(axis=1, keepdims=True)
    return kept / np.where(total > 0, total, np.nan)


def _seed_values(metric: str, aligned: Aligned, row: int, constant: float | None) -> Floats:
    """The metric of each seed, [S]."""
    score_SN = aligned.score_RSN[row]
    if metric in METRICS:
        return METRICS[metric].function(aligned.label_N, score_SN)
    floor = np.nan if constant is None else np.abs(aligned.label_N - constant).mean()
    return 1 - METRICS["mae"].function(aligned.label_N, score_SN) / (floor if floor > 0 else np.nan)


def _estimate(
    metric: str,
    value_S: Floats,
    undefined: int,
    quantity: Quantity,
    given: Interval | None,
    labels: Labels,
    row: Scores,
) -> Estimate:
    people = quantity.people if np.isfinite(quantity.people) else None
    if len(value_S) < 2:
        return Estimate(float(value_S.mean()), given, undefined, var_people=people)
    variance = float(value_S.var(ddof=1))
    once = means(np.ones((1, labels.people)), labels, row)
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls_SP = np.concatenate([influence(metric, once, labels, row, one[None]) for one in np.eye(row.seeds)])
    disagreement = np.square(pulls_SP - pulls_SP.mean(axis=0)).sum() / (row.seeds - 1)
    disagreement *= labels.people / max(labels.people - 1, 1)
    effect = float(np.sqrt(max(0.0, variance - disagreement))) if np.isfinite(disagreement) else None
    sd = float(np.sqrt(variance))
    return Estimate(float(value_S.mean()), given, undefined, sd, people, variance / len(value_S), effect)
