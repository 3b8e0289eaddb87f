"""Power analysis: the smallest detectable difference between two heads with n recordings, and the n for a claim.

How much the errors of two heads differ between people is measured on trained heads: heads that fail on the same people
are far easier to distinguish than independent ones. A test on P people has about the power of a t test with P − 1
degrees of freedom (so have sign flips), which the noncentral t distribution gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import Aligned
from lfnet.evaluation.resample import measure
from lfnet.evaluation.sufficient_statistics import score_sums

__all__ = [
    "Errors",
    "PairErrors",
    "correlation_difference_variance",
    "detectable",
    "needed",
    "needed_for_equivalence",
    "noncentrality",
    "pair_errors",
]

Floats = NDArray[np.float64]

_MIN = 6.0
_MAX = 1e12
_NORMAL = 1000.0  # degrees of freedom above which t is normal and its noncentral form only slow


@dataclass(frozen=True)
class PairErrors:
    """Errors of two trained models on the same recordings.

    Parameters
    ----------
    names : tuple of str
    mae, pcc : tuple of float
        Of each model.
    absolute, error, score : float
        Correlation over recordings of their |errors|, errors and scores.
    unit_mae, unit_pcc : float
        Variance (over people) of the difference in MAE or PCC, times the number of recordings.
    unit_mae_apart : float
        `unit_mae` if the |errors| of the two models were uncorrelated.
    """

    names: tuple[str, str]
    mae: tuple[float, float]
    pcc: tuple[float, float]
    absolute: float
    error: float
    score: float
    unit_mae: float
    unit_pcc: float
    unit_mae_apart: float


@dataclass(frozen=True)
class Errors:
    """Pairs of trained models; `people_share` is the number of people per recording."""

    pairs: tuple[PairErrors, ...]
    people_share: float

    def median(self, name: str) -> float:
        """Median over pairs of one field of `PairErrors`."""
        return float(np.median([getattr(pair, name) for pair in self.pairs]))

    def unit_mae_at(self, mae: tuple[float, float], apart: bool = False) -> float:
        """`unit_mae` for two heads with these MAE, scaled with their size; `apart`: for uncorrelated |errors|."""
        units = [pair.unit_mae_apart if apart else pair.unit_mae for pair in self.pairs]
        relative = [unit / (pair.mae[0] * pair.mae[1]) for unit, pair in zip(units, self.pairs, strict=True)]
        return float(np.median(relative)) * mae[0] * mae[1]

    def unit_pcc_at(self, pcc: tuple[float, float], apart: bool = False) -> float:
        """`unit_pcc` for two heads of these PCC: the closed form, times what clusters and tails made of it here.

        apart: scores that have nothing in common but the label.
        """
        excess = [pair.unit_pcc / correlation_difference_variance(*pair.pcc, pair.score) for pair in self.pairs]
        between = pcc[0] * pcc[1] if apart else self.median("score")
        return float(np.median(excess)) * correlation_difference_variance(*pcc, between)


def pair_errors(aligned: Aligned, pairs: Sequence[tuple[int, int]]) -> tuple[PairErrors, ...]:
    """Each pair of rows, each of their seeds' models with each: one `PairErrors` a pair of models.

    Pairs of models in which one has constant scores are left out: they have no correlation. Raises `LfnetError` below
    three people.
    """
    if len(aligned.people) < 3:
        raise LfnetError(f"{len(aligned.people)} people are too few to see how errors vary between people.")
    found = []
    for one, other in pairs:
        for first in aligned.score_RSN[one]:
            for second in aligned.score_RSN[other]:
                if np.ptp(first) > 1e-6 * np.abs(first).max() and np.ptp(second) > 1e-6 * np.abs(second).max():
                    found.append(_pair(aligned, (aligned.names[one], aligned.names[other]), first, second))
    return tuple(found)


def _pair(aligned: Aligned, names: tuple[str, str], first: Floats, second: Floats) -> PairErrors:
    y = aligned.label_N
    labels = aligned.labels(None)
    rows = [score_sums(aligned.person_N, y, score[None]) for score in (first, second)]
    measured = {metric: measure(metric, labels, rows, reference=1) for metric in ("mae", "pcc")}
    unit, value = {}, {}
    for metric, (own, gaps) in measured.items():
        gap = gaps[0]
        unit[metric] = float("nan") if gap is None else gap.people * len(y)
        value[metric] = (own[0].value, own[1].value)
    a, b = first - y, second - y
    sizes = np.abs(a), np.abs(b)
    apart = unit["mae"] * (sizes[0].var() + sizes[1].var()) / (sizes[0] - sizes[1]).var()
    return PairErrors(
        names,
        value["mae"],
        value["pcc"],
        float(np.corrcoef(*sizes)[0, 1]),
        float(np.corrcoef(a, b)[0, 1]),
        float(np.corrcoef(first, second)[0, 1]),
        unit["mae"],
        unit["pcc"],
        float(apart),
    )


def correlation_difference_variance(first: float, second: float, between: float) -> float:
    """Variance, times n, of the difference of two correlations with one label.

    For normal data (Olkin and Siotani 1976).

    Parameters
    ----------
    first, second : float
        Correlation of each score with the label.
    between : float
        Correlation of the two scores.
    """
    shared = between * (1 - first**2 - second**2) - 0.5 * first * second * (1 - first**2 - second**2 - between**2)
    return float((1 - first**2) ** 2 + (1 - second**2) ** 2 - 2 * shared)


def noncentrality(df: float, alpha: float, power: float) -> float:
    """Difference, in standard errors, that a two-sided t test at alpha detects with this power."""
    critical, normal = stats.t.isf(alpha / 2, df), stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
    if df > _NORMAL:
        return float(normal)

    def missing(shift: float) -> float:  # a significant result with the wrong sign does not count
        return float(stats.nct.sf(critical, df, shift) - power)

    return float(optimize.brentq(missing, 0.0, 2 * critical + 2 * normal))


def detectable(unit: float, recordings: float, people_share: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest difference that a test on this many recordings detects with this power.

    `unit` is that of `PairErrors`.

    Examples
    --------
    >>> round(detectable(unit=60.0, recordings=50, people_share=0.56), 1)
    3.2
    """
    df = max(recordings * people_share - 1, 1.0)
    return noncentrality(df, alpha, power) * float(np.sqrt(unit / recordings))


def needed(difference: float, unit: float, people_share: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Minimum number of recordings that detects this difference with this power; None beyond 10¹²."""
    return _minimum(lambda n: detectable(unit, n, people_share, alpha, power) - abs(difference))


def needed_for_equivalence(
    margin: float, unit: float, people_share: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Minimum number of recordings that shows two equal heads to be within the margin (two one-sided t tests)."""

    def lacking(recordings: float) -> float:
        df = max(recordings * people_share - 1, 1.0)
        distance = margin / np.sqrt(unit / recordings) - stats.t.isf(alpha, df)
        return float(power - (2 * stats.t.cdf(distance, df) - 1 if distance > 0 else 0.0))

    return _minimum(lacking)


def _minimum(lacking: Callable[[float], float]) -> int | None:
    """Smallest whole number at which a decreasing function is at most 0."""
    if lacking(_MAX) > 0:
        return None
    if lacking(_MIN) <= 0:
        return int(_MIN)
    root = optimize.brentq(lambda log: lacking(np.exp(log)), np.log(_MIN), np.log(_MAX), xtol=1e-12)
    return int(np.ceil(np.exp(root) - 1e-6))
