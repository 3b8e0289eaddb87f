"""Hybrid: the mean frame and a lightweight attention over frames in their short context, joined by a gate."""

import torch
from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.heads.layers import activation as activation_named
from lfnet.heads.layers import clean, in_pieces, masked_mean, regressor
from lfnet.heads.pooling import attention_weights

__all__ = ["Hybrid"]


class Hybrid(nn.Module):
    """Project each frame; pool by mean and by attention; let a gate choose between them, unit by unit; regress.

        z = P x                                     a projection of each real frame
        c = z + act(K * z)                          with its neighbours: a depthwise convolution of `kernel` frames
        m = mean z,   s = Σ softmax(S c) c          the softmax over real frames, one for each attention head
        g = sigmoid(G [m, s]),   y = R((1 − g) m + g s)

    x [B, T, D] float32, mask [B, T] bool → y [B] in standardised units. Any T will do: there are no positions, and
    `max_frames` is taken only because every head takes it. Masked frames are zeros for the convolution and weigh
    nothing in both poolings. A window without any real frame is scored as a zero vector. Time grows with T.
    The gate starts at about `gate`, near the mean head, so that attention has to earn its share. Without a context
    (`kernel=1`) the head cannot see order.
    Source: system B's recommended design, "Hybrid: mean pooling + lightweight attention", which says no more; the
    equations are this project's. 108,673 parameters at D = 512.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        width: int = 128,
        attention_heads: int = 4,
        kernel: int = 9,
        gate: float = 0.1,
        hidden: int | None = 64,
        activation: str = "relu",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % attention_heads:
            raise LfnetError(f"head.width is {width}: it must be a multiple of head.attention_heads={attention_heads}")
        if kernel < 1 or kernel % 2 == 0:
            raise LfnetError(
                f"head.kernel is {kernel}: it must be an odd number of frames, so that a frame is its centre"
            )
        if not 0 < gate < 1:
            raise LfnetError(f"head.gate is {gate}: it must lie between 0 (the mean alone) and 1 (attention alone)")
        self.projection = nn.Linear(n_features, width)
        self.context = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.act = activation_named(activation)
        self.scores = nn.Linear(width, attention_heads, bias=False)  # a softmax does not see a bias
        self.gate = nn.Linear(2 * width, width)
        nn.init.constant_(self.gate.bias, float(torch.logit(torch.tensor(gate))))
        self.dropout = nn.Dropout(dropout)
        self.regressor = regressor(width, hidden, activation, dropout)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        z_BTW, local_BTW = self._local(x_BTD, mask_BT)
        mean_BW = masked_mean(z_BTW, mask_BT)
        weights_BTH = attention_weights(self.scores(local_BTW), mask_BT)
        by_head_BTHV = local_BTW.unflatten(-1, (weights_BTH.shape[-1], -1))
        seen_BW = (weights_BTH.unsqueeze(-1) * by_head_BTHV).sum(1).flatten(1)
        gate_BW = self.gate(torch.cat([mean_BW, seen_BW], dim=-1)).sigmoid()
        return self.regressor(torch.lerp(mean_BW, seen_BW, gate_BW)).squeeze(-1)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """What the head makes of each frame in its context, [B, T, W], before it pools: what pre-training trains."""
        return self._local(x_BTD, mask_BT)[1]

    def _local(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        z_BTW = clean(in_pieces(lambda x, mask: self.projection(clean(x, mask)), x_BTD, mask_BT), mask_BT)
        return z_BTW, self.dropout(z_BTW + self.act(self.context(z_BTW.transpose(1, 2)).transpose(1, 2)))
