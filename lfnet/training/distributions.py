"""Losses of distributions: a window gets K numbers, which describe a distribution of its label.

Such a loss has `n_outputs`, K, and `layer`, which makes the `OutputLayer` that gives the numbers their meaning: a
score, the quantiles at `lfnet.evaluation.quantiles.LEVELS`, and the loss. The layer may have weights of its own, so it
belongs to the trained model (`lfnet.training.distribution_head`).

Axes in names: B windows, K outputs of the head, L levels, P points of the scale but the last.
"""

import math
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.special import ndtri
from torch import Tensor, nn

from lfnet.config import settings
from lfnet.data.labels import Labels
from lfnet.errors import LfnetError
from lfnet.evaluation.quantiles import LEVELS
from lfnet.training.losses import Targets

__all__ = ["CRPS", "DistributionLoss", "Ordinal", "OutputLayer", "Quantile"]

_MIN_SIGMA = 0.01  # in SD of the training labels
_SOFTPLUS_OF_0 = math.log(2)
_LOGISTIC_WIDTH = math.sqrt(3) / math.pi  # of the logistic distribution of SD 1
_MAX_LOG_WIDTH = 4.0  # exp(4) is 55 SD


class OutputLayer(nn.Module):
    """What the outputs of a head mean; all in units of the training labels' SD.

    `forward` turns outputs [B, K] into the parameters of a distribution; the other methods take
    these parameters. `has_quantiles`: whether the distribution has quantiles that say anything.
    """

    has_quantiles = True

    def score(self, parameters: Tensor) -> Tensor:
        """Return the score [B]."""
        raise NotImplementedError

    def quantiles(self, parameters: Tensor) -> Tensor:
        """Return the quantiles [B, L] at `LEVELS`, which never decrease along L."""
        raise NotImplementedError

    def losses(self, parameters: Tensor, target_B: Tensor) -> Tensor:
        """Return the loss [B] of each window."""
        raise NotImplementedError


@runtime_checkable
class DistributionLoss(Protocol):
    """Interface of a loss of distributions, next to `Loss`.

    `n_outputs` is the number of a head's outputs, `layer` makes the `OutputLayer` for labels and a scale.
    """

    n_outputs: int

    def layer(self, labels: Labels, low: float, high: float) -> OutputLayer:
        """Make the output layer; `low` and `high` are the ends of the scale in points."""
        ...


