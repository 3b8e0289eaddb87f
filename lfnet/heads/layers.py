"""What heads share: masking, folding of frames into tokens, positions, the encoder layer, the regressor.

Axes: B windows, T frames, D features, W width, N tokens. A mask is true where a frame (or token) is real.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.heads.attention import keep_mask, keep_scale, self_attention

__all__ = [
    "Dropout",
    "EncoderLayer",
    "FrameEmbedding",
    "activation",
    "at_most",
    "clean",
    "fold",
    "fold_mask",
    "in_pieces",
    "masked_mean",
    "regressor",
    "sinusoidal_positions",
    "token_count",
]

_PIECE = 8  # windows that `in_pieces` takes at a time

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


def activation(name: str) -> nn.Module:
    """The activation called `name` ("relu" or "gelu"); LfnetError for any other name."""
    if name not in ACTIVATIONS:
        raise LfnetError(f"head.activation is {name!r}: it must be one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def at_most(frames: int, max_frames: int) -> None:
    """Raise LfnetError where a window is longer than the positions that a head was built with."""
    if frames > max_frames:
        raise LfnetError(
            f"a window has {frames} frames and head.max_frames is {max_frames}: "
            f"make the windows shorter or set head.max_frames={frames}"
        )


def clean(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """x with zeros where the mask is false, whatever was there before: NaN and infinity included.

    It comes before anything else: 0 · NaN is NaN, in the answer and in every gradient.
    """
    if x_BTD.device.type == "cpu" and not x_BTD.requires_grad and not torch.compiler.is_compiling():
        # Most windows come clean: looking at their few masked frames costs less than a copy.
        hidden_BT = ~mask_BT
        if 4 * int(hidden_BT.sum()) <= hidden_BT.numel() and not x_BTD[hidden_BT].any():
            return x_BTD
    return x_BTD.masked_fill(~mask_BT.unsqueeze(-1), 0.0)


def masked_mean(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean [B, D] over the frames whose mask is true; zeros for a window without any."""
    count_B1 = mask_BT.sum(1, keepdim=True).clamp(min=1)
    return clean(x_BTD, mask_BT).sum(1) / count_B1


def in_pieces(work: Callable[[Tensor, Tensor], Tensor], x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """`work(x, mask)`, which must treat windows one by one, on a few windows at a time.

    On a CPU that keeps what a piece needs in the cache, and no block so large that the C library hands it back to the
    system after each use: with glibc 32 MiB, just what 32 windows of 512 × 512 take, cost 15 ms of page faults a copy.
    """
    if x_BTD.device.type != "cpu" or torch.compiler.is_compiling():
        return work(x_BTD, mask_BT)
    pieces = zip(x_BTD.split(_PIECE), mask_BT.split(_PIECE), strict=True)
    return torch.cat([work(x, mask) for x, mask in pieces])


def token_count(frames: int, size: int, stride: int) -> int:
    """How many tokens of `size` frames, one every `stride` frames, it takes to hold all frames."""
    return 1 + max(0, -((size - frames) // stride))


def fold(x_BTD: Tensor, mask_BT: Tensor, size: int, stride: int) -> Tensor:
    """Join `size` neighbouring frames, every `stride` frames, into one token: [B, T, D] → [B, N, size·D].

    Frames under a false mask are zeros in their token. The last token is filled up with zeros: no frame is dropped.
    """
    B, T, D = x_BTD.shape
    N = token_count(T, size, stride)
    x_BTD = clean(x_BTD, mask_BT)
    missing = (N - 1) * stride + size - T
    if torch.compiler.is_compiling() or missing:  # an export must hold for any length
        x_BTD = F.pad(x_BTD, (0, 0, 0, missing))
    if size == stride:  # a view, where `unfold` needs a copy
        return x_BTD.reshape(B, N, size * D)
    return x_BTD.unfold(1, size, stride).transpose(2, 3).flatten(2)


def fold_mask(mask_BT: Tensor, size: int, stride: int) -> Tensor:
    """The mask [B, N] of the tokens that `fold` makes: a token is real if it brings a real frame.

    Where tokens overlap, a frame is brought by the first token that holds it; so padding a window adds no real token.
    """
    T = mask_BT.shape[1]
    missing = (token_count(T, size, stride) - 1) * stride + size - T
    frames_BNS = F.pad(mask_BT, (0, missing)).unfold(1, size, stride)
    return torch.cat([frames_BNS[:, :1].any(-1), frames_BNS[:, 1:, size - stride :].any(-1)], dim=1)


def sinusoidal_positions(count: int, width: int) -> Tensor:
    """Fixed positions [count, W]: sine in even columns, cosine in odd ones (Vaswani et al. 2017, section 3.5)."""
    if width % 2:
        raise LfnetError(f"head.width is {width}: sinusoidal positions need an even width")
    place_N1 = torch.arange(count, dtype=torch.float64).unsqueeze(1)
    rate_W = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10000.0) / width))
    angle_NW = place_N1 * rate_W
    return torch.stack([angle_NW.sin(), angle_NW.cos()], dim=-1).flatten(1).float()


