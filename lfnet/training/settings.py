"""Settings of the trainer, and the rules between them, the protocol and the head."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from torch import nn

from lfnet.config import Count, NonNegative, Target, settings
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.class_metrics import SELECTION
from lfnet.evaluation.pooling import Pooling
from lfnet.evaluation.recalibration import Method
from lfnet.training.binary import BCE
from lfnet.training.distributions import DistributionLoss
from lfnet.training.losses import Loss
from lfnet.training.mc_dropout import require_dropout
from lfnet.training.pretrain import Pretraining

__all__ = ["TrainerSettings", "check_compatible"]


def _not_one(passes: int) -> int:
    if passes == 1:
        raise ValueError("a spread needs two passes or more (0: none).")
    return passes


@settings
class TrainerSettings:
    """Settings of a training run; `conf/trainer/default.yaml` explains each.

    Examples
    --------
    >>> from lfnet.config import read
    >>> loss = {"_target_": "lfnet.training.losses.L1", "lds_sigma": -2}
    >>> read(TrainerSettings, {"lr": "fast", "loss": loss}, "trainer")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lfnet.errors.LfnetError: trainer.max_epochs is missing: give a whole number of 1 or more.
    ...
    trainer.lr=fast: give a number of 0 or more.
    ...
    trainer.loss.lds_sigma=-2: give a number above 0, or null.
    ...
    """

    max_epochs: Count
    patience: Count
    lr: NonNegative
    weight_decay: NonNegative
    batch_size: Count
    eval_batch_size: Count
    windows_per_clip: Count | None
    select_windows_per_clip: Count | None
    clip_gradient: NonNegative | None
    min_sigma_ratio: NonNegative | None
    collapse_patience: Count
    stop_on_collapse: bool
    recalibrate: Method | None
    mc_dropout: Annotated[int, Field(ge=0), AfterValidator(_not_one)]
    loss: Annotated[Loss, Target]
    pretrain: Annotated[Pretraining | None, Target]
    pooling: Annotated[Pooling | None, Target]
    precision: Literal["32-true", "bf16-mixed"]
    device: Literal["cpu", "cuda", "mps"]
    threads: Count


def check_compatible(trainer: TrainerSettings, protocol: Protocol, head: nn.Module) -> None:
    """Check that trainer, protocol and head fit each other; nothing is read or trained.

    Parameters
    ----------
    trainer : TrainerSettings
    protocol : Protocol
    head : torch.nn.Module
        The head to fit; one built on the meta device will do.

    Raises
    ------
    LfnetError
        One line for each setting that does not fit.
    """
    lines = []
    if (metric := protocol.select.metric) not in SELECTION:
        lines.append(f"protocol.select.metric={metric}: choose one of {', '.join(SELECTION)}.")
    elif metric == "auroc" and not isinstance(trainer.loss, BCE):
        others = ", ".join(name for name in SELECTION if name != "auroc")
        lines.append(f"protocol.select.metric=auroc is of binary labels (loss=bce): choose one of {others}.")
    patch = getattr(head, "patch_size", None)
    if isinstance(patch, int) and patch > protocol.window:
        lines.append(f"head.patch_size={patch}: give at most protocol.window={protocol.window} frames.")
    if trainer.pooling is not None:
        lines += _pooling_faults(trainer, protocol)
    if trainer.recalibrate is not None and isinstance(trainer.loss, BCE):
        lines.append(f"trainer.recalibrate={trainer.recalibrate}: a line leaves the range of probabilities: give null.")
    try:
        if trainer.mc_dropout:
            require_dropout(head, trainer.mc_dropout)
    except LfnetError as error:
        lines.append(str(error))
    try:
        if trainer.pretrain is not None:
            trainer.pretrain.check(head)
    except LfnetError as error:
        lines.append(str(error))
    if lines:
        raise LfnetError("\n".join(lines))


def _pooling_faults(trainer: TrainerSettings, protocol: Protocol) -> list[str]:
    """Name the settings under which windows would not be pooled, or not as they were in training."""
    lines = []
    if isinstance(trainer.loss, DistributionLoss):
        lines.append("trainer.loss is of distributions, and pooling is of scores: choose pooling=none, or loss=l1.")
    for level in ("clip", "recording"):
        if (how := getattr(protocol.aggregate, level)) != "mean":
            lines.append(f"protocol.aggregate.{level}={how}: pooling takes its place: choose mean, or pooling=none.")
    if protocol.select.level == "window":
        lines.append(
            "protocol.select.level=window: the best epoch would be chosen without the pooling: choose clip or "
            "recording, or pooling=none."
        )
    for name in ("windows_per_clip", "select_windows_per_clip"):
        if getattr(trainer, name) == 1:
            lines.append(
                f"trainer.{name}=1: there is nothing to pool: give 2 or more, or null for all windows, or pooling=none."
            )
    return lines
