"""Seeds of a head as one module: weights stacked, the seeds' windows one after the other in one batch.

Only parts with weights are replaced; all else of a head runs as it is, on S · B windows. For windows whose frames are
all real.

Axes in names: S seeds, B windows of a seed, T frames, D features, W width, H hidden state, O outputs, R rows.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfnet.heads import MambaGRU
from lfnet.heads.layers import EncoderLayer, FrameEmbedding, drop_single

__all__ = ["REACH", "StackedGRU", "seed_of", "stack"]

REACH = 128  # frames that the GRU reads at first
_MORE = 64
_REACHED = 1e-9  # as in `MambaGRU`


def stack(heads: Sequence[nn.Module]) -> nn.Module:
    """Return one module of heads that differ in their weights alone: x [S · B, T, D] → scores [S · B].

    Raises `TypeError` for a part with weights that cannot be stacked.
    """
    first = heads[0]
    for kind, stacked in _STACKED.items():
        if type(first) is kind:
            return stacked(heads)
    if next(first.parameters(recurse=False), None) is not None:
        raise TypeError(f"{type(first).__name__} has weights and no stacked form")
    whole = copy.deepcopy(first)
    for name, _ in first.named_children():
        setattr(whole, name, stack([getattr(head, name) for head in heads]))
    return whole


def seed_of(stacked: nn.Module, seed: int) -> dict[str, Tensor]:
    """Return the weights of one seed by the names that the head has for them."""
    return {name: value.detach()[seed] for name, value in stacked.named_parameters()}


class _Weights(nn.Module):
    """A module with the weights of several, by their own names, [S, …]."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        for name, _ in modules[0].named_parameters(recurse=False):
            values = [getattr(module, name).detach() for module in modules]
            self.register_parameter(name, nn.Parameter(torch.stack(values)))


class _Linear(_Weights):
    def forward(self, x: Tensor) -> Tensor:
        rows_SRD = x.reshape(len(self.weight), -1, x.shape[-1])
        return torch.baddbmm(self.bias.unsqueeze(1), rows_SRD, self.weight.mT).view(*x.shape[:-1], -1)


class _LayerNorm(_Weights):
    def __init__(self, modules: Sequence[Any]) -> None:
        super().__init__(modules)
        self.eps = modules[0].eps

    def forward(self, x: Tensor) -> Tensor:
        rows_SRW = F.layer_norm(x, x.shape[-1:], eps=self.eps).view(len(self.weight), -1, x.shape[-1])
        return torch.addcmul(self.bias.unsqueeze(1), rows_SRW, self.weight.unsqueeze(1)).view(x.shape)


class _Embedding(_Weights):
    def __init__(self, modules: Sequence[Any]) -> None:
        super().__init__(modules)
        self.projection = stack([module.projection for module in modules])

    def forward(self, x_BTD: Tensor, mask_BT: Tensor, first: int = 0) -> Tensor:
        """first: the place in the window of the first frame."""
        z_BTW = self.projection(x_BTD)
        positions_S1TW = self.positions[:, first : first + x_BTD.shape[1]].unsqueeze(1)
        return (z_BTW.unflatten(0, (len(positions_S1TW), -1)) + positions_S1TW).flatten(0, 1)


