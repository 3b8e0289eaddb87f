"""AttentionMIL: a window is a bag of patches; gated attention says how much each of them counts."""

from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.heads.layers import activation as activation_named
from lfnet.heads.layers import in_pieces, regressor
from lfnet.heads.pooling import attention_weights, patch_means

__all__ = ["AttentionMIL"]


class AttentionMIL(nn.Module):
    """Embed each instance, weigh it by gated attention, sum, regress.

    With h_k the instances' embeddings, the bag is z = Σ a_k h_k (equation 7) and

        a_k = softmax over k of wᵀ (tanh(V h_k) ⊙ sigm(U h_k))      gated (equation 9)
        a_k = softmax over k of wᵀ tanh(V h_k)                      not gated (equation 8)

    x [B, T, D] float32, mask [B, T] bool → y [B] in standardised units. An instance is the mean of the real frames of
    `patch_size` neighbouring ones, so order counts only in as far as it moves frames from patch to patch: with
    `patch_size=1` not at all. Any T will do; `max_frames` is taken only because every head takes it. A window without
    any real frame is scored as a zero vector.
    Source: Ilse, Tomczak, Welling 2018, "Attention-based deep multiple instance learning", ICML. The embedding (one
    linear layer) and the regressor are this project's. 90,561 parameters at D = 512.
    """

    def __init__(
        self,
        n_features: int,
        max_frames: int = 2000,
        *,
        patch_size: int = 8,
        width: int = 128,
        attention_width: int = 64,
        gated: bool = True,
        hidden: int | None = 64,
        activation: str = "relu",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if patch_size < 1:
            raise LfnetError(f"head.patch_size is {patch_size}: it must be at least 1 frame")
        self.patch_size = patch_size
        self.embedding = nn.Sequential(nn.Linear(n_features, width), activation_named(activation), nn.Dropout(dropout))
        self.v = nn.Linear(width, attention_width)
        self.u = nn.Linear(width, attention_width) if gated else None
        self.w = nn.Linear(attention_width, 1, bias=False)  # a softmax does not see a bias
        self.regressor = regressor(width, hidden, activation, dropout)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        h_BNW, weights_BN1 = self._instances(x_BTD, mask_BT)
        return self.regressor((weights_BN1 * h_BNW).sum(1)).squeeze(-1)

    def weights(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """How much each patch counts, [B, N]: the sum over a window is 1, or 0 where no frame is real."""
        return self._instances(x_BTD, mask_BT)[1].squeeze(-1)

    def _instances(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        means_BND = in_pieces(lambda x, mask: patch_means(x, mask, self.patch_size)[0], x_BTD, mask_BT)
        real_BN = patch_means(mask_BT.unsqueeze(-1).float(), mask_BT, self.patch_size)[1]
        h_BNW = self.embedding(means_BND)
        scores_BNA = self.v(h_BNW).tanh()
        if self.u is not None:
            scores_BNA = scores_BNA * self.u(h_BNW).sigmoid()
        return h_BNW, attention_weights(self.w(scores_BNA), real_BN)
