"""Hybrid: the mean frame and a lightweight attention over frames in their context, joined by a gate."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.layers import (
    Activation,
    OddCount,
    Rate,
    activation_module,
    attention_weights,
    check_divides,
    drop_single,
    masked_mean,
    project_frames,
    regressor,
    zero_masked,
)

__all__ = ["Hybrid"]


class Hybrid(nn.Module):
    """Project each frame, pool by mean and by attention, join both by a gate for each unit, regress.

        z = P x                                     a projection of each real frame
        c = z + act(K * z)                          with its neighbours: a depthwise convolution of `kernel` frames
        m = mean z,   s = Σ softmax(S c) c          the softmax over real frames, one for each attention head
        g = sigmoid(G [m, s]),   y = R((1 − g) m + g s)

    Masked frames are zeros for the convolution and have no weight in both poolings. A window without any real frame is
    scored as a zero vector. Time grows with T. The gate starts near `gate`, close to the mean head, so attention is
    used only where it helps. Without context (`kernel=1`) the head cannot see order. 108,673 parameters at D = 512.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Not used: any window length works.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    width : int
        Width of a frame's vector, a multiple of `attention_heads`.
    attention_heads : int
        Poolings, each over its own share of the width.
    kernel : int
        Frames of context, odd; 1 is none.
    gate : float
        Share of attention before training, above 0 (the mean alone) and below 1 (attention alone).
    hidden : int or None
        Width of the regressor's hidden layer; None is a linear regressor.
    activation : {"relu", "gelu"}
    dropout : float
        Share that training drops before the attention and in the regressor's hidden layer.

    Raises
    ------
    LfnetError
        `width` is no multiple of `attention_heads`.

    References
    ----------
    The temporal ablation's recommended design, "Hybrid: mean pooling + lightweight attention", which says no more; the
    equations are this project's.

    Examples
    --------
    >>> import torch
    >>> head = Hybrid(n_features=4, width=8, kernel=3).eval()
    >>> head(torch.zeros(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        width: Count = 128,
        attention_heads: Count = 4,
        kernel: OddCount = 9,
        gate: Annotated[float, Field(gt=0, lt=1)] = 0.1,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        check_divides(width, attention_heads)
        self.projection = nn.Linear(n_features, width)
        self.context = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.act = activation_module(activation)
        self.scores = nn.Linear(width, attention_heads, bias=False)  # a bias would cancel in the softmax
        self.gate = nn.Linear(2 * width, width)
        nn.init.constant_(self.gate.bias, float(torch.logit(torch.tensor(gate, device="cpu"))))
        self.dropout = nn.Dropout(dropout)
        self.regressor = regressor(width, hidden, activation, dropout, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, W], which the regressor scores."""
        z_BTW, local_BTW = self._local(x_BTD, mask_BT)
        mean_BW = masked_mean(z_BTW, mask_BT)
        weights_BTH = attention_weights(self.scores(local_BTW), mask_BT)
        by_head_BTHV = local_BTW.unflatten(-1, (weights_BTH.shape[-1], -1))
        seen_BW = (weights_BTH.unsqueeze(-1) * by_head_BTHV).sum(1).flatten(1)
        gate_BW = self.gate(torch.cat([mean_BW, seen_BW], dim=-1)).sigmoid()
        return torch.lerp(mean_BW, seen_BW, gate_BW)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return each frame's vector in its context, [B, T, W], before pooling; pre-training trains them."""
        return self._local(x_BTD, mask_BT)[1]

    def _local(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        z_BTW = zero_masked(project_frames(self.projection, x_BTD, mask_BT), mask_BT)
        return z_BTW, self.dropout(z_BTW + self.act(self.context(z_BTW.transpose(1, 2)).transpose(1, 2)))
