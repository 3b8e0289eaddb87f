"""VanillaTransformer: full self-attention over the frames of a window."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.layers import (
    Activation,
    EncoderLayer,
    FrameEmbedding,
    Rate,
    drop_single,
    masked_mean,
    regressor,
)

__all__ = ["VanillaTransformer"]


class VanillaTransformer(nn.Module):
    """Project each frame, add learned positions, encode, average the real frames, regress.

    A window without any real frame is scored as a zero vector. Time and memory grow with T². 462,465 parameters at
    D = 512, of which 190,464 belong to positions that a window of 512 frames never reaches.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Longest window, the number of learned positions.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    width : int
        Width of a frame's vector, a multiple of `attention_heads`.
    layers : int
        Encoder layers.
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
        `width` is no multiple of `attention_heads`, or a window is longer than `max_frames`.

    References
    ----------
    The temporal ablation's VanillaTransformer ("~500K"); Vaswani et al. 2017, "Attention is all you need", section 3.1.

    Examples
    --------
    >>> import torch
    >>> head = VanillaTransformer(n_features=4, max_frames=16, width=8, ff=16).eval()
    >>> head(torch.zeros(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)).shape
    torch.Size([2])
    """

    rounds_frames = True

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        width: Count = 128,
        layers: Annotated[int, Field(ge=0)] = 1,
        attention_heads: Count = 4,
        ff: Count = 256,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.1,
        attention_dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = FrameEmbedding(n_features, width, max_frames)
        self.layers = nn.ModuleList(
            EncoderLayer(width, attention_heads, ff, dropout, attention_dropout, activation) for _ in range(layers)
        )
        self.regressor = regressor(width, hidden, activation, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, W], which the regressor scores."""
        return masked_mean(self.frames(x_BTD, mask_BT), mask_BT)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vectors [B, T, W] that the head averages; pre-training trains them."""
        z_BTW = self.embedding(x_BTD, mask_BT)
        for layer in self.layers:
            z_BTW = layer(z_BTW, mask_BT)
        return z_BTW
