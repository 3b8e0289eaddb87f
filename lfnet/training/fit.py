"""Fit one head: Lightning's Trainer, the best epoch kept, stopped when the selection metric stops improving."""

import logging
import math
import random
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import CSVLogger, Logger
from torch import nn

from lfnet.config import instantiate
from lfnet.data.module import DataModule
from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import METRICS
from lfnet.training.losses import Loss
from lfnet.training.module import SeverityModule
from lfnet.training.pretrain import MaskedFrames

__all__ = ["Fitted", "TrainerSettings", "fit", "seed_all"]

_PRECISIONS = ("32-true", "bf16-mixed")
_DEVICES = ("cpu", "cuda", "mps")
# For each setting: its type, the least value, whether null is one.
_RANGES: dict[str, tuple[Any, float, bool]] = {
    "max_epochs": (int, 1, False),
    "patience": (int, 1, False),
    "lr": ((int, float), 0, False),
    "weight_decay": ((int, float), 0, False),
    "batch_size": (int, 1, False),
    "eval_batch_size": (int, 1, False),
    "windows_per_clip": (int, 1, True),
    "select_windows_per_clip": (int, 1, True),
    "bags": (int, 1, True),
    "clip_gradient": ((int, float), 0, True),
    "min_sigma_ratio": ((int, float), 0, True),
    "collapse_patience": (int, 1, False),
    "mc_dropout": (int, 0, False),
    "threads": (int, 1, False),
}
_log = logging.getLogger(__name__)
_QUIET = ("lightning.pytorch", "lightning.fabric", "lightning")


