"""Windows shortened once before training, for heads that read only a summary of them."""

from torch import Tensor

from lfnet.heads.cpu.machine import map_chunks
from lfnet.heads.layers import masked_mean

__all__ = ["mean_window"]


def mean_window(x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Return each window's mean frame as a window of one frame, [B, 1, D], and its mask [B, 1].

    A head that offers this as `shorten` must score both windows the same; training then shortens each window once.

    Examples
    --------
    >>> import torch
    >>> x, mask = mean_window(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[True, True]]))
    >>> x.tolist(), mask.tolist()
    ([[[2.0]]], [[True]])
    """
    return map_chunks(masked_mean, x_BTD, mask_BT).unsqueeze(1), mask_BT.any(1, keepdim=True)
