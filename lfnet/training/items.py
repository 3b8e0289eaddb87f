"""Loss of the items of a questionnaire: a head predicts each item, and their sum is the score.

A multi-task head by the mechanism of losses of distributions: K outputs of one head, and an output layer.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from lfnet.config import Positive, settings
from lfnet.data.labels import ITEM, Labels
from lfnet.errors import LfnetError
from lfnet.evaluation.items import summarise_items
from lfnet.files import write_text
from lfnet.runs.run import ITEMS
from lfnet.training.distributions import OutputLayer
from lfnet.training.losses import Targets
from lfnet.training.predict import Grouping

if TYPE_CHECKING:
    from lfnet.data.datamodule import DataModule
    from lfnet.training.distribution_head import DistributionHead

__all__ = ["ItemLayer", "Items", "write_items"]

_ADVICE = "choose scale@cohort.scale=phq9_items or phq8_items, a cohort with these columns, or loss=l1"


@settings
class Items:
    """Mean squared error of K items; the score is the sum of the items' scores.

    Squared, since sums are then consistent: the sum of expected items is the expected sum, and the sum of medians is
    not the median of the sum.

    Parameters
    ----------
    items : sequence of str
        Names of the items, as the scale has them.
    item_max : float
        Highest score of an item; the lowest is 0, and scores stay between.

    Examples
    --------
    >>> layer = Items(items=("a", "b"), item_max=3).layer(Labels(mean=3.0, sd=2.0), low=0, high=6)
    >>> layer(torch.zeros(1, 2)).tolist()  # a head that says nothing: the mean label, shared equally
    [[1.5, 1.5]]
    >>> layer.score(torch.tensor([[2.0, 3.0]])).tolist()
    [1.0]
    """

    items: tuple[str, ...] | None
    item_max: Positive | None

    @property
    def n_outputs(self) -> int:
        """Number of items."""
        if not self.items or self.item_max is None:
            raise LfnetError(f"loss=items needs the items of the scale: {_ADVICE}.")
        return len(self.items)

    def prepare(self, windows: pd.DataFrame) -> Targets:
        """Compute targets [W, K]; see `Loss.prepare`."""
        names = [f"{ITEM}{name}" for name in self.items or ()]
        if not set(names) <= set(windows.columns):
            raise LfnetError(f"loss=items: the cohort has no items: {_ADVICE}.")
        return Targets(windows[names].to_numpy(float), None)

    def layer(self, labels: Labels, low: float, high: float) -> "ItemLayer":
        """Make the output layer; see `DistributionLoss`."""
        return ItemLayer(labels, self.n_outputs, self.item_max or 0.0)

    def __call__(self, scores_B: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """Refuse: the loss needs the items, which `DistributionHead.loss` has."""
        raise TypeError("Items is a loss of items: call DistributionHead.loss")


class ItemLayer(OutputLayer):
    """Outputs [B, K] → scores of items in points, between 0 and `top`."""

    has_quantiles = False

    def __init__(self, labels: Labels, items: int, top: float) -> None:
        super().__init__()
        self.labels, self.top = labels, top
        share = labels.mean / (items * top)
        self.offset = math.log(share / (1 - share))

    def forward(self, outputs_BK: Tensor) -> Tensor:
        return self.top * (outputs_BK + self.offset).sigmoid()

    def score(self, parameters: Tensor) -> Tensor:
        return (parameters.sum(1) - self.labels.mean) / self.labels.sd

    def losses(self, parameters: Tensor, target_B: Tensor) -> Tensor:
        item_BK = target_B * self.labels.sd + self.labels.mean
        return torch.square(parameters - item_BK).mean(1)


@torch.inference_mode()
def write_items(head: "DistributionHead", data: "DataModule", folder: Path, *, device: str) -> dict[str, Any]:
    """Write items.csv, label and score of each item of the recordings of every split but train.

    Returns
    -------
    dict
        The entry `items` of result.json.
    """
    items = data.cohort.items
    assert items is not None
    head.to(device).eval()
    tables = []
    for split in ("dev", "test", "unlabelled"):
        windows = data.split(split)
        if len(windows):
            batches = data.eval_dataloader(windows)
            found = [head.distribution(batch["x_BTD"].to(device), batch["mask_BT"].to(device)) for batch in batches]
            score_KW = torch.cat(found).cpu().double().numpy().T
            grouping = Grouping(windows, data.protocol, "recording")
            rows = grouping.rows[["recording_id", "person_id", "split"]]
            own = items.reindex(rows["recording_id"])
            for name, score_W in zip(items.columns, score_KW, strict=True):
                rows = rows.assign(**{f"{name}_label": own[name].to_numpy(), f"{name}_score": grouping.scores(score_W)})
            tables.append(rows)
    table = pd.concat(tables, ignore_index=True)
    write_text(folder / ITEMS, table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    medians = data.split("train").drop_duplicates("recording_id")[[f"{ITEM}{name}" for name in items]].median()
    return {"median": dict(zip(items.columns, medians.tolist(), strict=True)), "splits": summarise_items(table)}
