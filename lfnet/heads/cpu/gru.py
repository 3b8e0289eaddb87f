"""Gated recurrent unit with an explicit backward pass, two to three times faster than autograd's on a CPU.

`torch.nn.GRU` holds the parameters and runs without gradients, on a GPU (cuDNN) and in an export; training on a CPU
uses the function below. Each step does only what is sequential: forward, one matrix product and the gates; backward,
one product and two multiplications. All else (input projections, the gates' derivatives, weight gradients) is computed
for many steps at once.

The equations are those of `torch.nn.GRU`, gates in the order r, z, n:

    r = σ(W_ir x + b_ir + W_hr h + b_hr)        n = tanh(W_in x + b_in + r · (W_hn h + b_hn))
    z = σ(W_iz x + b_iz + W_hz h + b_hz)        h' = (1 − z) · n + z · h

A gradient fades over some hundred steps below the smallest normal floating-point number. Where nothing larger can
follow, the recursion stops: the rest is below 1e-30 (float32), and some processors compute a hundred times slower with
such numbers.

Under autocast the products over many steps are computed in its type. The recursion stays in float32: its steps are too
small to gain from it, and their errors would add up.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

__all__ = ["explicit", "run_gru"]

_STEPS = 32  # steps whose derivatives are prepared together: small enough to stay in the cache


def run_gru(gru: nn.GRU, x_TBD: Tensor, start: list[Tensor] | None = None) -> Tensor:
    """Return the top layer's hidden states [T, B, H] of a one-directional `gru` that starts from zeros.

    `gru` has biases and `batch_first=False`. Equal to `gru(x_TBD)[0]` up to rounding, with its gradients.

    start: the backward pass of each layer appends for each of the B rows the sum of the absolute gradients that reach
    its state before the first step.
    """
    if not explicit(x_TBD):
        return gru(x_TBD)[0]
    for layer in range(gru.num_layers):
        if layer and gru.dropout:
            x_TBD = F.dropout(x_TBD, gru.dropout, gru.training)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        wide = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        x_TBD = _Layer.apply(x_TBD, *(getattr(gru, f"{name}_l{layer}") for name in names), wide, start)
    return x_TBD


def explicit(x: Tensor) -> bool:
    """Whether the function below runs on `x`: in training on a CPU."""
    return torch.is_grad_enabled() and x.device.type == "cpu" and not torch.compiler.is_compiling()


class _Layer(torch.autograd.Function):
    """One layer: x [T, B, D], weights [3H, D] and [3H, H], biases [3H] → hidden states [T, B, H].

    wide: the type of products over many steps; None is that of x. start: as in `run_gru`.
    """

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(
        ctx: Any,
        x_TBD: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        wide: torch.dtype | None,
        start: list[Tensor] | None,
    ) -> Tensor:
        T, B, D = x_TBD.shape
        H = w_hh.shape[1]
        rows = x_TBD.reshape(T * B, D)
        gates = rows.new_empty(T, B, 3 * H)  # r, z and the hidden state's share of n
        bias = torch.cat([(b_ih + b_hh)[: 2 * H], b_ih[2 * H :]])
        if wide is None:
            torch.addmm(bias[: 2 * H], rows, w_ih[: 2 * H].t(), out=gates.view(T * B, -1)[:, : 2 * H])
            n_TBH = torch.addmm(bias[2 * H :], rows, w_ih[2 * H :].t()).view(T, B, H)
        else:
            rows = rows.to(wide)
            inputs = torch.addmm(bias.to(wide), rows, w_ih.to(wide).t()).view(T, B, 3 * H)
            gates[..., : 2 * H] = inputs[..., : 2 * H]
            n_TBH = inputs[..., 2 * H :].to(gates.dtype)
        gates[..., 2 * H :] = b_hh[2 * H :]
        h_TBH = gates.new_empty(T + 1, B, H)
        h_TBH[0] = 0.0

        recurrent, step_B3H, minus_BH = w_hh.t().contiguous(), gates.new_empty(B, 3 * H), gates.new_full((B, H), -1.0)
        states, steps, news = h_TBH.unbind(0), gates.unbind(0), n_TBH.unbind(0)
        rz, r, z, share = (gates[..., a * H : b * H].unbind(0) for a, b in ((0, 2), (0, 1), (1, 2), (2, 3)))
        n_TBH.mul_(2)  # tanh x = 2 σ(2 x) − 1, and PyTorch's σ is ten times as fast as its tanh
        for t in range(T):
            # oneDNN is faster with a plain product than with one that accumulates
            steps[t].add_(torch.mm(states[t], recurrent, out=step_B3H))
            rz[t].sigmoid_()
            new = news[t]
            torch.add(minus_BH, new.addcmul_(r[t], share[t], value=2).sigmoid_(), alpha=2, out=new)
            torch.lerp(new, states[t], z[t], out=states[t + 1])
        ctx.save_for_backward(rows, w_ih, w_hh, h_TBH, gates, n_TBH)
        ctx.wide, ctx.start = wide, start
        return h_TBH[1:]

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, grad_TBH: Tensor) -> tuple[Tensor | None, ...]:
        """Steps in blocks from the last to the first.

        With c the gradient that reaches h', the gradients of the gates' inputs are

            n: c (1 − z)(1 − n²)      share: ∂n · r      r: ∂share · share · (1 − r)      z: c (h − n) z (1 − z)

        so each is c times a factor known beforehand, and the gradient of h is c · z + (∂r, ∂z, ∂share) · W_hh.
        """
        x_RD, w_ih, w_hh, h_TBH, gates, n_TBH = ctx.saved_tensors
        T, B, H = grad_TBH.shape
        wide = ctx.wide or w_hh.dtype
        h_RH = h_TBH[:-1].reshape(T * B, H).to(wide)
        limits = torch.finfo(h_TBH.dtype)
        faded = limits.tiny / limits.eps
        arrives = ~(grad_TBH.abs().amax((1, 2)) <= faded)  # in this form NaN counts as arriving
        first = int(arrives.int().argmax()) if bool(arrives.any()) else T

        grad_x = w_hh.new_zeros(x_RD.shape) if ctx.needs_input_grad[0] else None
        # in the order n, r, z, share both products take neighbouring columns
        w_ih = w_ih.roll(H, 0)
        grad_w_ih, grad_w_hh, grad_b = torch.zeros_like(w_ih), torch.zeros_like(w_hh), w_hh.new_zeros(4 * H)
        w_ih = w_ih.to(wide)
        factors, deltas = h_TBH.new_empty(2, min(_STEPS, T), B, 4 * H)
        carry, through = h_TBH.new_zeros(2, B, H)
        for end in range(T, 0, -_STEPS):
            begin = max(0, end - _STEPS)
            factor, delta = factors[: end - begin], deltas[: end - begin]
            _derivatives(h_TBH[begin:end], n_TBH[begin:end], gates[begin:end], out=factor)
            steps, zs = factor.unflatten(-1, (4, H)).unbind(0), gates[begin:end, :, H : 2 * H].unbind(0)
            by_gate, to_hidden = delta.unflatten(-1, (4, H)).unbind(0), delta[..., H:].unbind(0)
            for t in range(end - begin - 1, -1, -1):
                if begin + t >= first:
                    carry += grad_TBH[begin + t]
                torch.mul(carry.unsqueeze(1), steps[t], out=by_gate[t])
                torch.addcmul(torch.mm(to_hidden[t], w_hh, out=through), carry, zs[t], out=carry)

            block = slice(begin * B, end * B)
            grad_b += delta.view(-1, 4 * H).sum(0)
            rows = delta.view(-1, 4 * H).to(wide)
            if wide == w_hh.dtype:
                grad_w_ih.addmm_(rows[:, : 3 * H].t(), x_RD[block])
                grad_w_hh.addmm_(rows[:, H:].t(), h_RH[block])
            else:
                grad_w_ih += rows[:, : 3 * H].t() @ x_RD[block]
                grad_w_hh += rows[:, H:].t() @ h_RH[block]
            if grad_x is not None:
                grad_x[block] = rows[:, : 3 * H] @ w_ih
            if begin <= first and bool(carry.abs().max() <= faded):
                break
        if ctx.start is not None:
            ctx.start.append(carry.abs().sum(1))
        grad_x_TBD = None if grad_x is None else grad_x.view(T, B, -1)
        return grad_x_TBD, grad_w_ih.roll(-H, 0), grad_w_hh, grad_b[: 3 * H].roll(-H), grad_b[H:], None, None


def _derivatives(h: Tensor, n: Tensor, gates: Tensor, out: Tensor) -> None:
    """Write the factors of `_Layer.backward` for a block of steps, in the order n, r, z, share; h: previous states."""
    r, z, share = gates.chunk(3, -1)
    of_n, of_r, of_z, of_share = out.chunk(4, -1)
    rest = 1 - z
    torch.addcmul(rest, rest * n, n, value=-1, out=of_n)
    torch.mul(of_n, r, out=of_share)
    torch.mul(of_share, share * (1 - r), out=of_r)
    torch.mul(h - n, z * rest, out=of_z)
