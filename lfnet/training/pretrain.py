"""Self-supervised pre-training: a head learns to predict hidden frames, from clips without labels."""

import logging
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from lfnet.config import Count, NonNegative, settings
from lfnet.errors import LfnetError
from lfnet.heads.layers import masked_mean, zero_masked

if TYPE_CHECKING:
    from lfnet.data.datamodule import DataModule

__all__ = ["MaskedFrames", "Pretraining", "hide"]

_log = logging.getLogger(__name__)
_STREAM = 11  # separates these random numbers from others of the same seed


@runtime_checkable
class Pretraining(Protocol):
    """Interface of `trainer.pretrain`."""

    def check(self, head: nn.Module) -> None:
        """Raise `LfnetError` where the head cannot be pre-trained."""
        ...

    def fit(self, head: nn.Module, data: "DataModule", *, device: str, seed: int) -> dict[str, Any]:
        """Pre-train the head in place, and return the entry `pretraining` of result.json."""
        ...


def _without_dev_and_test(splits: tuple[str, ...]) -> tuple[str, ...]:
    if not splits or not set(splits) <= {"train", "unlabelled"}:
        raise ValueError(
            "choose from train and unlabelled; frames of dev and test must not reach the weights, even without labels."
        )
    return splits


@settings
class MaskedFrames:
    """Masked-frame prediction: spans of real frames become zeros, a linear layer on the head's `frames` predicts them.

    The target of a hidden frame is its difference from the mean of the window's visible frames, each feature in units
    of that difference's SD over all real frames; the loss is its mean square. A head that knows only the mean scores
    about 1, and 1 minus the loss is the share of variance that context explains. (A face's identity fills most of a
    vector, and any frame reveals it: without the difference there is nothing to learn.) The linear layer is discarded
    afterwards; parts of the head after `frames` are not changed. A causal head sees one side of the context only.

    Parameters
    ----------
    epochs : int
        Passes over the windows.
    splits : tuple of str
        From "train" and "unlabelled".
    windows_per_clip : int or None
        Windows drawn from each clip in an epoch; None is all.
    share : float
        Share of a window's real frames that is hidden.
    span : int
        Frames hidden in a row.
    lr, weight_decay : float
        Of Adam.

    References
    ----------
    Devlin et al. 2019, "BERT", section 3.1 (hidden tokens predicted from both sides); Wang et al. 2020, "Unsupervised
    pre-training of bidirectional speech encoders via masked reconstruction", ICASSP (spans of frames).

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> method = MaskedFrames(
    ...     epochs=1, splits=("train",), windows_per_clip=None, share=0.3, span=16, lr=1e-3, weight_decay=0.0
    ... )
    >>> method.check(TemporalMeanMLP(n_features=4))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lfnet.errors.LfnetError: head TemporalMeanMLP has no `frames(x, mask)` to pre-train: choose pretrain=none, ...
    """

    epochs: Count
    splits: Annotated[tuple[str, ...], AfterValidator(_without_dev_and_test)]
    windows_per_clip: Count | None
    share: Annotated[float, Field(gt=0, lt=1)]
    span: Count
    lr: NonNegative
    weight_decay: NonNegative

    def check(self, head: nn.Module) -> None:
        """Raise `LfnetError` where the head has no vectors of single frames."""
        if not callable(getattr(head, "frames", None)):
            raise LfnetError(
                f"head {type(head).__name__} has no `frames(x, mask)` to pre-train: choose pretrain=none, or a "
                "head with vectors of single frames (hybrid, tcn, transformer, mamba_gru, mamba)."
            )

    def fit(self, head: nn.Module, data: "DataModule", *, device: str, seed: int) -> dict[str, Any]:
        """Pre-train `head` in place, and return the entry `pretraining` of result.json.

        The order of windows and the hidden frames follow from `seed`.

        Raises
        ------
        LfnetError
            The head cannot be pre-trained, or the loss is no longer finite.
        """
        self.check(head)
        windows = data.windows[data.windows["split"].isin(list(self.splits))].reset_index(drop=True)
        rng = np.random.default_rng([seed, _STREAM])
        torch.manual_seed(seed)
        sd_D = _deviation_sd(data, windows).to(device)
        head.to(device).train()
        with torch.no_grad():
            one = next(iter(data.eval_dataloader(windows[:1])))
            width = head.frames(one["x_BTD"].to(device), one["mask_BT"].to(device)).shape[-1]  # type: ignore[operator]
        decoder = nn.Linear(width, data.n_features).to(device)
        weights = [*head.parameters(), *decoder.parameters()]
        optimizer = torch.optim.Adam(weights, lr=self.lr, weight_decay=self.weight_decay)
        losses = [self._epoch(head, decoder, optimizer, data, windows, sd_D, rng) for _ in range(self.epochs)]
        _log.info(
            "pre-training: loss %.4f in the first epoch, %.4f in the last of %d", losses[0], losses[-1], self.epochs
        )
        if not np.isfinite(losses).all():
            raise LfnetError("pre-training diverged: lower trainer.pretrain.lr.")
        return {
            "method": "masked_frames",
            "epochs": self.epochs,
            "windows": len(windows),
            "clips": int(windows["clip_id"].nunique()),
            "unlabelled_clips": int(windows.loc[windows["split"] == "unlabelled", "clip_id"].nunique()),
            "losses": [round(loss, 6) for loss in losses],
        }

    def _epoch(
        self,
        head: nn.Module,
        decoder: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: "DataModule",
        windows: pd.DataFrame,
        sd_D: Tensor,
        rng: np.random.Generator,
    ) -> float:
        """Train for one pass, and return the mean loss over hidden frames."""
        order = windows.sample(frac=1, random_state=rng)
        if self.windows_per_clip is not None:
            order = order.groupby("clip_id", sort=False).head(self.windows_per_clip)
        total, count = 0.0, 0
        for batch in data.eval_dataloader(order.reset_index(drop=True)):
            hidden_BT = torch.from_numpy(hide(batch["mask_BT"].cpu().numpy(), self.share, self.span, rng)).to(
                sd_D.device
            )
            if not hidden_BT.any():
                continue
            x_BTD, mask_BT = batch["x_BTD"].to(sd_D.device), batch["mask_BT"].to(sd_D.device)
            mean_B1D = masked_mean(x_BTD, mask_BT & ~hidden_BT).unsqueeze(1)
            target_HD = ((x_BTD - mean_B1D) / sd_D)[hidden_BT]
            z_BTW = head.frames(x_BTD.masked_fill(hidden_BT.unsqueeze(-1), 0.0), mask_BT)  # type: ignore[operator]
            loss = (decoder(z_BTW[hidden_BT]) - target_HD).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + float(loss.detach()) * len(target_HD), count + len(target_HD)
        return total / count if count else float("nan")


