"""TemporalMeanMLP: the mean frame through a small network, without temporal modelling."""

from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.cpu.machine import map_chunks
from lfnet.heads.layers import (
    Activation,
    Rate,
    drop_single,
    masked_mean,
    regressor,
)

__all__ = ["TemporalMeanMLP"]


class TemporalMeanMLP(nn.Module):
    """Score the mean of a window's real frames: the score cannot depend on their order.

    A window without any real frame is scored as a zero vector. 131,585 parameters at D = 512.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Not used: any window length works.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    hidden : int or None
        Width of the hidden layer; None is a linear model of the mean frame.
    activation : {"relu", "gelu"}
    dropout : float
        Share of the hidden layer that is dropped in training.

    References
    ----------
    The temporal ablation's TemporalMeanMLP ("131K").

    Examples
    --------
    >>> import torch
    >>> head = TemporalMeanMLP(n_features=4, hidden=8)
    >>> head(torch.zeros(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        hidden: Count | None = 256,
        activation: Activation = "relu",
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        self.regressor = regressor(n_features, hidden, activation, dropout, n_outputs=n_outputs)

    @staticmethod
    def shorten(x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return each window's mean frame as a window of one frame, [B, 1, D], and its mask [B, 1]: scored the same.

        Examples
        --------
        >>> import torch
        >>> x, mask = TemporalMeanMLP.shorten(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[True, True]]))
        >>> x.tolist(), mask.tolist()
        ([[[2.0]]], [[True]])
        """
        return map_chunks(masked_mean, x_BTD, mask_BT).unsqueeze(1), mask_BT.any(1, keepdim=True)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, its mean frame [B, D], which the regressor scores."""
        return map_chunks(masked_mean, x_BTD, mask_BT)
