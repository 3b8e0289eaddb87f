"""Pooling of window scores to a clip and to a recording: mean, maximum, log-sum-exp, gated attention.

The label belongs to the recording, a head scores windows: a recording is a bag of windows (multiple-instance learning).
`conf/pooling/*.yaml` names a pooling by its `_target_`. Training, prediction and the exported model call the same code:
it takes torch tensors and NumPy arrays, and imports no torch. The noisy-and is in `lfnet.evaluation.noisy_and`.

Windows are pooled to clips and clips to the recording, as `protocol.aggregate` does with means, so that each clip has
the same weight. Every pooling gives the same score as if the recording's windows were pooled at once, each with
the weight 1 / (clips · windows of its clip).

Axes in names: N windows or clips, G groups (their clips or recordings).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from lfnet.config import Count, Positive, instantiate, settings
from lfnet.errors import LfnetError

__all__ = [
    "Gated",
    "Groups",
    "LogSumExp",
    "Max",
    "Mean",
    "Pooling",
    "pool",
    "pool_members",
    "read_pooling",
    "to_points",
]

Array = Any  # numpy.ndarray or torch.Tensor


class Groups:
    """The group of each of N values; sums and maxima of a group.

    Parameters
    ----------
    group_N : array of int
        From 0 to count − 1; each group has a value.
    count : int
        Number of groups, G.

    Examples
    --------
    >>> groups = Groups(np.array([0, 1, 0]), 2)
    >>> groups.mean(np.array([1.0, 5.0, 3.0])).tolist(), groups.highest(np.array([1.0, 5.0, 3.0])).tolist()
    ([2.0, 5.0], [3.0, 5.0])
    """

    def __init__(self, group_N: Array, count: int) -> None:
        self.group_N, self.count = group_N, count

    def total(self, values_N: Array) -> Array:
        """Return the sum of each group [G]."""
        if isinstance(values_N, np.ndarray):
            return np.bincount(self.group_N, values_N, self.count)
        return values_N.new_zeros(self.count).index_add(0, self.group_N, values_N)

    def mean(self, values_N: Array) -> Array:
        """Return the mean of each group [G]."""
        if isinstance(values_N, np.ndarray):
            return self.total(values_N) / np.bincount(self.group_N, minlength=self.count)
        return self.total(values_N) / self.group_N.bincount(minlength=self.count)

    def highest(self, values_N: Array) -> Array:
        """Return the maximum of each group [G]."""
        if isinstance(values_N, np.ndarray):
            highest_G = np.full(self.count, -np.inf)
            np.maximum.at(highest_G, self.group_N, values_N)
            return highest_G
        empty_G = values_N.new_full((self.count,), float("-inf"))
        return empty_G.scatter_reduce(0, self.group_N, values_N, "amax")


@settings
class Pooling:
    """What poolings have in common.

    Parameters
    ----------
    recordings : int
        Recordings in a training step, each with all its drawn windows.
    """

    recordings: Count = 8

    attends: ClassVar[bool] = False  # whether the head also returns the logarithm of each window's weight

    def join(self, score_N: Array, log_weight_N: Array | None, groups: Groups) -> tuple[Array, Array | None]:
        """Return the groups' scores [G] and, where the pooling attends, the logarithms of their weights [G]."""
        raise NotImplementedError

    def of_windows(self, values_N: Array) -> Array:
        """Return the windows' scores: what the head gives, [N], or [N, 2] where the pooling attends."""
        return values_N

    def in_points(self, mean: float, sd: float) -> "Pooling":
        """Return the pooling of scores in points that equals this one of scores in units of `sd` points from `mean`."""
        return self