def regressor(width: int, hidden: int | None, act: str, dropout: float = 0.0) -> nn.Sequential:
    """From W features to one score [B, 1]: width → hidden → 1, or one linear layer where `hidden` is None."""
    if hidden is None:
        return nn.Sequential(nn.Linear(width, 1))
    return nn.Sequential(nn.Linear(width, hidden), activation(act), Dropout(dropout), nn.Linear(hidden, 1))


class Dropout(nn.Dropout):
    """`nn.Dropout`; in a training step under autocast on a CPU its mask is drawn six times as fast (`keep_mask`).

    Full precision keeps PyTorch's own random numbers, so that what it gave before it gives again.
    """

    def forward(self, input: Tensor) -> Tensor:
        fast = self.training and input.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if not fast or not self.p or torch.compiler.is_compiling():
            return super().forward(input)
        return input * keep_mask(input, self.p).to(input.dtype).mul_(keep_scale(self.p))


class FrameEmbedding(nn.Module):
    """A linear projection of each frame plus a learned position: [B, T, D] → [B, T, W].

    A position is the frame's own index in the window, so interior gaps keep their time. Positions beyond the window
    get no gradient. Raises LfnetError for a window longer than `max_frames`.
    """

    def __init__(self, n_features: int, width: int, max_frames: int) -> None:
        super().__init__()
        self.max_frames = max_frames
        self.projection = nn.Linear(n_features, width)
        self.positions = nn.Parameter(torch.randn(max_frames, width) * 0.02)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        frames = x_BTD.shape[1]
        at_most(frames, self.max_frames)
        z_BTW = in_pieces(lambda x, mask: self.projection(clean(x, mask)), x_BTD, mask_BT)
        return z_BTW + self.positions[:frames]


class EncoderLayer(nn.Module):
    """A post-norm transformer encoder layer with a key mask: [B, T, W] → [B, T, W].

    Equal to `nn.TransformerEncoderLayer` with the same weights (Vaswani et al. 2017, section 3.1).
    Tokens under a false mask are seen by no other; their own answers are finite and mean nothing. In a window without
    any real token all are seen: what a softmax over nothing is depends on the kernel (zero or NaN).
    """

    def __init__(
        self, width: int, attention_heads: int, ff: int, dropout: float, attention_dropout: float, activation_name: str
    ) -> None:
        super().__init__()
        if width % attention_heads:
            raise LfnetError(f"head.width is {width}: it must be a multiple of head.attention_heads={attention_heads}")
        self.attention_heads = attention_heads
        self.attention_dropout = attention_dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.ff = nn.Sequential(
            nn.Linear(width, ff), activation(activation_name), Dropout(dropout), nn.Linear(ff, width)
        )
        self.norm2 = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        # as nn.MultiheadAttention begins
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, z_BTW: Tensor, mask_BT: Tensor) -> Tensor:
        rate = self.attention_dropout if self.training else 0.0
        seen_BTW = self_attention(self.qkv(z_BTW), mask_BT, self.attention_heads, rate)
        z_BTW = self.norm1(z_BTW + self.dropout(self.out(seen_BTW)))
        return self.norm2(z_BTW + self.dropout(self.ff(z_BTW)))
