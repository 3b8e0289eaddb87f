"""LDBM: attention over patches of frames, with neighbouring tokens merged after each layer."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.errors import LfnetError
from lfnet.heads.cpu.machine import map_chunks
from lfnet.heads.layers import (
    Activation,
    EncoderLayer,
    Rate,
    check_length,
    drop_single,
    fold,
    fold_mask,
    masked_mean,
    regressor,
    sinusoidal_positions,
    token_count,
)

__all__ = ["LDBM"]


class LDBM(nn.Module):
    """Fold frames into patches, add sinusoidal positions, encode and merge in turn, average the tokens, regress.

    Frames keep their place in their patch; those under a false mask are zeros there, and a patch counts as real if one
    of its frames is. No frame is dropped: the last patch, and the last token of an odd number in a merge, are filled up
    with zeros. A window without any real frame is scored as a zero vector. Parameters at D = 512: 568,449 / 830,593 /
    1,354,881 for patches of 4 / 8 / 16 frames.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Longest window.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    patch_size : int
        Frames of a patch.
    stride : int or None
        Frames from one patch to the next, at most `patch_size`; None is `patch_size`, less makes patches overlap.
    width : int
        Width of a token, even and a multiple of `attention_heads`.
    layers : int
        Encoder layers, each followed by a merge of neighbouring tokens.
    attention_heads : int
    ff : int
        Width of an encoder layer's feed-forward part.
    hidden : int or None
        Width of the regressor's hidden layer; None is a linear regressor.
    activation : {"relu", "gelu"}
    dropout, attention_dropout : float
        Share of units, and of attention weights, that the encoder layers drop in training.

    Raises
    ------
    LfnetError
        Settings that do not fit each other, or a window longer than `max_frames`.

    References
    ----------
    The temporal ablation's LDBM ("1.35M"), after "Automatic Depression Recognition with an Ensemble of Multimodal
    Spatio-Temporal Routing Features".

    Examples
    --------
    >>> import torch
    >>> head = LDBM(n_features=4, max_frames=16, patch_size=2, width=8, ff=16).eval()
    >>> head(torch.zeros(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        patch_size: Count = 16,
        stride: Count | None = None,
        width: Count = 128,
        layers: Annotated[int, Field(ge=0)] = 2,
        attention_heads: Count = 4,
        ff: Count = 256,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.1,
        attention_dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        if stride is not None and stride > patch_size:
            raise LfnetError(
                f"head.stride={stride}: give at most head.patch_size={patch_size}, "
                "or no patch would read the frames between two patches."
            )
        self.patch_size = patch_size
        self.stride = stride or patch_size
        # The frames of overlapping patches are copied, and then products are computed in another order.
        self.rounds_frames = self.stride == patch_size
        self.max_frames = max_frames
        self.projection = nn.Linear(n_features * patch_size, width)
        positions_NW = sinusoidal_positions(token_count(max_frames, patch_size, self.stride), width)
        self.register_buffer("positions", positions_NW, persistent=False)
        self.layers = nn.ModuleList(
            EncoderLayer(width, attention_heads, ff, dropout, attention_dropout, activation) for _ in range(layers)
        )
        self.merge = nn.Linear(2 * width, width)  # shared by all layers, which gives the published number of parameters
        self.regressor = regressor(width, hidden, activation, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, W], which the regressor scores."""
        check_length(x_BTD.shape[1], self.max_frames)
        z_BNW = map_chunks(self._patches, x_BTD, mask_BT)
        mask_BN = fold_mask(mask_BT, self.patch_size, self.stride)
        z_BNW = z_BNW + self.get_buffer("positions")[: z_BNW.shape[1]]
        for layer in self.layers:
            z_BNW = self.merge(fold(layer(z_BNW, mask_BN), mask_BN, 2, 2))
            mask_BN = fold_mask(mask_BN, 2, 2)
        return masked_mean(z_BNW, mask_BN)

    def _patches(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.projection(fold(x_BTD, mask_BT, self.patch_size, self.stride))
