"""Selective scan of a state-space model in plain PyTorch: a chunked parallel scan, forward and backward.

Per channel e, with N states, and with step Δ, input matrix B and output matrix C that depend on the frame:

    h_t = exp(Δ_t A) h_{t−1} + (Δ_t u_t) B_t        y_t = C_t · h_t

which is the S6 layer of Gu and Dao 2023, "Mamba", section 3.2 and algorithm 2: A by zero-order hold (equation 4), B by
its first-order form Δ B, as in their code. Where Δ_t = 0 the frame is skipped: the state stays as it was.

Frames are processed in chunks, one after another, so memory grows with [T, E] and not with [T, E, N]: only the states
between chunks are kept, the backward pass recomputes the others (their section 3.3.2). Within a chunk the recurrence
h_t = a_t h_{t−1} + b_t is a parallel scan in two levels: the chunk is cut into pieces, and all pieces go through their
steps in parallel, first to find where each ends, then, once the ends have been chained, from where each begins. That
is three times the plain recurrence's arithmetic for any length of chunk, in far fewer, larger steps. Where a step is
already large there are few pieces; with one piece it is the plain recurrence.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["linear_scan", "selective_scan"]

_CHUNK = 1 << 19  # numbers of a chunk's states: 2 MiB, which stay in the cache for the second pass
_MIN_CHUNK, _MAX_CHUNK = 16, 512  # frames
_STEP = 1 << 14  # numbers that a step needs to be worth its call
_DOUBLINGS = 13  # of an export: enough for 8192 frames


def selective_scan(
    u_TBE: Tensor, delta_TBE: Tensor, A_EN: Tensor, B_TBN: Tensor, C_TBN: Tensor, chunk: int | None = None
) -> Tensor:
    """Return y [T, B, E] of the equations above, from a state of zeros; differentiable once in all five inputs.

    Computed in float32 under autocast, else in the inputs' own type. In an export it is a scan by doubling, whose
    number of steps does not depend on the window's length; it works for up to 8192 frames.

    Parameters
    ----------
    u_TBE, delta_TBE : Tensor
        Inputs and steps; steps are not negative.
    A_EN : Tensor
        Negative, shared by all frames.
    B_TBN, C_TBN : Tensor
        Shared by all channels.
    chunk : int or None
        Frames of a chunk; None is what fits the cache. It changes memory, and the result only by rounding.
    """
    if torch.compiler.is_compiling():
        return _exported(u_TBE, delta_TBE, A_EN, B_TBN, C_TBN)
    device = u_TBE.device.type
    if torch.is_autocast_enabled(device):
        u_TBE, delta_TBE, A_EN, B_TBN, C_TBN = (x.float() for x in (u_TBE, delta_TBE, A_EN, B_TBN, C_TBN))
    if chunk is None:
        chunk = max(_MIN_CHUNK, min(_CHUNK // max(1, u_TBE[:1].numel() * A_EN.shape[1]), _MAX_CHUNK))
    with torch.autocast(device, enabled=False):
        return _SelectiveScan.apply(u_TBE, delta_TBE, A_EN, B_TBN, C_TBN, chunk)


def linear_scan(a: Tensor, b: Tensor, h: Tensor, pieces: int | None = None) -> Tensor:
    """Return all states [T, …] of h_t = a_t h_{t−1} + b_t, in parallel.

    a, b: [T, …]. h: the state before the first, […]. pieces: parts of the sequence that run in parallel; None is as
    many as make steps of a good size.
    """
    T = len(a)
    out = torch.empty_like(b)
    pieces = _pieces(T, h.numel()) if pieces is None else max(1, min(pieces, T))
    size = T // pieces
    whole = pieces * size  # the rest follows step by step, fewer steps than there are pieces
    a_PS, b_PS, out_PS = (x[:whole].unflatten(0, (pieces, size)) for x in (a, b, out))
    if pieces > 1:
        start = _starts(a_PS, b_PS, h)
    else:
        start = h.unsqueeze(0)
    for s in range(size):
        torch.addcmul(b_PS[:, s], a_PS[:, s], start, out=out_PS[:, s])
        start = out_PS[:, s]
    for t in range(whole, T):
        torch.addcmul(b[t], a[t], out[t - 1], out=out[t])
    return out


def _starts(a_PS: Tensor, b_PS: Tensor, h: Tensor) -> Tensor:
    """Return the state before each piece's first step, [P, …]."""
    end, decay = b_PS[:, 0].clone(), a_PS[:, 0].clone()
    for s in range(1, a_PS.shape[1]):
        torch.addcmul(b_PS[:, s], a_PS[:, s], end, out=end)
        decay *= a_PS[:, s]
    start = torch.empty_like(end)
    start[0] = h
    for p in range(1, len(end)):
        torch.addcmul(end[p - 1], decay[p - 1], start[p - 1], out=start[p])
    return start


