"""Self-attention by whole matrix products on a CPU, about twice as fast there as PyTorch's fused kernel.

The fused kernel of `scaled_dot_product_attention` works in blocks too small for a CPU's wide registers, recomputes the
weights in its backward pass, and falls back to plain attention with dropout. Here whole products compute the weights of
a few windows at a time and keep them for the backward pass, as long as a batch of them fits. In all other cases
(another device, export, so many tokens that their weights would fill the memory, dropout without a gradient) the fused
kernel runs.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lfnet.heads.cpu.dropout import keep_scale
from lfnet.heads.cpu.softmax import dropped_softmax, dropped_softmax_backward

__all__ = ["self_attention"]

_mkldnn: Any = torch.backends.mkldnn  # typed as a module without its settings
_KEPT = 256 << 20  # bytes of attention weights that a step may keep
_GROUP = 4 << 20  # bytes of them that are computed at a time, to stay in the cache
_LONG = 128  # tokens from which windows are computed one by one
_Group = tuple[slice, Tensor | None, Tensor | None]  # windows; index of attended keys; mask of the others


def self_attention(qkv_BTX: Tensor, mask_BT: Tensor, heads: int, dropout: float = 0.0) -> Tensor:
    """Return softmax(q kᵀ / √C) v for each of `heads` parts of width C, joined: [B, T, W].

    Vaswani et al. 2017, section 3.2.

    Parameters
    ----------
    qkv_BTX : Tensor
        [B, T, 3W], queries, keys and values joined.
    mask_BT : Tensor
        bool, tokens that are attended to; all of them in a window without any, since a softmax over nothing depends on
        the kernel (zero or NaN).
    heads : int
    dropout : float
        Share of attention weights that is dropped.
    """
    B, T, _ = qkv_BTX.shape
    seen_BT = mask_BT | ~mask_BT.any(1, keepdim=True)
    if qkv_BTX.device.type == "cpu" and not torch.compiler.is_compiling():
        learns = qkv_BTX.requires_grad and torch.is_grad_enabled()
        fits = B * heads * T * T * qkv_BTX.element_size() <= _KEPT
        if learns and fits and (dropout or _wide(qkv_BTX.dtype)):
            return _Attention.apply(qkv_BTX, seen_BT, heads, dropout)
        half = qkv_BTX.dtype.itemsize < 4  # there the fused kernel rounds its weights less
        if not learns and not dropout and not half and _wide(qkv_BTX.dtype) and _has_avx512():
            return _attend(qkv_BTX, _groups(qkv_BTX, seen_BT, heads), heads, 0.0, None)
    q, k, v = qkv_BTX.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    seen_BHTC = F.scaled_dot_product_attention(q, k, v, attn_mask=seen_BT[:, None, None, :], dropout_p=dropout)
    return seen_BHTC.transpose(1, 2).flatten(2)


def _wide(dtype: torch.dtype) -> bool:
    """Return whether whole products beat the fused kernel: in half precision, and where oneDNN computes them."""
    return dtype != torch.float32 or _mkldnn.matmul.fp32_precision == "bf16"


def _has_avx512() -> bool:
    """Return whether whole products score faster than the fused kernel, which needs half their time with AVX2."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


