"""Lightning module: a head, a loss on z-scored labels, Adam, and metrics of dev in scale points."""

from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch import nn

from lfnet.data.datamodule import Labels
from lfnet.data.protocol import Protocol
from lfnet.evaluation.classes import auroc
from lfnet.evaluation.metrics import compute_metrics
from lfnet.evaluation.pooling import Pooling, to_points
from lfnet.training.distribution_head import DistributionHead
from lfnet.training.losses import L1, Loss
from lfnet.training.pooling import Bags
from lfnet.training.predict import Grouping

__all__ = ["SeverityModule"]


class SeverityModule(L.LightningModule):
    """Training and validation steps of one head.

    After each epoch `dev/<metric>` is logged at the protocol's level, in scale points.

    Parameters
    ----------
    head : torch.nn.Module
        (x_BTD, mask_BT) -> y_B in units of the training labels' SD, or with log weights [B, 2] (`with_pooling`).
    labels : Labels
        The z-score of labels.
    protocol : Protocol
    train : pandas.DataFrame
        Table of the training windows; `index_B` of a batch counts its rows.
    windows : pandas.DataFrame
        Table of the windows that `val_dataloader` serves, in its order; the epoch is chosen by their column `target`.
    loss : Loss or None
        None is `L1()`.
    pooling : Pooling or None
        Of the windows of a batch's recordings, whose scores the loss compares; None: the loss is of single windows.
    lr, weight_decay : float
        Of Adam.
    fused : bool
        Whether Adam uses PyTorch's fused kernel.
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
        pooling: Pooling | None = None,
        lr: float = 3e-4,
        weight_decay: float = 1e-4,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.head = head
        self._labels = labels
        self._protocol = protocol
        self._pooling = pooling
        in_points = None if pooling is None else pooling.in_points(labels.mean, labels.sd)
        self._grouping = Grouping(windows.assign(label=windows["target"]), protocol, protocol.select.level, in_points)
        self._loss = L1() if loss is None else loss
        targets = self._loss.prepare(train)
        self._register("_target_W", labels.standardise(targets.target_W))
        self._register("_weight_W", targets.weight_W)
        self._bags = None if pooling is None else Bags(train, pooling)
        self._lr = lr
        self._weight_decay = weight_decay
        self._fused = fused
        self._scores: list[torch.Tensor] = []
        self._losses: list[torch.Tensor] = []
        self.dev: dict[str, float | None] = {}

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        """Return the head's output, in units of the training labels' SD."""
        return self.head(x_BTD, mask_BT)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of one batch: of its windows, or of its recordings where windows are pooled."""
        index_B = batch["index_B"]
        target_B = self._target_W[index_B]
        weight_B = None if self._weight_W is None else self._weight_W[index_B]
        if isinstance(self.head, DistributionHead):
            loss = self.head.loss(batch["x_BTD"], batch["mask_BT"], target_B, weight_B)
        else:
            scores_B = self.head(batch["x_BTD"], batch["mask_BT"])
            if self._bags is not None:
                scores_B, target_B, weight_B = self._bags.join(index_B, scores_B, target_B, weight_B)
            loss = self._loss(scores_B, target_B, weight_B)
        self._losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean loss over batches."""
        self.log("train/loss", torch.stack(self._losses).mean())
        self._losses.clear()

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Keep the scores until all windows are scored."""
        self._scores.append(self.head(batch["x_BTD"], batch["mask_BT"]).float())

    def on_validation_epoch_end(self) -> None:
        """Compute the metrics of dev at the protocol's level."""
        values = torch.cat(self._scores).cpu().double().numpy()
        scores = to_points(values, self._labels.mean, self._labels.sd, self._pooling)
        self._scores.clear()
        if not np.isfinite(scores).all():
            self.dev = {}
            return
        labels, grouped = self._grouping.labels, self._grouping.scores(scores)
        self.dev = compute_metrics(labels, grouped)
        if self._protocol.select.metric == "auroc":
            known = ~np.isnan(labels)
            area = auroc(labels[known] > 0.5, grouped[known])
            self.dev["auroc"] = None if np.isnan(area) else area
        split = self._protocol.select.split
        self.log_dict({f"{split}/{name}": float(value) for name, value in self.dev.items() if value is not None})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam with L2 weight decay, as the temporal ablation has it (not AdamW)."""
        parameters = self.head.parameters()
        return torch.optim.Adam(parameters, lr=self._lr, weight_decay=self._weight_decay, fused=self._fused)

    def _register(self, name: str, values: np.ndarray | None) -> None:
        """Keep numbers on the head's device, outside its weights."""
        tensor = None if values is None else torch.from_numpy(values.astype(np.float32))
        self.register_buffer(name, tensor, persistent=False)

    def state(self) -> dict[str, Any]:
        """Return a copy of the head's weights on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.head.state_dict().items()}
