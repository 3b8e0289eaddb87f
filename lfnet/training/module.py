"""The Lightning module: a head, L1 on z-scored labels, Adam, and dev measured in scale points."""

from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch import nn

from lfnet.data.module import Labels
from lfnet.data.protocol import Protocol
from lfnet.evaluation.metrics import evaluate
from lfnet.training.predict import Grouping

__all__ = ["SeverityModule"]


class SeverityModule(L.LightningModule):
    """Fits one head.

    head: (x_BTD, mask_BT) -> y_B in units of the training labels' sd. labels: that z-score. windows: the table of the
    windows that `val_dataloader` serves, in its order. After each epoch `dev/<metric>` is logged for the protocol's
    level, in scale points.
    """

    def __init__(
        self,
        head: nn.Module,
        labels: Labels,
        protocol: Protocol,
        windows: pd.DataFrame,
        *,
        lr: float = 3e-4,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__()
        self.head = head
        self._labels = labels
        self._protocol = protocol
        self._grouping = Grouping(windows, protocol, protocol.select.level)
        self._lr = lr
        self._weight_decay = weight_decay
        self._scores: list[torch.Tensor] = []
        self._losses: list[torch.Tensor] = []
        self.dev: dict[str, float | None] = {}

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        """The head's scores [B], in units of the training labels' sd."""
        return self.head(x_BTD, mask_BT)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Mean absolute error of one batch."""
        loss = nn.functional.l1_loss(self.head(batch["x_BTD"], batch["mask_BT"]), batch["y_B"])
        self._losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean loss, weighting batches alike."""
        self.log("train/loss", torch.stack(self._losses).mean())
        self._losses.clear()

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Keep the scores; they are measured when all windows are there."""
        self._scores.append(self.head(batch["x_BTD"], batch["mask_BT"]).float().cpu())

    def on_validation_epoch_end(self) -> None:
        """Measure dev at the protocol's level."""
        scores = self._labels.points(torch.cat(self._scores).double().numpy())
        self._scores.clear()
        if not np.isfinite(scores).all():
            self.dev = {}
            return
        self.dev = evaluate(self._grouping.labels, self._grouping.scores(scores))
        split = self._protocol.select.split
        self.log_dict({f"{split}/{name}": float(value) for name, value in self.dev.items() if value is not None})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with L2 weight decay, as system B names it (not AdamW)."""
        return torch.optim.Adam(self.head.parameters(), lr=self._lr, weight_decay=self._weight_decay)

    def state(self) -> dict[str, Any]:
        """A copy of the head's weights on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.head.state_dict().items()}