@dataclass(frozen=True)
class TrainerSettings:
    """`conf/trainer/*.yaml`, which says what each setting means."""

    max_epochs: int
    patience: int
    lr: float
    weight_decay: float
    batch_size: int
    eval_batch_size: int
    windows_per_clip: int | None
    select_windows_per_clip: int | None
    bags: int | None
    clip_gradient: float | None
    min_sigma_ratio: float | None
    collapse_patience: int
    stop_on_collapse: bool
    mc_dropout: int
    loss: Loss
    pretrain: MaskedFrames | None
    precision: str
    device: str
    threads: int

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build from the resolved `trainer` node. Raises `LfnetError` naming the setting that is wrong."""
        known = {item.name for item in fields(cls)}
        if wrong := sorted(known ^ set(config)):
            what = "is missing" if wrong[0] in known else "is not a setting"
            raise LfnetError(f"trainer.{wrong[0]} {what}: see conf/trainer/default.yaml.")
        for name, (kinds, least, optional) in _RANGES.items():
            value = config[name]
            if value is None and optional:
                continue
            if not isinstance(value, kinds) or isinstance(value, bool) or not value >= least:
                kind = "a whole number" if kinds is int else "a number"
                raise LfnetError(f"trainer.{name}={value}: give {kind} of {least} or more{' or null' * optional}.")
        for name, choices in (("precision", _PRECISIONS), ("device", _DEVICES)):
            if config[name] not in choices:
                raise LfnetError(f"trainer.{name}={config[name]}: choose one of {', '.join(choices)}.")
        if not isinstance(config["stop_on_collapse"], bool):
            raise LfnetError(f"trainer.stop_on_collapse={config['stop_on_collapse']}: give true or false.")
        if config["mc_dropout"] == 1:
            raise LfnetError("trainer.mc_dropout=1: a spread needs two passes or more (0: none).")
        if not isinstance(config["loss"], dict) or "_target_" not in config["loss"]:
            raise LfnetError(f"trainer.loss={config['loss']}: choose one with loss=NAME (conf/loss).")
        pretrain = config["pretrain"]
        if pretrain is not None and not (isinstance(pretrain, dict) and "_target_" in pretrain):
            raise LfnetError(f"trainer.pretrain={pretrain}: choose one with pretrain=NAME (conf/pretrain), or null.")
        made = {"loss": instantiate(config["loss"]), "pretrain": pretrain and instantiate(pretrain)}
        return cls(**{**config, **made})


@dataclass(frozen=True)
class Fitted:
    """A fitted head (its best epoch's weights loaded) and how fitting went; epochs count from 1.

    marks: what a reader must know of it.
    """

    head: nn.Module
    epochs: int
    best_epoch: int
    best: float
    converged: bool
    seconds: float
    marks: tuple[str, ...] = ()


@dataclass
class _KeepBest(L.Callback):
    """Keeps the weights of the best epoch and stops when `patience` epochs have brought nothing better.

    The metric is read from the module and not from Lightning's log, so that an undefined value (PCC of a constant
    prediction) is simply not better, and never a NaN that wins or stops the run.
    """

    metric: str
    patience: int
    best: float = math.nan
    best_epoch: int = 0
    epochs: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    sigma_ratio: float | None = None  # of the epoch that is kept
    converged: bool = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Not on_validation_epoch_end: callbacks hear of that before the module has measured the epoch.
        assert isinstance(pl_module, SeverityModule)
        self.epochs += 1
        value = pl_module.dev.get(self.metric)
        if not pl_module.dev:
            # Scores that are no numbers: nothing better will come, and this is not convergence.
            trainer.should_stop = True
            return
        if value is not None and self._better(value):
            self.best = value
            self._keep(pl_module)
        elif not self.state:
            # An epoch without a defined value: keep its weights until one has one.
            self._keep(pl_module)
        if self.epochs - self.best_epoch >= self.patience:
            self.converged = not math.isnan(self.best)
            trainer.should_stop = True

    def _keep(self, pl_module: SeverityModule) -> None:
        self.state, self.best_epoch, self.sigma_ratio = (
            pl_module.state(),
            self.epochs,
            pl_module.dev.get("sigma_ratio"),
        )

    def _better(self, value: float) -> bool:
        if math.isnan(self.best):
            return True
        return value > self.best if METRICS[self.metric].better == "higher" else value < self.best


@dataclass
class _Watch(L.Callback):
    """Says in train.log when `split`'s sigma_ratio has been below `least` for `patience` epochs, and may stop then.

    A head that predicts nearly a constant has a fair MAE and says nothing of anybody.
    """

    split: str
    least: float
    patience: int
    stop: bool
    epochs: int = 0
    low: int = 0
    stopped: bool = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, SeverityModule)
        self.epochs += 1
        value = pl_module.dev.get("sigma_ratio")
        self.low = self.low + 1 if value is not None and value < self.least else 0
        if self.low == self.patience:
            _log.warning(
                "epoch %d: %s sigma_ratio is %.3f and has been below trainer.min_sigma_ratio=%g for %d epochs: "
                "the head predicts nearly the same for everybody",
                *(self.epochs, self.split, value, self.least, self.low),
            )
            if self.stop:
                self.stopped = trainer.should_stop = True

    def marks(self, kept: float | None) -> tuple[str, ...]:
        """What a reader must know, where the epoch that is kept has the sigma_ratio `kept`."""
        marks = []
        if kept is not None and kept < self.least:
            marks.append(f"collapsed: {self.split} sigma_ratio below {self.least:g}")
        return (*marks, *["stopped on collapse"] * self.stopped)


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch: the head's first weights and dropout follow from it."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries that a user's head may call draw from here
    torch.manual_seed(seed)


def fit(head: nn.Module, data: DataModule, settings: TrainerSettings, folder: Path, loggers: list[Logger]) -> Fitted:
    """Fit `head` on the DataModule's training windows; metrics.csv goes to `folder`.

    Raises `LfnetError` where the loss stops being a number, or the device is not there.
    """
    module = SeverityModule(
        head,
        data.labels,
        data.protocol,
        data.split("train"),
        data.selection(),
        loss=settings.loss,
        bags=settings.bags is not None,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        fused=settings.clip_gradient is None,  # Lightning clips no gradients of a fused optimiser in mixed precision
    )
    select = data.protocol.select
    if METRICS.get(select.metric) is None or METRICS[select.metric].better is None:
        usable = ", ".join(name for name, metric in METRICS.items() if metric.better)
        raise LfnetError(f"protocol.select.metric={select.metric}: choose one of {usable}.")
    if settings.bags is not None and data.protocol.aggregate.clip != "mean":
        raise LfnetError(
            f"trainer.bags={settings.bags} joins a clip's windows by their mean, and "
            f"protocol.aggregate.clip={data.protocol.aggregate.clip}: choose mean, or trainer.bags=null."
        )
    keep = _KeepBest(select.metric, settings.patience)
    watch = None
    if settings.min_sigma_ratio is not None:
        watch = _Watch(select.split, settings.min_sigma_ratio, settings.collapse_patience, settings.stop_on_collapse)
    with _quiet_lightning():
        trainer = L.Trainer(
            accelerator=_accelerator(settings.device),
            devices=1,
            precision=settings.precision,  # type: ignore[arg-type]
            max_epochs=settings.max_epochs,
            gradient_clip_val=settings.clip_gradient,
            deterministic=True,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            log_every_n_steps=1_000_000,  # once an epoch is what the tables and pictures use
            logger=[CSVLogger(folder, name="", version=""), *loggers],
            callbacks=[keep] if watch is None else [keep, watch],
        )
        started = time.perf_counter()
        with _interruptible(), _served(data, head):
            trainer.fit(module, datamodule=data)
        seconds = time.perf_counter() - started
    if not keep.state or not all(
        torch.isfinite(value).all() for value in keep.state.values() if value.is_floating_point()
    ):
        raise LfnetError(
            "training diverged: the weights are no longer finite. Lower trainer.lr or set trainer.clip_gradient=1."
        )
    head.load_state_dict(keep.state)
    marks = () if watch is None else watch.marks(keep.sigma_ratio)
    for mark in marks:
        _log.warning("the head that is kept, of epoch %d: %s", keep.best_epoch, mark)
    return Fitted(head, keep.epochs, keep.best_epoch, keep.best, keep.converged, seconds, marks)


def _accelerator(device: str) -> str:
    if device == "cpu":
        return "cpu"
    if device == "cuda" and torch.cuda.is_available():
        return "gpu"
    if device == "mps" and torch.backends.mps.is_available():
        return "mps"
    raise LfnetError(
        f"trainer.device={device} is not available here: use trainer.device=cpu (`lfnet doctor` says more)."
    )


@contextmanager
def _served(data: DataModule, head: nn.Module) -> Iterator[None]:
    """Windows as fitting wants them: as short as the head allows, in memory that is used again (no batch is kept)."""
    data.shorten, data.reuse = getattr(head, "shorten", None), True
    try:
        yield
    finally:
        data.shorten, data.reuse = None, False


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays Ctrl-C: Lightning turns it into an exit and leaves the signal ignored."""
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's own lines (which accelerators there are, few workers, …) say nothing about a job."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*num_workers.*")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
