"""Heads that wait for a file, or fail with one seed, so that tests can disturb jobs at a known place."""

import os
import time
from pathlib import Path

import torch

from tests.jobs.broken import Constant

FAILING_SEED = 3


class Waiting(Constant):
    """With seed 0, training waits for the file `go` in the current folder; a file of its own says that it has begun."""

    def __init__(self, n_features: int, max_frames: int = 2000, *, number: int = 0) -> None:
        super().__init__(n_features)
        self.number = number
        self.waits = torch.initial_seed() == 0

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        if self.training and self.waits and x_BTD.device.type != "meta":
            self.waits = False
            Path(f"begun-{self.number}-{os.getpid()}").touch()
            while not Path("go").exists():
                time.sleep(0.1)
        return super().forward(x_BTD, mask_BT)


class FailsOnce(Constant):
    """Training with one seed fails."""

    def __init__(self, n_features: int, max_frames: int = 2000, **settings: object) -> None:
        super().__init__(n_features)
        self.seed = torch.initial_seed()

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        if self.training and self.seed == FAILING_SEED:
            raise RuntimeError("the head exploded")
        return super().forward(x_BTD, mask_BT)