def hide(mask_BT: np.ndarray, share: float, span: int, rng: np.random.Generator) -> np.ndarray:
    """Choose frames to hide, bool [B, T]: spans of `span` frames until `share` of each window's real frames are hidden.

    Only real frames are hidden, never all of a window; none in a window of one real frame.

    Examples
    --------
    >>> hide(np.ones((1, 10), bool), share=0.3, span=3, rng=np.random.default_rng(0)).sum()
    np.int64(3)
    """
    hidden_BT = np.zeros_like(mask_BT)
    for own, mask in zip(hidden_BT, mask_BT, strict=True):
        real = np.flatnonzero(mask)
        wanted = min(round(share * len(real)), len(real) - 1)
        if wanted <= 0:
            continue
        # Spans cover the real frames in order, from random starts; the last one is truncated.
        starts = rng.permutation(np.arange(-int(rng.integers(span)), len(real), span))
        for start in starts:
            piece = real[max(0, start) : start + span]
            own[piece[: wanted - int(own.sum())]] = True
            if own.sum() == wanted:
                break
    return hidden_BT


@torch.no_grad()
def _deviation_sd(data: "DataModule", windows: pd.DataFrame) -> Tensor:
    """Compute the SD [D] of real frames around their window's mean; 1 where a feature is constant."""
    square_D, count = torch.zeros(data.n_features, dtype=torch.float64), 0
    for batch in data.eval_dataloader(windows):
        x_BTD, mask_BT = batch["x_BTD"], batch["mask_BT"]
        apart_BTD = zero_masked(x_BTD - masked_mean(x_BTD, mask_BT).unsqueeze(1), mask_BT)
        square_D += apart_BTD.square().sum((0, 1)).cpu().double()
        count += int(mask_BT.sum())
    sd_D = (square_D / max(count, 1)).sqrt().float()
    return torch.where(sd_D > 1e-6, sd_D, 1.0)
