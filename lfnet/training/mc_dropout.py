"""Monte Carlo dropout: the spread of each recording's score over passes with dropout.

A pass stands for one draw of the head's weights (Gal and Ghahramani 2016, "Dropout as a Bayesian approximation", ICML),
so all windows of a pass share one mask. Were a mask drawn for each window, the mean over a recording's n windows would
have a spread near 1/√n of a window's, and the spread would tell how long the recording is.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lfnet.data.labels import Labels
from lfnet.errors import LfnetError
from lfnet.evaluation.pooling import Pooling, to_points
from lfnet.evaluation.replicates import score_spread, spread_summary
from lfnet.files import write_text
from lfnet.runs.run import SPREAD
from lfnet.training.predict import Grouping

if TYPE_CHECKING:
    from lfnet.data.datamodule import DataModule

__all__ = ["dropout_spread", "passes_with_dropout", "require_dropout"]

_NORMS = nn.modules.batchnorm._BatchNorm
_COPIES = 32  # of a window in a batch


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
    """Score windows in several passes with dropout; within a pass, all windows have the same mask.

    A window is scored in several passes at once, as a batch of copies, from the same random state as every other
    window. Masks are the same because their shape is: where a head draws them in a shape that depends on which frames
    are real, only windows with the same real frames share them. Batch norms, if any, stay in evaluation. The head is
    left in evaluation, and torch's random state is unchanged.

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
        Scores float64 [K, W], in units of the training labels' SD; with log weights [K, W, 2] of `GatedWindows`.

    References
    ----------
    Gal Y., Ghahramani Z. (2016). Dropout as a Bayesian approximation: representing model uncertainty in deep learning.
    ICML, 1050–1059.

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> batch = {"x_BTD": torch.ones(3, 10, 4), "mask_BT": torch.ones(3, 10, dtype=torch.bool)}
    >>> head = TemporalMeanMLP(n_features=4, dropout=0.5)
    >>> scores_KW = passes_with_dropout(head, [batch], "cpu", passes=5, seed=0)
    >>> scores_KW.shape
    (5, 3)
    >>> bool((scores_KW == scores_KW[:, :1]).all())  # equal windows have equal scores in each pass
    True
    """
    head.to(device).train()
    for module in head.modules():
        if isinstance(module, _NORMS):
            module.eval()
    found = []
    with torch.random.fork_rng():
        for batch in batches:
            for x_TD, mask_T in zip(batch["x_BTD"].to(device), batch["mask_BT"].to(device), strict=True):
                torch.manual_seed(seed)
                scores = [
                    head(x_TD.expand(copies, *x_TD.shape), mask_T.expand(copies, *mask_T.shape)).cpu().double()
                    for copies in (min(_COPIES, passes - done) for done in range(0, passes, _COPIES))
                ]
                found.append(torch.cat(scores))
    head.eval()
    return torch.stack(found, dim=1).numpy()


def dropout_spread(
    head: nn.Module,
    data: "DataModule",
    folder: Path,
    *,
    passes: int,
    device: str,
    seed: int,
    pooling: Pooling | None = None,
    labels: Labels | None = None,
) -> dict[str, Any]:
    """Write spread.csv of every split but train, and return the entry `spread` of result.json.

    `labels` turn units of the training labels' SD into points; None is those of `data`.
    """
    labels = labels or data.labels
    tables = []
    in_points = None if pooling is None else pooling.in_points(labels.mean, labels.sd)
    for split in ("dev", "test", "unlabelled"):
        windows = data.split(split)
        if len(windows):
            scores_KW = passes_with_dropout(head, data.eval_dataloader(windows), device, passes=passes, seed=seed)
            grouping = Grouping(windows, data.protocol, "recording", in_points)
            points_KW = to_points(scores_KW, labels.mean, labels.sd, pooling)
            scores_KR = np.stack([grouping.scores(points_W) for points_W in points_KW])
            tables.append(score_spread(grouping.rows, scores_KR))
    table = pd.concat(tables, ignore_index=True)
    write_text(folder / SPREAD, table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    return {"method": "mc_dropout", "passes": passes, "splits": spread_summary(table)}
