"""Self-supervised pre-training: a head learns to say what hidden frames held, from clips without labels."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lfnet.data.module import DataModule
from lfnet.errors import LfnetError
from lfnet.heads.layers import masked_mean, zero_masked

__all__ = ["MaskedFrames", "hide"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MaskedFrames:
    """Masked-frame prediction: spans of real frames become zeros, and a linear layer on the head's `frames` says them.

    The target of a hidden frame is how it differs from the mean of the window's frames that can be seen, each feature
    in units of that difference's SD over all real frames, and the loss is its mean square. So a head that knows no
    more than the mean pool scores about 1, and 1 less the loss is the share of variance it explains from context. (A
    face's identity fills most of a vector, and any frame gives it away: without the difference there is nothing to
    learn.) The linear layer is thrown away after; what the head does behind `frames` is not touched.

    After Devlin et al. 2019, "BERT", section 3.1 (hidden tokens predicted from both sides), and Wang et al. 2020,
    "Unsupervised pre-training of bidirectional speech encoders via masked reconstruction", ICASSP (spans of frames,
    reconstructed). A causal head sees one side only.

    Settings: `conf/pretrain/masked_frames.yaml`. Raises `LfnetError` for those that cannot work.
    """

    epochs: int
    splits: Sequence[str]
    windows_per_clip: int | None
    share: float
    span: int
    lr: float
    weight_decay: float

    def __post_init__(self) -> None:
        for name, kind, least in (("epochs", int, 1), ("span", int, 1), ("lr", (int, float), 0)):
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool) or not value >= least:
                raise LfnetError(f"trainer.pretrain.{name}={value}: give a number of {least} or more.")
        if not isinstance(self.share, int | float) or not 0 < self.share < 1:
            raise LfnetError(f"trainer.pretrain.share={self.share}: give a share between 0 and 1.")
        if not self.splits or not set(self.splits) <= {"train", "unlabelled"}:
            raise LfnetError(
                f"trainer.pretrain.splits={self.splits}: choose of train and unlabelled. What dev and test hold "
                "must not reach the weights, labels or not."
            )

    def check(self, head: nn.Module) -> None:
        """Raise `LfnetError` where the head makes nothing of single frames."""
        if not callable(getattr(head, "frames", None)):
            raise LfnetError(
                f"head {type(head).__name__} has no `frames(x, mask)` to pre-train: choose pretrain=none, or a "
                "head that makes something of each frame (hybrid, tcn, transformer, mamba_gru, mamba)."
            )

    def fit(self, head: nn.Module, data: DataModule, *, device: str, seed: int) -> dict[str, Any]:
        """Pre-train `head` in place; returns what result.json says of it.

        The order of windows and what is hidden follow from `seed`.
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
        data: DataModule,
        windows: pd.DataFrame,
        sd_D: Tensor,
        rng: np.random.Generator,
    ) -> float:
        """One pass; returns the mean loss over hidden frames."""
        order = windows.sample(frac=1, random_state=rng)
        if self.windows_per_clip is not None:
            order = order.groupby("clip_id", sort=False).head(self.windows_per_clip)
        total, count = 0.0, 0
        for batch in data.eval_dataloader(order.reset_index(drop=True)):
            hidden_BT = torch.from_numpy(hide(batch["mask_BT"].numpy(), self.share, self.span, rng)).to(sd_D.device)
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


_STREAM = 11  # sets these draws apart from all else that is drawn from the same seed


def hide(mask_BT: np.ndarray, share: float, span: int, rng: np.random.Generator) -> np.ndarray:
    """Frames to hide, bool [B, T]: spans of `span` frames until `share` of each window's real frames are hidden.

    Only real frames are hidden, never all of a window's; a window of one real frame hides none.
    """
    hidden_BT = np.zeros_like(mask_BT)
    for own, mask in zip(hidden_BT, mask_BT, strict=True):
        real = np.flatnonzero(mask)
        wanted = min(round(share * len(real)), len(real) - 1)
        if wanted <= 0:
            continue
        # Spans are laid over the real frames in order, from random starts, and the last one is cut short.
        starts = rng.permutation(np.arange(-int(rng.integers(span)), len(real), span))
        for start in starts:
            piece = real[max(0, start) : start + span]
            own[piece[: wanted - int(own.sum())]] = True
            if own.sum() == wanted:
                break
    return hidden_BT


@torch.no_grad()
def _deviation_sd(data: DataModule, windows: pd.DataFrame) -> Tensor:
    """The SD [D] of how real frames differ from their window's mean; where a feature never moves, 1."""
    square_D, count = torch.zeros(data.n_features, dtype=torch.float64), 0
    for batch in data.eval_dataloader(windows):
        x_BTD, mask_BT = batch["x_BTD"], batch["mask_BT"]
        apart_BTD = zero_masked(x_BTD - masked_mean(x_BTD, mask_BT).unsqueeze(1), mask_BT)
        square_D += apart_BTD.square().sum((0, 1)).double()
        count += int(mask_BT.sum())
    sd_D = (square_D / max(count, 1)).sqrt().float()
    return torch.where(sd_D > 1e-6, sd_D, 1.0)
