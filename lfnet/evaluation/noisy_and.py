"""Noisy-and pooling of window scores: a recording scores high once enough of its windows do.

Axes in names: N windows or clips, G groups (their clips or recordings).
"""

import math
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.special import expit

from lfnet.config import Positive, settings
from lfnet.evaluation.pooling import Groups, Pooling

__all__ = ["NoisyAnd"]

Array = Any  # numpy.ndarray or torch.Tensor


@settings
class NoisyAnd(Pooling):
    """Noisy-and of probabilities p_k: small below a share b of positive windows, large above it.

        P = (σ(a (p̄ − b)) − σ(−a b)) / (σ(a (1 − b)) − σ(−a b)),  p̄ the mean of p_k      Kraus et al. 2016
        score = span · (2 P − 1)

    p_k is σ of what the head gives of a window. P is a place between −span and span, in SDs of the training labels
    from their mean; labels beyond are out of reach. The score of a window is that of a recording with no other window,
    so that p_k can be found from it when windows are joined. The source learns b for each class; here it is a setting.

    Parameters
    ----------
    slope : float
        a, how sharp the threshold is; the limit keeps p_k exact in float32.
    threshold : float
        b, the share of positive windows about which P rises.
    span : float
        Largest score, in SDs.

    References
    ----------
    Kraus, Ba and Frey 2016, "Classifying and segmenting microscopy images with deep multiple instance learning",
    Bioinformatics.

    Examples
    --------
    >>> ten = Groups(np.zeros(10, int), 1)
    >>> output_N = np.repeat([3.0, -3.0], [3, 7])  # 3 of 10 windows are positive
    >>> for b in (0.1, 0.3, 0.9):
    ...     pooling = NoisyAnd(threshold=b)
    ...     print(pooling.join(pooling.of_windows(output_N), None, ten)[0].round(1).item())
    2.2
    0.2
    -3.0
    """

    slope: Annotated[float, Field(gt=0, le=12)] = 10.0
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    span: Positive = 3.0

    def of_windows(self, values_N: Array) -> Array:
        """Return the windows' scores; see `Pooling.of_windows`."""
        return self._score(_sigmoid(values_N))

    def join(self, score_N: Array, log_weight_N: Array | None, groups: Groups) -> tuple[Array, Array | None]:
        """Return the scores of the mean probabilities; see `Pooling.join`."""
        low, width = self._ends()
        q_N = low + width * (0.5 + score_N / (2 * self.span)).clip(0, 1)
        p_N = self.threshold + (_log(q_N) - _log(1 - q_N)) / self.slope
        return self._score(groups.mean(p_N)), None

    def in_points(self, mean: float, sd: float) -> Pooling:
        """Return the pooling of scores in points; see `Pooling.in_points`."""
        return _InPoints(recordings=self.recordings, of=self, mean=mean, sd=sd)

    def _score(self, p: Array) -> Array:
        low, width = self._ends()
        P = (_sigmoid(self.slope * (p - self.threshold)) - low) / width
        return self.span * (2 * P - 1)

    def _ends(self) -> tuple[float, float]:
        """σ(−a b), and how much larger σ(a (1 − b)) is."""
        low, high = (1 / (1 + math.exp(-self.slope * (p - self.threshold))) for p in (0, 1))
        return low, high - low


@settings
class _InPoints(Pooling):
    """A pooling of scores in SDs from the mean, applied to scores in points."""

    of: Any
    mean: float
    sd: float

    def join(self, score_N: Array, log_weight_N: Array | None, groups: Groups) -> tuple[Array, Array | None]:
        """Return what `of` does, in points; see `Pooling.join`."""
        score_G, log_weight_G = self.of.join((score_N - self.mean) / self.sd, log_weight_N, groups)
        return score_G * self.sd + self.mean, log_weight_G


def _sigmoid(values: Array) -> Array:
    return expit(values) if isinstance(values, np.ndarray) else values.sigmoid()


def _log(values: Array) -> Array:
    return np.log(values) if isinstance(values, np.ndarray) else values.log()
