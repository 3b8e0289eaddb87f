"""MambaGRU: a causal recurrence over the frames, summarised by its last state."""

import torch
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.cpu.gru import explicit, run_gru
from lfnet.heads.layers import (
    Activation,
    FrameEmbedding,
    Rate,
    check_length,
    drop_single,
    regressor,
    zero_masked,
)

__all__ = ["MambaGRU"]

_REACH = 128  # frames that training reads at first
_MORE = 64
_REACHED = 1e-9  # of the loss, which is in units of the labels' SD
_MEET = 1e-6
_STEP = 16


class MambaGRU(nn.Module):
    """Project each frame, add learned positions, run a GRU over the real frames, regress its last hidden state.

    Masked frames are skipped, also in the middle: the recurrence goes from one real frame to the next, each with the
    position of its own index. A window without any real frame is scored as a hidden state of zeros. 528,129 parameters
    at D = 512, of which 190,464 belong to positions that a window of 512 frames never reaches.

    **A recurrence forgets.** A score is read from the last state alone, which depends on the last frames only: earlier
    ones change it by less than float32's rounding. On a CPU training reads the last `reach` real frames, forward and
    backward. The gradient that reaches the states before them bounds, to first order (a state lies between −1 and 1),
    what the loss would change by reading more; where its sum is above 1e-9 the next batch reads 64 frames more. Without
    gradients the frames are read twice, from states of zeros and of ones; if the last states differ, the whole window
    is read. An export, a gradient of a score in evaluation and pre-training read the whole window.

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

    reach: Tensor

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
        # Not among the weights, and part of the state of a training that is to be continued.
        self.register_buffer("reach", torch.tensor(_REACH), persistent=False)
        # What the last backward pass left at the states before the frames that were read.
        self._start: list[Tensor] = []
        self._cut_B: Tensor | None = None  # windows of which frames were left out

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, H], which the regressor scores."""
        frames = x_BTD.shape[1]
        if self.training and explicit(x_BTD):
            self.settle()
            if self.reach < frames:
                z_BKW, real_B, whole_B = self._end(x_BTD, mask_BT, int(self.reach))
                self._cut_B = ~whole_B
                return _at(run_gru(self.gru, z_BKW.transpose(0, 1).contiguous(), self._start), real_B)
        elif self._may_start_late(x_BTD) and 2 * self.reach < frames:
            z_BKW, real_B, whole_B = self._end(x_BTD, mask_BT, int(self.reach))
            zeros_BH, ones_BH = self._last_of_two_starts(z_BKW, real_B)
            if self._meet(zeros_BH, ones_BH, whole_B):
                return zeros_BH
        h_TBH, _ = self._states(x_BTD, mask_BT)
        return _at(h_TBH, mask_BT.sum(1))

    def remembered_frames(self, x_BTD: Tensor, mask_BT: Tensor) -> int:
        """Return how many of the last real frames the scores of these windows depend on, in steps of 16.

        Read from states of zeros and of ones before these frames, the last states of all windows are equal to 1e-6.
        """
        frames = x_BTD.shape[1]
        with torch.no_grad():
            for count in range(_STEP, frames, _STEP):
                z_BKW, real_B, whole_B = self._end(x_BTD, mask_BT, count)
                if self._meet(*self._last_of_two_starts(z_BKW, real_B), whole_B):
                    return count
        return frames

    def settle(self) -> None:
        """Read more frames from now on if the last backward pass reached the states before them."""
        if self._cut_B is not None and any(bool(start_B[self._cut_B].sum() > _REACHED) for start_B in self._start):
            self.reach += _MORE
        self._start.clear()

    def _may_start_late(self, x_BTD: Tensor) -> bool:
        off = torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing()
        return not off and x_BTD.device.type == "cpu" and not (self.training and self.gru.dropout)

    def _end(self, x_BTD: Tensor, mask_BT: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Embed the last `count` real frames: [B, count, W], how many there are, and whether these are all."""
        check_length(x_BTD.shape[1], self.embedding.max_frames)
        T = x_BTD.shape[1]
        real_B = mask_BT.sum(1)
        if bool(mask_BT.all()):
            end_BT = mask_BT[:, T - count :]
            index_T = torch.arange(T - count, T, device=x_BTD.device)
            return self.embedding(x_BTD[:, T - count :], end_BT, index_T), end_BT.sum(1), real_B < 0
        skipped_B1 = (real_B - count).clamp(min=0).unsqueeze(1)
        index_BK = _real_first(mask_BT).gather(1, skipped_B1 + torch.arange(count, device=x_BTD.device))
        rows_BKD = x_BTD.gather(1, index_BK.unsqueeze(-1).expand(-1, -1, x_BTD.shape[2]))
        z_BKW = self.embedding(rows_BKD, mask_BT.gather(1, index_BK), index_BK)
        return z_BKW, real_B.clamp(max=count), real_B <= count

    def _last_of_two_starts(self, z_BKW: Tensor, real_B: Tensor) -> tuple[Tensor, Tensor]:
        B = len(z_BKW)
        start = z_BKW.new_zeros(self.gru.num_layers, 2 * B, self.gru.hidden_size)
        start[:, B:] = 1.0
        z_KBW = z_BKW.transpose(0, 1)
        last = _at(self.gru(torch.cat([z_KBW, z_KBW], 1), start)[0], real_B.repeat(2))
        return last[:B], last[B:]

    def _meet(self, zeros_BH: Tensor, ones_BH: Tensor, whole_B: Tensor) -> bool:
        return bool(((zeros_BH - ones_BH).abs().amax(1) <= _MEET).logical_or(whole_B).all())

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
        order_BT = _real_first(mask_BT)
        rows_TB = (order_BT + window_B1 * T).t()
        z_TBW = z_BTW.flatten(0, 1).index_select(0, rows_TB.flatten()).unflatten(0, (T, B))
        return run_gru(self.gru, z_TBW), order_BT


def _real_first(mask_BT: Tensor) -> Tensor:
    """Return the order of frames in which the real ones come first, in their order."""
    T = mask_BT.shape[1]
    frame_T = torch.arange(T, device=mask_BT.device)
    return torch.where(mask_BT, frame_T, frame_T + T).argsort(1)  # all keys differ, so any sort is stable


def _at(h_TBH: Tensor, real_B: Tensor) -> Tensor:
    """Return the state after the last of each window's real frames; zeros without any."""
    last_BH = h_TBH[(real_B - 1).clamp(min=0), torch.arange(len(real_B), device=real_B.device)]
    return last_BH.masked_fill((real_B == 0).unsqueeze(1), 0.0)
