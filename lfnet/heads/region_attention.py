"""RegionAttention: learned weights of frames and of regions of the face."""

import torch
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.errors import LfnetError
from lfnet.heads.layers import (
    Activation,
    Rate,
    attention_weights,
    drop_single,
    regressor,
    zero_masked,
)

__all__ = ["RegionAttention"]


class RegionAttention(nn.Module):
    """Weight frames by frame attention and temporal attention, weight regions, join them, regress.

    A frame's vector is `parts` vectors joined: the whole face f_t, then each region g_rt, as `encoder=visual_frames`
    writes them (5 parts: the face and four regions). With one part the face is its own and only region. With

        α_t = σ(wᵀ tanh(W f_t + b))                  the `keep` real frames with the highest α are kept
        β_t = softmax over kept t of vᵀ tanh(U f_t)
        z_r = λ_r Σ_t β_t α_t g_rt                   λ learned, equal at first

    the regressor reads all z_r joined. The order of frames does not matter, unless α are equal at the limit of `keep`:
    then earlier frames are kept. A window without any real frame is scored as a zero vector.

    Parameters
    ----------
    n_features : int
        Features of a frame, D, a multiple of `parts`.
    max_frames : int
        Not used: any window length works.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    parts : int
        Vectors joined in a frame's features.
    keep : int
        Frames kept of a window.
    attention_width : int
        Width of both attentions' hidden layers.
    hidden : int or None
        Width of the regressor's hidden layer; None is a linear regressor.
    activation : {"relu", "gelu"}
    dropout : float
        Share that training drops of the regressor's hidden layer.

    Raises
    ------
    LfnetError
        The features cannot be cut into `parts` equal parts.

    References
    ----------
    The figures of LightFusionNet (α, the best 100 frames, β and λ); its published code has fixed statistics and weights
    in their place (`lfnet.encoders.visual`). The figures leave open where α enters the sum (here it scales its frame,
    or it could not be learned), the widths and the regressor.

    Examples
    --------
    >>> import torch
    >>> head = RegionAttention(n_features=6, parts=3, keep=2).eval()
    >>> x, mask = torch.zeros(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    >>> head(x, mask).shape
    torch.Size([1])
    >>> (head.weights(x, mask) > 0).tolist()
    [[True, True, False, False]]
    """

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        parts: Count = 1,
        keep: Count = 100,
        attention_width: Count = 64,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        if n_features % parts:
            raise LfnetError(
                f"head.parts={parts}: give a number of equal parts of the {n_features} features of a frame, "
                "5 with encoder=visual_frames (the face and four regions), 1 with others."
            )
        self.parts, self.keep = parts, keep
        width, regions = n_features // parts, max(1, parts - 1)
        self.frame = nn.Sequential(nn.Linear(width, attention_width), nn.Tanh(), nn.Linear(attention_width, 1))
        # A bias at the end would cancel in the softmax over frames.
        self.time = nn.Sequential(
            nn.Linear(width, attention_width, bias=False), nn.Tanh(), nn.Linear(attention_width, 1, bias=False)
        )
        self.regions = nn.Parameter(torch.full((regions,), 1 / regions))
        self.regressor = regressor(regions * width, hidden, activation, dropout, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, R·W], which the regressor scores."""
        x_BTPW = zero_masked(x_BTD, mask_BT).unflatten(-1, (self.parts, -1))
        weights_BT = self._weights(x_BTPW[:, :, 0], mask_BT)
        regions_BTRW = x_BTPW[:, :, 1:] if self.parts > 1 else x_BTPW
        z_BRW = torch.einsum("bt,btrw->brw", weights_BT, regions_BTRW) * self.regions[:, None]
        return z_BRW.flatten(1)

    def weights(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return each frame's weight β·α, [B, T]: zero for frames that are not real or not kept."""
        return self._weights(zero_masked(x_BTD, mask_BT).unflatten(-1, (self.parts, -1))[:, :, 0], mask_BT)

    def _weights(self, face_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        alpha_BT = self.frame(face_BTW).squeeze(-1).sigmoid()
        kept_BT = mask_BT
        if torch.compiler.is_compiling() or mask_BT.shape[1] > self.keep:  # an export must hold for any length
            # A stable sort: which of two equal frames is kept must not depend on the kernel.
            order_BT = alpha_BT.masked_fill(~mask_BT, -1.0).sort(dim=1, descending=True, stable=True).indices
            first_BT = (torch.arange(mask_BT.shape[1], device=mask_BT.device) < self.keep).expand_as(mask_BT)
            kept_BT = mask_BT & torch.zeros_like(mask_BT).scatter(1, order_BT, first_BT)
        beta_BT1 = attention_weights(self.time(face_BTW), kept_BT)
        return beta_BT1.squeeze(-1) * alpha_BT
