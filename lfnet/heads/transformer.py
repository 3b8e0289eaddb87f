"""VanillaTransformer: full self-attention over the frames of a window."""

from torch import Tensor, nn

from lfnet.heads.layers import EncoderLayer, FrameEmbedding, masked_mean, regressor

__all__ = ["VanillaTransformer"]


class VanillaTransformer(nn.Module):
    """Project each frame, add learned positions, encode, average the real frames, regress.

    x [B, T, D] float32, mask [B, T] bool → y [B] in standardised units. Raises LfnetError where T > max_frames.
    A window without any real frame is scored as a zero vector. Time and memory grow with T².
    Source: system B's VanillaTransformer ("~500K"); 462,465 parameters at D = 512, of which 190,464 belong to
    positions that a window of 512 frames never reaches.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        width: int = 128,
        layers: int = 1,
        attention_heads: int = 4,
        ff: int = 256,
        hidden: int | None = 64,
        activation: str = "relu",
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = FrameEmbedding(n_features, width, max_frames)
        self.layers = nn.ModuleList(
            EncoderLayer(width, attention_heads, ff, dropout, attention_dropout, activation) for _ in range(layers)
        )
        self.regressor = regressor(width, hidden, activation)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.regressor(masked_mean(self.frames(x_BTD, mask_BT), mask_BT)).squeeze(-1)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """What the head makes of each frame, [B, T, W], before it pools: what pre-training trains."""
        z_BTW = self.embedding(x_BTD, mask_BT)
        for layer in self.layers:
            z_BTW = layer(z_BTW, mask_BT)
        return z_BTW