class _OfLayer:
    """What these losses have in common: targets are the labels, and the loss is the layer's."""

    def prepare(self, windows: pd.DataFrame) -> Targets:
        """Compute targets; see `Loss.prepare`."""
        return Targets(windows["target"].to_numpy(float), None)

    def __call__(self, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """Refuse: the loss needs the distribution, which `DistributionHead.loss` has."""
        raise TypeError(f"{type(self).__name__} is a loss of distributions: call DistributionHead.loss")


@settings
class Quantile(_OfLayer):
    """CRPS by quantiles: the mean of twice the pinball loss over the levels .05, .10, … .95.

    Quantiles never cross: the head gives the median and the distances between neighbours, through a softplus, and these
    are summed away from the median. The score is the median, which minimises the absolute error.

    References
    ----------
    Koenker and Bassett 1978, "Regression quantiles", Econometrica 46. Laio and Tamea 2007, HESS 11, equation 12.

    Examples
    --------
    >>> layer = Quantile().layer(Labels(mean=15.0, sd=10.0), low=0, high=63)
    >>> quantiles = layer(torch.zeros(1, 19))  # a head that says nothing: the standard normal
    >>> [round(float(value), 2) for value in quantiles[0, [0, 9, 18]]]
    [-1.64, 0.0, 1.64]
    """

    n_outputs = len(LEVELS)

    def layer(self, labels: Labels, low: float, high: float) -> OutputLayer:
        """Make the output layer; see `DistributionLoss`."""
        return _Quantiles()


class _Quantiles(OutputLayer):
    _gap_L: Tensor
    _level_L: Tensor

    def __init__(self) -> None:
        super().__init__()
        normal_L = ndtri(np.array(LEVELS))
        self.middle = len(LEVELS) // 2
        self.register_buffer("_gap_L", torch.tensor(np.diff(normal_L), dtype=torch.float32), persistent=False)
        self.register_buffer("_level_L", torch.tensor(LEVELS, dtype=torch.float32), persistent=False)

    def forward(self, outputs_BK: Tensor) -> Tensor:
        m = self.middle
        median_B1 = outputs_BK[:, m : m + 1]
        others_BL = torch.cat([outputs_BK[:, :m], outputs_BK[:, m + 1 :]], dim=1)
        gap_BL = F.softplus(others_BL) / _SOFTPLUS_OF_0 * self._gap_L
        below_BL = median_B1 - gap_BL[:, :m].flip(1).cumsum(1).flip(1)
        return torch.cat([below_BL, median_B1, median_B1 + gap_BL[:, m:].cumsum(1)], dim=1)

    def score(self, parameters: Tensor) -> Tensor:
        return parameters[:, self.middle]

    def quantiles(self, parameters: Tensor) -> Tensor:
        return parameters

    def losses(self, parameters: Tensor, target_B: Tensor) -> Tensor:
        error_BL = target_B.unsqueeze(1) - parameters
        return 2 * torch.maximum(self._level_L * error_BL, (self._level_L - 1) * error_BL).mean(1)


@settings
class CRPS(_OfLayer):
    """CRPS of a normal distribution, in closed form; the head gives its mean and SD.

    With z = (y − μ) / σ, CRPS = σ [z (2Φ(z) − 1) + 2φ(z) − 1/√π]. The score is μ.

    References
    ----------
    Gneiting and Raftery 2007, "Strictly proper scoring rules, prediction, and estimation", JASA 102, section 4.2.

    Examples
    --------
    >>> layer = CRPS().layer(Labels(mean=15.0, sd=10.0), low=0, high=63)
    >>> layer.losses(layer(torch.zeros(1, 2)), torch.zeros(1)).round(decimals=3)  # N(0, 1) at its mean
    tensor([0.2340])
    """

    n_outputs = 2

    def layer(self, labels: Labels, low: float, high: float) -> OutputLayer:
        """Make the output layer; see `DistributionLoss`."""
        return _Normal()


class _Normal(OutputLayer):
    _normal_L: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("_normal_L", torch.tensor(ndtri(np.array(LEVELS)), dtype=torch.float32), persistent=False)

    def forward(self, outputs_BK: Tensor) -> Tensor:
        sigma_B = _MIN_SIGMA + (1 - _MIN_SIGMA) * F.softplus(outputs_BK[:, 1]) / _SOFTPLUS_OF_0
        return torch.stack([outputs_BK[:, 0], sigma_B], dim=1)

    def score(self, parameters: Tensor) -> Tensor:
        return parameters[:, 0]

    def quantiles(self, parameters: Tensor) -> Tensor:
        return parameters[:, :1] + parameters[:, 1:] * self._normal_L

    def losses(self, parameters: Tensor, target_B: Tensor) -> Tensor:
        mu_B, sigma_B = parameters.unbind(1)
        z_B = (target_B - mu_B) / sigma_B
        density_B = torch.exp(-0.5 * z_B.square()) / math.sqrt(2 * math.pi)
        inside_B = torch.erf(z_B / math.sqrt(2))  # 2Φ(z) − 1
        return sigma_B * (z_B * inside_B + 2 * density_B - 1 / math.sqrt(math.pi))


@settings
class Ordinal(_OfLayer):
    """Ordinal regression over the points of the scale: cumulative logits with ordered thresholds.

    With g and t the head's outputs and τ = exp(t) √3 / π, P(y > k) = σ((g − c_k) / τ) for each point k of the scale but
    the last: cumulative logits with a location and a width (McCullagh 1980, section 6). The loss is the mean binary
    cross-entropy of "y > k" over these points, as in CORAL (Cao et al. 2020). The thresholds c_k are learned as a first
    one and increments through a softplus, so that P(y > k) never increases with k. At first the model is a logistic
    distribution with the mean and SD of the training labels. The score is the expected value, the scale's minimum +
    Σ_k P(y > k); quantiles are points of the scale.

    References
    ----------
    McCullagh 1980, "Regression models for ordinal data", JRSS B 42. Cao, Mirjalili and Raschka 2020, "Rank consistent
    ordinal regression for neural networks", Pattern Recognition Letters 140.

    Examples
    --------
    >>> layer = Ordinal().layer(Labels(mean=2.0, sd=1.0), low=0, high=4)
    >>> logits = layer(torch.zeros(1, 2))  # of P(y > 0), …, P(y > 3)
    >>> [round(value, 2) for value in logits[0].sigmoid().tolist()], round(2.0 + layer.score(logits).item(), 2)
    ([0.94, 0.71, 0.29, 0.06], 2.0)
    """

    n_outputs = 2

    def layer(self, labels: Labels, low: float, high: float) -> OutputLayer:
        """Make the output layer; see `DistributionLoss`. Raises `LfnetError` unless the scale has whole points."""
        return _CumulativeLogits(labels, low, high)


class _CumulativeLogits(OutputLayer):
    _point_P: Tensor
    _level_L: Tensor

    def __init__(self, labels: Labels, low: float, high: float) -> None:
        super().__init__()
        points = high - low
        if points != round(points):
            raise LfnetError(f"loss=ordinal learns the points of a scale, and {low:g} to {high:g} are no whole points.")
        point_P = np.arange(round(points)) + low
        self.labels, self.low = labels, float(low)
        # Between two points, so that a label is on one side.
        threshold_P = torch.tensor((point_P + 0.5 - labels.mean) / labels.sd, dtype=torch.float32)
        self.first = nn.Parameter(threshold_P[:1].clone())
        step_P = torch.full((len(point_P) - 1,), 1 / labels.sd)
        self.increments = nn.Parameter(step_P + torch.log(-torch.expm1(-step_P)))  # the softplus's inverse
        self.register_buffer("_point_P", torch.tensor(point_P, dtype=torch.float32), persistent=False)
        self.register_buffer("_level_L", torch.tensor(LEVELS, dtype=torch.float32), persistent=False)

    def thresholds(self) -> Tensor:
        """Return the thresholds [P], increasing."""
        return self.first + torch.cat([self.first.new_zeros(1), F.softplus(self.increments).cumsum(0)])

    def forward(self, outputs_BK: Tensor) -> Tensor:
        width_B1 = _LOGISTIC_WIDTH * outputs_BK[:, 1:].clamp(-_MAX_LOG_WIDTH, _MAX_LOG_WIDTH).exp()
        return (outputs_BK[:, :1] - self.thresholds()) / width_B1

    def score(self, parameters: Tensor) -> Tensor:
        return self._standardised(self.low + parameters.sigmoid().sum(1))

    def quantiles(self, parameters: Tensor) -> Tensor:
        # The lowest point k with P(y ≤ k) ≥ τ: as many points above the lowest as have P(y ≤ k) < τ.
        below_BPL = (-parameters).sigmoid().unsqueeze(2) < self._level_L
        return self._standardised(self.low + below_BPL.sum(1).float())

    def losses(self, parameters: Tensor, target_B: Tensor) -> Tensor:
        label_B1 = (target_B * self.labels.sd + self.labels.mean).unsqueeze(1)
        above_BP = (label_B1 > self._point_P + 0.5).float()
        return F.binary_cross_entropy_with_logits(parameters, above_BP, reduction="none").mean(1)

    def _standardised(self, points: Tensor) -> Tensor:
        return (points - self.labels.mean) / self.labels.sd
