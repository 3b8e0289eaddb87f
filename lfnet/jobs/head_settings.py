"""Checks of a head's settings, and of the values between which they are tuned, before any work starts."""

import math
from collections.abc import Mapping
from typing import Any

from lfnet.config import check_target, read
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.training.binary import ADVICE, BCE
from lfnet.training.distribution_head import build_head
from lfnet.training.losses import L1, Loss
from lfnet.training.settings import TrainerSettings, check_compatible
from lfnet.tuning.space import SEARCH, Space, read_space, with_values

__all__ = ["check_head", "read_search"]


def check_head(config: Mapping[str, Any], trainer: TrainerSettings | None, protocol: Protocol | None) -> None:
    """Build the head on PyTorch's meta device, which takes neither memory nor time, and check what depends on it."""
    import torch

    node = config["head"]
    check_target(node, "head")
    try:
        with torch.device("meta"):
            head = build_head(node, trainer.loss if trainer else L1(), n_features=_n_features(config))
    except LfnetError:
        raise
    except Exception:
        return  # not every head can be built without numbers: the job builds it and reports what is wrong
    if trainer is not None and protocol is not None:
        check_compatible(trainer, protocol, head)
    if trainer is not None:
        _check_labels(trainer.loss, config["cohort"].get("scale"))


def _check_labels(loss: Loss, scale: Any) -> None:
    """Check that a loss fits the kind of labels, where the cohort's settings tell it."""
    if not isinstance(scale, Mapping):
        return
    binary = scale.get("kind") == "binary" or scale.get("binary_at") is not None
    if isinstance(loss, BCE) and not binary:
        raise LfnetError(f"loss=bce learns labels 0 and 1, and those of {scale.get('name')} are others: {ADVICE}.")
    if binary and isinstance(loss, L1):
        raise LfnetError(
            f"the labels of {scale.get('name')} are 0 and 1, and trainer.loss (L1) would learn their median, one of "
            "the two for everyone: choose loss=bce."
        )


def read_search(config: Mapping[str, Any], protocol: Protocol | None) -> Space:
    """The search space; each of its values is checked as if it were given, the other settings staying as they are."""
    space, lines = read_space(config), []
    for name, value in space.extremes():
        own = with_values(config, {name: value})
        try:
            check_head(own, read(TrainerSettings, own["trainer"], "trainer"), protocol)
        except LfnetError as error:
            node, _, key = name.partition(".")
            lines.append(f"{node}.{SEARCH}.{key}: {' '.join(str(error).split())}")
    if lines:
        raise LfnetError("\n".join(lines))
    return space


def _n_features(config: Mapping[str, Any]) -> int:
    """The width of the vectors where the settings tell it, else one that every number among the head's divides."""
    if isinstance(dim := config["cohort"].get("dim"), int) and not (config.get("streams") or {}).get("columns"):
        return max(1, dim)
    return math.lcm(*(value for value in config["head"].values() if type(value) is int and 0 < value <= 64), 512)
