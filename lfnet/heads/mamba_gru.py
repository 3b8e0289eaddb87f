"""MambaGRU: a causal recurrence over the frames; its last state is the window's summary."""

import torch
from torch import Tensor, nn

from lfnet.heads.gru import run_gru
from lfnet.heads.layers import FrameEmbedding, clean, regressor

__all__ = ["MambaGRU"]


class MambaGRU(nn.Module):
    """Project each frame, add learned positions, run a GRU over the real frames, regress its last hidden state.

    x [B, T, D] float32, mask [B, T] bool → y [B] in standardised units. Raises LfnetError where T > max_frames.
    Masked frames are passed over, those in the middle too: the recurrence goes from one real frame to the next, each
    with the position of its own index. A window without any real frame is scored as a hidden state of zeros.
    Source: system B's MambaGRU ("528K", a GRU in place of a selective state-space model); 528,129 parameters at
    D = 512, of which 190,464 belong to positions that a window of 512 frames never reaches.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        width: int = 128,
        layers: int = 2,
        hidden: int | None = 64,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = FrameEmbedding(n_features, width, max_frames)
        # nn.GRU warns of a dropout that could act nowhere: with one layer there is nothing between layers
        self.gru = nn.GRU(width, width, layers, dropout=dropout if layers > 1 else 0.0)
        self.regressor = regressor(width, hidden, activation, dropout)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        h_TBH, _ = self._states(x_BTD, mask_BT)
        real_B = mask_BT.sum(1)
        last_BH = h_TBH[(real_B - 1).clamp(min=0), torch.arange(len(real_B), device=mask_BT.device)]
        return self.regressor(last_BH.masked_fill((real_B == 0).unsqueeze(1), 0.0)).squeeze(-1)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """The hidden state after each real frame, [B, T, H], zeros at the others: what pre-training trains."""
        h_TBH, order_BT = self._states(x_BTD, mask_BT)
        place_BTH = order_BT.argsort(1).unsqueeze(-1).expand(-1, -1, h_TBH.shape[-1])
        return clean(h_TBH.transpose(0, 1).gather(1, place_BTH), mask_BT)

    def _states(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states [T, B, H], those of the real frames first, and the frame [B, T] that each belongs to."""
        z_BTW = self.embedding(x_BTD, mask_BT)
        B, T, _ = z_BTW.shape
        window_B1 = torch.arange(B, device=mask_BT.device).unsqueeze(1)
        frame_T = torch.arange(T, device=mask_BT.device)
        # real frames first, in their order: keys are all different, so any sort is a stable one
        order_BT = torch.where(mask_BT, frame_T, frame_T + T).argsort(1)
        rows_TB = (order_BT + window_B1 * T).t()
        z_TBW = z_BTW.flatten(0, 1).index_select(0, rows_TB.flatten()).unflatten(0, (T, B))
        return run_gru(self.gru, z_TBW), order_BT
