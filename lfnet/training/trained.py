"""Load what a finished run was trained to: its head with the weights, and the scale of its labels."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from lfnet.data.labels import Labels
from lfnet.evaluation.pooling import Pooling
from lfnet.runs.result import RESULT, damaged
from lfnet.runs.run import Run
from lfnet.training.distribution_head import build_head, with_distribution
from lfnet.training.losses import Loss
from lfnet.training.pooling import with_pooling

__all__ = ["labels_of", "load_head"]


def labels_of(run: Run) -> Labels:
    """Return the z-score of the training labels. Raises `LfnetError` where the run does not have it."""
    mean, sd = run.result.training.label_mean, run.result.training.label_sd
    if mean is None or sd is None:
        raise damaged(run.folder / RESULT, "training.label_mean and training.label_sd are missing")
    return Labels(mean, sd)


def load_head(run: Run, node: Mapping[str, Any], loss: Loss, pooling: Pooling | None, n_features: int) -> nn.Module:
    """Build the head of a run, with what its loss and pooling add, and load its weights.

    Parameters
    ----------
    run : Run
    node : mapping
        Settings of the head.
    loss : Loss
    pooling : Pooling or None
    n_features : int
        Features of a frame.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    Raises
    ------
    LfnetError
        The run's weights are of another head.
    """
    head = build_head(node, loss, n_features=n_features)
    head = with_distribution(head, loss, labels_of(run), run.result.scale.min, run.result.scale.max)
    head = with_pooling(head, pooling, n_features)
    try:
        head.load_state_dict(run.weights())
    except RuntimeError as error:
        raise damaged(run.weights_path, f"it does not contain this head's weights ({error})") from error
    return head.eval()
