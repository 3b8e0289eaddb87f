"""Learn from recordings as bags of windows: the attention of gated pooling, and the bags of a training step."""

import logging

import pandas as pd
import torch
from torch import Tensor, nn

from lfnet.evaluation.pooling import Gated, Groups, Mean, Pooling, pool
from lfnet.training.wrapped_head import WrappedHead

__all__ = ["Bags", "GatedWindows", "with_pooling"]

_log = logging.getLogger(__name__)


class GatedWindows(WrappedHead):
    """A head that also weighs windows: (x_BTD, mask_BT) → scores and logarithms of attention weights, [B, 2].

    Parameters
    ----------
    head : torch.nn.Module
        Its embeddings are weighed where it has `embed_windows` and `regressor` (see `lfnet.heads`), else its scores.
    n_features : int
        Features of a frame, D.
    width : int
        Width of the attention's hidden layer.

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> head = GatedWindows(TemporalMeanMLP(n_features=4), n_features=4, width=8)
    >>> head(torch.zeros(3, 10, 4), torch.ones(3, 10, dtype=torch.bool)).shape
    torch.Size([3, 2])
    """

    def __init__(self, head: nn.Module, n_features: int, width: int) -> None:
        super().__init__(head)
        self.embeds = callable(getattr(head, "embed_windows", None)) and callable(getattr(head, "regressor", None))
        embedding = _embedding_width(head, n_features) if self.embeds else 1
        self.v = nn.Linear(embedding, width)
        self.u = nn.Linear(embedding, width)
        self.w = nn.Linear(width, 1, bias=False)  # a bias would cancel in the softmax

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        if self.embeds:
            z_BW = self.head.embed_windows(x_BTD, mask_BT)  # type: ignore[operator]
            y_B = self.head.regressor(z_BW).squeeze(-1)  # type: ignore[operator]
        else:
            y_B = self.head(x_BTD, mask_BT)
            z_BW = y_B.unsqueeze(-1)
        log_weight_B = self.w(self.v(z_BW).tanh() * self.u(z_BW).sigmoid()).squeeze(-1)
        return torch.stack([y_B, log_weight_B], dim=-1)


def with_pooling(head: nn.Module, pooling: Pooling | None, n_features: int) -> nn.Module:
    """Return the head with the weights that the pooling learns: itself unless the pooling is `Gated`."""
    if not isinstance(pooling, Gated):
        return head
    gated = GatedWindows(head, n_features, pooling.attention_width)
    if not gated.embeds:
        _log.info("pooling: %s has no `embed_windows`: its windows are weighed by their scores", type(head).__name__)
    return gated


def _embedding_width(head: nn.Module, n_features: int) -> int:
    device = next((value.device for value in head.parameters()), torch.device("cpu"))
    training = head.training
    head.eval()
    with torch.no_grad():
        x_BTD = torch.zeros(1, 1, n_features, device=device)
        width = head.embed_windows(x_BTD, torch.ones(1, 1, dtype=torch.bool, device=device)).shape[-1]  # type: ignore[operator]
    head.train(training)
    return int(width)


class Bags:
    """Recordings as bags of the training windows: scores, targets and weights of a batch's recordings.

    Parameters
    ----------
    windows : pandas.DataFrame
        Table of the training windows with clip_id and recording_id; `index_B` of a batch counts its rows.
    pooling : Pooling

    Examples
    --------
    >>> windows = pd.DataFrame({"clip_id": ["a", "a", "b"], "recording_id": ["r", "r", "s"]})
    >>> scores, target = torch.tensor([1.0, 3.0, 5.0]), torch.tensor([2.0, 2.0, 7.0])
    >>> Bags(windows, Mean()).join(torch.arange(3), scores, target, None)
    (tensor([2., 5.]), tensor([2., 7.]), None)
    """

    def __init__(self, windows: pd.DataFrame, pooling: Pooling) -> None:
        self._pooling = pooling
        self._clip_W = torch.from_numpy(pd.factorize(windows["clip_id"])[0].astype("int64"))
        recordings = windows.drop_duplicates("clip_id")["recording_id"]
        self._recording_C = torch.from_numpy(pd.factorize(recordings)[0].astype("int64"))

    def join(
        self, index_B: Tensor, values: Tensor, target_B: Tensor, weight_B: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Pool a batch's windows to recordings [R]: scores by the pooling, targets and weights by the mean.

        `values` is the head's output, [B], or [B, 2] of `GatedWindows`.
        """
        clips_C, clip_B = self._clip_W[index_B.cpu()].unique(return_inverse=True)
        recordings_R, recording_C = self._recording_C[clips_C].unique(return_inverse=True)
        device = values.device
        steps = [Groups(clip_B.to(device), len(clips_C)), Groups(recording_C.to(device), len(recordings_R))]
        mean = Mean()
        return (
            pool(self._pooling, self._pooling.of_windows(values.float()), steps)[0],
            pool(mean, target_B, steps)[0],
            None if weight_B is None else pool(mean, weight_B, steps)[0],
        )
