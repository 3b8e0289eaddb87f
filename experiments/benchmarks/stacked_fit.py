"""Fit seeds of a head together: one step for all, each seed with its own windows, epoch and end.

What a seed learns is what `lfnet.training.fit` learns of it, to rounding where there is no dropout. On a GPU a step is
one CUDA graph, and the host waits for it once an epoch.

Axes in names: S seeds, E epochs, N steps, B windows of a step, W windows of dev, R recordings.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.benchmarks.stacked_heads import StackedGRU, stack
from lfnet.data.batches import EpochSampler
from lfnet.data.datamodule import DataModule
from lfnet.training.predict import Grouping

__all__ = ["Seeds", "fit_seeds"]

_DEV_BATCH = 64


@dataclass(frozen=True)
class Seeds:
    """Seeds that were fitted together; epochs count from 1.

    Attributes
    ----------
    weights : dict of Tensor
        Of each seed's best epoch, [S, …].
    best, best_epoch : list
        Of each seed: mean absolute error on dev in points, and its epoch.
    epochs : int
        Of the seed that was trained longest.
    seconds : float
    """

    weights: dict[str, Tensor]
    best: list[float]
    best_epoch: list[int]
    epochs: int
    seconds: float


def fit_seeds(
    heads: Sequence[nn.Module],
    data: DataModule,
    seeds: Sequence[int],
    *,
    epochs: int,
    patience: int,
    lr: float,
    weight_decay: float,
    bf16: bool = False,
) -> Seeds:
    """Fit heads of one kind, one a seed, by the mean absolute error.

    Parameters
    ----------
    heads : sequence of torch.nn.Module
        As each seed initialises them. They are not changed.
    data : DataModule
        Set up, with `packed_on`; its protocol has no mask.
    seeds : sequence of int
        Of the order of windows.
    epochs, patience, lr, weight_decay
        As in `conf/trainer`.
    bf16 : bool
        Products in bfloat16, as `trainer.precision=bf16-mixed`.
    """
    assert data.packed_on is not None and not data.protocol.mask
    data.shorten = getattr(heads[0], "shorten", None)
    data.dtype = torch.bfloat16 if bf16 and getattr(heads[0], "rounds_frames", False) else torch.float32
    began, device = time.perf_counter(), data.packed_on
    head = stack(heads).to(device)
    step = _Step(head, data.train_dataloader().dataset, len(seeds), data.batch_size, lr, weight_decay, bf16)
    dev = _Dev(head, data, len(seeds), bf16)
    rows_ENSB, weight_ENSB = _orders(data, seeds, epochs, device)
    kept = {name: value.detach().clone() for name, value in head.named_parameters()}
    best_S = torch.full((len(seeds),), torch.inf, dtype=torch.float64, device=device)
    epoch_S = torch.zeros(len(seeds), dtype=torch.int64, device=device)
    alive_S = torch.ones(len(seeds), dtype=torch.bool, device=device)
    for epoch in range(1, epochs + 1):
        for rows_SB, weight_SB in zip(rows_ENSB[epoch - 1], weight_ENSB[epoch - 1], strict=True):
            step(rows_SB, weight_SB)
        error_S = dev()
        better_S = alive_S & (error_S < best_S)  # never of NaN
        best_S, epoch_S = error_S.where(better_S, best_S), torch.where(better_S, epoch, epoch_S)
        for name, value in head.named_parameters():
            kept[name] = value.detach().where(better_S.view(-1, *[1] * (value.dim() - 1)), kept[name])
        alive_S &= error_S.isfinite() & (epoch - epoch_S < patience)
        if isinstance(head, StackedGRU) and head.settle():
            step.change()
        if not alive_S.any():
            break
    found = best_S.tolist(), epoch_S.tolist()
    data.shorten, data.dtype = None, torch.float32
    return Seeds(kept, *found, epoch, time.perf_counter() - began)


class _Step:
    """A training step of all seeds: gather, forward, backward, Adam."""

    def __init__(
        self, head: nn.Module, windows: Any, seeds: int, batch: int, lr: float, weight_decay: float, bf16: bool
    ) -> None:
        self._head, self._windows, self._bf16 = head, windows, bf16
        device = next(head.parameters()).device
        self._cuda = device.type == "cuda"
        self._adam = torch.optim.Adam(
            head.parameters(), lr=lr, weight_decay=weight_decay, fused=True, capturable=self._cuda
        )
        self._rows_SB = torch.zeros(seeds, batch, dtype=torch.int64, device=device)
        self._weight_SB = torch.ones(seeds, batch, device=device)
        self._graph: Any = None
        self.change()

    def __call__(self, rows_SB: Tensor, weight_SB: Tensor) -> None:
        """Take a step with the windows of each seed; a weight of 0 leaves a window out."""
        self._rows_SB.copy_(rows_SB)
        self._weight_SB.copy_(weight_SB)
        if self._graph is None:
            self._adam.zero_grad()
            self._take()
        else:
            self._graph.replay()

    def change(self) -> None:
        """Capture the step, again where the head reads more frames; on a CPU nothing is captured."""
        if not self._cuda:
            return
        self._graph, before = None, {id(value): value.detach().clone() for value in self._state()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries allocate in their first steps, which a graph may not
            for _ in range(3):
                self._adam.zero_grad()
                self._take()
        torch.cuda.current_stream().wait_stream(stream)
        self._adam.zero_grad()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._take()
        self._graph = graph
        with torch.no_grad():
            for value in self._state():
                value.copy_(before[id(value)]) if id(value) in before else value.zero_()

    def _state(self) -> Iterator[Tensor]:
        yield from self._head.parameters()
        yield from self._head.buffers()
        for values in self._adam.state.values():
            yield from values.values()

    def _take(self) -> None:
        self._head.train()
        batch = self._windows[self._rows_SB.flatten()]
        with torch.autocast(self._rows_SB.device.type, torch.bfloat16, enabled=self._bf16):
            scores = self._head(batch["x_BTD"], batch["mask_BT"])
        apart_SB = (scores.float() - batch["y_B"]).abs().view_as(self._weight_SB)
        losses_S = (self._weight_SB * apart_SB).sum(1) / self._weight_SB.sum(1)
        losses_S.sum().backward()  # a seed's gradients are of its own loss alone
        self._adam.step()


class _Dev:
    """Mean absolute error of each seed on dev, at the level of the protocol, in points."""

    def __init__(self, head: nn.Module, data: DataModule, seeds: int, bf16: bool) -> None:
        self._head, self._seeds, self._bf16, self._labels = head, seeds, bf16, data.labels
        windows, device = data.selection(), data.packed_on
        self._windows: Any = data.val_dataloader().dataset
        self._rows_W = torch.arange(len(windows), device=device)
        grouping = Grouping(windows.assign(label=windows["target"]), data.protocol, data.protocol.select.level)
        each_WR = np.stack([grouping.scores(one) for one in np.eye(len(windows))])  # means are linear
        self._means_WR, self._label_R = (torch.tensor(values, device=device) for values in (each_WR, grouping.labels))

    @torch.no_grad()
    def __call__(self) -> Tensor:
        self._head.eval()
        parts = []
        for rows_B in self._rows_W.split(_DEV_BATCH):
            batch = self._windows[rows_B]
            x, mask = (batch[name].repeat(self._seeds, *[1] * (batch[name].dim() - 1)) for name in ("x_BTD", "mask_BT"))
            with torch.autocast(rows_B.device.type, torch.bfloat16, enabled=self._bf16):
                parts.append(self._head(x, mask).float().view(self._seeds, -1))
        points_SW = torch.cat(parts, 1).double() * self._labels.sd + self._labels.mean
        return (points_SW @ self._means_WR - self._label_R).abs().mean(1)


def _orders(data: DataModule, seeds: Sequence[int], epochs: int, device: str) -> tuple[Tensor, Tensor]:
    """Rows and weights [E, N, S, B] of all steps; a smaller last batch is filled up with windows of weight 0."""
    clips, size = data.split("train")["clip_id"].to_numpy(), data.batch_size
    samplers = [EpochSampler(clips, size, data.windows_per_clip, seed) for seed in seeds]
    steps = len(samplers[0])
    rows_ENSB = np.zeros((epochs, steps, len(seeds), size), np.int64)
    weight_ENSB = np.zeros(rows_ENSB.shape, np.float32)
    for s, sampler in enumerate(samplers):
        for e in range(epochs):
            for n, batch in enumerate(sampler):
                rows_ENSB[e, n, s, : len(batch)], weight_ENSB[e, n, s, : len(batch)] = batch, 1.0
    return torch.from_numpy(rows_ENSB).to(device), torch.from_numpy(weight_ENSB).to(device)
