"""Softmax and dropout of attention weights, forward and backward.

One tensor holds the weights and which of them are kept: these are negated. Where Numba is installed
(`pip install 'lfnet[fast]'`), `lfnet.heads.cpu.compiled` does each direction in one pass over the rows, with the same
dropout masks; the results are equal to rounding.
"""

from functools import cache
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from lfnet.heads.cpu.dropout import keep_mask, mask_stream, threshold

__all__ = ["dropped_softmax", "dropped_softmax_backward"]

_LONG = 128  # elements of a row from which the compiled kernels are faster
_SUFFIX = {torch.float32: "32", torch.bfloat16: "16"}


def dropped_softmax(scores: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return the softmax over the last axis with the kept weights negated, and minus the kept weights, zeros elsewhere.

    Parameters
    ----------
    scores : Tensor
        Contiguous; overwritten.
    rate : float
        Share of weights that is dropped.
    """
    if compiled := _compiled(scores):
        marked = torch.empty_like(scores)
        forward = getattr(compiled, f"forward_{_SUFFIX[scores.dtype]}")
        state = mask_stream().state["state"]["state"]
        forward(_rows(scores), _rows(marked), state, np.int16(threshold(rate)))
        return marked, scores
    marked = scores.softmax(-1)
    keep = keep_mask(marked, rate)
    if marked.element_size() == 2:
        marked.view(torch.int16).bitwise_or_(keep.bitwise_left_shift_(15))  # the sign is the uppermost bit
    else:
        marked.mul_(keep.mul_(-2).add_(1))
    return marked, _minus_kept(marked, out=scores)


def dropped_softmax_backward(marked: Tensor, grad: Tensor, spare: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of the scores, and minus the kept weights.

    Parameters
    ----------
    marked : Tensor
        Of the forward pass.
    grad : Tensor
        Gradient of the kept weights; overwritten.
    spare : Tensor
        Memory of the same size; overwritten.
    """
    if compiled := _compiled(marked):
        backward = getattr(compiled, f"backward_{_SUFFIX[marked.dtype]}")
        backward(_rows(marked), _rows(grad), _rows(spare))
        return grad, spare
    if grad.element_size() == 2:
        ones = torch.bitwise_right_shift(marked.view(torch.int16), 15, out=spare.view(torch.int16))
        grad.view(torch.int16).bitwise_and_(ones)
    else:
        grad.mul_(torch.lt(marked, 0, out=spare))  # a comparison into bool takes far longer
    of_scores = torch.ops.aten._softmax_backward_data(grad, torch.abs(marked, out=spare), -1, grad.dtype)
    return of_scores, _minus_kept(marked, out=spare)


def _minus_kept(marked: Tensor, out: Tensor) -> Tensor:
    if marked.element_size() == 2:
        # Read as integers they keep their signs and compare in a third of the time.
        torch.clamp_max(marked.view(torch.int16), 0, out=out.view(torch.int16))
        return out
    return torch.clamp_max(marked, 0, out=out)


def _compiled(weights: Tensor) -> ModuleType | None:
    """Return the compiled kernels where they are faster: they use one thread, and PyTorch's as many as it has."""
    suits = weights.dtype in _SUFFIX and weights.shape[-1] >= _LONG and torch.get_num_threads() == 1
    return _kernels() if suits else None


@cache
def _kernels() -> ModuleType | None:
    """Import the kernels where they are needed first; None where Numba is absent, or made for another NumPy."""
    try:
        from lfnet.heads.cpu import compiled
    except ImportError:
        return None
    return compiled


def _rows(x: Tensor) -> np.ndarray:
    """Return a view [rows, T] of a contiguous tensor: of bfloat16, which NumPy lacks, its bits."""
    return (x if x.dtype == torch.float32 else x.view(torch.int16)).view(-1, x.shape[-1]).numpy()