@settings
class Mean(Pooling):
    """Mean over the windows of a clip and over the clips of a recording, as `protocol.aggregate` computes it.

    The loss is of the recording's mean, so no single window has to show the label (Dietterich et al. 1997).

    Examples
    --------
    >>> Mean().join(np.array([1.0, 3.0, 9.0]), None, Groups(np.array([0, 0, 1]), 2))[0].tolist()
    [2.0, 9.0]
    """

    def join(self, score_N: Array, log_weight_N: Array | None, groups: Groups) -> tuple[Array, Array | None]:
        """Return the means; see `Pooling.join`."""
        return groups.mean(score_N), None


@settings
class Max(Pooling):
    """The highest window score: one window in which the sign is shown is enough.

    The maximum of many windows is larger than that of a few by chance alone: train on as many windows of a clip as are
    scored later.

    Examples
    --------
    >>> Max().join(np.array([1.0, 3.0, 9.0]), None, Groups(np.array([0, 0, 1]), 2))[0].tolist()
    [3.0, 9.0]
    """

    def join(self, score_N: Array, log_weight_N: Array | None, groups: Groups) -> tuple[Array, Array | None]:
        """Return the maxima; see `Pooling.join`."""
        return groups.highest(score_N), None


@settings
class LogSumExp(Pooling):
    """log(mean of exp(r · score)) / r: between the mean (r → 0) and the maximum (r → ∞).

    It takes the place of noisy-or, which joins probabilities and has no meaning for a score: Ilse et al. 2018
    (section 2) name both among the poolings of multiple-instance learning.

    Parameters
    ----------
    sharpness : float
        r, per SD of the training labels.

    References
    ----------
    Ramon and De Raedt 2000, "Multi instance neural networks", ICML workshop on attribute-value and relational learning.

    Examples
    --------
    >>> two = Groups(np.array([0, 0]), 1)
    >>> [LogSumExp(sharpness=r).join(np.array([0.0, 1.0]), None, two)[0].round(2).item() for r in (0.01, 4.0, 100.0)]
    [0.5, 0.83, 0.99]
    """

    sharpness: Positive = 4.0

    def join(self, score_N: Array, log_weight_N: Array | None, groups: Groups) -> tuple[Array, Array | None]:
        """Return the soft maxima; see `Pooling.join`."""
        return _log_mean_exp(score_N, groups, self.sharpness), None

    def in_points(self, mean: float, sd: float) -> Pooling:
        """Return the pooling with r per point; see `Pooling.in_points`."""
        return replace(self, sharpness=self.sharpness / sd)


@settings
class Gated(Pooling):
    """Mean of the window scores y_k with gated attention as weights a_k.

        a_k = softmax over k of wᵀ (tanh(V h_k) ⊙ sigm(U h_k))      Ilse et al. 2018, equation 9
        score = Σ a_k y_k

    h_k is the head's embedding of window k (`embed_windows`, see `lfnet.heads`), or, where a head has none, its score
    y_k: the weights are then a learned soft maximum (as in McFee et al. 2018). The attention weighs scores and not
    embeddings, as in conjunctive pooling (Early et al. 2024), so that each window keeps a score of its own; with a
    linear regressor both are the same.

    Parameters
    ----------
    attention_width : int
        Rows of V and U.

    References
    ----------
    Ilse, Tomczak and Welling 2018, "Attention-based deep multiple instance learning", ICML. Early et al. 2024,
    "Inherently interpretable time series classification via multiple instance learning", ICLR. McFee, Salamon and Bello
    2018, "Adaptive pooling operators for weakly labeled sound event detection", IEEE/ACM TASLP.

    Examples
    --------
    >>> scores, weights = Gated().join(np.array([0.0, 8.0]), np.log([3.0, 1.0]), Groups(np.array([0, 0]), 1))
    >>> scores.tolist()
    [2.0]
    """

    attention_width: Count = 64

    attends: ClassVar[bool] = True

    def join(self, score_N: Array, log_weight_N: Array | None, groups: Groups) -> tuple[Array, Array | None]:
        """Return the weighted means and the logarithms of the mean weights; see `Pooling.join`."""
        assert log_weight_N is not None
        weight_N = _exp(log_weight_N - groups.highest(log_weight_N)[groups.group_N])
        score_G = groups.total(weight_N * score_N) / groups.total(weight_N)
        return score_G, _log_mean_exp(log_weight_N, groups)


