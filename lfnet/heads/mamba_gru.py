"""MambaGRU: a causal recurrence over the frames, summarised by its last state."""

import torch
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.cpu.gru import run_gru
from lfnet.heads.layers import (
    Activation,
    FrameEmbedding,
    Rate,
    drop_single,
    regressor,
    zero_masked,
)

__all__ = ["MambaGRU"]


class MambaGRU(nn.Module):
    """Project each frame, add learned positions, run a GRU over the real frames, regress its last hidden state.

    Masked frames are skipped, also in the middle: the recurrence goes from one real frame to the next, each with the
    position of its own index. A window without any real frame is scored as a hidden state of zeros. 528,129 parameters
    at D = 512, of which 190,464 belong to positions that a window of 512 frames never reaches.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Longest window, the number of learned positions.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    width : int
        Width of a frame's vector and of the hidden state.
    layers : int
        Layers of the GRU.
    hidden : int or None
        Width of the regressor's hidden layer; None is a linear regressor.
    activation : {"relu", "gelu"}
    dropout : float
        Share that training drops between the GRU's layers and in the regressor's hidden layer.

    Raises
    ------
    LfnetError
        A window is longer than `max_frames`.

    References
    ----------
    The temporal ablation's MambaGRU ("528K"), a GRU in place of a selective state-space model (`Mamba` is one).

    Examples
    --------
    >>> import torch
    >>> head = MambaGRU(n_features=4, max_frames=16, width=8)
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
        layers: Count = 2,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = FrameEmbedding(n_features, width, max_frames)
        # nn.GRU warns of a dropout without effect: with one layer there is nothing between layers.
        self.gru = nn.GRU(width, width, layers, dropout=dropout if layers > 1 else 0.0)
        self.regressor = regressor(width, hidden, activation, dropout, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, H], which the regressor scores."""
        h_TBH, _ = self._states(x_BTD, mask_BT)
        real_B = mask_BT.sum(1)
        last_BH = h_TBH[(real_B - 1).clamp(min=0), torch.arange(len(real_B), device=mask_BT.device)]
        return last_BH.masked_fill((real_B == 0).unsqueeze(1), 0.0)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the hidden state after each real frame, [B, T, H], zeros at the others; pre-training trains them."""
        h_TBH, order_BT = self._states(x_BTD, mask_BT)
        place_BTH = order_BT.argsort(1).unsqueeze(-1).expand(-1, -1, h_TBH.shape[-1])
        return zero_masked(h_TBH.transpose(0, 1).gather(1, place_BTH), mask_BT)

    def _states(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states [T, B, H], those of the real frames first, and the frame [B, T] of each."""
        z_BTW = self.embedding(x_BTD, mask_BT)
        B, T, _ = z_BTW.shape
        window_B1 = torch.arange(B, device=mask_BT.device).unsqueeze(1)
        frame_T = torch.arange(T, device=mask_BT.device)
        # Real frames first, in their order: all keys differ, so any sort is stable.
        order_BT = torch.where(mask_BT, frame_T, frame_T + T).argsort(1)
        rows_TB = (order_BT + window_B1 * T).t()
        z_TBW = z_BTW.flatten(0, 1).index_select(0, rows_TB.flatten()).unflatten(0, (T, B))
        return run_gru(self.gru, z_TBW), order_BT
