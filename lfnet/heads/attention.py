"""Self-attention whose training step on a CPU is written out: about twice as fast there as PyTorch's fused kernel.

The fused kernel of `scaled_dot_product_attention` makes the weights again in its backward pass, in blocks too small for
a CPU's wide registers, and gives up altogether where weights are dropped. Here one window's weights are made at a time,
by whole matrix products, and kept for the backward pass as long as a batch of them fits. Everywhere else (no gradient,
another device, export, few tokens, or so many that their weights would fill the memory) the fused kernel runs.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["keep_mask", "keep_scale", "self_attention"]

_mkldnn: Any = torch.backends.mkldnn  # typed as a module without its settings
_FEWEST = 128  # tokens below which attention is a small part of a step
_KEPT = 256 << 20  # bytes of attention weights that a step may keep


def self_attention(qkv_BTX: Tensor, mask_BT: Tensor, heads: int, dropout: float = 0.0) -> Tensor:
    """softmax(q kᵀ / √C) v for each of `heads` parts of width C (Vaswani et al. 2017, section 3.2), joined: [B, T, W].

    qkv_BTX: [B, T, 3W], queries, keys and values beside each other. mask_BT: bool, tokens that are seen; a window
    without any is all seen: what a softmax over nothing is depends on the kernel (zero or NaN). dropout: of the
    attention weights.
    """
    B, T, _ = qkv_BTX.shape
    seen_BT = mask_BT | ~mask_BT.any(1, keepdim=True)
    if (
        qkv_BTX.requires_grad
        and torch.is_grad_enabled()
        and qkv_BTX.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and T >= _FEWEST
        and B * heads * T * T * qkv_BTX.element_size() <= _KEPT
        and (dropout or _wide(qkv_BTX.dtype))
    ):
        return _Attention.apply(qkv_BTX, seen_BT, heads, dropout)
    q, k, v = qkv_BTX.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    seen_BHTC = F.scaled_dot_product_attention(q, k, v, attn_mask=seen_BT[:, None, None, :], dropout_p=dropout)
    return seen_BHTC.transpose(1, 2).flatten(2)


def _wide(dtype: torch.dtype) -> bool:
    """Whether whole products are faster than the fused kernel: in half precision, and where oneDNN makes them."""
    return dtype != torch.float32 or _mkldnn.matmul.fp32_precision == "bf16"


def keep_mask(like: Tensor, rate: float) -> Tensor:
    """Ones, and zeros with probability `rate` (to 1/32768), int16, in the shape of a CPU tensor.

    Each random number of 64 bits decides four elements, by integer arithmetic; `bernoulli_` draws one for each of them
    and takes ten times as long. What is drawn follows from torch's seed.
    """
    seed = int(torch.randint(2**62, ()))
    lanes = torch.from_numpy(np.random.PCG64DXSM(seed).random_raw(-(-like.numel() // 4)).view(np.int16))
    lanes.bitwise_right_shift_(1).sub_(_dropped(rate) - 2**14)  # a number from -dropped to 2^15 - 1 - dropped
    return lanes.bitwise_right_shift_(15).add_(1)[: like.numel()].view(like.shape)


def keep_scale(rate: float) -> float:
    """What makes up for the elements that `keep_mask` drops on average."""
    return 2**15 / (2**15 - _dropped(rate))


def _dropped(rate: float) -> int:
    return min(round(rate * 2**15), 2**15 - 1)


class _Attention(torch.autograd.Function):
    """qkv [B, T, 3W], seen keys bool [B, T], number of heads, dropout → [B, T, W]; one window at a time."""

    @staticmethod
    def forward(ctx: Any, qkv_BTX: Tensor, seen_BT: Tensor, heads: int, dropout: float) -> Tensor:
        B, T, X = qkv_BTX.shape
        out_BTW = qkv_BTX.new_empty(B, T, X // 3)
        out_BTHC = out_BTW.unflatten(-1, (heads, -1))
        scores_HTT = qkv_BTX.new_empty(heads, T, T)
        kept: list[Tensor] = []
        for b, index in enumerate(_indices(seen_BT)):
            q, k, v = _parts(qkv_BTX[b], heads, index)
            scores = scores_HTT if index is None else scores_HTT.flatten()[: heads * T * len(index)].view(heads, T, -1)
            weights = torch.bmm(q, k.mT, out=scores).softmax(-1)
            kept.append(weights)
            if dropout:
                keep = keep_mask(weights, dropout)
                kept.append(keep)
                weights = torch.mul(weights, keep.to(weights.dtype), out=scores)
            seen = torch.bmm(weights, v)
            out_BTHC[b] = (seen.mul_(keep_scale(dropout)) if dropout else seen).transpose(0, 1)
        ctx.save_for_backward(qkv_BTX, seen_BT, *kept)
        ctx.heads, ctx.dropout = heads, dropout
        return out_BTW

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTW: Tensor) -> tuple[Tensor | None, ...]:
        """With P the weights and M what dropout makes of ones: ∂v = (M P)ᵀ ∂o, ∂P = M (∂o vᵀ), and for the scores
        s = q kᵀ / √C: ∂s = P (∂P − Σ P ∂P), ∂q = ∂s k / √C, ∂k = ∂sᵀ q / √C.
        """
        qkv_BTX, seen_BT, *kept = ctx.saved_tensors
        heads, dropout, each = ctx.heads, ctx.dropout, 2 if ctx.dropout else 1
        T = seen_BT.shape[1]
        grad_qkv = torch.empty_like(qkv_BTX)
        buffer, again = qkv_BTX.new_empty(2, heads, T, T)
        for b, index in enumerate(_indices(seen_BT)):
            q, k, v = _parts(qkv_BTX[b], heads, index)
            p = kept[each * b]
            grad = grad_BTW[b].unflatten(-1, (heads, -1)).transpose(0, 1).contiguous()
            if dropout:
                grad = grad * keep_scale(dropout)
            size = p.numel()
            of_p = torch.bmm(grad, v.mT, out=buffer.flatten()[:size].view_as(p))
            dropped = p
            if dropout:
                keep = kept[each * b + 1].to(p.dtype)
                of_p.mul_(keep)
                dropped = torch.mul(p, keep, out=again.flatten()[:size].view_as(p))
            of_v = torch.bmm(dropped.mT, grad)
            of_s = torch.ops.aten._softmax_backward_data(of_p, p, -1, p.dtype)
            to_THC = grad_qkv[b].unflatten(-1, (3, heads, -1)).unbind(1)
            to_THC[0].copy_(torch.bmm(of_s, k).mul_(k.shape[-1] ** -0.5).transpose(0, 1))
            for to, part in ((to_THC[1], torch.bmm(of_s.mT, q)), (to_THC[2], of_v)):
                if index is None:
                    to.copy_(part.transpose(0, 1))
                else:
                    to.zero_().index_copy_(0, index, part.transpose(0, 1))
        return grad_qkv, None, None, None


def _indices(seen_BT: Tensor) -> list[Tensor | None]:
    """The seen keys of each window; None where they are all seen. Unseen keys are left out and cost nothing."""
    every = seen_BT.all(1).tolist()
    return [None if whole else seen.nonzero().squeeze(1) for whole, seen in zip(every, seen_BT, strict=True)]


def _parts(qkv_TX: Tensor, heads: int, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, already divided by √C, [H, T, C], and the keys and values that are seen, [H, keys, C]."""
    q, k, v = qkv_TX.unflatten(-1, (3, heads, -1)).transpose(0, 2).unbind(1)
    if index is not None:
        k, v = k.index_select(1, index), v.index_select(1, index)
    return q * (q.shape[-1] ** -0.5), k.contiguous(), v.contiguous()
