"""Loss of binary labels: cross-entropy of the probability of a 1, with weights of the classes."""

import math
from typing import Literal

import numpy as np
import pandas as pd
import torch.nn.functional as F
from torch import Tensor

from lfnet.config import Positive, settings
from lfnet.data.labels import Labels
from lfnet.errors import LfnetError
from lfnet.training.distributions import OutputLayer
from lfnet.training.losses import Targets

__all__ = ["ADVICE", "BCE"]

ADVICE = "choose scale@cohort.scale=binary, or a cut-off of the scale (cohort.scale.binary_at=…), or loss=l1"


@settings
class BCE:
    """Binary cross-entropy of labels 0 and 1; the head gives a logit and the score is a probability.

    At first the head predicts the share of positives of the training recordings (one half with class weights).

    Parameters
    ----------
    class_weight : "balanced", float or None
        Weight of a positive window relative to a negative one. "balanced": such that both classes weigh the same,
        counted in training recordings, as in scikit-learn. Then probabilities are those of a cohort with as many
        positives as negatives, and runs are marked. None: equal weights.

    Examples
    --------
    >>> windows = pd.DataFrame({"recording_id": ["a", "b", "c", "d"], "target": [1.0, 0.0, 0.0, 0.0]})
    >>> BCE(class_weight="balanced").prepare(windows).weight_W.round(2).tolist()
    [2.0, 0.67, 0.67, 0.67]
    >>> import torch
    >>> labels = Labels(mean=0.25, sd=0.433)
    >>> layer = BCE().layer(labels, low=0, high=1)
    >>> round(labels.points(layer.score(layer(torch.zeros(1)))).item(), 3)
    0.25
    """

    class_weight: Literal["balanced"] | Positive | None = None

    n_outputs = 1

    @property
    def marks(self) -> tuple[str, ...]:
        """Remarks that a table prints with a run."""
        return () if self.class_weight is None else ("classes weighted: probabilities are not those of the cohort",)

    def prepare(self, windows: pd.DataFrame) -> Targets:
        """Compute targets and weights; see `Loss.prepare`."""
        label_W = windows["target"].to_numpy(float)
        if self.class_weight is None:
            return Targets(label_W, None)
        relative = self.class_weight
        if relative == "balanced":
            label_R = windows.drop_duplicates("recording_id")["target"].to_numpy(float)
            relative = float((label_R == 0).sum() / max((label_R == 1).sum(), 1))
        weight_W = np.where(label_W == 1, relative, 1.0)
        return Targets(label_W, weight_W / weight_W.mean())

    def layer(self, labels: Labels, low: float, high: float) -> OutputLayer:
        """Make the output layer; see `DistributionLoss`. Raises `LfnetError` unless labels are 0 and 1."""
        if (low, high) != (0, 1):
            raise LfnetError(f"loss=bce learns labels 0 and 1, and these run from {low:g} to {high:g}: {ADVICE}.")
        share = labels.mean if self.class_weight is None else 0.5
        return _Logit(labels, math.log(share / (1 - share)))

    def __call__(self, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """Refuse: the loss needs the logit, which `DistributionHead.loss` has."""
        raise TypeError("BCE is a loss of probabilities: call DistributionHead.loss")


class _Logit(OutputLayer):
    """The head's output [B] and an offset, the logit of a 1."""

    has_quantiles = False

    def __init__(self, labels: Labels, offset: float) -> None:
        super().__init__()
        self.labels, self.offset = labels, offset

    def forward(self, outputs_B: Tensor) -> Tensor:
        return outputs_B + self.offset

    def score(self, parameters: Tensor) -> Tensor:
        return (parameters.sigmoid() - self.labels.mean) / self.labels.sd

    def losses(self, parameters: Tensor, target_B: Tensor) -> Tensor:
        label_B = (target_B * self.labels.sd + self.labels.mean).round()
        return F.binary_cross_entropy_with_logits(parameters, label_B, reduction="none")
