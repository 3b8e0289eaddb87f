"""Windows of frames that lie packed on the device of a training: gathered there by index, without a copy per batch.

Axes in names: W windows of a table, B windows of a batch, T frames of a window, N frames of all clips.
"""

import logging
import weakref

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lfnet.data.batches import Shorten
from lfnet.data.frames import Frames
from lfnet.data.protocol import Protocol

__all__ = ["PackedFrames", "PackedWindows", "pack"]

_log = logging.getLogger(__name__)
_SHARE = 0.5  # of a device's free memory that frames may take
_SHORTENED = 256  # windows that are shortened at a time

_packed: "weakref.WeakKeyDictionary[Frames, dict[str, PackedFrames | None]]" = weakref.WeakKeyDictionary()


class PackedFrames:
    """Frames of all clips end to end on a device, and one row of padding after them.

    Parameters
    ----------
    frames : Frames
    device : str

    Attributes
    ----------
    x_ND : Tensor
        float32 [N + 1, D].
    valid_N : Tensor
        bool [N + 1].
    padding : int
        The row of padding: zeros, not valid.
    """

    def __init__(self, frames: Frames, device: str) -> None:
        layout = frames.layout
        self.padding = len(layout.valid_N)
        x_ND = torch.zeros(self.padding + 1, frames.n_features, device=device)
        for clip_id, first in layout.first.items():
            x_TD, _ = frames.whole(clip_id)
            x_ND[first : first + len(x_TD)] = torch.from_numpy(x_TD).to(device)
        self.x_ND = x_ND
        self.valid_N = torch.from_numpy(np.append(layout.valid_N, False)).to(device)


def pack(frames: Frames, device: str) -> PackedFrames | None:
    """Return the frames on a device, packed once for as long as they are in use.

    None, with one line in the log, where they would take more than half of what a GPU has free.
    """
    known = _packed.setdefault(frames, {})
    if device not in known:
        known[device] = PackedFrames(frames, device) if _fits(frames, device) else None
    return known[device]


def _fits(frames: Frames, device: str) -> bool:
    if torch.device(device).type != "cuda":
        return True
    needed, (free, _) = len(frames.layout.valid_N) * frames.n_features * 4, torch.cuda.mem_get_info(device)
    if needed > _SHARE * free:
        _log.warning(
            "the frames take %.1f GB and the GPU has %.1f GB free: each batch is copied to it, which is slower",
            *(needed / 1e9, free / 1e9),
        )
    return needed <= _SHARE * free


class PackedWindows(Dataset[dict[str, Tensor]]):
    """Batches of windows on a device, equal to those of `lfnet.data.batches.WindowDataset`.

    An item is a batch, chosen by a tensor of rows on the device (`lfnet.data.batches.on_device`). No step waits for it.

    Parameters
    ----------
    packed : PackedFrames
    table, y_W, protocol, shorten, dtype
        As for `WindowDataset`.
    """

    dropout = None  # of streams: `WindowDataset` does it

    def __init__(
        self,
        packed: PackedFrames,
        table: pd.DataFrame,
        y_W: np.ndarray,
        protocol: Protocol,
        shorten: Shorten | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._packed = packed
        self.device = str(packed.x_ND.device)
        self._row_W, self._frames_W, self._y_W = (
            torch.from_numpy(values).to(packed.x_ND.device)
            for values in (
                table["row"].to_numpy(np.int64, copy=True),
                table["frames"].to_numpy(np.int64, copy=True),
                y_W.astype(np.float32),
            )
        )
        self._frame_T = torch.arange(protocol.window, device=packed.x_ND.device)
        self._mask, self._shorten, self._dtype = protocol.mask, shorten, dtype
        self._short: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return len(self._row_W)

    def __getitem__(self, rows_B: Tensor) -> dict[str, Tensor]:
        if self._shorten is None:
            x_BTD, mask_BT = self._whole(rows_B)
        else:
            x_BTD, mask_BT = (part.index_select(0, rows_B) for part in self._shortened(self._shorten))
        return {"x_BTD": x_BTD, "mask_BT": mask_BT, "y_B": self._y_W[rows_B], "index_B": rows_B}

    def _whole(self, rows_B: Tensor) -> tuple[Tensor, Tensor]:
        beyond_BT = self._frame_T >= self._frames_W[rows_B].unsqueeze(1)
        place_BT = (self._row_W[rows_B].unsqueeze(1) + self._frame_T).masked_fill(beyond_BT, self._packed.padding)
        x_BTD = self._packed.x_ND.index_select(0, place_BT.flatten()).unflatten(0, place_BT.shape).to(self._dtype)
        return x_BTD, self._packed.valid_N[place_BT] if self._mask else torch.ones_like(beyond_BT)

    def _shortened(self, shorten: Shorten) -> tuple[Tensor, Tensor]:
        """All windows, each shortened once."""
        if self._short is None:
            with torch.no_grad():
                parts = [shorten(*self._whole(rows_B)) for rows_B in self._all().split(_SHORTENED)]
            x, mask = zip(*parts, strict=True)
            self._short = torch.cat(x), torch.cat(mask)
        return self._short

    def _all(self) -> Tensor:
        return torch.arange(len(self), device=self._row_W.device)
