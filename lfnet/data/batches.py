"""Batches of windows: the dataset that serves them and the order of a training epoch."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, Sampler

from lfnet.data.dropout import StreamDropout
from lfnet.data.protocol import Protocol
from lfnet.data.windows import Packed

__all__ = ["EpochSampler", "Shorten", "WindowDataset", "in_batches"]

# (x_BTD, mask_BT) → a shorter window of which the head says the same: see `lfnet.heads.cpu.shorten`.
Shorten = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class WindowDataset(Dataset[dict[str, torch.Tensor]]):
    """Batches of windows by their rows in a table of windows; an item is a whole batch.

    shorten: windows are served shortened, each made once. reuse: a batch lies in memory that the next one overwrites.
    dropout: takes streams of a window away, others each time.
    """

    def __init__(
        self,
        packed: Packed,
        table: pd.DataFrame,
        y_W: np.ndarray,
        protocol: Protocol,
        shorten: Shorten | None = None,
        reuse: bool = False,
        dropout: StreamDropout | None = None,
    ) -> None:
        self._x_ND = torch.from_numpy(packed.x_ND)
        self._valid_N = torch.from_numpy(packed.valid_N)
        self._row_W = table["row"].to_numpy(np.int64)
        self._frames_W = table["frames"].to_numpy(np.int64)
        self._y_W = torch.from_numpy(y_W.astype(np.float32))
        self._window = protocol.window
        self._mask = protocol.mask
        self._shorten = shorten
        self._short: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._reuse = reuse
        self._dropout = dropout
        self._x_BTD = torch.empty(0)

    def __len__(self) -> int:
        return len(self._row_W)

    def __getitem__(self, chosen: list[int]) -> dict[str, torch.Tensor]:
        x_BTD, mask_BT = self._whole(chosen) if self._shorten is None else self._shortened(chosen)
        return {"x_BTD": x_BTD, "mask_BT": mask_BT, "y_B": self._y_W[chosen], "index_B": torch.tensor(chosen)}

    def _whole(self, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        x_BTD = self._room(len(chosen))
        mask_BT = torch.zeros(len(chosen), self._window, dtype=torch.bool)
        for b, index in enumerate(chosen):
            row, frames = int(self._row_W[index]), int(self._frames_W[index])
            x_BTD[b, :frames] = self._x_ND[row : row + frames]
            x_BTD[b, frames:] = 0.0
            mask_BT[b, :frames] = self._valid_N[row : row + frames]
        if self._dropout is not None:
            self._dropout(x_BTD, mask_BT)
        if not self._mask:
            mask_BT.fill_(True)
        return x_BTD, mask_BT

    def _room(self, windows: int) -> torch.Tensor:
        """Memory for a batch; fresh pages for each would cost as much time as filling them."""
        shape = (windows, self._window, self._x_ND.shape[1])
        if not self._reuse:
            return torch.empty(shape)
        if len(self._x_BTD) < windows:
            self._x_BTD = torch.empty(shape)
        return self._x_BTD[:windows]

    def _shortened(self, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._shorten is not None
        if self._dropout is not None:  # no window is the same twice
            with torch.no_grad():
                return self._shorten(*self._whole(chosen))
        if missing := [index for index in chosen if index not in self._short]:
            with torch.no_grad():
                self._short.update(zip(missing, zip(*self._shorten(*self._whole(missing)), strict=True), strict=True))
        x, mask = zip(*(self._short[index] for index in chosen), strict=True)
        return torch.stack(x), torch.stack(mask)


class EpochSampler(Sampler[list[int]]):
    """The batches of one training epoch: every window, or some of each clip, in an order drawn from seed and epoch.

    bags: where given, a batch is all drawn windows of so many clips, and `batch_size` says nothing.
    """

    def __init__(
        self,
        clips_W: np.ndarray,
        batch_size: int,
        windows_per_clip: int | None,
        seed: int,
        bags: int | None = None,
    ) -> None:
        clips = pd.Series(clips_W)
        self._groups: list[np.ndarray] = [np.asarray(own) for own in clips.groupby(clips, sort=False).indices.values()]
        self._batch_size = batch_size
        self._windows_per_clip = windows_per_clip
        self._seed = seed
        self._bags = bags
        self._epoch = 0

    @property
    def windows(self) -> int:
        """Windows in one epoch."""
        most = self._windows_per_clip
        return sum(len(group) if most is None else min(most, len(group)) for group in self._groups)

    def __len__(self) -> int:
        steps, size = (len(self._groups), self._bags) if self._bags else (self.windows, self._batch_size)
        return -(-steps // size)

    def __iter__(self) -> Iterator[list[int]]:
        # Epochs are counted here and not asked of the trainer, so that the order depends on the seed alone.
        rng = np.random.default_rng([self._seed, self._epoch])
        self._epoch += 1
        most = self._windows_per_clip
        drawn = [g if most is None else rng.choice(g, min(most, len(g)), replace=False) for g in self._groups]
        if self._bags:
            clips = rng.permutation(len(drawn)).tolist()
            yield from (np.concatenate([drawn[i] for i in some]).tolist() for some in in_batches(clips, self._bags))
            return
        order = rng.permutation(np.concatenate(drawn))
        yield from in_batches(order.tolist(), self._batch_size)


def in_batches(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
