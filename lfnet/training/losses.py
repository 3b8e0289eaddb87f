"""What a head learns from weak labels: each training window's target and weight, and the distance to it.

A label belongs to a recording, a head sees windows. `conf/loss/*.yaml` names one of these by its `_target_`; a loss of
your own is a class with `prepare` and `__call__` and a yaml.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr
from torch import Tensor, nn

from lfnet.errors import LfnetError

__all__ = ["L1", "Bags", "Goals", "Loss", "label_density", "smoothed_in_time"]


class Goals(NamedTuple):
    """What training windows are to be scored as: targets float64 [W] in scale points, weights float64 [W] of mean 1.

    weight_W is None where all windows weigh the same.
    """

    target_W: np.ndarray
    weight_W: np.ndarray | None


class Loss(Protocol):
    """What `trainer.loss` makes: goals from the training windows, then the loss of a batch."""

    def prepare(self, windows: pd.DataFrame) -> Goals:
        """The goals of training windows. windows: the DataModule's table of them, with `target` in scale points."""
        ...

    def __call__(self, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """The loss of a batch, a scalar; scores and targets in units of the training labels' sd."""
        ...


@dataclass(frozen=True)
class L1:
    """Mean absolute error, with two answers to weak and skewed labels; each null (None) leaves it out.

    **lds_sigma** (points): label distribution smoothing, Yang et al. 2021, "Delving into deep imbalanced regression",
    ICML, section 3.1. A window weighs the inverse of its label's effective density to the power `lds_power` (1 is the
    paper's inverse, 0.5 its square-root inverse); the density is that of the training recordings' labels in bins of
    `lds_bin` points, smoothed by a Gaussian kernel of `lds_sigma` points. (Their code cuts the kernel off after two
    bins; here it is whole.) Weights have mean 1 over the training windows.

    **temporal_sigma** (frames): temporal label smoothing. A clip's label is taken as a function of time: the label
    while the camera ran, and the mean of the training recordings, which is what is known of anybody, before and
    after. A window's target is that function smoothed by a Gaussian kernel of `temporal_sigma` frames, at the window's
    centre c. With the clip's windows reaching from frame s to frame e that is

        target = mean + (label − mean) · [Φ((e − c) / σ) − Φ((s − c) / σ)]

    so windows in the middle of a long clip keep their label, those at its ends and short clips are drawn to the mean.
    It joins label smoothing towards the prior (Szegedy et al. 2016, "Rethinking the Inception architecture", section 7)
    to a smoothing whose strength depends on the distance in time (Yèche et al. 2023, "Temporal label smoothing for
    early event prediction", ICML). Mind that it makes targets depend on the clip's length.

    Only training windows are touched; dev and test are measured against their labels. Raises `LfnetError` for settings
    that cannot work.
    """

    lds_sigma: float | None = None
    lds_bin: float = 1.0
    lds_power: float = 1.0
    temporal_sigma: float | None = None

    def __post_init__(self) -> None:
        for name in ("lds_sigma", "lds_bin", "lds_power", "temporal_sigma"):
            value = getattr(self, name)
            if value is None and name.endswith("sigma"):
                continue
            if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
                or_null = " or null" * name.endswith("sigma")
                raise LfnetError(f"trainer.loss.{name}={value}: give a number above 0{or_null}.")

    def prepare(self, windows: pd.DataFrame) -> Goals:
        """As `Loss.prepare`."""
        label_W = windows["target"].to_numpy(float)
        label_R = windows.drop_duplicates("recording_id")["target"].to_numpy(float)
        weight_W = None
        if self.lds_sigma is not None:
            density = label_density(label_R, sigma=self.lds_sigma, bin_width=self.lds_bin)
            weight_W = density(label_W) ** -self.lds_power
            weight_W /= weight_W.mean()
        if self.temporal_sigma is not None:
            label_W = smoothed_in_time(windows, label_W, mean=float(label_R.mean()), sigma=self.temporal_sigma)
        return Goals(label_W, weight_W)

    def __call__(self, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """As `Loss.__call__`."""
        if weight_B is None:
            return nn.functional.l1_loss(scores_B, target_B)
        return torch.mean(weight_B * (scores_B - target_B).abs())


def label_density(label_R: np.ndarray, *, sigma: float, bin_width: float) -> Callable[[np.ndarray], np.ndarray]:
    """The effective density of labels [R]: counts in bins, smoothed by a Gaussian of `sigma` points (not normalised).

    Returns a function of labels [n] → [n]; a label's density is that of its bin's centre. Bins begin at multiples of
    `bin_width`. LDS, equation 1.
    """
    bins, counts = np.unique(np.floor(label_R / bin_width), return_counts=True)

    def density(labels: np.ndarray) -> np.ndarray:
        apart = (np.floor(labels / bin_width)[:, None] - bins) * bin_width
        return (counts * np.exp(-0.5 * np.square(apart / sigma))).sum(axis=1)

    return density


def smoothed_in_time(windows: pd.DataFrame, label_W: np.ndarray, *, mean: float, sigma: float) -> np.ndarray:
    """Targets [W] drawn to `mean` by how much of a kernel of `sigma` frames lies outside the window's clip (see `L1`).

    windows: clip_id, window (first frame) and frames (how many exist; the rest is padding) of each. A window of padding
    alone, which protocols without a mask have, lies outside its clip.
    """
    first, frames = windows["window"].to_numpy(float), windows["frames"].to_numpy(float)
    centre = first + frames / 2
    clips = windows["clip_id"].to_numpy()
    start = pd.Series(first).groupby(clips).transform("min").to_numpy()
    end = pd.Series(np.where(frames > 0, first + frames, start)).groupby(clips).transform("max").to_numpy()
    share = ndtr((end - centre) / sigma) - ndtr((start - centre) / sigma)
    return mean + (label_W - mean) * share


class Bags:
    """Joins the windows of a batch by clip: scores by their mean, as evaluation does, targets and weights too.

    clip_ids: the clip of each training window, in the order that `index_B` counts in. The loss on a bag's mean score
    asks of no single window that it shows what its recording was scored (Dietterich et al. 1997; with the mean as the
    bag's pooling, Ilse et al. 2018, "Attention-based deep multiple instance learning", section 2.1).
    """

    def __init__(self, clip_ids: pd.Series) -> None:
        self._clip_W = torch.from_numpy(pd.factorize(clip_ids)[0].astype("int64"))

    def join(
        self, index_B: Tensor, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores, targets and weights of the batch's clips [C], from those of its windows [B]."""
        clips_C, bag_B = self._clip_W[index_B.cpu()].unique(return_inverse=True)
        bag_B = bag_B.to(scores_B.device)
        count_C = torch.bincount(bag_B, minlength=len(clips_C))

        def mean(values_B: Tensor) -> Tensor:
            return values_B.new_zeros(len(clips_C)).index_add(0, bag_B, values_B) / count_C

        return mean(scores_B), mean(target_B), None if weight_B is None else mean(weight_B)
