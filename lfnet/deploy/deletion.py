"""Effect of each segment of a clip on its score, and the deletion test of these effects, with random orders."""

from dataclasses import dataclass

import numpy as np

from lfnet.deploy.occlusion import OccludedClip

__all__ = ["DeletionTest", "deletion_test", "segment_effects"]

_MAX_STEPS = 20
_ALPHA = 0.05
_FLAT = 1e-6  # points: below it, differences are rounding errors


def segment_effects(clip: OccludedClip, count: int) -> np.ndarray:
    """Return the whole clip's score minus its score without a segment, float64 [S], in points.

    Above 0, the segment raises the score. NaN for segments without a frame with a face that a window reads, and where
    the clip has only one segment with such frames.
    """
    seen_S = clip.seen(count)
    effect_S = np.full(count, np.nan)
    if seen_S.sum() > 1:
        effect_S[seen_S] = clip.whole - clip.scores(np.eye(count, dtype=bool)[seen_S])
    return effect_S


@dataclass(frozen=True)
class DeletionTest:
    """Scores of a clip while its segments are removed.

    Attributes
    ----------
    share_P : ndarray
        Share of the segments that are removed, of P steps from 0, closer to each other at the start.
    raising_first_P, lowering_first_P : ndarray
        Scores if the segments with the highest effect are removed first, and if those with the lowest are.
    random_mean_P, random_low_P, random_high_P : ndarray
        Mean and 95 % range of the scores over random orders and their reverses.
    gap : float
        Area between `lowering_first_P` and `raising_first_P`, divided by the share removed: their mean distance in
        points.
    random_gap_R : ndarray
        The same of R random orders and, with the other sign, of their reverses.
    """

    share_P: np.ndarray
    raising_first_P: np.ndarray
    lowering_first_P: np.ndarray
    random_mean_P: np.ndarray
    random_low_P: np.ndarray
    random_high_P: np.ndarray
    gap: float
    random_gap_R: np.ndarray

    @property
    def random_range(self) -> tuple[float, float]:
        """The 95 % range of the random orders' gaps."""
        low, high = np.quantile(self.random_gap_R, (0.025, 0.975))
        return float(low), float(high)

    @property
    def as_far_apart(self) -> int:
        """How many random orders have a gap as large as that of the effects."""
        return int((self.random_gap_R >= self.gap).sum())

    @property
    def flat(self) -> bool:
        """Whether no removal changes the score."""
        curves = (self.raising_first_P, self.lowering_first_P, self.random_low_P, self.random_high_P)
        return max(float(np.ptp(curve)) for curve in curves) < _FLAT

    @property
    def beats_random(self) -> bool:
        """Whether at most 5 % of orders, the one of the effects and the random ones, have a gap as large as it has."""
        return not self.flat and (1 + self.as_far_apart) / (1 + len(self.random_gap_R)) <= _ALPHA


def deletion_test(clip: OccludedClip, effect_S: np.ndarray, orders: int = 50, seed: int = 0) -> DeletionTest | None:
    """Remove the segments in the order of their effects, from both ends, and in random orders.

    Two curves, and not one of |effect|: where effects of both signs are removed together they cancel, and a right order
    looks like a random one. The last segment stays.

    Parameters
    ----------
    clip : OccludedClip
    effect_S : ndarray
        What `segment_effects` returns.
    orders : int
        Number of random orders; each is also used in reverse.
    seed : int
        Of the random orders.

    Returns
    -------
    DeletionTest or None
        None where fewer than three segments have an effect.

    References
    ----------
    Samek et al. 2017, "Evaluating the visualization of what a deep neural network has learned", IEEE TNNLS: removal of
    the most relevant parts first. Petsiuk et al. 2018, "RISE", BMVC: the deletion curve.
    """
    known = np.flatnonzero(np.isfinite(effect_S))
    if len(known) < 3:
        return None
    raising = known[np.argsort(-effect_S[known], kind="stable")]
    random = np.random.default_rng(seed)
    one_way = [raising, *(random.permutation(known) for _ in range(orders))]
    counts = np.unique(((len(known) - 1) * np.linspace(0, 1, _MAX_STEPS + 1) ** 1.5).round().astype(int))
    share_P = counts / len(known)
    all_orders = [order for forward in one_way for order in (forward, forward[::-1])]
    hidden = np.zeros((len(all_orders), len(counts), len(effect_S)), bool)
    for order, own in zip(all_orders, hidden, strict=True):
        for count, row in zip(counts, own, strict=True):
            row[order[:count]] = True
    scores_OP = clip.scores(hidden.reshape(-1, len(effect_S))).reshape(len(all_orders), len(counts))
    gap_O = np.trapezoid(scores_OP[1::2] - scores_OP[::2], share_P, axis=1) / share_P[-1]
    low_P, high_P = np.quantile(scores_OP[2:], (0.025, 0.975), axis=0)
    return DeletionTest(
        share_P=share_P,
        raising_first_P=scores_OP[0],
        lowering_first_P=scores_OP[1],
        random_mean_P=scores_OP[2:].mean(axis=0),
        random_low_P=low_P,
        random_high_P=high_P,
        gap=float(gap_O[0]),
        random_gap_R=np.concatenate([gap_O[1:], -gap_O[1:]]),
    )
