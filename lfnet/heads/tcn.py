"""TCN: dilated convolutions over time; each layer sees twice as far as the one before."""

from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.heads.layers import activation as activation_named
from lfnet.heads.layers import clean, in_pieces, masked_mean, regressor

__all__ = ["TCN"]


class TCN(nn.Module):
    """Project each frame, refine it by residual dilated convolutions, average the real frames, regress.

    Layer i = 0, 1, … is z ← z + W₂ act(W₁ * norm(z)), with W₁ a convolution of `kernel` frames that lie 2^i apart
    (both directions, no leakage to guard against: a window has one label) and W₂ one of a single frame: the dilated
    residual layer of Farha and Gall 2019, "MS-TCN", equations 1 and 2, with a layer norm before it. The last layer
    sees 1 + (kernel − 1)(2^layers − 1) frames: 255 as set.

    x [B, T, D] float32, mask [B, T] bool → y [B] in standardised units. Masked frames are zeros before every
    convolution, just as what lies beyond the window is, so a gap says nothing of what it hides and padding changes
    nothing. Any T will do; `max_frames` is taken only because every head takes it. A window without any real frame is
    scored as a zero vector. Time grows with T. 153,665 parameters at D = 512.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        width: int = 64,
        layers: int = 7,
        kernel: int = 3,
        hidden: int | None = 64,
        activation: str = "relu",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise LfnetError(f"head.layers is {layers}: it must be at least 1")
        if kernel < 1 or kernel % 2 == 0:
            raise LfnetError(
                f"head.kernel is {kernel}: it must be an odd number of frames, so that a frame is its centre"
            )
        self.projection = nn.Linear(n_features, width)
        self.layers = nn.ModuleList(_Dilated(width, kernel, 2**i, activation, dropout) for i in range(layers))
        self.norm = nn.LayerNorm(width)
        self.regressor = regressor(width, hidden, activation, dropout)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.regressor(masked_mean(self.frames(x_BTD, mask_BT), mask_BT)).squeeze(-1)

    def frames(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """What the head makes of each frame, [B, T, W], before it pools: what pre-training trains."""
        z_BTW = in_pieces(lambda x, mask: self.projection(clean(x, mask)), x_BTD, mask_BT)
        for layer in self.layers:
            z_BTW = layer(z_BTW, mask_BT)
        return self.norm(z_BTW)


class _Dilated(nn.Module):
    """One residual layer: [B, T, W] → [B, T, W]."""

    def __init__(self, width: int, kernel: int, dilation: int, act: str, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Conv1d(width, width, kernel, padding=kernel // 2 * dilation, dilation=dilation)
        self.act = activation_named(act)
        self.point = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, z_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        real_BTW = clean(self.norm(z_BTW), mask_BT)
        return z_BTW + self.dropout(self.point(self.act(self.wide(real_BTW.transpose(1, 2)).transpose(1, 2))))