def pool(pooling: Pooling, values: Array, steps: Sequence[Groups]) -> tuple[Array, Array | None]:
    """Pool the scores of N windows in several steps, to clips and then to recordings.

    Parameters
    ----------
    pooling : Pooling
    values : array
        Scores [N] (`Pooling.of_windows`); where the pooling attends, scores and logarithms of weights [N, 2].
    steps : sequence of Groups
        The clip of each window, then the recording of each clip.

    Returns
    -------
    score, log_weight : array
        Of the last step's groups; `log_weight` is None unless the pooling attends.

    Examples
    --------
    >>> steps = [Groups(np.array([0, 0, 1]), 2), Groups(np.array([0, 0]), 1)]
    >>> pool(Mean(), np.array([1.0, 3.0, 8.0]), steps)[0].tolist()
    [5.0]
    """
    score, log_weight = (values[:, 0], values[:, 1]) if pooling.attends else (values, None)
    for groups in steps:
        score, log_weight = pooling.join(score, log_weight, groups)
    return score, log_weight


def pool_members(pooling: Pooling, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Pool the windows of one clip, or the clips of one recording, of each of K heads.

    Parameters
    ----------
    pooling : Pooling
    values : numpy.ndarray
        Scores [N, K]; where the pooling attends, scores and logarithms of weights [N, K, 2].

    Returns
    -------
    score_K, log_weight_K : numpy.ndarray
        `log_weight_K` is None unless the pooling attends.

    Examples
    --------
    >>> pool_members(Max(), np.array([[1.0, 7.0], [3.0, 5.0]]))[0].tolist()
    [3.0, 7.0]
    """
    whole = [Groups(np.zeros(len(values), np.int64), 1)]
    scores, log_weights = zip(*(pool(pooling, values[:, k], whole) for k in range(values.shape[1])), strict=True)
    return np.concatenate(scores), np.concatenate(log_weights) if pooling.attends else None


def read_pooling(node: Any, path: str) -> Pooling | None:
    """Build the pooling that a node of settings names, or None of null. Raises `LfnetError` where it names none."""
    if node is None:
        return None
    made = instantiate(node, path)
    if not isinstance(made, Pooling):
        raise LfnetError(f"{path}={type(made).__name__}: give a node of conf/pooling, or null.")
    return made


def to_points(values: np.ndarray, mean: float, sd: float, pooling: Pooling | None) -> np.ndarray:
    """Return a head's output with scores in points in place of units of `sd`; weights are left as they are.

    Parameters
    ----------
    values : numpy.ndarray
        Scores [...]; where the pooling attends, scores and logarithms of weights [..., 2].
    mean, sd : float
        Of the training labels, in points.
    pooling : Pooling or None

    Examples
    --------
    >>> to_points(np.array([[1.0, 0.5]]), 20.0, 10.0, Gated()).tolist()
    [[30.0, 0.5]]
    """
    if pooling is not None:
        values = pooling.of_windows(values)
    if pooling is None or not pooling.attends:
        return values * sd + mean
    return np.stack([values[..., 0] * sd + mean, values[..., 1]], axis=-1)


def _log_mean_exp(values_N: Array, groups: Groups, sharpness: float = 1.0) -> Array:
    """Return log(mean of exp(r · value)) / r of each group, from the highest value, so that no power overflows."""
    highest_G = groups.highest(values_N)
    mean_G = groups.mean(_exp(sharpness * (values_N - highest_G[groups.group_N])))
    return highest_G + (np.log(mean_G) if isinstance(mean_G, np.ndarray) else mean_G.log()) / sharpness


def _exp(values: Array) -> Array:
    return np.exp(values) if isinstance(values, np.ndarray) else values.exp()
