"""How many instances become one vector: attention weights over what the mask leaves, and means over patches."""

import torch.nn.functional as F
from torch import Tensor

from lfnet.heads.layers import clean

__all__ = ["attention_weights", "patch_means"]


def attention_weights(scores_BNH: Tensor, mask_BN: Tensor) -> Tensor:
    """Softmax [B, N, H] over the N real instances, zero under a false mask; all zeros for a window without any."""
    mask_BN1 = mask_BN.unsqueeze(-1)
    # what a softmax over nothing is depends on the kernel: an empty window sees everything first, and then nothing
    seen_BN1 = mask_BN1 | ~mask_BN1.any(1, keepdim=True)
    weights_BNH = scores_BNH.masked_fill(~seen_BN1, float("-inf")).softmax(1)
    return weights_BNH.masked_fill(~mask_BN1, 0.0)


def patch_means(x_BTD: Tensor, mask_BT: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The mean [B, N, D] of each patch's real frames, and which patches have one [B, N].

    Patches are `size` neighbouring frames; the last may be shorter. A patch without a real frame is zeros.
    """
    B, T, D = x_BTD.shape
    N = (T + size - 1) // size
    missing = N * size - T
    real_BN = F.pad(mask_BT, (0, missing)).reshape(B, N, size).sum(-1)
    sums_BND = F.pad(clean(x_BTD, mask_BT), (0, 0, 0, missing)).reshape(B, N, size, D).sum(2)
    return sums_BND / real_BN.clamp(min=1).unsqueeze(-1), real_BN > 0
