"""Tests of an audit. People are the unit: all recordings of a person stay together in every permutation."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from lfnet.audit.finding import Test

__all__ = [
    "MIN_CLEAR",
    "MIN_CLEAR_SPLIT",
    "association",
    "auc",
    "auc_test",
    "intraclass",
    "permutation_p",
    "spearman_interval",
    "split_difference",
]

# Below this number of people a permutation test has too few permutations.
MIN_PEOPLE = 8
# Below this number of people a test that finds nothing tells nothing: at the default level, and with Holm's procedure
# over ten tests, 20 people must have a correlation of .71 to be flagged, and nine one of .92.
MIN_CLEAR = 20
# The same for the people of each split whose labels are compared.
MIN_CLEAR_SPLIT = 5
# Permutations after which a test with a p-value above _EARLY_P stops.
_EARLY, _EARLY_P = 499, 0.2
# Numbers in memory in one batch of permutations.
_BATCH = 2_000_000
# Numbers that all permutations of one test may take, 19,999 of 5,000 people: some seconds.
_WORK = 100_000_000


def permutation_p(
    draw: Callable[[int], np.ndarray], observed: float, resamples: int, width: int, power: int = 1
) -> float:
    """p-value of a permutation test: (1 + permuted statistics at or above the observed one) / (1 + permutations).

    Where the permutations would take more than `_WORK` numbers, fewer are drawn, and the p-value is the tail of a
    Pearson type III distribution with their mean, variance and skewness, at least 1 / (1 + resamples).

    Parameters
    ----------
    draw : callable
        n → n statistics under permutation.
    observed : float
        The statistic.
    resamples : int
        Permutations; a test whose p-value is large after the first 499 stops there.
    width : int
        Numbers that one permutation needs in memory.
    power : int
        Of the statistic that the distribution is fitted to: the square of a correlation is nearly gamma distributed.

    References
    ----------
    Winkler, Ridgway, Douaud, Nichols and Smith (2016), "Faster permutation inference in brain imaging", NeuroImage 141,
    section 2.5.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> permutation_p(lambda size: random.normal(size=size), 3.0, resamples=999, width=10)
    0.002
    """
    number = min(resamples, max(_EARLY, _WORK // max(1, width)))
    reached = done = 0
    drawn = []
    while done < number:
        wanted = _EARLY if done == 0 else number - done
        size = max(1, min(wanted, number - done, _BATCH // max(1, width)))
        drawn.append(draw(size))
        # Rounding must not put an equally extreme permutation below the observed statistic.
        reached += int((drawn[-1] >= observed - 1e-9 * max(1.0, abs(observed))).sum())
        done += size
        if done >= _EARLY and reached / done > _EARLY_P:
            return (1 + reached) / (1 + done)
    if number == resamples:
        return (1 + reached) / (1 + done)
    return max(_tail(np.concatenate(drawn) ** power, observed**power), 1 / (1 + resamples))


def _tail(drawn: np.ndarray, observed: float) -> float:
    """P(statistic ≥ observed) by a Pearson type III distribution with the moments of the drawn statistics."""
    return float(stats.pearson3(stats.skew(drawn), drawn.mean(), drawn.std()).sf(observed))


def spearman_interval(rho: float, n: int) -> tuple[float, float]:
    """95 % interval of a rank correlation of n pairs: Fisher's z with variance (1 + rho²/2)/(n − 3).

    Bonett and Wright (2000), Psychometrika 65, equation 4.
    """
    if n < 4:
        return -1.0, 1.0
    half = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    centre = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def association(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    people: np.ndarray,
    splits: np.ndarray,
    random: np.random.Generator,
    resamples: int,
) -> Test | None:
    """Test the association of x and y within splits, over people.

    x, y, people and splits have one entry per recording; pairs with a NaN are left out. Ranks are taken within each
    split, so that differences between splits cause no association, then averaged over each person's recordings. The
    estimate is the correlation of these averages; its p-value comes from permuting people. None where fewer than
    `MIN_PEOPLE` people are left, or x or y does not vary.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y, people, splits = x[known], y[known], people[known], splits[known]
    if not len(x):
        return None
    rank_x, rank_y = np.empty(len(x)), np.empty(len(x))
    for split in np.unique(splits):
        own = splits == split
        for values, ranks in ((x, rank_x), (y, rank_y)):
            ranks[own] = (stats.rankdata(values[own]) - (own.sum() + 1) / 2) / own.sum()
    _, person = np.unique(people, return_inverse=True)
    sizes = np.bincount(person)
    a, b = (np.bincount(person, ranks) / sizes for ranks in (rank_x, rank_y))
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    if len(sizes) < MIN_PEOPLE or not spread > 1e-12:
        return None
    rho = float(a @ b / spread)

    def draw(size: int) -> np.ndarray:
        shuffled = random.permuted(np.broadcast_to(b, (size, len(b))), axis=1)
        return np.abs(shuffled @ a / spread)

    p = permutation_p(draw, abs(rho), resamples, len(b), power=2)
    low, high = spearman_interval(rho, len(b))
    return Test(name, p, rho, low, high)


