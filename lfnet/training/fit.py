"""Fit one head with Lightning's Trainer; the best epoch on the selection split is kept."""

import logging
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.loggers import Logger
from torch import nn

from lfnet.data.datamodule import DataModule
from lfnet.errors import LfnetError
from lfnet.training.callbacks import CollapseWatch, KeepBest
from lfnet.training.epoch_log import EpochLog, TrainingState
from lfnet.training.learning_curve import LearningCurve
from lfnet.training.module import SeverityModule
from lfnet.training.progress import Progress
from lfnet.training.resume import Resume
from lfnet.training.settings import TrainerSettings

__all__ = ["Fitted", "fit", "seed_all"]

_log = logging.getLogger(__name__)
_LOGGERS = ("lightning.pytorch", "lightning.fabric", "lightning")


@dataclass(frozen=True)
class Fitted:
    """A fitted head and the course of its training; epochs count from 1.

    Attributes
    ----------
    head : torch.nn.Module
        With the weights of the best epoch.
    epochs, best_epoch : int
    best : float
        The selection metric of the best epoch; NaN where it was never defined.
    converged : bool
        Whether training stopped because no better epoch came.
    seconds : float
    marks : tuple of str
        Remarks that tables print with the run, such as a collapse.
    """

    head: nn.Module
    epochs: int
    best_epoch: int
    best: float
    converged: bool
    seconds: float
    marks: tuple[str, ...] = ()


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch; the head's first weights and dropout follow from them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries that a user's head calls may draw from it
    torch.manual_seed(seed)


def fit(
    head: nn.Module,
    data: DataModule,
    settings: TrainerSettings,
    curve: Path | None,
    loggers: list[Logger],
    progress: Progress | None = None,
    show: Callable[[TrainingState], None] | None = None,
) -> Fitted:
    """Fit a head on the training windows of a DataModule.

    Parameters
    ----------
    head : torch.nn.Module
        Fitted in place.
    data : DataModule
        Set up.
    settings : TrainerSettings
        Checked against head and protocol (`check_compatible`).
    curve : Path or None
        The csv file of the learning curve; None for none, and no line of an epoch in the log.
    loggers : list
        Further loggers of Lightning.
    progress : Progress or None
        Gets the state at the start of each epoch, and has that of an interrupted training; None: nothing is kept.
    show : callable or None
        Is told how far the training is, after each batch.

    Returns
    -------
    Fitted

    Raises
    ------
    LfnetError
        The device is not available, or training diverged.
    """
    module = SeverityModule(
        head,
        data.labels,
        data.protocol,
        data.split("train"),
        data.selection(),
        loss=settings.loss,
        pooling=settings.pooling,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        fused=settings.clip_gradient is None,  # Lightning clips no gradients of a fused optimiser in mixed precision
    )
    select = data.protocol.select
    keep = KeepBest(select.metric, settings.patience)
    watch = None
    if settings.min_sigma_ratio is not None:
        watch = CollapseWatch(
            select.split, settings.min_sigma_ratio, settings.collapse_patience, settings.stop_on_collapse
        )
    callbacks: list[KeepBest | CollapseWatch] = [keep] if watch is None else [keep, watch]
    written = [] if curve is None else [LearningCurve(curve)]
    resume = None if progress is None else Resume(progress, callbacks, written, settings.device)
    log = EpochLog(keep, select.split, None if curve is None else _log.info, show)
    with _quiet_lightning():
        trainer = L.Trainer(
            accelerator=_accelerator(settings.device),
            devices=1,
            precision=settings.precision,
            max_epochs=settings.max_epochs,
            gradient_clip_val=settings.clip_gradient,
            deterministic=True,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            log_every_n_steps=1_000_000,  # once an epoch is what tables and figures use
            logger=[*written, *loggers],
            callbacks=[*callbacks, *([] if resume is None else [resume]), log],
            plugins=[LightningEnvironment()],  # else Lightning handles a scheduler's signals, with files of its own
        )
        started = time.perf_counter()
        with (
            _interruptible(),
            _training_windows(data, head, settings.precision),
            nullcontext() if progress is None else progress.noting_log(),
        ):
            if resume is not None:
                resume.set_epoch(trainer)
            trainer.fit(module, datamodule=data)
        seconds = time.perf_counter() - started + (0.0 if resume is None else resume.seconds_before)
    if not keep.state or not all(
        torch.isfinite(value).all() for value in keep.state.values() if value.is_floating_point()
    ):
        raise LfnetError(
            "training diverged: the weights are no longer finite. Lower trainer.lr or set trainer.clip_gradient=1."
        )
    head.load_state_dict(keep.state)
    scale = data.cohort.scale
    marks = keep.marks(select.split, scale.max - scale.min)
    marks += () if watch is None else watch.marks(keep.sigma_ratio)
    for mark in marks:
        _log.warning("the head that is kept, of epoch %d: %s", keep.best_epoch, mark)
    marks = (*getattr(settings.loss, "marks", ()), *marks)
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
def _training_windows(data: DataModule, head: nn.Module, precision: str) -> Iterator[None]:
    """Serve windows for fitting: short and rounded if the head allows it."""
    data.shorten = getattr(head, "shorten", None)
    if precision == "bf16-mixed" and getattr(head, "rounds_frames", False):
        data.dtype = torch.bfloat16
    try:
        yield
    finally:
        data.shorten, data.dtype = None, torch.float32


@contextmanager
def _interruptible() -> Iterator[None]:
    """Keep Ctrl-C a KeyboardInterrupt: Lightning turns it into an exit and leaves the signal ignored."""
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hide Lightning's own messages (accelerators found, few workers), which say nothing about a job."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
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
