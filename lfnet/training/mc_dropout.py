"""Monte Carlo dropout: the spread of each recording's score over passes with dropout.

Gal and Ghahramani 2016, "Dropout as a Bayesian approximation", ICML.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lfnet.data.datamodule import DataModule
from lfnet.errors import LfnetError
from lfnet.evaluation.replicates import score_spread, spread_summary
from lfnet.files import write_text
from lfnet.runs.run import SPREAD
from lfnet.training.predict import Grouping

__all__ = ["dropout_spread", "passes_with_dropout", "require_dropout"]

_NORMS = nn.modules.batchnorm._BatchNorm


def require_dropout(head: nn.Module, passes: int) -> None:
    """Raise `LfnetError` where no part of the head has dropout: all passes would be the same.

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> require_dropout(TemporalMeanMLP(n_features=4, dropout=0.1), passes=20)
    """
    for module in head.modules():
        rates = [getattr(module, name, 0.0) for name in ("dropout", "attention_dropout")]
        if isinstance(module, nn.modules.dropout._DropoutNd):
            rates.append(module.p)
        if any(isinstance(rate, int | float) and rate > 0 for rate in rates):
            return
    raise LfnetError(
        f"trainer.mc_dropout={passes} needs a head with dropout, and none of this one's is above 0: "
        "set head.dropout=0.1, or trainer.mc_dropout=0."
    )


@torch.inference_mode()
def passes_with_dropout(
    head: nn.Module, batches: Iterable[dict[str, Tensor]], device: str, *, passes: int, seed: int
) -> np.ndarray:
    """Score windows in several passes with dropout.

    Batch norms, if any, stay in evaluation. The head is left in evaluation, and torch's random state is unchanged.

    Parameters
    ----------
    head : torch.nn.Module
    batches : iterable of dict
        With x_BTD and mask_BT.
    device : str
    passes : int
        K.
    seed : int
        Of the dropout masks.

    Returns
    -------
    numpy.ndarray
        Scores float64 [K, W], in units of the training labels' SD.

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> batch = {"x_BTD": torch.ones(3, 10, 4), "mask_BT": torch.ones(3, 10, dtype=torch.bool)}
    >>> head = TemporalMeanMLP(n_features=4, dropout=0.5)
    >>> passes_with_dropout(head, [batch], "cpu", passes=5, seed=0).shape
    (5, 3)
    """
    head.to(device).train()
    for module in head.modules():
        if isinstance(module, _NORMS):
            module.eval()
    found = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for batch in batches:
            x_BTD, mask_BT = batch["x_BTD"].to(device), batch["mask_BT"].to(device)
            found.append(torch.stack([head(x_BTD, mask_BT).double().cpu() for _ in range(passes)]))
    head.eval()
    return torch.cat(found, dim=1).numpy()


def dropout_spread(
    head: nn.Module, data: DataModule, folder: Path, *, passes: int, device: str, seed: int
) -> dict[str, Any]:
    """Write spread.csv of every split but train, and return the entry `spread` of result.json."""
    tables = []
    for split in ("dev", "test", "unlabelled"):
        windows = data.split(split)
        if len(windows):
            scores_KW = passes_with_dropout(head, data.eval_dataloader(windows), device, passes=passes, seed=seed)
            grouping = Grouping(windows, data.protocol, "recording")
            scores_KR = np.stack([grouping.scores(data.labels.points(scores_W)) for scores_W in scores_KW])
            tables.append(score_spread(grouping.rows, scores_KR))
    table = pd.concat(tables, ignore_index=True)
    write_text(folder / SPREAD, table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    return {"method": "mc_dropout", "passes": passes, "splits": spread_summary(table)}
