"""Modality dropout: in training, whole streams of a window are taken away, so that a head learns to do without each."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["StreamDropout"]

_STREAM = 13  # sets these draws apart from all else that is drawn from the same seed


class StreamDropout:
    """Takes each stream of a window away with probability `chance`, in place, as if it had not been there.

    spans: the columns of each stream. flags: the column of each one's presence, if any. any_valid: a frame counts where
    any of its streams is there, so that one that had only what is taken away counts no longer. seed: the draws follow
    from it and from the order of batches.
    Of the streams that a window has, one is always left: where all would go, one of them, drawn, stays. After Neverova
    et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", PAMI, section 3.3.
    """

    def __init__(
        self, spans: Sequence[slice], flags: Sequence[int], *, chance: float, any_valid: bool, seed: int
    ) -> None:
        self._spans, self._flags = tuple(spans), tuple(flags)
        self._chance, self._any_valid = chance, any_valid
        self._random = np.random.default_rng([seed, _STREAM])

    def __call__(self, x_BTD: Tensor, mask_BT: Tensor) -> None:
        """Change the windows and their masks of valid frames."""
        if self._flags:
            there_BTS = x_BTD[..., list(self._flags)] > 0
        else:  # what is not there is zero in all its columns, and hardly anything else is
            there_BTS = torch.stack([x_BTD[..., span].any(-1) for span in self._spans], dim=-1)
        there_BTS = there_BTS & mask_BT.unsqueeze(-1)
        gone_BS = self.draw(there_BTS.any(1).numpy())
        for s, span in enumerate(self._spans):
            gone_B = torch.from_numpy(gone_BS[:, s])
            if gone_B.any():
                x_BTD[gone_B, :, span] = 0.0
                if self._flags:
                    x_BTD[gone_B, :, self._flags[s]] = 0.0
        if self._any_valid:
            mask_BT &= (there_BTS & ~torch.from_numpy(gone_BS).unsqueeze(1)).any(-1)

    def draw(self, present_BS: np.ndarray) -> np.ndarray:
        """Which streams go, bool [B, S], of those that are there."""
        gone_BS = (self._random.random(present_BS.shape) < self._chance) & present_BS
        order_BS = np.where(present_BS, self._random.random(present_BS.shape), -1.0)
        bare_B = (gone_BS == present_BS).all(axis=1)
        gone_BS[bare_B, order_BS.argmax(axis=1)[bare_B]] = False
        return gone_BS
