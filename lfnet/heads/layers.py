"""Parts shared by heads: masking, pooling, folding of frames into tokens, positions, the encoder layer, the regressor.

Axes: B windows, T frames, D features, W width, N tokens, H attention heads. A mask is true where a frame (or token) is
real. The annotated types are the ranges of heads' settings.
"""

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.heads.cpu.attention import self_attention
from lfnet.heads.cpu.dropout import Dropout
from lfnet.heads.cpu.machine import map_chunks

__all__ = [
    "Activation",
    "EncoderLayer",
    "FrameEmbedding",
    "OddCount",
    "Rate",
    "activation_module",
    "attention_weights",
    "check_divides",
    "check_length",
    "drop_single",
    "fold",
    "fold_mask",
    "masked_mean",
    "patch_means",
    "project_frames",
    "regressor",
    "sinusoidal_positions",
    "token_count",
    "zero_masked",
]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


def _odd(frames: int) -> int:
    if frames % 2 == 0:
        raise ValueError("give an odd number of frames, so that each frame is the centre of its kernel.")
    return frames


Activation = Literal["relu", "gelu"]
OddCount = Annotated[int, Field(ge=1), AfterValidator(_odd)]
Rate = Annotated[float, Field(ge=0, lt=1)]  # of units that dropout sets to zero


def activation_module(name: Activation) -> nn.Module:
    """Return the activation called `name`."""
    return _ACTIVATIONS[name]()


def check_divides(width: int, attention_heads: int) -> None:
    """Raise `LfnetError` unless each attention head gets an equal part of the width."""
    if width % attention_heads:
        raise LfnetError(f"head.width={width}: give a multiple of head.attention_heads={attention_heads}.")


def check_length(frames: int, max_frames: int) -> None:
    """Raise `LfnetError` where a window is longer than the positions that a head was built with."""
    if frames > max_frames:
        raise LfnetError(
            f"a window has {frames} frames and head.max_frames is {max_frames}: "
            f"make the windows shorter or set head.max_frames={frames}"
        )


