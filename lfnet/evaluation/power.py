"""What could n recordings show? The smallest difference between two heads that would be found, and the n for a claim.

How much two heads' errors differ from person to person is taken from trained heads, not assumed: heads that fail on the
same people are far easier to tell apart than independent ones. A test on P people is near enough a t test with P − 1
degrees of freedom (sign flips have its power), so that its power is the noncentral t distribution's.
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

_FEWEST = 6.0
_MOST = 1e12
_NORMAL = 1000.0  # degrees of freedom above which t is normal and its noncentral form only slow


@dataclass(frozen=True)
class PairErrors:
    """Two trained models on the same recordings.

    mae, pcc: of each. absolute, error, score: correlation over recordings of their |errors|, errors and scores.
    unit_mae, unit_pcc: variance of the difference in MAE, in PCC, times the number of recordings, by person.
    unit_mae_apart: what unit_mae would be, were the |errors| of the two uncorrelated.
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
    """Pairs of trained models, and what their recordings are. people_share: people per recording."""

    pairs: tuple[PairErrors, ...]
    people_share: float

    def median(self, name: str) -> float:
        """The median over pairs of one of `PairErrors`' numbers."""
        return float(np.median([getattr(pair, name) for pair in self.pairs]))

    def unit_mae_at(self, mae: tuple[float, float], apart: bool = False) -> float:
        """`unit_mae` for two heads of these MAE: the spread of errors grows with their size. apart: uncorrelated."""
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
    """n × the variance of the difference of two correlations with one label (Olkin & Siotani 1976; normal data).

    first, second: each score's correlation with the label; between: the scores' with each other.
    """
    shared = between * (1 - first**2 - second**2) - 0.5 * first * second * (1 - first**2 - second**2 - between**2)
    return float((1 - first**2) ** 2 + (1 - second**2) ** 2 - 2 * shared)


def noncentrality(df: float, alpha: float, power: float) -> float:
    """How many standard errors a difference must have for a two-sided t test at alpha to find it with this power."""
    critical, normal = stats.t.isf(alpha / 2, df), stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
    if df > _NORMAL:
        return float(normal)

    def missing(shift: float) -> float:  # to find it with the wrong sign is not to find it
        return float(stats.nct.sf(critical, df, shift) - power)

    return float(optimize.brentq(missing, 0.0, 2 * critical + 2 * normal))


def detectable(unit: float, recordings: float, people_share: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest difference that a test on this many recordings finds with this power. unit: as in `PairErrors`."""
    df = max(recordings * people_share - 1, 1.0)
    return noncentrality(df, alpha, power) * float(np.sqrt(unit / recordings))


def needed(difference: float, unit: float, people_share: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """The fewest recordings with which this difference is found with this power; None for none (beyond 10¹²)."""
    return _fewest(lambda n: detectable(unit, n, people_share, alpha, power) - abs(difference))


def needed_for_equivalence(
    margin: float, unit: float, people_share: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """The fewest recordings with which two equal heads are shown to be within the margin (two one-sided t tests)."""

    def lacking(recordings: float) -> float:
        df = max(recordings * people_share - 1, 1.0)
        room = margin / np.sqrt(unit / recordings) - stats.t.isf(alpha, df)
        return float(power - (2 * stats.t.cdf(room, df) - 1 if room > 0 else 0.0))

    return _fewest(lacking)


def _fewest(lacking: Callable[[float], float]) -> int | None:
    """The smallest whole number at which a falling function is no longer above 0."""
    if lacking(_MOST) > 0:
        return None
    if lacking(_FEWEST) <= 0:
        return int(_FEWEST)
    root = optimize.brentq(lambda log: lacking(np.exp(log)), np.log(_FEWEST), np.log(_MOST), xtol=1e-12)
    return int(np.ceil(np.exp(root) - 1e-6))
