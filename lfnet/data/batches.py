"""Batches of windows: the dataset, modality dropout and the order of a training epoch."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, Sampler

from lfnet.data.frames import Frames
from lfnet.data.protocol import Protocol

__all__ = ["EpochSampler", "Shorten", "StreamDropout", "WindowDataset", "in_batches", "on_device"]

_STREAM = 13  # separates the random numbers of modality dropout from other uses of the same seed

# (x_BTD, mask_BT) → a shorter window of which the head says the same: see `lfnet.heads`.
Shorten = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class StreamDropout:
    """Modality dropout: each stream of a window is set to zero with probability `chance`, in place.

    Of the streams that a window has, one is always left: if all would be removed, a random one stays.

    Parameters
    ----------
    spans : sequence of slice
        Columns of each stream.
    flags : sequence of int
        Column of each stream's presence; empty where there are none.
    chance : float
        Probability of a stream to be removed.
    any_valid : bool
        Whether a frame is valid where any of its streams is present; a frame whose streams are all removed is then
        masked.
    seed : int
        Seed; the random numbers depend on it and on the order of batches.

    Attributes
    ----------
    random : numpy.random.Generator

    References
    ----------
    Neverova et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", IEEE TPAMI, section 3.3.
    """

    def __init__(
        self, spans: Sequence[slice], flags: Sequence[int], *, chance: float, any_valid: bool, seed: int
    ) -> None:
        self._spans, self._flags = tuple(spans), tuple(flags)
        self._chance, self._any_valid = chance, any_valid
        self.random = np.random.default_rng([seed, _STREAM])

    def __call__(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> None:
        """Remove streams from windows and their masks of valid frames."""
        if self._flags:
            present_BTS = x_BTD[..., list(self._flags)] > 0
        else:  # an absent stream is zero in all its columns
            present_BTS = torch.stack([x_BTD[..., span].any(-1) for span in self._spans], dim=-1)
        present_BTS = present_BTS & mask_BT.unsqueeze(-1)
        removed_BS = self.draw(present_BTS.any(1).numpy())
        for s, span in enumerate(self._spans):
            removed_B = torch.from_numpy(removed_BS[:, s])
            if removed_B.any():
                x_BTD[removed_B, :, span] = 0.0
                if self._flags:
                    x_BTD[removed_B, :, self._flags[s]] = 0.0
        if self._any_valid:
            mask_BT &= (present_BTS & ~torch.from_numpy(removed_BS).unsqueeze(1)).any(-1)

    def draw(self, present_BS: np.ndarray) -> np.ndarray:
        """Return which of the present streams are removed, bool [B, S]."""
        removed_BS = (self.random.random(present_BS.shape) < self._chance) & present_BS
        order_BS = np.where(present_BS, self.random.random(present_BS.shape), -1.0)
        bare_B = (removed_BS == present_BS).all(axis=1)
        removed_BS[bare_B, order_BS.argmax(axis=1)[bare_B]] = False
        return removed_BS


class WindowDataset(Dataset[dict[str, torch.Tensor]]):
    """Batches of windows; an item is a whole batch, chosen by rows of a table of windows.

    Parameters
    ----------
    frames : Frames
        Those of all clips.
    table : DataFrame
        The windows, as `lfnet.data.windows.cut` returns them.
    y_W : ndarray
        Target of each window.
    protocol : Protocol
        Its window and mask are used.
    shorten : callable, optional
        Shortens windows; each is shortened once, unless there is dropout.
    reuse : bool
        Whether a batch overwrites the memory of the one before.
    dropout : StreamDropout, optional
        Removes streams of windows.
    dtype : torch.dtype
        Type of x_BTD: float32, or another, to which the frames are rounded.
    """

    def __init__(
        self,
        frames: Frames,
        table: pd.DataFrame,
        y_W: np.ndarray,
        protocol: Protocol,
        shorten: Shorten | None = None,
        reuse: bool = False,
        dropout: StreamDropout | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._frames = frames
        self._clip_W = table["clip_id"].tolist()
        self._row_W = table["row"].to_numpy(np.int64)
        self._frames_W = table["frames"].to_numpy(np.int64)
        self._y_W = torch.from_numpy(y_W.astype(np.float32))
        self._window = protocol.window
        self._mask = protocol.mask
        self._shorten = shorten
        self._short: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._reuse = reuse
        self.dropout = dropout
        self._dtype = dtype
        self._x_BTD = torch.empty(0)

    def __len__(self) -> int:
        return len(self._clip_W)

    def __getitem__(self, chosen: list[int]) -> dict[str, torch.Tensor]:
        x_BTD, mask_BT = self._whole(chosen) if self._shorten is None else self._shortened(chosen)
        return {"x_BTD": x_BTD, "mask_BT": mask_BT, "y_B": self._y_W[chosen], "index_B": torch.tensor(chosen)}

    def _whole(self, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        x_BTD = self._memory(len(chosen))
        mask_BT = torch.zeros(len(chosen), self._window, dtype=torch.bool)
        mask, layout = mask_BT.numpy(), self._frames.layout
        exact_TD = torch.empty(x_BTD.shape[1:])  # one window: rounded while it is in the cache
        for b, index in enumerate(chosen):
            clip_id, row, frames = self._clip_W[index], self._row_W[index], self._frames_W[index]
            x_TD = x_BTD[b] if self._dtype == torch.float32 else exact_TD
            self._frames.read(clip_id, row - layout.first[clip_id], x_TD[:frames].numpy())
            x_TD[frames:] = 0.0
            if x_TD is exact_TD:
                x_BTD[b] = x_TD
            mask[b, :frames] = layout.valid_N[row : row + frames]
        if self.dropout is not None:
            self.dropout(x_BTD, mask_BT)
        if not self._mask:
            mask_BT.fill_(True)
        return x_BTD, mask_BT

    def _memory(self, windows: int) -> torch.Tensor:
        """Memory for a batch; allocating it for each batch takes as long as filling it."""
        shape = (windows, self._window, self._frames.n_features)
        if not self._reuse:
            return torch.empty(shape, dtype=self._dtype)
        if len(self._x_BTD) < windows:
            self._x_BTD = torch.empty(shape, dtype=self._dtype)
        return self._x_BTD[:windows]

    def _shortened(self, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._shorten is not None
        if self.dropout is not None:  # a window differs each time
            with torch.no_grad():
                return self._shorten(*self._whole(chosen))
        if missing := [index for index in chosen if index not in self._short]:
            with torch.no_grad():
                self._short.update(zip(missing, zip(*self._shorten(*self._whole(missing)), strict=True), strict=True))
        x, mask = zip(*(self._short[index] for index in chosen), strict=True)
        return torch.stack(x), torch.stack(mask)


class EpochSampler(Sampler[list[int] | torch.Tensor]):
    """Batches of a training epoch, in a random order that depends on seed and epoch.

    Parameters
    ----------
    clips_W : ndarray
        Clip of each window.
    batch_size : int
        Windows of a batch, or recordings.
    windows_per_clip : int or None
        Windows drawn from each clip in an epoch; None for all.
    seed : int
        Seed of the order.
    recordings_W : ndarray, optional
        Recording of each window. If given, a batch is all drawn windows of `batch_size` recordings.

    Attributes
    ----------
    epoch : int
        Epochs that were begun.
    device : str or None
        Where batches are tensors on a device, one copy brings those of an epoch there; None: lists.
    """

    def __init__(
        self,
        clips_W: np.ndarray,
        batch_size: int,
        windows_per_clip: int | None,
        seed: int,
        recordings_W: np.ndarray | None = None,
    ) -> None:
        self._groups = _positions(clips_W)
        self._batch_size = batch_size
        self._windows_per_clip = windows_per_clip
        self._seed = seed
        first_C = [group[0] for group in self._groups]
        self._bags = None if recordings_W is None else _positions(recordings_W[first_C])
        self.epoch = 0
        self.device: str | None = None

    @property
    def windows(self) -> int:
        """Windows in one epoch."""
        limit = self._windows_per_clip
        return sum(len(group) if limit is None else min(limit, len(group)) for group in self._groups)

    def __len__(self) -> int:
        return -(-(self.windows if self._bags is None else len(self._bags)) // self._batch_size)

    def __iter__(self) -> Iterator[list[int] | torch.Tensor]:
        yield from self._batches() if self.device is None else on_device(self._batches(), self.device)

    def _batches(self) -> Iterator[list[int]]:
        # Epochs are counted here instead of by the trainer, so that the order depends on the seed alone.
        rng = np.random.default_rng([self._seed, self.epoch])
        self.epoch += 1
        limit = self._windows_per_clip
        drawn = [g if limit is None else rng.choice(g, min(limit, len(g)), replace=False) for g in self._groups]
        if self._bags is not None:
            for some in in_batches(rng.permutation(len(self._bags)).tolist(), self._batch_size):
                yield np.concatenate([drawn[clip] for bag in some for clip in self._bags[bag]]).tolist()
            return
        order = rng.permutation(np.concatenate(drawn))
        yield from in_batches(order.tolist(), self._batch_size)


def _positions(names_W: np.ndarray) -> list[np.ndarray]:
    """Return the positions of each name."""
    names = pd.Series(names_W)
    return [np.asarray(own) for own in names.groupby(names, sort=False).indices.values()]


def in_batches(items: list[int], size: int) -> Iterator[list[int]]:
    """Yield consecutive parts of `size` items; the last one may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def on_device(batches: Iterable[list[int]], device: str) -> Iterator[torch.Tensor]:
    """Yield batches of rows as tensors on a device, in one copy for all of them.

    Examples
    --------
    >>> [rows_B.tolist() for rows_B in on_device([[3, 1], [2]], "cpu")]
    [[3, 1], [2]]
    """
    batches = list(batches)
    rows = torch.tensor([row for batch in batches for row in batch], dtype=torch.int64).to(device)
    yield from rows.split([len(batch) for batch in batches])
