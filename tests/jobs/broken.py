"""Heads that fail, for tests of error handling."""

import torch
from torch import nn


class Constant(nn.Module):
    def __init__(self, n_features: int, max_frames: int = 2000, **settings: object) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        return self.weight + 0 * x_BTD.masked_fill(~mask_BT[..., None], 0).sum((1, 2))


class Exploding(Constant):
    """It fails in training, when all settings have been checked."""

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        if self.training:
            raise RuntimeError("the head exploded")
        return super().forward(x_BTD, mask_BT)


class BreaksLater(Constant):
    """Scores are no numbers from the second evaluation of dev on."""

    def __init__(self, n_features: int, max_frames: int = 2000, **settings: object) -> None:
        super().__init__(n_features)
        self.evaluations = 0

    def train(self, mode: bool = True) -> "BreaksLater":
        # Lightning calls it once before and once after each evaluation.
        self.evaluations += not mode
        return super().train(mode)

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        y_B = super().forward(x_BTD, mask_BT)
        return y_B * float("nan") if self.evaluations == 2 and not self.training else y_B


class Killed(Constant):
    """Its process is killed while it scores, as for lack of memory."""

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


class TwoDimensional(Constant):
    """Its scores are [B, 1], which would broadcast against labels [B]."""

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        return super().forward(x_BTD, mask_BT)[:, None]


class WithoutMask(Constant):
    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return self.weight + 0 * x_BTD.sum((1, 2))


class Hungry(Constant):
    """It takes memory, up to 4 GB, until its process is ended."""

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        import time

        taken = []
        for _ in range(125):
            taken.append(torch.ones(8_000_000))
            time.sleep(0.05)
        raise AssertionError("nothing ended the process")