class _Encoder(nn.Module):
    """As `EncoderLayer` without a mask, which lets a GPU take its fastest kernel."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        for name, _ in layers[0].named_children():
            setattr(self, name, stack([getattr(layer, name) for layer in layers]))
        self.heads, self.rate = layers[0].attention_heads, layers[0].attention_dropout

    def forward(self, z_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        q, k, v = self.qkv(z_BTW).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        seen_BHTC = F.scaled_dot_product_attention(q, k, v, dropout_p=self.rate if self.training else 0.0)
        z_BTW = self.norm1(z_BTW + self.dropout(self.out(seen_BHTC.transpose(1, 2).flatten(2))))
        return self.norm2(z_BTW + self.dropout(self.ff(z_BTW)))


class StackedGRU(nn.Module):
    """MambaGRUs in training: the last `reach` frames, as `MambaGRU` reads them; all frames in evaluation.

    Attributes
    ----------
    reach : int
    arrived : Tensor
        The largest sum of gradients that reached the states before these frames, of any seed and layer.
    """

    def __init__(self, heads: Sequence[Any]) -> None:
        super().__init__()
        if heads[0].gru.dropout:
            raise TypeError("dropout between the layers of a GRU has no stacked form")
        self.embedding = _Embedding([head.embedding for head in heads])
        self.gru = _Weights([head.gru for head in heads])
        self.layers = heads[0].gru.num_layers
        self.regressor = stack([head.regressor for head in heads])
        self.reach = REACH
        self._cut = False
        self.register_buffer("arrived", torch.zeros(()), persistent=False)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        seeds, frames = len(self.gru.weight_ih_l0), x_BTD.shape[1]
        first = max(0, frames - self.reach) if self.training else 0
        self._cut = first > 0 if self.training else self._cut
        z_BTW = self.embedding(x_BTD[:, first:], mask_BT, first)
        with torch.autocast(x_BTD.device.type, enabled=False):
            z_STBW = z_BTW.float().unflatten(0, (seeds, -1)).transpose(1, 2)
            for layer in range(self.layers):
                z_STBW = self._layer(z_STBW, layer)
            last_BW = z_STBW[:, -1].flatten(0, 1)
        return drop_single(self.regressor(last_BW))

    def _layer(self, x_STBW: Tensor, layer: int) -> Tensor:
        w_ih, w_hh, b_ih, b_hh = (
            getattr(self.gru, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        inputs_SRG = torch.baddbmm(b_ih.unsqueeze(1), x_STBW.flatten(1, 2), w_ih.mT)
        inputs_TSBG = inputs_SRG.unflatten(1, x_STBW.shape[1:3]).transpose(0, 1)
        return _Recursion.apply(inputs_TSBG, w_hh, b_hh, self.arrived).transpose(0, 1)

    def settle(self) -> bool:
        """Read more frames from now on if a gradient reached the states before them; returns whether it does."""
        more = self._cut and float(self.arrived) > _REACHED
        self.reach += _MORE * more
        self.arrived.zero_()
        return more


class _Recursion(torch.autograd.Function):
    """Inputs of the gates [T, S, B, 3H], weights [S, 3H, H], biases [S, 3H] → hidden states [T, S, B, H].

    The equations of `lfnet.heads.cpu.gru`: five kernels a step forward, four backward. arrived: see `StackedGRU`.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, w_hh: Tensor, b_hh: Tensor, arrived: Tensor) -> Tensor:
        T, S, B, G = inputs.shape
        H = G // 3
        gates = inputs.contiguous().clone()  # r, z, and the hidden state's share of n
        n_TSBH = gates[..., 2 * H :].clone()
        gates[..., 2 * H :] = 0.0
        gates += b_hh.unsqueeze(1)
        h_TSBH = gates.new_zeros(T + 1, S, B, H)
        recurrent = w_hh.mT
        for t in range(T):
            torch.baddbmm(gates[t], h_TSBH[t], recurrent, out=gates[t])
            gates[t, ..., : 2 * H].sigmoid_()
            r, z, share = gates[t].chunk(3, -1)
            n_TSBH[t].addcmul_(r, share).tanh_()
            torch.lerp(n_TSBH[t], h_TSBH[t], z, out=h_TSBH[t + 1])
        ctx.save_for_backward(w_hh, gates, n_TSBH, h_TSBH)
        ctx.arrived = arrived
        return h_TSBH[1:]

    @staticmethod
    def backward(ctx: Any, grad_TSBH: Tensor) -> tuple[Tensor | None, ...]:
        w_hh, gates, n, h_TSBH = ctx.saved_tensors
        r, z, share = gates.chunk(3, -1)
        rest = 1 - z
        of_n = rest * (1 - n * n)
        of_share = of_n * r
        of_r = of_share * share * (1 - r)
        of_z = (h_TSBH[:-1] - n) * z * rest
        factors = torch.stack([of_r, of_z, of_share, of_n], -2)  # the first three pass through w_hh
        delta = torch.empty_like(factors)
        carry = torch.zeros_like(h_TSBH[0])
        for t in range(len(z) - 1, -1, -1):
            carry = carry + grad_TSBH[t]
            torch.mul(carry.unsqueeze(-2), factors[t], out=delta[t])
            carry = torch.baddbmm(carry * z[t], delta[t, ..., :3, :].flatten(-2), w_hh)
        ctx.arrived.copy_(torch.maximum(ctx.arrived, carry.abs().sum((1, 2)).max()))
        hidden_SRG = delta[..., :3, :].flatten(-2).transpose(0, 1).flatten(1, 2)
        states_SRH = h_TSBH[:-1].transpose(0, 1).flatten(1, 2)
        grad_inputs = torch.cat([delta[..., :2, :].flatten(-2), delta[..., 3, :]], -1)
        return grad_inputs, torch.bmm(hidden_SRG.mT, states_SRH), hidden_SRG.sum(1), None


_STACKED: dict[type[nn.Module], Any] = {
    nn.Linear: _Linear,
    nn.LayerNorm: _LayerNorm,
    FrameEmbedding: _Embedding,
    EncoderLayer: _Encoder,
    MambaGRU: StackedGRU,
}