def _pieces(steps: int, numbers: int) -> int:
    """Return as many pieces as make a step worth its call, at most about √T, which minimises the number of steps."""
    return max(1, min(_STEP // max(numbers, 1), math.isqrt(steps)))


class _SelectiveScan(torch.autograd.Function):
    """Forward keeps the state before each chunk; backward recomputes each chunk's states, from the last chunk on."""

    @staticmethod
    def forward(
        ctx: Any, u_TBE: Tensor, delta_TBE: Tensor, A_EN: Tensor, B_TBN: Tensor, C_TBN: Tensor, chunk: int
    ) -> Tensor:
        T, B, E = u_TBE.shape
        h = u_TBE.new_zeros(B, E, A_EN.shape[1])
        befores = []
        y_TBE = torch.empty_like(u_TBE, memory_format=torch.contiguous_format)
        for first in range(0, T, chunk):
            part = slice(first, first + chunk)
            befores.append(h)
            _, h_CBEN = _states(u_TBE[part], delta_TBE[part], A_EN, B_TBN[part], h)
            y_TBE[part] = (h_CBEN @ C_TBN[part].unsqueeze(-1)).squeeze(-1)
            h = h_CBEN[-1].clone()  # not a view, which would keep the whole chunk
        ctx.chunk = chunk
        ctx.save_for_backward(u_TBE, delta_TBE, A_EN, B_TBN, C_TBN, *befores)
        return y_TBE

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TBE: Tensor) -> tuple[Tensor | None, ...]:
        """With g_t the gradient that reaches h_t, g_t = C_t ∂y_t + a_{t+1} g_{t+1}: the same recurrence backwards.

        The gradient of a_t is g_t h_{t−1}, that of b_t is g_t; the rest is the chain rule through a = exp(Δ A) and
        b = (Δ u) B.
        """
        u_TBE, delta_TBE, A_EN, B_TBN, C_TBN, *befores = ctx.saved_tensors
        with torch.autocast(u_TBE.device.type, enabled=False):
            grads = [
                torch.empty_like(x, memory_format=torch.contiguous_format) for x in (u_TBE, delta_TBE, B_TBN, C_TBN)
            ]
            of_u, of_delta, of_B, of_C = grads
            of_A = torch.zeros_like(A_EN)
            carried = torch.zeros_like(befores[0])  # a_{t+1} g_{t+1} of the following chunk
            for index in range(len(befores) - 1, -1, -1):
                part = slice(index * ctx.chunk, (index + 1) * ctx.chunk)
                u, delta, C_CBN1, dy = u_TBE[part], delta_TBE[part], C_TBN[part].unsqueeze(-1), grad_TBE[part]
                a, h = _states(u, delta, A_EN, B_TBN[part], befores[index])
                g = _backwards(a, dy.unsqueeze(-1) * C_CBN1.transpose(-1, -2), carried)
                carried = a[0] * g[0]

                of_C[part] = (dy.unsqueeze(-2) @ h).squeeze(-2)
                of_B[part] = ((delta * u).unsqueeze(-2) @ g).squeeze(-2)
                of_input = (g @ B_TBN[part].unsqueeze(-1)).squeeze(-1)
                # from here on g becomes the gradient of Δ A: g_t h_{t−1} a_t
                g *= a
                g[1:] *= h[:-1]
                g[0] *= befores[index]
                of_u[part] = of_input * delta
                of_delta[part] = of_input * u + (g * A_EN).sum(-1)
                of_A += (g * delta.unsqueeze(-1)).sum((0, 1))
        return of_u, of_delta, of_A, of_B, of_C, None


def _states(u: Tensor, delta: Tensor, A_EN: Tensor, B_CBN: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return a chunk's decays a = exp(Δ A) and states h, both [C, B, E, N]."""
    a = (delta.unsqueeze(-1) * A_EN).exp_()
    return a, linear_scan(a, (delta * u).unsqueeze(-1) * B_CBN.unsqueeze(-2), before)


def _backwards(a: Tensor, d: Tensor, carried: Tensor) -> Tensor:
    """Return all g [C, …] of g_t = d_t + a_{t+1} g_{t+1}, where `carried` is a_{t+1} g_{t+1} for the last t."""
    d[-1] += carried
    if len(d) == 1:
        return d
    rest = linear_scan(a[1:].flip(0), d[:-1].flip(0), d[-1])
    return torch.cat([rest.flip(0), d[-1:]])


def _exported(u_TBE: Tensor, delta_TBE: Tensor, A_EN: Tensor, B_TBN: Tensor, C_TBN: Tensor) -> Tensor:
    """Scan by doubling (Hillis and Steele 1986): after k rounds a state covers the 2^k frames up to its own."""
    a = (delta_TBE.unsqueeze(-1) * A_EN).exp()
    h = (delta_TBE * u_TBE).unsqueeze(-1) * B_TBN.unsqueeze(-2)
    for k in range(_DOUBLINGS):
        frames = a.shape[0]
        before_h = F.pad(h, (0, 0, 0, 0, 0, 0, 2**k, 0))[:frames]
        before_a = F.pad(a, (0, 0, 0, 0, 0, 0, 2**k, 0))[:frames]
        h, a = h + a * before_h, a * before_a
    return (h * C_TBN.unsqueeze(-2)).sum(-1)
