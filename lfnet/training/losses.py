"""Losses, and per-window targets from the labels of recordings.

A label belongs to a recording, a head scores windows. `conf/loss/*.yaml` names a loss by its `_target_`; a loss of your
own is a class with `prepare` and `__call__`, and a yaml.

Axes in names: W training windows, B windows or recordings of a batch, R recordings.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr
from torch import Tensor, nn

from lfnet.config import Positive, settings

__all__ = ["L1", "Loss", "Targets", "label_density", "smoothed_in_time"]


class Targets(NamedTuple):
    """Targets float64 [W] of training windows in scale points, and weights float64 [W] of mean 1.

    `weight_W` is None where all windows have the same weight.
    """

    target_W: np.ndarray
    weight_W: np.ndarray | None


@runtime_checkable
class Loss(Protocol):
    """Interface of `trainer.loss`: targets of the training windows, then the loss of a batch.

    A loss may also have `marks`, a tuple of str: remarks that tables, model cards and `lfnet train` print with a run.
    """

    def prepare(self, windows: pd.DataFrame) -> Targets:
        """Compute the targets of training windows.

        `windows` is the DataModule's table of them, with the label as `target` in scale points.
        """
        ...

    def __call__(self, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """Compute the loss of a batch, a scalar; scores and targets are in units of the training labels' SD."""
        ...


@settings
class L1:
    """Mean absolute error, with two optional corrections for skewed and weak labels.

    Only training windows are changed; dev and test are measured against their labels.

    Parameters
    ----------
    lds_sigma : float or None
        Label distribution smoothing (Yang et al. 2021, section 3.1): width in points of the Gaussian kernel that
        smooths the density of the training recordings' labels. A window's weight is the inverse of its label's density
        to the power `lds_power`; weights have mean 1 over the training windows. (Their code truncates the kernel after
        two bins; here it is whole.) None: equal weights.
    lds_bin : float
        Width in points of the bins in which labels are counted.
    lds_power : float
        1 is the paper's inverse density, 0.5 its square-root inverse.
    temporal_sigma : float or None
        Temporal label smoothing: width in frames of the Gaussian kernel that smooths the label over time. The label of
        a clip is taken as a function of time: the label during the clip, and before and after it the mean of the
        training recordings, which is known without the person. With Φ the normal distribution, c a window's centre, and
        the clip's windows reaching from frame s to frame e,

            target = mean + (label − mean) · [Φ((e − c) / σ) − Φ((s − c) / σ)]

        so windows in the middle of a long clip keep their label, and those at its ends and in short clips move to the
        mean. Targets then depend on the clip's length: where features reveal the length, so do scores, and runs are
        marked (experiments/recommended measures it). None: each window's target is its label.

    References
    ----------
    Yang et al. 2021, "Delving into deep imbalanced regression", ICML. Temporal smoothing joins smoothing towards the
    prior (Szegedy et al. 2016, "Rethinking the Inception architecture", section 7) with a strength that depends on time
    (Yèche et al. 2023, "Temporal label smoothing for early event prediction", ICML).

    Examples
    --------
    >>> import pandas as pd
    >>> windows = pd.DataFrame({"recording_id": ["a", "b", "c"], "target": [10.0, 10.0, 50.0]})
    >>> L1(lds_sigma=1.0).prepare(windows).weight_W.round(2).tolist()
    [0.75, 0.75, 1.5]
    >>> L1()(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 2.0]), None)
    tensor(0.5000)
    """

    lds_sigma: Positive | None = None
    lds_bin: Positive = 1.0
    lds_power: Positive = 1.0
    temporal_sigma: Positive | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """Remarks that a table prints with a run."""
        return () if self.temporal_sigma is None else ("targets depend on clip length",)

    def prepare(self, windows: pd.DataFrame) -> Targets:
        """Compute targets and weights; see `Loss.prepare`."""
        label_W = windows["target"].to_numpy(float)
        label_R = windows.drop_duplicates("recording_id")["target"].to_numpy(float)
        weight_W = None
        if self.lds_sigma is not None:
            density = label_density(label_R, sigma=self.lds_sigma, bin_width=self.lds_bin)
            weight_W = density(label_W) ** -self.lds_power
            weight_W /= weight_W.mean()
        if self.temporal_sigma is not None:
            label_W = smoothed_in_time(windows, label_W, mean=float(label_R.mean()), sigma=self.temporal_sigma)
        return Targets(label_W, weight_W)

    def __call__(self, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """Compute the mean absolute error of a batch; see `Loss`."""
        if weight_B is None:
            return nn.functional.l1_loss(scores_B, target_B)
        return torch.mean(weight_B * (scores_B - target_B).abs())


def label_density(label_R: np.ndarray, *, sigma: float, bin_width: float) -> Callable[[np.ndarray], np.ndarray]:
    """Estimate the effective density of labels: counts in bins, smoothed by a Gaussian (Yang et al. 2021, equation 1).

    Parameters
    ----------
    label_R : numpy.ndarray
        Labels of recordings.
    sigma : float
        Width of the Gaussian in points.
    bin_width : float
        Width of the bins in points; bins begin at its multiples.

    Returns
    -------
    callable
        From labels [n] to their density [n], not normalised; a label's density is that of its bin's centre.

    Examples
    --------
    >>> density = label_density(np.array([10.0, 10.0, 50.0]), sigma=1.0, bin_width=1.0)
    >>> density(np.array([10.0, 50.0, 30.0])).round(3).tolist()
    [2.0, 1.0, 0.0]
    """
    bins, counts = np.unique(np.floor(label_R / bin_width), return_counts=True)

    def density(labels: np.ndarray) -> np.ndarray:
        apart = (np.floor(labels / bin_width)[:, None] - bins) * bin_width
        return (counts * np.exp(-0.5 * np.square(apart / sigma))).sum(axis=1)

    return density


def smoothed_in_time(windows: pd.DataFrame, label_W: np.ndarray, *, mean: float, sigma: float) -> np.ndarray:
    """Move labels to `mean` by the part of a kernel of `sigma` frames that lies outside the window's clip (see `L1`).

    Parameters
    ----------
    windows : pandas.DataFrame
        Columns clip_id, window (first frame) and frames (number of frames that are no padding). A window of padding
        alone, which exists in protocols without a mask, lies outside its clip.
    label_W : numpy.ndarray
        Labels in points.
    mean : float
        Mean label of the training recordings.
    sigma : float
        Width of the kernel in frames.

    Examples
    --------
    >>> windows = pd.DataFrame({"clip_id": ["a", "a", "a"], "window": [0, 10, 20], "frames": [10, 10, 10]})
    >>> smoothed_in_time(windows, np.full(3, 30.0), mean=20.0, sigma=10.0).round(1).tolist()
    [26.9, 28.7, 26.9]
    """
    first, frames = windows["window"].to_numpy(float), windows["frames"].to_numpy(float)
    centre = first + frames / 2
    clips = windows["clip_id"].to_numpy()
    start = pd.Series(first).groupby(clips).transform("min").to_numpy()
    end = pd.Series(np.where(frames > 0, first + frames, start)).groupby(clips).transform("max").to_numpy()
    share = ndtr((end - centre) / sigma) - ndtr((start - centre) / sigma)
    return mean + (label_W - mean) * share
