"""Mamba: a selective state-space model over the frames, in linear time and plain PyTorch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.cpu.scan import selective_scan
from lfnet.heads.layers import (
    Activation,
    Rate,
    drop_single,
    masked_mean,
    project_frames,
    regressor,
    zero_masked,
)

__all__ = ["Mamba"]


class Mamba(nn.Module):
    """Project each frame, run `layers` residual Mamba blocks, average the real frames, regress.

    Masked frames are zeros for the convolution and are skipped by the recurrence (their step Δ is 0): the state goes
    from one real frame to the next. A window without any real frame is scored as a zero vector. Time grows with T
    (`experiments/mamba`). The mean over frames and the regressor are this project's. 96,385 parameters at D = 512.

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
        Mamba blocks.
    expand : int
        Channels of a block, in multiples of the width.
    state : int
        State variables of each channel.
    kernel : int
        Frames of the convolution before the recurrence: a frame and those before it.
    hidden : int or None
        Width of the regressor's hidden layer; None is a linear regressor.
    activation : {"relu", "gelu"}
        Of the regressor.
    dropout : float
        Share that training drops of each block's output and of the regressor's hidden layer.

    References
    ----------
    Gu and Dao 2023, "Mamba: linear-time sequence modeling with selective state spaces", figure 3, with the initial
    values of their code. The temporal ablation's MambaGRU is a GRU in place of this model.

    Examples
    --------
    >>> import torch
    >>> head = Mamba(n_features=4, width=8, layers=1).eval()
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
        layers: Count = 2,
        expand: Count = 2,
        state: Count = 8,
        kernel: Count = 4,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(n_features, width)
        self.blocks = nn.ModuleList(_Block(width, expand * width, state, kernel, dropout) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.regressor = regressor(width, hidden, activation, dropout, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, W], which the regressor scores."""
        return masked_mean(self.frames(x_BTD, mask_BT), mask_BT)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vectors [B, T, W] that the head averages; pre-training trains them."""
        z_BTW = project_frames(self.projection, x_BTD, mask_BT)
        z_BTW = z_BTW.to(self.norm.weight.dtype)  # the sum over blocks stays in full precision under autocast
        for block in self.blocks:
            z_BTW = z_BTW + block(z_BTW, mask_BT)
        return self.norm(z_BTW)


class _Block(nn.Module):
    """One Mamba block without its residual: [B, T, W] → [B, T, W], causal.

    E = expand · W channels of N states each; Δ has rank ⌈W / 16⌉.
    """

    def __init__(self, width: int, channels: int, state: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.rank = math.ceil(width / 16)
        self.state = state
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.inner = nn.Linear(width, 2 * channels, bias=False)
        self.conv = nn.Conv1d(channels, channels, kernel, groups=channels)
        self.select = nn.Linear(channels, self.rank + 2 * state, bias=False)  # Δ's low rank, B, C
        self.step = nn.Linear(self.rank, channels)
        self.log_A = nn.Parameter(torch.log(torch.arange(1.0, state + 1)).repeat(channels, 1))  # S4D-Real: A = −n
        self.skip = nn.Parameter(torch.ones(channels))
        self.out = nn.Linear(channels, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        nn.init.uniform_(self.step.weight, -(self.rank**-0.5), self.rank**-0.5)
        with torch.no_grad():
            # softplus(bias) is spread evenly, on a logarithmic scale, from 0.001 to 0.1
            steps_E = torch.exp(torch.empty(channels).uniform_(math.log(1e-3), math.log(1e-1)))
            self.step.bias.copy_(steps_E + torch.log(-torch.expm1(-steps_E)))

    def forward(self, z_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        u_BTE, gate_BTE = self.inner(zero_masked(self.norm(z_BTW), mask_BT)).chunk(2, -1)
        padded_BET = F.pad(u_BTE.transpose(1, 2), (self.conv.kernel_size[0] - 1, 0))  # a frame and those before it
        u_BTE = F.silu(self.conv(padded_BET).transpose(1, 2))
        low_BTR, B_BTN, C_BTN = self.select(u_BTE).split([self.rank, self.state, self.state], -1)
        delta_BTE = F.softplus(self.step(low_BTR)).masked_fill(~mask_BT.unsqueeze(-1), 0.0)
        u_TBE, delta_TBE, B_TBN, C_TBN = (x.transpose(0, 1) for x in (u_BTE, delta_BTE, B_BTN, C_BTN))
        y_TBE = selective_scan(u_TBE, delta_TBE, -self.log_A.exp(), B_TBN, C_TBN)
        y_BTE = y_TBE.transpose(0, 1).to(u_BTE.dtype) + self.skip * u_BTE
        return self.dropout(self.out(y_BTE * F.silu(gate_BTE)))
