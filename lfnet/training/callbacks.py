"""Lightning callbacks: keep the best epoch, stop early, and watch for a collapse to a constant."""

import logging
import math
from dataclasses import dataclass, field
from typing import Any

import lightning as L

from lfnet.evaluation.class_metrics import SELECTION
from lfnet.training.module import SeverityModule

__all__ = ["CollapseWatch", "KeepBest"]

_log = logging.getLogger(__name__)


@dataclass
class KeepBest(L.Callback):
    """Keep the weights of the best epoch, and stop when `patience` epochs have brought no better one.

    The metric is read from the module and not from Lightning's log, so that an undefined value (PCC of a constant
    prediction) is simply not better, and never a NaN that wins or stops the run. Epochs count from 1.
    """

    metric: str
    patience: int
    best: float = math.nan
    best_epoch: int = 0
    epochs: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    sigma_ratio: float | None = None  # of the epoch that is kept
    mae: float | None = None
    converged: bool = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Not on_validation_epoch_end, which callbacks get before the module has measured the epoch.
        assert isinstance(pl_module, SeverityModule)
        self.epochs += 1
        value = pl_module.dev.get(self.metric)
        if not pl_module.dev:
            # The scores are not finite: no better epoch will follow, and this is no convergence.
            trainer.should_stop = True
            return
        if value is not None and self._better(value):
            self.best = value
            self._keep(pl_module)
        elif not self.state:
            # Until an epoch has a defined value, keep the first one's weights.
            self._keep(pl_module)
        if self.epochs - self.best_epoch >= self.patience:
            self.converged = not math.isnan(self.best)
            trainer.should_stop = True

    def marks(self, split: str, span: float) -> tuple[str, ...]:
        """Return the mark of a training whose kept epoch errs by more than `span`, the points of the scale."""
        if self.mae is None or self.mae <= span:
            return ()
        return (f"diverged: {split} mae {self.mae:.3g} is above the range of the scale, {span:g}; lower trainer.lr",)

    def _keep(self, pl_module: SeverityModule) -> None:
        self.state, self.best_epoch = pl_module.state(), self.epochs
        self.sigma_ratio, self.mae = pl_module.dev.get("sigma_ratio"), pl_module.dev.get("mae")

    def _better(self, value: float) -> bool:
        if math.isnan(self.best):
            return True
        return value > self.best if SELECTION[self.metric] == "higher" else value < self.best


@dataclass
class CollapseWatch(L.Callback):
    """Warn when `split`'s sigma_ratio has been below `minimum` for `patience` epochs, and stop then if asked to.

    A head that predicts nearly a constant has a fair MAE and tells no person from another.
    """

    split: str
    minimum: float
    patience: int
    stop: bool
    epochs: int = 0
    low: int = 0
    stopped: bool = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, SeverityModule)
        self.epochs += 1
        value = pl_module.dev.get("sigma_ratio")
        self.low = self.low + 1 if value is not None and value < self.minimum else 0
        if self.low == self.patience:
            _log.warning(
                "epoch %d: %s sigma_ratio is %.3f and has been below trainer.min_sigma_ratio=%g for %d epochs: "
                "the head predicts nearly the same score for all people",
                *(self.epochs, self.split, value, self.minimum, self.low),
            )
            if self.stop:
                self.stopped = trainer.should_stop = True

    def marks(self, kept: float | None) -> tuple[str, ...]:
        """Return the marks of a run whose kept epoch has the sigma_ratio `kept`."""
        marks = []
        if kept is not None and kept < self.minimum:
            marks.append(f"collapsed: {self.split} sigma_ratio below {self.minimum:g}")
        return (*marks, *["stopped on collapse"] * self.stopped)