class _Attention(torch.autograd.Function):
    """qkv [B, T, 3W], attended keys bool [B, T], number of heads, dropout → [B, T, W]; a few windows at a time."""

    @staticmethod
    def forward(ctx: Any, qkv_BTX: Tensor, seen_BT: Tensor, heads: int, dropout: float) -> Tensor:
        kept: list[Tensor] = []
        groups = _groups(qkv_BTX, seen_BT, heads)
        out_BTW = _attend(qkv_BTX, groups, heads, dropout, kept)
        ctx.save_for_backward(qkv_BTX, *kept)
        ctx.groups, ctx.heads, ctx.dropout = groups, heads, dropout
        return out_BTW

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTW: Tensor) -> tuple[Tensor | None, ...]:
        """With P the weights and M the scaled dropout mask: ∂v = (M P)ᵀ ∂o, ∂P = M (∂o vᵀ), and for the scores
        s = q kᵀ / √C: ∂s = P (∂P − Σ P ∂P), ∂q = ∂s k / √C, ∂k = ∂sᵀ q / √C.
        """
        qkv_BTX, *kept = ctx.saved_tensors
        heads, dropout = ctx.heads, ctx.dropout
        grad_qkv = torch.empty_like(qkv_BTX)
        buffer, again = qkv_BTX.new_empty(2, max(weights.numel() for weights in kept))
        for p, (own, index, _) in zip(kept, ctx.groups, strict=True):
            q, k, v = _parts(qkv_BTX[own], heads, index)
            grad = _joined(grad_BTW[own], heads).flatten(0, 1).contiguous()
            if dropout:
                grad = grad * keep_scale(dropout)
            of_p = torch.bmm(grad, v.mT, out=_like(buffer, *p.shape))
            if dropout:
                of_s, minus_kept = dropped_softmax_backward(p, of_p, _like(again, *p.shape))
                of_v = torch.bmm(minus_kept.mT, grad).neg_()
            else:
                of_v = torch.bmm(p.mT, grad)
                of_s = torch.ops.aten._softmax_backward_data(of_p, p, -1, p.dtype)
            of_q = torch.bmm(of_s, k).mul_(k.shape[-1] ** -0.5)
            to_q, to_k, to_v = (_joined(part, heads) for part in grad_qkv[own].chunk(3, -1))
            to_q.copy_(_split(of_q, heads))
            for to, part in ((to_k, torch.bmm(of_s.mT, q)), (to_v, of_v)):
                if index is None:
                    to.copy_(_split(part, heads))
                else:
                    to.zero_().index_copy_(2, index, _split(part, heads))
        return grad_qkv, None, None, None


def _attend(qkv_BTX: Tensor, groups: list[_Group], heads: int, dropout: float, kept: list[Tensor] | None) -> Tensor:
    """Return the attended values [B, T, W], group by group; `kept` gets the weights, marked where they were dropped."""
    B, T, X = qkv_BTX.shape
    out_BTW = qkv_BTX.new_empty(B, T, X // 3)
    buffer = qkv_BTX.new_empty(max(own.stop - own.start for own, _, _ in groups) * heads * T * T)
    for own, index, unseen in groups:
        q, k, v = _parts(qkv_BTX[own], heads, index)
        scores = torch.bmm(q, k.mT, out=_like(buffer, len(q), T, k.shape[1]))
        if unseen is not None:
            scores.unflatten(0, (-1, heads)).masked_fill_(unseen[:, None, None], float("-inf"))
        if dropout:
            weights, minus_kept = dropped_softmax(scores, dropout)
            seen = torch.bmm(minus_kept, v).mul_(-keep_scale(dropout))
        else:
            weights = scores.softmax(-1)
            seen = torch.bmm(weights, v)
        if kept is not None:
            kept.append(weights)
        _joined(out_BTW[own], heads).copy_(_split(seen, heads))
    return out_BTW


def _groups(qkv_BTX: Tensor, seen_BT: Tensor, heads: int) -> list[_Group]:
    """Split windows into groups, with the index of attended keys, or the mask of those that are not.

    None and None where all are attended to. In a group of one window the other keys are left out and cost nothing.
    """
    T = qkv_BTX.shape[1]
    size = 1 if T >= _LONG else max(1, _GROUP // (heads * T * T * qkv_BTX.element_size()))
    groups: list[_Group] = []
    for start in range(0, len(seen_BT), size):
        own = slice(start, min(start + size, len(seen_BT)))
        if bool(seen_BT[own].all()):
            groups.append((own, None, None))
        elif size == 1:
            groups.append((own, seen_BT[start].nonzero().squeeze(1), None))
        else:
            groups.append((own, None, ~seen_BT[own]))
    return groups


def _joined(z_GTW: Tensor, heads: int) -> Tensor:
    """Return a view [windows, heads, T, C]."""
    return z_GTW.unflatten(-1, (heads, -1)).transpose(1, 2)


def _split(z: Tensor, heads: int) -> Tensor:
    """Return a view [windows, heads, T, C] of [windows · heads, T, C]."""
    return z.unflatten(0, (-1, heads))


def _like(buffer: Tensor, *shape: int) -> Tensor:
    """Return the first part of the buffer, in this shape."""
    return buffer[: math.prod(shape)].view(shape)


def _parts(qkv_GTX: Tensor, heads: int, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries divided by √C, [windows · heads, T, C], and the keys and values that are attended to."""
    q, k, v = (_joined(part, heads).flatten(0, 1) for part in qkv_GTX.chunk(3, -1))
    if index is not None:
        k, v = k.index_select(1, index), v.index_select(1, index)
    return q * (q.shape[-1] ** -0.5), k.contiguous(), v.contiguous()
