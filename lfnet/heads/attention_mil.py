"""AttentionMIL: a window as a bag of patches, weighted by gated attention."""

from torch import Tensor, nn

from lfnet.config import Count
from lfnet.heads.cpu.machine import map_chunks
from lfnet.heads.layers import (
    Activation,
    Rate,
    activation_module,
    attention_weights,
    drop_single,
    patch_means,
    regressor,
)

__all__ = ["AttentionMIL"]


class AttentionMIL(nn.Module):
    """Embed each instance, weight it by gated attention, sum, regress.

    With h_k the instances' embeddings, the bag is z = Σ a_k h_k (equation 7) and

        a_k = softmax over k of wᵀ (tanh(V h_k) ⊙ sigm(U h_k))      gated (equation 9)
        a_k = softmax over k of wᵀ tanh(V h_k)                      not gated (equation 8)

    An instance is the mean of the real frames among `patch_size` neighbouring ones, so order matters only where it
    moves frames from patch to patch: with `patch_size=1` not at all. A window without any real frame is scored as a
    zero vector. The embedding (one linear layer) and the regressor are this project's. 90,561 parameters at D = 512.

    Parameters
    ----------
    n_features : int
        Features of a frame, D.
    max_frames : int
        Not used: any window length works.
    n_outputs : int
        Numbers per window, K; the loss sets it. 1 gives [B], more give [B, K].
    patch_size : int
        Frames whose mean is an instance.
    width : int
        Width of an instance's embedding.
    attention_width : int
        Width of the attention's hidden layer.
    gated : bool
        Equation 9 if true, else equation 8.
    hidden : int or None
        Width of the regressor's hidden layer; None is a linear regressor.
    activation : {"relu", "gelu"}
    dropout : float
        Share that training drops of the embeddings and of the regressor's hidden layer.

    References
    ----------
    Ilse, Tomczak and Welling 2018, "Attention-based deep multiple instance learning", ICML.

    Examples
    --------
    >>> import torch
    >>> head = AttentionMIL(n_features=4, patch_size=5, width=8).eval()
    >>> x, mask = torch.zeros(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)
    >>> head(x, mask).shape
    torch.Size([2])
    >>> head.weights(x, mask).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    def __init__(
        self,
        n_features: Count,
        max_frames: Count = 2000,
        *,
        n_outputs: Count = 1,
        patch_size: Count = 8,
        width: Count = 128,
        attention_width: Count = 64,
        gated: bool = True,
        hidden: Count | None = 64,
        activation: Activation = "relu",
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.embedding = nn.Sequential(nn.Linear(n_features, width), activation_module(activation), nn.Dropout(dropout))
        self.v = nn.Linear(width, attention_width)
        self.u = nn.Linear(width, attention_width) if gated else None
        self.w = nn.Linear(attention_width, 1, bias=False)  # a bias would cancel in the softmax
        self.regressor = regressor(width, hidden, activation, dropout, n_outputs=n_outputs)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return drop_single(self.regressor(self.embed_windows(x_BTD, mask_BT)))

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the vector of each window, [B, W], which the regressor scores."""
        h_BNW, weights_BN1 = self._instances(x_BTD, mask_BT)
        return (weights_BN1 * h_BNW).sum(1)

    def weights(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return each patch's attention weight, [B, N]: a window's sum is 1, or 0 where no frame is real."""
        return self._instances(x_BTD, mask_BT)[1].squeeze(-1)

    def _instances(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        means_BND = map_chunks(lambda x, mask: patch_means(x, mask, self.patch_size)[0], x_BTD, mask_BT)
        real_BN = patch_means(mask_BT.unsqueeze(-1).float(), mask_BT, self.patch_size)[1]
        h_BNW = self.embedding(means_BND)
        scores_BNA = self.v(h_BNW).tanh()
        if self.u is not None:
            scores_BNA = scores_BNA * self.u(h_BNW).sigmoid()
        return h_BNW, attention_weights(self.w(scores_BNA), real_BN)
