"""Lightning callback that logs each epoch, and reports the state of a training."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning as L

from lfnet.training.callbacks import KeepBest
from lfnet.training.module import SeverityModule

__all__ = ["EpochLog", "TrainingState"]


@dataclass(frozen=True)
class TrainingState:
    """How far a training is.

    Attributes
    ----------
    epoch, epochs : int
        The epoch that runs, from 1, and the largest number of epochs.
    share : float
        The share of all epochs that is done.
    metric : str
        What chooses the epoch, such as "dev mae".
    value, best : float or None
        Of the last epoch, and of the best one; None where it is undefined or there is none yet.
    best_epoch : int
    seconds_left : float or None
        At most, since training may stop early; None where nothing was measured yet.

    Examples
    --------
    >>> print(TrainingState(5, 16, 0.25, "dev mae", 8.31, 8.2, 3, 61.0))
    epoch 5 of 16, dev mae 8.31 (best 8.20 in epoch 3)
    """

    epoch: int
    epochs: int
    share: float
    metric: str
    value: float | None
    best: float | None
    best_epoch: int
    seconds_left: float | None

    def __str__(self) -> str:
        text = f"epoch {self.epoch} of {self.epochs}"
        if self.value is not None:
            text += f", {self.metric} {self.value:.2f}"
        if self.best is not None:
            text += f" (best {self.best:.2f} in epoch {self.best_epoch})"
        return text


class EpochLog(L.Callback):
    """Writes a line to the log after each epoch, and calls `show` after each batch.

    It reads what other callbacks have measured: nothing is computed, and no random number is drawn.

    Parameters
    ----------
    keep : KeepBest
        Called before this one.
    split : str
        Whose metric chooses the epoch.
    log : callable or None
        Takes the line; None writes none.
    show : callable or None
        Takes a `TrainingState`.
    """

    def __init__(
        self,
        keep: KeepBest,
        split: str,
        log: Callable[[str], None] | None,
        show: Callable[[TrainingState], None] | None,
    ) -> None:
        self._keep, self._metric, self._log, self._show = keep, f"{split} {keep.metric}", log, show
        self._value: float | None = None
        self._first = 0  # epoch of this process
        self._started = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._first, self._started = trainer.current_epoch, time.monotonic()
        self._tell(trainer, 0)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._tell(trainer, batch_idx + 1)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, SeverityModule)
        self._value = pl_module.dev.get(self._keep.metric)
        if self._log is not None:
            state = self._state(trainer, 0)
            text = str(state) if pl_module.dev else f"epoch {state.epoch} of {state.epochs}: scores are not finite"
            self._log(text)

    def _tell(self, trainer: L.Trainer, batches: int) -> None:
        if self._show is not None:
            self._show(self._state(trainer, batches))

    def _state(self, trainer: L.Trainer, batches: int) -> TrainingState:
        epochs = trainer.max_epochs or 1
        done = trainer.current_epoch + batches / max(1.0, trainer.num_training_batches)
        here = done - self._first
        left = (time.monotonic() - self._started) * (epochs - done) / here if here > 0 else None
        best = None if not self._keep.best_epoch or self._keep.best != self._keep.best else self._keep.best
        epoch = min(trainer.current_epoch + 1, epochs)
        return TrainingState(epoch, epochs, done / epochs, self._metric, self._value, best, self._keep.best_epoch, left)
