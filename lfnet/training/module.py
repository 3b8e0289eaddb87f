"""The Lightning module: a head, a loss on z-scored labels, Adam, and dev measured in scale points."""

from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch import nn

from lfnet.data.module import Labels
from lfnet.data.protocol import Protocol
from lfnet.evaluation.metrics import compute_metrics
from lfnet.training.losses import L1, Bags, Loss
from lfnet.training.predict import Grouping

__all__ = ["SeverityModule"]


class SeverityModule(L.LightningModule):
    """Fits one head.

    head: (x_BTD, mask_BT) -> y_B in units of the training labels' sd. labels: that z-score. train: the table of
    training windows that `index_B` of a batch counts in. windows: the table of the windows that `val_dataloader`
    serves, in its order. loss: what training windows are to be scored as, and the distance to it. bags: whether a
    batch holds whole clips, each to be scored by the mean over its windows. After each epoch `dev/<metric>` is logged
    for the protocol's level, in scale points.
    """

    _target_W: torch.Tensor
    _weight_W: torch.Tensor | None

    def __init__(
        self,
        head: nn.Module,
        labels: Labels,
        protocol: Protocol,
        train: pd.DataFrame,
        windows: pd.DataFrame,
        *,
        loss: Loss | None = None,
        bags: bool = False,
        lr: float = 3e-4,
        weight_decay: float = 1e-4,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.head = head
        self._labels = labels
        self._protocol = protocol
        self._grouping = Grouping(windows, protocol, protocol.select.level)
        self._loss = L1() if loss is None else loss
        goals = self._loss.prepare(train)
        self._hold("_target_W", labels.standardise(goals.target_W))
        self._hold("_weight_W", goals.weight_W)
        self._bags = Bags(train["clip_id"]) if bags else None
        self._lr = lr
        self._weight_decay = weight_decay
        self._fused = fused
        self._scores: list[torch.Tensor] = []
        self._losses: list[torch.Tensor] = []
        self.dev: dict[str, float | None] = {}

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        """The head's scores [B], in units of the training labels' sd."""
        return self.head(x_BTD, mask_BT)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """The loss of one batch: of its windows, or of its clips where they are bags."""
        index_B = batch["index_B"]
        scores_B, target_B = self.head(batch["x_BTD"], batch["mask_BT"]), self._target_W[index_B]
        weight_B = None if self._weight_W is None else self._weight_W[index_B]
        if self._bags is not None:
            scores_B, target_B, weight_B = self._bags.join(index_B, scores_B, target_B, weight_B)
        loss = self._loss(scores_B, target_B, weight_B)
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
        self.dev = compute_metrics(self._grouping.labels, self._grouping.scores(scores))
        split = self._protocol.select.split
        self.log_dict({f"{split}/{name}": float(value) for name, value in self.dev.items() if value is not None})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with L2 weight decay, as system B names it (not AdamW)."""
        parameters = self.head.parameters()
        return torch.optim.Adam(parameters, lr=self._lr, weight_decay=self._weight_decay, fused=self._fused)

    def _hold(self, name: str, values: np.ndarray | None) -> None:
        """Keep numbers where the head computes, and out of its weights."""
        tensor = None if values is None else torch.from_numpy(values.astype(np.float32))
        self.register_buffer(name, tensor, persistent=False)

    def state(self) -> dict[str, Any]:
        """A copy of the head's weights on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.head.state_dict().items()}
