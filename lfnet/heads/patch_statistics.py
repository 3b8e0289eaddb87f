"""PatchStatistics: the mean frame, and what each patch of frames does around it: deviation, trend and motion."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.cpu.machine import map_chunks
from lfnet.heads.layers import (
    Activation,
    Rate,
    activation_module,
    drop_single,
    masked_mean,
    patch_means,
    regressor,
    zero_masked,
)

__all__ = ["PatchStatistics"]

_LEAST_VARIANCE = 1e-8  # of a projected feature in a window: a still image stays still, whatever its rounding
_LEAST_MOTION = 1e-2  # so that the logarithm of no motion is finite; two frames without relation have motion 2
_START = 0.1  # size of the first weights of S's last layer, as a share of the usual one


class PatchStatistics(nn.Module):
    """Score the mean frame and, in addition, statistics of patches in coordinates of the window itself.

        m = mean x                                  over the real frames
        z_t = P (x_t − m) / σ                       σ: each unit's root mean square over the real frames
        u_k = [mean z, mean Δz, log(ε + mean Δz²)]  over patch k: deviation, trend, motion; Δz_t = z_t − z_{t−1}
        y = R(m) + S(mean of act(E norm(u_k)))

    Subtracting m takes the person's own face out of the second part, and dividing by σ makes a patch's motion a share
    of the window's own variance: near 0 where frames follow each other smoothly, 2 where they have no relation. Units
    after E respond to patches of one kind and their mean counts them, so a rare event is not averaged away. S starts
    small: with few recordings, random first scores of patches would disturb what the mean frame shows.

    Differences are taken between real frames that follow each other, across the borders of patches too; a patch
    without one is left out. A window without any real frame is scored as a zero vector without patches. No patch knows
    its place in the window. 158,594 parameters at D = 512.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Not used: any window length works.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    patch_size : int
        Frames of a patch.
    rank : int
        Units of the projection P.
    width : int
        Units that describe a patch, and width of the hidden layer of S.
    hidden : int or None
        Width of the hidden layer of R; None is a linear model of the mean frame.
    activation : {"relu", "gelu"}
    dropout : float
        Share that training drops of a patch's units and of the hidden layer of S.

    References
    ----------
    Snyder et al. 2018, "X-vectors: robust DNN embeddings for speaker recognition", ICASSP (statistics pooled over
    time); Furui 1986, "Speaker-independent isolated word recognition using dynamic features of speech spectrum", IEEE
    TASSP 34(1) (differences of neighbouring frames); Zaheer et al. 2017, "Deep sets", NeurIPS (the mean over patches
    after a nonlinear map). Their combination is this project's.

    Examples
    --------
    >>> import torch
    >>> head = PatchStatistics(n_features=4, patch_size=5, rank=3, width=8).eval()
    >>> x, mask = torch.zeros(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)
    >>> head(x, mask).shape
    torch.Size([2])
    >>> statistics, real = head.statistics(x, mask)
    >>> statistics.shape, real.tolist()
    (torch.Size([2, 2, 9]), [[True, True], [True, True]])
    """

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        patch_size: Count = 8,
        rank: Count = 32,
        width: Count = 64,
        hidden: Count | None = 256,
        activation: Activation = "relu",
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.regressor = regressor(n_features, hidden, activation, n_outputs=n_outputs)
        self.projection = nn.Linear(n_features, rank, bias=False)  # of deviations, whose mean is zero
        self.norm = nn.LayerNorm(3 * rank)
        self.embedding = nn.Sequential(nn.Linear(3 * rank, width), activation_module(activation), nn.Dropout(dropout))
        self.patch_regressor = regressor(width, width, activation, dropout, n_outputs=n_outputs)
        with torch.no_grad():
            for weight in self.patch_regressor[-1].parameters():
                weight.mul_(_START)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        statistics_BNS, real_BN = self.statistics(x_BTD, mask_BT)
        patches_BW = masked_mean(self.embedding(self.norm(statistics_BNS)), real_BN)
        mean_BD = map_chunks(masked_mean, x_BTD, mask_BT)
        return drop_single(self.regressor(mean_BD) + self.patch_regressor(patches_BW))

    def statistics(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return deviation, trend and motion of each patch, [B, N, 3·rank], and which patches have them, [B, N]."""
        z_BTR = map_chunks(self._deviations, x_BTD, mask_BT)
        pair_BT = F.pad(mask_BT[:, 1:] & mask_BT[:, :-1], (1, 0))
        difference_BTR = F.pad(z_BTR[:, 1:] - z_BTR[:, :-1], (0, 0, 1, 0))
        deviation_BNR, _ = patch_means(z_BTR, mask_BT, self.patch_size)
        trend_BNR, real_BN = patch_means(difference_BTR, pair_BT, self.patch_size)
        motion_BNR, _ = patch_means(difference_BTR.square(), pair_BT, self.patch_size)
        return torch.cat([deviation_BNR, trend_BNR, (motion_BNR + _LEAST_MOTION).log()], dim=-1), real_BN

    def _deviations(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        mean_BD = masked_mean(x_BTD, mask_BT)
        z_BTR = self.projection(zero_masked(x_BTD - mean_BD.unsqueeze(1), mask_BT))
        variance_BR = masked_mean(z_BTR.square(), mask_BT)
        return z_BTR / (variance_BR + _LEAST_VARIANCE).sqrt().unsqueeze(1)
