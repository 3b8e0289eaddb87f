"""Heads that go wrong, for the tests of what happens then."""

import torch
from torch import nn


class Exploding(nn.Module):
    def __init__(self, n_features: int, max_frames: int = 2000, **settings: object) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        raise RuntimeError("the head exploded")


class Constant(nn.Module):
    def __init__(self, n_features: int, max_frames: int = 2000, **settings: object) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        return self.weight + 0 * x_BTD.masked_fill(~mask_BT[..., None], 0).sum((1, 2))
