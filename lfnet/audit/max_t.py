"""Test many numbers against label and split at once: Westfall and Young's step-down maximum over one permutation."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

__all__ = ["centred", "one_hot", "orthonormal_basis", "step_down"]

# Numbers in memory in one batch of permutations, and those that all permutations of an audit may take.
_BATCH, _WORK, _MIN_PERMUTATIONS = 4_000_000, 500_000_000, 999


def centred(values: np.ndarray) -> np.ndarray:
    """Ranks of the finite values about their mean, 0 for unknown ones: a column [n, 1] for `step_down`.

    Examples
    --------
    >>> centred(np.array([30.0, np.nan, 25.0])).ravel().tolist()
    [0.5, 0.0, -0.5]
    """
    known = np.isfinite(values)
    ranks = np.zeros(len(values))
    ranks[known] = stats.rankdata(values[known])
    ranks[known] -= ranks[known].mean() if known.any() else 0.0
    return ranks[:, None]


def one_hot(values: np.ndarray) -> np.ndarray:
    """Indicators of the values about their means, [n, levels]; rows of unknown values ("") are 0.

    Examples
    --------
    >>> one_hot(np.array(["a", "b", ""])).tolist()
    [[0.5, -0.5], [-0.5, 0.5], [0.0, 0.0]]
    """
    known = values != ""
    columns = (values[:, None] == np.unique(values[known])[None, :]).astype(float)
    columns[known] -= columns[known].mean(axis=0)
    columns[~known] = 0
    return columns


def step_down(
    numbers: Mapping[str, np.ndarray],
    responses: Mapping[str, np.ndarray],
    people: np.ndarray,
    random: np.random.Generator,
    resamples: int,
    left_out: frozenset[tuple[str, str]] = frozenset(),
) -> dict[tuple[str, str], tuple[float, float]]:
    """Test each number against each response; the chance that any test errs is that of its adjusted p-value.

    The statistic is the share of a response that a number explains (R², for several columns Pillai's trace), n times
    which is nearly chi², on its normal scale, so that numbers of different degrees of freedom are comparable. Labels
    and splits of a person stay together: they are exchanged between people with equally many recordings, and among the
    recordings of one person. One permutation serves all tests.

    Parameters
    ----------
    numbers, responses : mapping of str to ndarray, shape [n, k]
        Columns about their mean, one row a recording.
    people : ndarray, shape [n]
        The person of each recording.
    random : Generator
    resamples : int
        Permutations; fewer for cohorts of many thousand recordings.
    left_out : frozenset of (str, str)
        Pairs of number and response that are not tested.

    Returns
    -------
    dict
        (number, response) → p and adjusted p. A pair of which one side does not vary has none.

    References
    ----------
    Westfall and Young (1993), "Resampling-based multiple testing", algorithm 2.8. Wilson and Hilferty (1931), "The
    distribution of chi-square", PNAS 17.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> y = random.normal(size=40)
    >>> numbers = {"fps": centred(y > 0), "noise": centred(random.normal(size=40))}
    >>> found = step_down(numbers, {"label": centred(y)}, np.arange(40), random, 999)
    >>> [bool(adjusted <= 0.05) for _, adjusted in found.values()]
    [True, False]
    """
    bases = {name: basis for name, columns in numbers.items() if (basis := orthonormal_basis(columns)).shape[1]}
    against = {name: basis for name, columns in responses.items() if (basis := orthonormal_basis(columns)).shape[1]}
    pairs = [(number, response) for response in against for number in bases if (number, response) not in left_out]
    if not pairs:
        return {}
    x_NK, y_NM = np.hstack([*bases.values()]), np.hstack([*against.values()])
    of_number, of_response = _spans(bases), _spans(against)
    degrees = np.array([bases[number].shape[1] * against[response].shape[1] for number, response in pairs], float)

    def statistics(order_BN: np.ndarray) -> np.ndarray:
        """[B, pairs]"""
        squares_BMK = (y_NM[order_BN].transpose(0, 2, 1) @ x_NK) ** 2
        shares = [squares_BMK[:, of_response[r], of_number[n]].sum(axis=(1, 2)) for n, r in pairs]
        # Wilson and Hilferty's normal approximation of chi², in a tenth of the time of its distribution function.
        spread = 2 / (9 * degrees)
        return (np.cbrt(len(people) * np.stack(shares, axis=1) / degrees) - 1 + spread) / np.sqrt(spread)

    observed = statistics(np.arange(len(people))[None])[0]
    count = min(resamples, max(_MIN_PERMUTATIONS, _WORK // x_NK.size))
    size = max(1, _BATCH // (len(people) * max(x_NK.shape[1], y_NM.shape[1])))
    falling = np.argsort(-observed, kind="stable")
    reached, reached_together = np.zeros(len(pairs)), np.zeros(len(pairs))
    # Rounding must not put an equally extreme permutation below the observed statistic.
    bar = observed - 1e-9 * np.maximum(1, np.abs(observed))
    for done in range(0, count, size):
        drawn = statistics(_orders(people, min(size, count - done), random))
        reached += (drawn >= bar).sum(axis=0)
        # The largest of all statistics that are no larger than the pair's own.
        largest = np.maximum.accumulate(drawn[:, falling[::-1]], axis=1)[:, ::-1]
        reached_together[falling] += (largest >= bar[falling]).sum(axis=0)
    p, together = (1 + reached) / (1 + count), (1 + reached_together) / (1 + count)
    together[falling] = np.maximum.accumulate(together[falling])
    return {pair: (float(p[i]), float(together[i])) for i, pair in enumerate(pairs)}


def orthonormal_basis(columns: np.ndarray) -> np.ndarray:
    """Compute an orthonormal basis of the columns, [n, rank].

    Examples
    --------
    >>> orthonormal_basis(np.array([[3.0, 6.0], [4.0, 8.0]])).shape
    (2, 1)
    """
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, singular > 1e-9 * max(1.0, singular.max(initial=0.0))])


def _spans(bases: Mapping[str, np.ndarray]) -> dict[str, slice]:
    ends = np.cumsum([basis.shape[1] for basis in bases.values()]).tolist()
    return {name: slice(end - basis.shape[1], end) for (name, basis), end in zip(bases.items(), ends, strict=True)}


def _orders(people: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """Draw permutations of recordings, int [size, n]: row i gets the label and split of row order[i]."""
    order_BN = np.empty((size, len(people)), np.int64)
    by_person = np.argsort(people, kind="stable")
    _, first, count = np.unique(people[by_person], return_index=True, return_counts=True)
    for c in np.unique(count):
        own_PC = by_person[first[count == c][:, None] + np.arange(c)]
        index_BP = random.permuted(np.broadcast_to(np.arange(len(own_PC)), (size, len(own_PC))), axis=1)
        taken_BPC = own_PC[index_BP]
        order_BN[:, own_PC.ravel()] = (
            random.permuted(taken_BPC, axis=2).reshape(size, -1) if c > 1 else taken_BPC[..., 0]
        )
    return order_BN
