"""A head with the output layer of its loss: scores as any head has them, and quantiles in quantiles.csv.

`DistributionHead.forward` returns the score [B], so that prediction, passes with dropout, export and bundles treat it
as any head. Quantiles of windows become those of clips and recordings as scores do, level by level: the mean of
quantile functions is a quantile function (Vincent 1912). Its width is the mean of the windows' widths, whether they
agree or not.
"""

import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lfnet.config import instantiate
from lfnet.data.labels import Labels
from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.quantiles import COLUMNS, summarise_quantiles
from lfnet.files import write_text
from lfnet.runs.run import QUANTILES
from lfnet.training.distributions import DistributionLoss, OutputLayer
from lfnet.training.losses import Loss
from lfnet.training.predict import Grouping
from lfnet.training.wrapped_head import WrappedHead

if TYPE_CHECKING:
    from lfnet.data.datamodule import DataModule

__all__ = ["DistributionHead", "build_head", "outputs_of", "window_quantiles", "with_distribution", "write_quantiles"]


class DistributionHead(WrappedHead):
    """A head with the output layer of its loss: (x_BTD, mask_BT) → scores [B].

    Parameters
    ----------
    head : torch.nn.Module
        With as many outputs as the layer needs.
    layer : OutputLayer

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> from lfnet.training.distributions import CRPS
    >>> layer = CRPS().layer(Labels(mean=15.0, sd=10.0), low=0, high=63)
    >>> head = DistributionHead(TemporalMeanMLP(n_features=4, n_outputs=2), layer)
    >>> x, mask = torch.zeros(3, 10, 4), torch.ones(3, 10, dtype=torch.bool)
    >>> head(x, mask).shape, head.quantiles(x, mask).shape
    (torch.Size([3]), torch.Size([3, 19]))
    """

    def __init__(self, head: nn.Module, layer: OutputLayer) -> None:
        super().__init__(head)
        self.layer = layer

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        score_B: Tensor = self.layer.score(self.distribution(x_BTD, mask_BT))
        return score_B

    def distribution(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the parameters of each window's distribution, [B, …], which all outputs of the head reach."""
        parameters: Tensor = self.layer(self.head(x_BTD, mask_BT).float())
        return parameters

    def quantiles(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the quantiles [B, L] of each window."""
        return self.layer.quantiles(self.distribution(x_BTD, mask_BT))

    def loss(self, x_BTD: Tensor, mask_BT: Tensor, target_B: Tensor, weight_B: Tensor | None) -> Tensor:
        """Return the mean loss of a batch, a scalar; targets are in units of the training labels' SD."""
        losses_B = self.layer.losses(self.distribution(x_BTD, mask_BT), target_B)
        return losses_B.mean() if weight_B is None else (weight_B * losses_B).mean()


def outputs_of(loss: Loss) -> int:
    """Return how many numbers a loss needs of each window: 1 unless it says so."""
    return loss.n_outputs if isinstance(loss, DistributionLoss) else 1


def build_head(node: Mapping[str, Any], loss: Loss, *, n_features: int) -> nn.Module:
    """Build a head from its node in conf/head, with as many outputs as the loss needs.

    Raises
    ------
    LfnetError
        Wrong settings, or a head that has one output only.
    """
    outputs = outputs_of(loss)
    if outputs == 1:
        head: nn.Module = instantiate(node, "head", n_features=n_features)
        return head
    target = pkgutil.resolve_name(node["_target_"])
    parameters = inspect.signature(target).parameters
    if "n_outputs" not in parameters and not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        raise LfnetError(
            f"trainer.loss needs {outputs} numbers per window, and head {target.__name__} has no argument n_outputs: "
            "choose loss=l1, or add the argument (`lfnet.heads` says how)."
        )
    head = instantiate(node, "head", n_features=n_features, n_outputs=outputs)
    return head


def with_distribution(head: nn.Module, loss: Loss, labels: Labels, low: float, high: float) -> nn.Module:
    """Return the head with the output layer of a loss of distributions: itself for other losses."""
    return DistributionHead(head, loss.layer(labels, low, high)) if isinstance(loss, DistributionLoss) else head


@torch.inference_mode()
def window_quantiles(head: DistributionHead, batches: Iterable[dict[str, Tensor]], device: str) -> np.ndarray:
    """Return scores and quantiles float64 [W, 1 + L] of windows, in units of the training labels' SD."""
    head.to(device).eval()
    found = []
    for batch in batches:
        parameters = head.distribution(batch["x_BTD"].to(device), batch["mask_BT"].to(device))
        score_B1, quantile_BL = head.layer.score(parameters).unsqueeze(1), head.layer.quantiles(parameters)
        found.append(torch.cat([score_B1, quantile_BL], dim=1))
    return torch.cat(found).cpu().double().numpy()


def write_quantiles(
    head: DistributionHead, data: "DataModule", scores: Predictions, folder: Path, *, device: str
) -> dict[str, Any]:
    """Write quantiles.csv, the recordings of every split but train; returns the entry `quantiles` of result.json.

    Where `scores`, the run's, were recalibrated, a recording's quantiles move with its score and keep their distances:
    the line corrects a location, and distances were learned from the labels themselves.
    """
    final = scores.at("recording").frame.set_index("recording_id")["score"]
    tables = []
    for split in ("dev", "test", "unlabelled"):
        windows = data.split(split)
        if len(windows):
            values = window_quantiles(head, data.eval_dataloader(windows), device)
            grouping = Grouping(windows, data.protocol, "recording")
            rows = grouping.rows[["recording_id", "person_id", "split", "label"]]
            score_R, *quantile_LR = (grouping.scores(data.labels.points(own_W)) for own_W in values.T)
            moved_R = final.loc[rows["recording_id"]].to_numpy() - score_R
            columns = {name: own_R + moved_R for name, own_R in zip(COLUMNS, quantile_LR, strict=True)}
            tables.append(rows.assign(**columns))
    table = pd.concat(tables, ignore_index=True)
    write_text(folder / QUANTILES, table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    scale = data.cohort.scale
    return {"splits": summarise_quantiles(table, scale.min, scale.max)}
