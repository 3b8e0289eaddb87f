"""Lightning callback that hands the state of a training to `Progress` at the start of each epoch, and restores it."""

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from lfnet.data.batches import EpochSampler, WindowDataset
from lfnet.data.packed import PackedWindows
from lfnet.training.callbacks import CollapseWatch, KeepBest
from lfnet.training.learning_curve import LearningCurve
from lfnet.training.module import SeverityModule
from lfnet.training.progress import Progress, copied, random_state, set_random_state

__all__ = ["Resume"]


class Resume(L.Callback):
    """Keeps everything that lives from one epoch to the next: head, optimiser, random numbers, callbacks, rows.

    The start of an epoch is the one moment at which all of an epoch is done, its row of the learning curve included.

    Parameters
    ----------
    progress : Progress
    callbacks : sequence of KeepBest and CollapseWatch
        Their fields are part of the state.
    curves : sequence of LearningCurve
        Of none or one; its rows are part of the state, and logged again by all loggers of a training that goes on.
    device : str
        `trainer.device`.

    Attributes
    ----------
    seconds_before : float
        What the training took before it was interrupted.
    """

    def __init__(
        self,
        progress: Progress,
        callbacks: Sequence[KeepBest | CollapseWatch],
        curves: Sequence[LearningCurve],
        device: str,
    ) -> None:
        self._progress, self._callbacks, self._curves, self._device = progress, callbacks, curves, device
        self._state = progress.take()
        self._started = time.perf_counter()
        self.seconds_before: float = 0.0 if self._state is None else self._state["seconds"]

    def set_epoch(self, trainer: L.Trainer) -> None:
        """Let a trainer that has not begun count epochs and steps from the state."""
        if self._state is None:
            return
        loop, done = trainer.fit_loop, self._state["epoch"]
        vars(loop.epoch_progress.current).update(ready=done, started=done, processed=done, completed=done)
        loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total.completed = self._state["steps"]
        loop.epoch_loop.on_load_checkpoint({"_batches_that_stepped": self._state["steps"]})

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, SeverityModule)
        if self._state is not None:
            self._restore(self._state, trainer, pl_module)
            self._state = None
        epoch = trainer.current_epoch
        assert trainer.max_epochs is not None
        self._progress.keep(epoch, trainer.max_epochs, self._capture(trainer, pl_module))

    def _capture(self, trainer: L.Trainer, module: SeverityModule) -> dict[str, Any]:
        sampler, dataset = _source(trainer)
        for part in module.head.modules():
            if callable(settle := getattr(part, "settle", None)):
                settle()
        return {
            "epoch": trainer.current_epoch,
            "steps": trainer.global_step,
            "head": copied(module.head.state_dict()),
            "buffers": copied(dict(module.head.named_buffers())),  # also those that are not among the weights
            "optimiser": copied(trainer.optimizers[0].state_dict()),
            "callbacks": [
                {field.name: getattr(callback, field.name) for field in fields(callback)}
                for callback in self._callbacks
            ],
            "rows": [row for curve in self._curves for row in curve.rows],
            "epochs_drawn": sampler.epoch,
            "stream_dropout": None if dataset.dropout is None else dataset.dropout.random.bit_generator.state,
            "random": random_state(self._device),
            "seconds": self.seconds_before + time.perf_counter() - self._started,
        }

    def _restore(self, state: dict[str, Any], trainer: L.Trainer, module: SeverityModule) -> None:
        sampler, dataset = _source(trainer)
        module.head.load_state_dict(state["head"])
        for name, buffer in module.head.named_buffers():
            buffer.copy_(state["buffers"][name])
        trainer.optimizers[0].load_state_dict(state["optimiser"])
        for callback, before in zip(self._callbacks, state["callbacks"], strict=True):
            vars(callback).update(before)
        for row in state["rows"]:
            for logger in trainer.loggers:
                logger.log_metrics({name: value for name, value in row.items() if name != "step"}, row["step"])
        sampler.epoch = state["epochs_drawn"]
        if dataset.dropout is not None:
            dataset.dropout.random.bit_generator.state = state["stream_dropout"]
        set_random_state(state["random"])


def _source(trainer: L.Trainer) -> tuple[EpochSampler, WindowDataset | PackedWindows]:
    loader = trainer.train_dataloader
    assert isinstance(loader, DataLoader)
    assert isinstance(loader.sampler, EpochSampler) and isinstance(loader.dataset, WindowDataset | PackedWindows)
    return loader.sampler, loader.dataset