def zero_masked(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Return x with zeros where the mask is false, whatever was there, NaN and infinity included.

    Apply it before anything else: 0 · NaN is NaN, in the score and in every gradient.

    Examples
    --------
    >>> import torch
    >>> zero_masked(torch.tensor([[[1.0], [torch.nan]]]), torch.tensor([[True, False]])).flatten().tolist()
    [1.0, 0.0]
    """
    if x_BTD.device.type == "cpu" and not x_BTD.requires_grad and not torch.compiler.is_compiling():
        # Most windows hold zeros there already: looking at their few masked frames costs less than a copy.
        hidden_BT = ~mask_BT
        if 4 * int(hidden_BT.sum()) <= hidden_BT.numel() and not x_BTD[hidden_BT].any():
            return x_BTD
    return x_BTD.masked_fill(~mask_BT.unsqueeze(-1), 0.0)


def masked_mean(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the mean [B, D] over the frames whose mask is true; zeros for a window without any.

    Examples
    --------
    >>> import torch
    >>> masked_mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    count_B1 = mask_BT.sum(1, keepdim=True).clamp(min=1)
    return zero_masked(x_BTD, mask_BT).sum(1) / count_B1


def patch_means(x_BTD: Tensor, mask_BT: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the mean [B, N, D] of each patch's real frames, and which patches have one [B, N].

    Patches are `size` neighbouring frames; the last may be shorter. A patch without a real frame is zeros.
    """
    B, T, D = x_BTD.shape
    N = (T + size - 1) // size
    missing = N * size - T
    real_BN = F.pad(mask_BT, (0, missing)).reshape(B, N, size).sum(-1)
    sums_BND = F.pad(zero_masked(x_BTD, mask_BT), (0, 0, 0, missing)).reshape(B, N, size, D).sum(2)
    return sums_BND / real_BN.clamp(min=1).unsqueeze(-1), real_BN > 0


def attention_weights(scores_BNH: Tensor, mask_BN: Tensor) -> Tensor:
    """Return the softmax [B, N, H] over the N real tokens, zero under a false mask; zeros for a window without any."""
    mask_BN1 = mask_BN.unsqueeze(-1)
    # A softmax over nothing depends on the kernel (zero or NaN): an empty window takes it over all, then gets zeros.
    seen_BN1 = mask_BN1 | ~mask_BN1.any(1, keepdim=True)
    weights_BNH = scores_BNH.masked_fill(~seen_BN1, float("-inf")).softmax(1)
    return weights_BNH.masked_fill(~mask_BN1, 0.0)


def project_frames(projection: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Apply a projection to each frame, with zeros in place of masked ones: [B, T, D] → [B, T, W]."""
    return map_chunks(lambda x, mask: projection(zero_masked(x, mask)), x_BTD, mask_BT)


def token_count(frames: int, size: int, stride: int) -> int:
    """Return how many tokens of `size` frames, one every `stride` frames, hold all frames."""
    return 1 + max(0, -((size - frames) // stride))


def fold(x_BTD: Tensor, mask_BT: Tensor, size: int, stride: int) -> Tensor:
    """Join `size` neighbouring frames, every `stride` frames, into one token: [B, T, D] → [B, N, size·D].

    Frames under a false mask are zeros in their token. The last token is filled up with zeros: no frame is dropped.
    """
    B, T, D = x_BTD.shape
    N = token_count(T, size, stride)
    x_BTD = zero_masked(x_BTD, mask_BT)
    missing = (N - 1) * stride + size - T
    if torch.compiler.is_compiling() or missing:  # an export must hold for any length
        x_BTD = F.pad(x_BTD, (0, 0, 0, missing))
    if size == stride:  # a view, where `unfold` needs a copy
        return x_BTD.reshape(B, N, size * D)
    return x_BTD.unfold(1, size, stride).transpose(2, 3).flatten(2)


def fold_mask(mask_BT: Tensor, size: int, stride: int) -> Tensor:
    """Return the mask [B, N] of the tokens of `fold`: a token is real if it adds a real frame.

    Where tokens overlap, a frame belongs to the first token that holds it, so padding a window adds no real token.
    """
    T = mask_BT.shape[1]
    missing = (token_count(T, size, stride) - 1) * stride + size - T
    frames_BNS = F.pad(mask_BT, (0, missing)).unfold(1, size, stride)
    return torch.cat([frames_BNS[:, :1].any(-1), frames_BNS[:, 1:, size - stride :].any(-1)], dim=1)


def sinusoidal_positions(count: int, width: int) -> Tensor:
    """Return positions [count, W]: sine in even columns, cosine in odd ones (Vaswani et al. 2017, section 3.5)."""
    if width % 2:
        raise LfnetError(f"head.width={width}: give an even number, sinusoidal positions come in pairs.")
    place_N1 = torch.arange(count, dtype=torch.float64).unsqueeze(1)
    rate_W = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10000.0) / width))
    angle_NW = place_N1 * rate_W
    return torch.stack([angle_NW.sin(), angle_NW.cos()], dim=-1).flatten(1).float()


def regressor(
    width: int, hidden: int | None, activation: Activation, dropout: float = 0.0, *, n_outputs: int = 1
) -> nn.Sequential:
    """Map W features to K outputs [B, K]: width → hidden → K, or one linear layer if `hidden` is None."""
    if hidden is None:
        return nn.Sequential(nn.Linear(width, n_outputs))
    return nn.Sequential(
        nn.Linear(width, hidden), activation_module(activation), Dropout(dropout), nn.Linear(hidden, n_outputs)
    )


def drop_single(y_BK: Tensor) -> Tensor:
    """Return [B] for a single output, else [B, K]: ONNX's Squeeze fails for K above 1, where PyTorch's does nothing.

    Examples
    --------
    >>> import torch
    >>> drop_single(torch.zeros(2, 1)).shape, drop_single(torch.zeros(2, 3)).shape
    (torch.Size([2]), torch.Size([2, 3]))
    """
    return y_BK.squeeze(-1) if y_BK.shape[-1] == 1 else y_BK


class FrameEmbedding(nn.Module):
    """Linear projection of each frame plus a learned position: [B, T, D] → [B, T, W].

    A position is the frame's own index in the window, so gaps keep their length. Positions beyond the window get no
    gradient. Raises `LfnetError` for a window longer than `max_frames`.
    """

    def __init__(self, n_features: int, width: int, max_frames: int) -> None:
        super().__init__()
        self.max_frames = max_frames
        self.projection = nn.Linear(n_features, width)
        self.positions = nn.Parameter(torch.randn(max_frames, width) * 0.02)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor, index_BT: Tensor | None = None) -> Tensor:
        """Embed frames; index_BT: the place in the window of each, if they are not all of it."""
        if index_BT is None:
            frames = x_BTD.shape[1]
            check_length(frames, self.max_frames)
            positions = self.positions[:frames]
        else:
            positions = self.positions[index_BT]
        return project_frames(self.projection, x_BTD, mask_BT) + positions


class EncoderLayer(nn.Module):
    """Post-norm transformer encoder layer with a key mask: [B, T, W] → [B, T, W].

    Equal to `nn.TransformerEncoderLayer` with the same weights (Vaswani et al. 2017, section 3.1). No token attends to
    a token under a false mask; the output under a false mask is finite and has no meaning. In a window without any real
    token all attend to all, since a softmax over nothing depends on the kernel (zero or NaN).
    """

    def __init__(
        self,
        width: int,
        attention_heads: int,
        ff: int,
        dropout: float,
        attention_dropout: float,
        activation: Activation,
    ) -> None:
        super().__init__()
        check_divides(width, attention_heads)
        self.attention_heads = attention_heads
        self.attention_dropout = attention_dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.ff = nn.Sequential(
            nn.Linear(width, ff), activation_module(activation), Dropout(dropout), nn.Linear(ff, width)
        )
        self.norm2 = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        # The initial values of nn.MultiheadAttention.
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, z_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        rate = self.attention_dropout if self.training else 0.0
        seen_BTW = self_attention(self.qkv(z_BTW), mask_BT, self.attention_heads, rate)
        z_BTW = self.norm1(z_BTW + self.dropout(self.out(seen_BTW)))
        return self.norm2(z_BTW + self.dropout(self.ff(z_BTW)))