def split_difference(
    name: str,
    values: np.ndarray,
    people: np.ndarray,
    splits: np.ndarray,
    random: np.random.Generator,
    resamples: int,
) -> Test | None:
    """Test whether the splits differ in the mean of `values`.

    `values` [recordings, k] are ranks of labels (the statistic is then Kruskal and Wallis's H up to a factor), or one
    column per severity band (Pearson's chi²). The statistic is the squared difference of each split's mean from the
    overall mean, weighted by the split's size and divided by each column's variance (for bands: its share). Its p-value
    comes from permuting the values of people with equally many recordings, which is valid for people in several splits
    too. None where fewer than `MIN_PEOPLE` people are left or nothing varies.
    """
    values = values - values.mean(axis=0)
    if len(set(people)) < MIN_PEOPLE or len(set(splits)) < 2 or not np.abs(values).max() > 0:
        return None
    names, which = np.unique(splits, return_inverse=True)
    size_S = np.bincount(which)
    order = np.argsort(people, kind="stable")
    _, first, count = np.unique(people[order], return_index=True, return_counts=True)
    strata = []  # for each number of recordings c: values [people, c, k] and splits [people, c]
    for c in np.unique(count):
        rows = order[first[count == c][:, None] + np.arange(c)]
        strata.append((values[rows], which[rows]))

    def statistic(sums_BSk: np.ndarray) -> np.ndarray:
        return (sums_BSk**2 / size_S[:, None]).sum(axis=(1, 2))

    def sums(size: int, permuted: bool) -> np.ndarray:
        total = np.zeros((size, len(names), values.shape[1]))
        for own, split in strata:
            index = np.broadcast_to(np.arange(len(own)), (size, len(own)))
            moved = own[random.permuted(index, axis=1) if permuted else index]  # [B, people, c, k]
            for s in range(len(names)):
                total[:, s] += (moved * (split == s)[None, :, :, None]).sum(axis=(1, 2))
        return total

    observed = float(statistic(sums(1, False))[0])
    p = permutation_p(lambda size: statistic(sums(size, True)), observed, resamples, values.size)
    return Test(name, p)


def auc(same: np.ndarray, different: np.ndarray) -> float:
    """Probability that a pair of one person is more similar than a pair of two people; ties count half."""
    ordered = np.sort(different)
    below = np.searchsorted(ordered, same, "left") + np.searchsorted(ordered, same, "right")
    return float(below.mean() / (2 * len(ordered)))


def auc_test(name: str, similarity_RR: np.ndarray, people: np.ndarray) -> Test | None:
    """Verification AUC of recordings: similarities [R, R] of the same person vs different people.

    The interval is the delete-one-person jackknife on the logit (Efron and Tibshirani 1993, chapter 11), because pairs
    share people; at an AUC of 0 or 1, where that is undefined, Wilson's for the number of people with pairs. p is
    one-sided, from the interval's normal approximation. None where no person has two recordings or all recordings are
    of one person.
    """
    above = np.triu(np.ones(similarity_RR.shape, bool), 1)
    same_RR = people[:, None] == people[None, :]
    whose, counts = np.unique(people, return_counts=True)
    paired = whose[counts > 1]
    if not len(paired) or len(whose) < 3:
        return None
    value = auc(similarity_RR[above & same_RR], similarity_RR[above & ~same_RR])
    z = stats.norm.ppf(0.975)
    n = len(paired)
    if value in (0.0, 1.0) or n < 3:
        low, high = stats.binomtest(round(value * n), n).proportion_ci(method="wilson")
        return Test(name, float(stats.binomtest(round(value * n), n, alternative="greater").pvalue), value, low, high)
    left_out = []
    for person in whose:
        kept = people != person
        pairs = above & kept[:, None] & kept[None, :]
        if (pairs & same_RR).any():
            left_out.append(auc(similarity_RR[pairs & same_RR], similarity_RR[pairs & ~same_RR]))
    edge = 0.5 / (n + 1)
    logits = _logit(np.clip(left_out, edge / len(people), 1 - edge / len(people)))
    m = len(logits)
    error = float(np.sqrt((m - 1) / m * ((logits - logits.mean()) ** 2).sum()))
    centre = float(_logit(np.array(value)))
    low, high = (float(1 / (1 + np.exp(-(centre + sign * z * error)))) for sign in (-1, 1))
    p = float(stats.norm.sf(centre / error)) if error > 0 else float(value <= 0.5)
    return Test(name, p, value, low, high)


def intraclass(values: np.ndarray, groups: np.ndarray) -> tuple[float, float, float] | None:
    """Share of variance between groups, with its 95 % interval: ICC(1), one-way random effects.

    Shrout and Fleiss (1979); n0 for unequal group sizes as in Donner (1986). Groups of one count towards the variance
    between groups. None where no group has two members or nothing varies.
    """
    _, group = np.unique(groups, return_inverse=True)
    size = np.bincount(group).astype(float)
    k, n = len(size), len(values)
    if k < 2 or n == k:
        return None
    mean = np.bincount(group, values) / size
    between = float((size * (mean - values.mean()) ** 2).sum() / (k - 1))
    within = float(((values - mean[group]) ** 2).sum() / (n - k))
    n0 = (n - (size**2).sum() / n) / (k - 1)
    if within == 0:
        return (1.0, 1.0, 1.0) if between > 0 else None
    ratio = between / within
    low, high = (ratio / stats.f.ppf(q, k - 1, n - k) for q in (0.975, 0.025))
    estimate, low, high = ((f - 1) / (f + n0 - 1) for f in (ratio, low, high))
    return float(estimate), float(low), float(high)


def _logit(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))
