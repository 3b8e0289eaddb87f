"""TemporalMeanMLP: no temporal modelling at all, the mean frame and a small network."""

from torch import Tensor, nn

from lfnet.heads.layers import in_pieces, masked_mean, regressor

__all__ = ["TemporalMeanMLP"]


class TemporalMeanMLP(nn.Module):
    """Score the mean of a window's real frames: the answer cannot depend on their order.

    x [B, T, D] float32, mask [B, T] bool → y [B] in standardised units. Any T will do: there are no positions, and
    `max_frames` is taken only because every head takes it. A window without any real frame is scored as a zero vector.
    Source: system B's TemporalMeanMLP ("131K"); 131,585 parameters at D = 512.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        hidden: int | None = 256,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.regressor = regressor(n_features, hidden, activation, dropout)

    @staticmethod
    def shorten(x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The mean frame as a window of one frame: of it `forward` says what it says of the whole window.

        Any head may offer this: a shorter window that follows from the window alone. In training each is made once.
        """
        return in_pieces(masked_mean, x_BTD, mask_BT).unsqueeze(1), mask_BT.any(1, keepdim=True)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.regressor(in_pieces(masked_mean, x_BTD, mask_BT)).squeeze(-1)
