"""TCN: residual dilated convolutions over time."""

from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.layers import (
    Activation,
    OddCount,
    Rate,
    activation_module,
    drop_single,
    masked_mean,
    project_frames,
    regressor,
    zero_masked,
)

__all__ = ["TCN"]


class TCN(nn.Module):
    """Project each frame, refine it by residual dilated convolutions, average the real frames, regress.

    Layer i = 0, 1, … is z ← z + W₂ act(W₁ * norm(z)), with W₁ a convolution of `kernel` frames that lie 2^i apart, in
    both directions, and W₂ one of a single frame: the dilated residual layer of Farha and Gall, equations 1 and 2, with
    a layer norm before it. The last layer sees 1 + (kernel − 1)(2^layers − 1) frames: 255 by default.

    Masked frames are zeros before every convolution, as what lies beyond the window is, so padding changes nothing. A
    window without any real frame is scored as a zero vector. Time grows with T. 153,665 parameters at D = 512.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Not used: any window length works.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    width : int
        Width of a frame's vector.
    layers : int
        Dilated layers.
    kernel : int
        Frames of each convolution, odd.
    hidden : int or None
        Width of the regressor's hidden layer; None is a linear regressor.
    activation : {"relu", "gelu"}
    dropout : float
        Share that training drops of each layer's output and of the regressor's hidden layer.

    References
    ----------
    Farha and Gall 2019, "MS-TCN: multi-stage temporal convolutional network for action segmentation", CVPR.

    Examples
    --------
    >>> import torch
    >>> head = TCN(n_features=4, width=8, layers=2).eval()
    >>> head(torch.zeros(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        width: Count = 64,
        layers: Count = 7,
        kernel: OddCount = 3,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(n_features, width)
        self.layers = nn.ModuleList(_Dilated(width, kernel, 2**i, activation, dropout) for i in range(layers))
        self.norm = nn.LayerNorm(width)
        self.regressor = regressor(width, hidden, activation, dropout, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, W], which the regressor scores."""
        return masked_mean(self.frames(x_BTD, mask_BT), mask_BT)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vectors [B, T, W] that the head averages; pre-training trains them."""
        z_BTW = project_frames(self.projection, x_BTD, mask_BT)
        for layer in self.layers:
            z_BTW = layer(z_BTW, mask_BT)
        return self.norm(z_BTW)


class _Dilated(nn.Module):
    """One residual layer: [B, T, W] → [B, T, W]."""

    def __init__(self, width: int, kernel: int, dilation: int, activation: Activation, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Conv1d(width, width, kernel, padding=kernel // 2 * dilation, dilation=dilation)
        self.act = activation_module(activation)
        self.point = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, z_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        real_BTW = zero_masked(self.norm(z_BTW), mask_BT)
        return z_BTW + self.dropout(self.point(self.act(self.wide(real_BTW.transpose(1, 2)).transpose(1, 2))))
