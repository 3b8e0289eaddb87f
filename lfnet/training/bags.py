"""Multi-instance training: a clip is a bag of windows, and only the bag has a label."""

import pandas as pd
import torch
from torch import Tensor

__all__ = ["Bags"]


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
