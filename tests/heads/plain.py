"""Plain implementations to compare with: PyTorch's own layers, one clip at a time, no speed, no batch."""

import math

import torch
from torch import Tensor, nn

from lfnet.heads.layers import EncoderLayer


def encoder_layer(ours: EncoderLayer) -> nn.TransformerEncoderLayer:
    """PyTorch's encoder layer with our weights, without dropout."""
    plain = nn.TransformerEncoderLayer(
        ours.out.in_features, ours.attention_heads, ours.ff[0].out_features, dropout=0.0, batch_first=True
    )
    plain.load_state_dict(
        {
            "self_attn.in_proj_weight": ours.qkv.weight,
            "self_attn.in_proj_bias": ours.qkv.bias,
            "self_attn.out_proj.weight": ours.out.weight,
            "self_attn.out_proj.bias": ours.out.bias,
            "linear1.weight": ours.ff[0].weight,
            "linear1.bias": ours.ff[0].bias,
            "linear2.weight": ours.ff[3].weight,
            "linear2.bias": ours.ff[3].bias,
            "norm1.weight": ours.norm1.weight,
            "norm1.bias": ours.norm1.bias,
            "norm2.weight": ours.norm2.weight,
            "norm2.bias": ours.norm2.bias,
        }
    )
    return plain


def mean_mlp(head: nn.Module, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    return head.regressor(x_TD[mask_T].mean(0)).squeeze()


def transformer(head: nn.Module, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    # the real frames alone, each with the position of its index
    z = (head.embedding.projection(x_TD) + head.embedding.positions[: len(x_TD)])[mask_T].unsqueeze(0)
    for layer in head.layers:
        z = encoder_layer(layer)(z)
    return head.regressor(z.mean(1)).squeeze()


def mamba_gru(head: nn.Module, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    z = (head.embedding.projection(x_TD) + head.embedding.positions[: len(x_TD)])[mask_T]
    return head.regressor(head.gru(z)[1][-1]).squeeze()


def ldbm(head: nn.Module, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    """Tokens as a list, None for one that is not real; stride = patch size."""
    size, width = head.patch_size, head.merge.out_features
    x_TD = torch.where(mask_T[:, None], x_TD, 0.0)
    tokens: list[Tensor | None] = []
    for place, first in enumerate(range(0, len(x_TD), size)):
        if not mask_T[first : first + size].any():
            tokens.append(None)
            continue
        frames = [x_TD[t] if t < len(x_TD) else torch.zeros(x_TD.shape[1]) for t in range(first, first + size)]
        angles = [place / 10000 ** (2 * (i // 2) / width) for i in range(width)]
        position = torch.tensor([math.cos(a) if i % 2 else math.sin(a) for i, a in enumerate(angles)])
        tokens.append(head.projection(torch.cat(frames)) + position)
    for layer in head.layers:
        real = [i for i, token in enumerate(tokens) if token is not None]
        encoded = encoder_layer(layer)(torch.stack([tokens[i] for i in real]).unsqueeze(0))[0]
        by_place = dict(zip(real, encoded, strict=True))
        tokens = []
        for first in range(0, max(real) + 1, 2):
            pair = [by_place.get(first), by_place.get(first + 1)]
            if pair == [None, None]:
                tokens.append(None)
            else:
                tokens.append(head.merge(torch.cat([torch.zeros(width) if p is None else p for p in pair])))
    return head.regressor(torch.stack([token for token in tokens if token is not None]).mean(0)).squeeze()


PLAIN = {"mean_mlp": mean_mlp, "ldbm": ldbm, "transformer": transformer, "mamba_gru": mamba_gru}
