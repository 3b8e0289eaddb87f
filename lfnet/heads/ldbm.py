"""LDBM: attention over patches of frames, whose tokens are merged two by two after each layer."""

from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.heads.layers import (
    EncoderLayer,
    at_most,
    fold,
    fold_mask,
    in_pieces,
    masked_mean,
    regressor,
    sinusoidal_positions,
    token_count,
)

__all__ = ["LDBM"]


class LDBM(nn.Module):
    """Fold frames into patches, add sinusoidal positions, encode and merge in turn, average the tokens, regress.

    x [B, T, D] float32, mask [B, T] bool → y [B] in standardised units. Raises LfnetError where T > max_frames and for
    settings that cannot work. Frames keep their place in their patch; those under a false mask are zeros there, and a
    patch counts as soon as one of its frames is real. Nothing is dropped: the last patch, and the last token of an odd
    number in a merge, are filled up with zeros. A window without any real frame is scored as a zero vector.

    stride: frames from one patch to the next; None is `patch_size`, smaller values make patches overlap.
    Source: system B's LDBM ("1.35M"), after "Automatic Depression Recognition with an Ensemble of Multimodal
    Spatio-Temporal Routing Features". Parameters at D = 512: 568,449 / 830,593 / 1,354,881 for patches of 4 / 8 / 16.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        patch_size: int = 16,
        stride: int | None = None,
        width: int = 128,
        layers: int = 2,
        attention_heads: int = 4,
        ff: int = 256,
        hidden: int | None = 64,
        activation: str = "relu",
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if patch_size < 1:
            raise LfnetError(f"head.patch_size is {patch_size}: it must be at least 1 frame")
        if stride is not None and not 1 <= stride <= patch_size:
            raise LfnetError(
                f"head.stride is {stride}: it must lie between 1 and head.patch_size={patch_size}, "
                "or frames between two patches would never be read"
            )
        self.patch_size = patch_size
        self.stride = stride or patch_size
        self.max_frames = max_frames
        self.projection = nn.Linear(n_features * patch_size, width)
        positions_NW = sinusoidal_positions(token_count(max_frames, patch_size, self.stride), width)
        self.register_buffer("positions", positions_NW, persistent=False)
        self.layers = nn.ModuleList(
            EncoderLayer(width, attention_heads, ff, dropout, attention_dropout, activation) for _ in range(layers)
        )
        self.merge = nn.Linear(2 * width, width)  # one for all layers: so the published count comes out
        self.regressor = regressor(width, hidden, activation)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        at_most(x_BTD.shape[1], self.max_frames)
        z_BNW = in_pieces(self._embed, x_BTD, mask_BT)
        mask_BN = fold_mask(mask_BT, self.patch_size, self.stride)
        z_BNW = z_BNW + self.get_buffer("positions")[: z_BNW.shape[1]]
        for layer in self.layers:
            z_BNW = self.merge(fold(layer(z_BNW, mask_BN), mask_BN, 2, 2))
            mask_BN = fold_mask(mask_BN, 2, 2)
        return self.regressor(masked_mean(z_BNW, mask_BN)).squeeze(-1)

    def _embed(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.projection(fold(x_BTD, mask_BT, self.patch_size, self.stride))
