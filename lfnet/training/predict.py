"""Prediction: a head's scores of windows, and their aggregation to clips and recordings."""

import copy
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import nn

from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.pooling import Groups, Pooling, pool, to_points
from lfnet.evaluation.predictions import LEVELS, Predictions

if TYPE_CHECKING:
    from lfnet.data.datamodule import DataModule

__all__ = ["Grouping", "check_output", "predict", "score_splits", "window_predictions"]

_COLUMNS = ["window", "clip_id", "recording_id", "person_id", "split", "label"]


def check_output(head: nn.Module, frames: int, n_features: int) -> None:
    """Check that a head gives one finite score a window, before it is trained; torch's random state stays as it was.

    Parameters
    ----------
    head : torch.nn.Module
    frames : int
        Length of a window.
    n_features : int
        Features of a frame.

    Raises
    ------
    LfnetError
        `forward` fails, or returns anything but a finite tensor [B]; the message names the class and its file.

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> check_output(TemporalMeanMLP(n_features=4), frames=10, n_features=4)
    """
    name, head = _named(head), copy.deepcopy(head).eval()  # a copy, as heads may count their evaluations
    x_BTD, mask_BT = torch.ones(2, frames, n_features), torch.ones(2, frames, dtype=torch.bool)
    advice = "A head returns one score a window, a tensor [B]; lfnet.testing.check_head checks all rules."
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        try:
            y_B = head(x_BTD, mask_BT)
        except Exception as error:
            line = " ".join(str(error).split())
            raise LfnetError(
                f"head {name} cannot score windows x_BTD {list(x_BTD.shape)} with mask_BT {list(mask_BT.shape)}: "
                f"{type(error).__name__}: {line}. {advice}"
            ) from error
    if not isinstance(y_B, torch.Tensor) or y_B.shape != (2,):
        got = f"shape {list(y_B.shape)}" if isinstance(y_B, torch.Tensor) else type(y_B).__name__
        raise LfnetError(f"head {name} returns {got} for 2 windows, not [2]. {advice}")
    if not y_B.isfinite().all():
        raise LfnetError(f"head {name} returns scores that are not finite for windows of ones. {advice}")


def _named(head: nn.Module) -> str:
    """The name of a head's class; of one outside lfnet, with its file."""
    kind = type(head)
    if kind.__module__.partition(".")[0] == "lfnet":
        return kind.__name__
    try:
        return f"{kind.__name__} ({inspect.getsourcefile(kind)})"
    except TypeError:  # made in an interpreter
        return kind.__name__


@torch.inference_mode()
def predict(head: nn.Module, batches: Iterable[dict[str, torch.Tensor]], device: str) -> np.ndarray:
    """Score windows.

    Scores are computed in 32-bit floats whatever `trainer.precision` was: the weights are 32-bit floats, and so is an
    exported head. (Under bf16-mixed the epoch was chosen by scores in bfloat16.)

    Parameters
    ----------
    head : torch.nn.Module
    batches : iterable of dict
        With x_BTD and mask_BT.
    device : str

    Returns
    -------
    numpy.ndarray
        Scores float64 [W], in units of the training labels' SD; with log weights [W, 2] of `GatedWindows`.

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> batch = {"x_BTD": torch.ones(3, 10, 4), "mask_BT": torch.ones(3, 10, dtype=torch.bool)}
    >>> predict(TemporalMeanMLP(n_features=4), [batch, batch], "cpu").shape
    (6,)
    """
    head.to(device).eval()
    scores = [head(batch["x_BTD"].to(device), batch["mask_BT"].to(device)) for batch in batches]
    return torch.cat(scores).cpu().double().numpy() if scores else np.zeros(0)


def window_predictions(windows: pd.DataFrame, scores: np.ndarray) -> Predictions:
    """Return scores [W] in scale points as window Predictions; `windows` is a split's table of the DataModule."""
    return Predictions.from_frame(windows[_COLUMNS].assign(score=scores), level="window")


def score_splits(head: nn.Module, data: "DataModule", device: str, pooling: Pooling | None = None) -> Predictions:
    """Score every split but train, at every level. The test split is opened here, once.

    Scores are aggregated as `data.protocol` says or, where there is a pooling, by it.
    """
    frames = []
    for split in ("dev", "test", "unlabelled"):
        windows = data.split(split)
        if not len(windows):
            continue
        values = predict(head, data.eval_dataloader(windows), device)
        if pooling is None:
            how = data.protocol.aggregate
            scored = window_predictions(windows, data.labels.points(values)).all_levels(how.clip, how.recording)
            frames.append(scored.frame)
        else:
            in_points = pooling.in_points(data.labels.mean, data.labels.sd)
            values = to_points(values, data.labels.mean, data.labels.sd, pooling)
            for level in LEVELS:
                grouping = Grouping(windows, data.protocol, level, in_points)
                rows = grouping.rows[_COLUMNS].assign(score=grouping.scores(values))
                frames.append(Predictions.from_frame(rows, level).frame)
    return Predictions(pd.concat(frames, ignore_index=True))


class Grouping:
    """Aggregation of scores to one level for fixed windows: as `Predictions.all_levels`, with groups found once.

    Parameters
    ----------
    windows : pandas.DataFrame
        A split's table of the DataModule.
    protocol : Protocol
    level : {"window", "clip", "recording"}
    pooling : Pooling, optional
        Of scores in points, in place of the protocol's means.

    Attributes
    ----------
    rows : pandas.DataFrame
        The first window of each of the level's n units.
    labels : numpy.ndarray
        Labels float64 [n], in scale points.

    Examples
    --------
    >>> from lfnet.data.protocol import Protocol
    >>> windows = pd.DataFrame({"clip_id": ["a", "a", "b"], "recording_id": ["r", "r", "r"], "label": [9, 9, 9]})
    >>> protocol = Protocol(name="example", window=1, hop=1)
    >>> Grouping(windows, protocol, "clip").scores(np.array([1.0, 3.0, 8.0])).tolist()
    [2.0, 8.0]
    >>> Grouping(windows, protocol, "recording").scores(np.array([1.0, 3.0, 8.0])).tolist()
    [5.0]
    """

    def __init__(self, windows: pd.DataFrame, protocol: Protocol, level: str, pooling: Pooling | None = None) -> None:
        self._pooling = pooling
        self._steps: list[tuple[np.ndarray, int, str]] = []
        rows = windows
        for key, how in (("clip", protocol.aggregate.clip), ("recording", protocol.aggregate.recording)):
            if level == "window" or (level == "clip" and key == "recording"):
                break
            codes, names = pd.factorize(rows[f"{key}_id"])
            self._steps.append((codes, len(names), how))
            rows = rows.drop_duplicates(f"{key}_id")
        self.rows = rows.reset_index(drop=True)
        self.labels = rows["label"].to_numpy(float)

    def scores(self, scores_W: np.ndarray) -> np.ndarray:
        """Aggregate the windows' scores [W] to the level's [n]; with a pooling, what the head gave (`pool`)."""
        if self._pooling is not None:
            return pool(self._pooling, scores_W, [Groups(codes, count) for codes, count, _ in self._steps])[0]
        for codes, count, how in self._steps:
            if how == "mean":
                scores_W = np.bincount(codes, scores_W, count) / np.bincount(codes, minlength=count)
            else:
                scores_W = np.array([np.median(scores_W[codes == code]) for code in range(count)])
        return scores_W
