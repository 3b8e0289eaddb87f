"""A trained head with its settings and data: what is exported, and what scores features in PyTorch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from lfnet.config import instantiate, read
from lfnet.data.datamodule import DataModule
from lfnet.data.labels import Labels
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.pooling import read_pooling
from lfnet.jobs.inputs import prepare
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.runs.collection import RunCollection
from lfnet.runs.run import Run
from lfnet.training.trained import labels_of, load_head
from lfnet.video.settings import with_runtime

__all__ = ["TrainedHead"]


class TrainedHead:
    """The head of a finished run, or the heads of several: a deep ensemble.

    Parameters
    ----------
    run : Run
        A run of a head.
    *more : Run
        Runs that differ from it in their seed alone. Then `predictions` are the means of all, `spread` is that of each
        recording's scores (`lfnet.evaluation.replicates`), and `head` returns a score of each member.

    Raises
    ------
    LfnetError
        A run is of a fusion, or the runs differ in more than their seed.
    """

    def __init__(self, run: Run, *more: Run) -> None:
        self.runs = (run, *more)
        if run.result.kind != "head":
            raise LfnetError(f"{run.folder} is a run of a {run.result.kind}: give a run of a head.")
        if (tested := run.result.tested) is not None:
            raise LfnetError(f"{run.folder} tests the head of run {tested['run']} on another cohort: give that run.")
        self.config = {**run.config, "video": with_runtime(run.config["video"])}
        self.protocol = read(Protocol, self.config["protocol"], "protocol")
        self.pooling = read_pooling(self.config["trainer"].get("pooling"), "trainer.pooling")
        self.spread: pd.DataFrame | None = None
        if more:
            ensemble = RunCollection(self.runs).ensemble()
            self.predictions, self.spread = ensemble.predictions, ensemble.spread
        else:
            self.predictions = run.predictions
        marks = tuple(dict.fromkeys(mark for run in self.runs for mark in run.result.marks))
        self.result = replace(run.result, marks=marks)
        folders = ", ".join(str(run.folder) for run in self.runs)
        if len({labels_of(run) for run in self.runs}) > 1:  # as with permuted labels, which differ between seeds
            raise LfnetError(f"{folders} were trained on different labels: they are no ensemble.")
        labels = {_points(run) for run in self.runs}
        if len(labels) > 1:
            raise LfnetError(f"{folders} were recalibrated each by its own line: train with trainer.recalibrate=null.")
        self.labels = (next(iter(labels)).mean, next(iter(labels)).sd)
        self.n_features = run.result.features.dim

    @classmethod
    def open(cls, names: Sequence[str | Path], runs: Path, *, trust: Sequence[str] = ()) -> "TrainedHead":
        """Open runs by folder, or by the first letters of their names in the folder `runs`.

        `trust` lists exact dotted names of classes that their settings may name besides lfnet's own.
        """
        return cls(*(Run.open(Run.find(str(name), runs).folder, trust) for name in names))

    @property
    def folder(self) -> Path:
        """The folder of the first run."""
        return self.runs[0].folder

    def head(self) -> torch.nn.Module:
        """Return the head with its trained weights, [B] scores; of an ensemble all members, [B, K].

        Where its pooling attends, scores and logarithms of weights, [B, 2] or [B, K, 2].
        """
        heads = [self._head(run) for run in self.runs]
        return heads[0] if len(heads) == 1 else _Members(heads).eval()

    def _head(self, run: Run) -> torch.nn.Module:
        loss = instantiate(self.config["trainer"]["loss"], "trainer.loss")
        return load_head(run, run.config["head"], loss, self.pooling, self.n_features)

    def data(self) -> DataModule:
        """Return the run's windows; missing features are extracted."""
        session = Session()
        inputs = prepare(read_inputs(self.config, session), session)
        if inputs.cohort.fingerprint() != self.result.cohort.fingerprint:
            raise LfnetError(
                f"cohort {inputs.cohort.name} is not the one that {self.folder} was trained on: train the run again."
            )
        data = DataModule(inputs.cohort, inputs.store, self.protocol, seed=self.config["seed"])
        data.setup()
        return data


class _Members(torch.nn.Module):
    """Several heads as one: [B, K] scores, or [B, K, 2]."""

    def __init__(self, heads: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleList(heads)

    def forward(self, x_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        return torch.stack([head(x_BTD, mask_BT) for head in self.heads], dim=1)


def _points(run: Run) -> Labels:
    """Return what turns the head's scores into points: the z-score of the labels, recalibrated where the run is."""
    found = run.result.recalibration
    return labels_of(run) if found is None else labels_of(run).mapped(found["intercept"], found["slope"])
