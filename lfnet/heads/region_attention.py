"""RegionAttention: which frames and which regions of the face count, learned from labels."""

import torch
from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.heads.layers import clean, regressor
from lfnet.heads.pooling import attention_weights

__all__ = ["RegionAttention"]


class RegionAttention(nn.Module):
    """Frame attention, temporal attention and region weights over frames' vectors, then a regressor.

    A frame's vector is `parts` vectors joined: the whole face f_t and then each region g_rt, as `encoder=visual_frames`
    gives them (parts = 5: the face and four regions). With parts = 1 the face is its own and only region. With

        α_t = σ(wᵀ tanh(W f_t + b))                  the `keep` real frames with the highest α are kept
        β_t = softmax over kept t of vᵀ tanh(U f_t)
        z_r = λ_r Σ_t β_t α_t g_rt                   λ learned, at first the same for all

    the regressor reads all z_r joined. x [B, T, D] float32, D a multiple of `parts`, mask [B, T] bool → y [B] in
    standardised units. The order of frames does not count, unless α are equal beyond `keep`: the earlier ones stay. Any
    T will do; `max_frames` is taken only because every head takes it. A window without any real frame is scored as a
    zero vector.
    Source: the figures of LightFusionNet (α, the best 100 frames, β and λ; research.md, section A), whose published
    code has fixed statistics and weights in their place (`lfnet.encoders.visual`). The figures say neither where α
    enters the sum (here it scales its frame, or it could not be learned) nor the widths, nor what regresses.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        parts: int = 1,
        keep: int = 100,
        attention_width: int = 64,
        hidden: int | None = 64,
        activation: str = "relu",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if parts < 1 or n_features % parts:
            raise LfnetError(
                f"head.parts is {parts}: the {n_features} features of a frame cannot be cut into so many equal parts. "
                "With encoder=visual_frames it is 5 (the face and four regions), with others 1."
            )
        if keep < 1:
            raise LfnetError(f"head.keep is {keep}: it must be at least 1 frame")
        self.parts, self.keep = parts, keep
        width, regions = n_features // parts, max(1, parts - 1)
        self.frame = nn.Sequential(nn.Linear(width, attention_width), nn.Tanh(), nn.Linear(attention_width, 1))
        # a softmax over frames does not see a bias behind it
        self.time = nn.Sequential(
            nn.Linear(width, attention_width, bias=False), nn.Tanh(), nn.Linear(attention_width, 1, bias=False)
        )
        self.regions = nn.Parameter(torch.full((regions,), 1 / regions))
        self.regressor = regressor(regions * width, hidden, activation, dropout)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        x_BTPW = clean(x_BTD, mask_BT).unflatten(-1, (self.parts, -1))
        weights_BT = self._weights(x_BTPW[:, :, 0], mask_BT)
        regions_BTRW = x_BTPW[:, :, 1:] if self.parts > 1 else x_BTPW
        z_BRW = torch.einsum("bt,btrw->brw", weights_BT, regions_BTRW) * self.regions[:, None]
        return self.regressor(z_BRW.flatten(1)).squeeze(-1)

    def weights(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """How much each frame counts, β·α, [B, T]: zero for frames that are not real or not kept."""
        return self._weights(clean(x_BTD, mask_BT).unflatten(-1, (self.parts, -1))[:, :, 0], mask_BT)

    def _weights(self, face_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        alpha_BT = self.frame(face_BTW).squeeze(-1).sigmoid()
        kept_BT = mask_BT
        if torch.compiler.is_compiling() or mask_BT.shape[1] > self.keep:  # an export must hold for any length
            # stable: which of two equal frames is kept must not depend on the sort
            order_BT = alpha_BT.masked_fill(~mask_BT, -1.0).sort(dim=1, descending=True, stable=True).indices
            first_BT = (torch.arange(mask_BT.shape[1], device=mask_BT.device) < self.keep).expand_as(mask_BT)
            kept_BT = mask_BT & torch.zeros_like(mask_BT).scatter(1, order_BT, first_BT)
        beta_BT1 = attention_weights(self.time(face_BTW), kept_BT)
        return beta_BT1.squeeze(-1) * alpha_BT
