"""Collections of finished runs: filter them, tabulate them, and average the scores of an ensemble."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.evaluation.evidence import RowScores
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.replicates import mean_scores, spread_of_runs
from lfnet.evaluation.training_sets import TrainingSets
from lfnet.runs.result import RESULT, Cost, Training
from lfnet.runs.run import MISSING, Run, check_same_config_except_seed, leaves
from lfnet.runs.scores import RecordingScores
from lfnet.runs.sweep_record import collect
from lfnet.text import plural

__all__ = ["DifferentRecordings", "Ensemble", "RunCollection", "open_runs"]

_FACTS = ("name", "kind", "model", "seed")
_COSTS = ("parameters", "active_parameters", "flops", "bytes", "latency_ms", "energy_mj")
_TRAINING = ("seconds", "epochs", "best_epoch", "converged")


class DifferentRecordings(LfnetError):
    """Runs whose scores cannot be paired, since they are of different recordings or labels."""


@dataclass(frozen=True)
class Ensemble:
    """A deep ensemble: finished runs of one model with several seeds, whose scores are averaged.

    References
    ----------
    Lakshminarayanan et al. (2017), "Simple and scalable predictive uncertainty estimation using deep
    ensembles", NeurIPS.

    Examples
    --------
    >>> ensemble = runs.filter(head="ldbm").ensemble()  # runs: a RunCollection
    >>> sorted(ensemble.predictions.metrics())
    ['dev', 'test', 'train']
    >>> ensemble.cost.parameters
    2709762
    """

    runs: tuple[Run, ...]

    @cached_property
    def predictions(self) -> Predictions:
        """The mean scores at every level. Raises `DifferentRecordings` where members scored different rows."""
        try:
            return mean_scores([run.predictions for run in self.runs])
        except ValueError as error:
            raise DifferentRecordings(f"{_names(self.runs)} are no ensemble: {error}.") from error

    @cached_property
    def spread(self) -> pd.DataFrame:
        """Mean and SD of each recording's scores. Raises `DifferentRecordings` where members scored different ones."""
        try:
            return spread_of_runs([run.predictions for run in self.runs])
        except ValueError as error:
            raise DifferentRecordings(f"{_names(self.runs)} are no ensemble: {error}.") from error

    @property
    def cost(self) -> Cost:
        """The cost of all members together; None where one of them does not know it."""
        own = {name: [getattr(run.result.cost, name) for run in self.runs] for name in _COSTS}
        return Cost(**{name: sum(values) for name, values in own.items() if None not in values})

    @property
    def training(self) -> Training:
        """The seconds of all members together."""
        seconds = [run.result.training.seconds for run in self.runs]
        return Training(seconds=sum(value for value in seconds if value is not None) if None not in seconds else None)


class RunCollection:
    """Finished runs, in their order.

    Parameters
    ----------
    runs : iterable of Run

    Examples
    --------
    >>> runs  # open_runs("lfnet_runs/sweeps/architectures.json")
    RunCollection of 4 runs: 2 ldbm, 2 mean_mlp; cohort simulated
    >>> len(runs.filter(head="ldbm", seed=0))
    1
    >>> runs.to_frame()[["model", "seed", "parameters"]].head(2)
      model  seed  parameters
    0  ldbm     0     1354881
    1  ldbm     1     1354881
    >>> runs.scores("test").columns.tolist()[:3]
    ['recording_id', 'person_id', 'label']
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = tuple(runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    @overload
    def __getitem__(self, place: int) -> Run: ...

    @overload
    def __getitem__(self, place: slice) -> "RunCollection": ...

    def __getitem__(self, place: int | slice) -> "Run | RunCollection":
        return RunCollection(self.runs[place]) if isinstance(place, slice) else self.runs[place]

    def __repr__(self) -> str:
        models = dict.fromkeys(run.result.model for run in self.runs)
        cohorts = dict.fromkeys(run.result.cohort.name for run in self.runs)
        counts = ", ".join(f"{sum(run.result.model == model for run in self.runs)} {model}" for model in models)
        return f"RunCollection of {plural(len(self.runs), 'run')}" + (
            f": {counts}; cohort {', '.join(cohorts)}" if self.runs else ""
        )

    def filter(self, **settings: Any) -> "RunCollection":
        """Select runs by their settings.

        Parameters
        ----------
        **settings
            Name and value, or a list of values, of an option (`head="ldbm"`), a setting (`**{"head.patch_size": 8}`),
            or of name, kind, model and seed.

        Raises
        ------
        LfnetError
            No run has a setting of this name.
        """
        kept = list(self.runs)
        for key, wanted in settings.items():
            if self.runs and all(_value(run, key) is MISSING for run in self.runs):
                raise LfnetError(f"no run has a setting {key}. `to_frame(every_setting=True).columns` lists them.")
            allowed = wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
            kept = [run for run in kept if any(_value(run, key) == value for value in allowed)]
        return RunCollection(kept)

    def to_frame(self, every_setting: bool = False) -> pd.DataFrame:
        """A tidy table: one row a run, one column a setting, metric or cost.

        Parameters
        ----------
        every_setting : bool
            Include the settings that all runs share, too.

        Returns
        -------
        DataFrame
            Columns run, kind, model, seed, the options chosen and the settings; metrics as tables name them
            (`test.mae` of recordings, `test.clip.mae`); cost and training by their own names.
        """
        settings = [_settings(run) for run in self.runs]
        keys = dict.fromkeys(key for own in settings for key in own)
        shown = [key for key in keys if every_setting or len({repr(own.get(key)) for own in settings}) > 1]
        rows = [
            {
                "run": run.name,
                **{name: getattr(run.result, name) for name in ("kind", "model", "seed")},
                **{key: own.get(key) for key in shown if key != "seed"},
                **_metrics(run),
                **{name: value for name in _COSTS if (value := getattr(run.result.cost, name)) is not None},
                **{name: value for name in _TRAINING if (value := getattr(run.result.training, name)) is not None},
            }
            for run, own in zip(self.runs, settings, strict=True)
        ]
        return pd.DataFrame(rows)

    def scores(self, split: str = "test") -> pd.DataFrame:
        """Scores of recordings side by side.

        Parameters
        ----------
        split : str
            "dev", "test" or "unlabelled".

        Returns
        -------
        DataFrame
            One row a recording, sorted: recording_id, person_id, label, and the scores of each run under its name.

        Raises
        ------
        DifferentRecordings
            The runs scored different recordings, or their labels differ.
        """
        return self._scores(split, RecordingScores(self.runs))

    def _scores(self, split: str, read: RecordingScores) -> pd.DataFrame:
        frames = [read.rows(run, split) for run in self.runs]
        keys = ["recording_id", "label"]
        for run, frame in zip(self.runs, frames, strict=True):
            if not frame[keys].equals(frames[0][keys]):
                raise DifferentRecordings(
                    f"{run.folder} and {self.runs[0].folder} scored different {split} recordings, or their labels "
                    "differ: filter the runs to those of one cohort."
                )
        if not frames:
            return pd.DataFrame(columns=["recording_id", "person_id", "label"])
        scores = {run.name: frame["score"] for run, frame in zip(self.runs, frames, strict=True)}
        return frames[0][["recording_id", "person_id", "label"]].assign(**scores)

    def row_scores(self, name: str, split: str = "test", read: RecordingScores | None = None) -> RowScores:
        """The scores as one row for `lfnet.evaluation.evidence.evidence`, a seed a run.

        read: reads the scores of these runs and of other ones together. Raises `DifferentRecordings` as `scores` does.
        """
        read = read or RecordingScores(self.runs)
        table = self._scores(split, read)
        recordings = table["recording_id"].tolist()
        return RowScores(
            name,
            recordings,
            table["person_id"].tolist(),
            table["label"].to_numpy(float),
            np.stack([table[run.name].to_numpy(float) for run in self.runs]),
            read.shared_people(self.runs[0], split),
            deterministic=len(self.runs) == 1 and self.runs[0].result.kind == "fusion",
            training=joined_training_sets(self.runs, recordings) if split == "test" else None,
        )

    def ensemble(self) -> Ensemble:
        """The deep ensemble of these runs; nothing is trained.

        Raises
        ------
        LfnetError
            There is only one run, a seed occurs twice, or runs differ in more than their seed.
        """
        if len(self.runs) < 2:
            raise LfnetError(
                "an ensemble needs two runs or more: train with several seeds (lfnet train -m seed=0,1,2 …)."
            )
        check_same_config_except_seed(self.runs)
        return Ensemble(self.runs)


def open_runs(path: Path | str = "lfnet_runs") -> RunCollection:
    """Open all finished runs of a folder, or those of a sweep.

    Parameters
    ----------
    path : path
        The folder of run folders (`paths.runs`), one run folder, or the record of a sweep (`sweeps/NAME.json`), whose
        folds of a cross-validation are joined.

    Returns
    -------
    RunCollection

    Raises
    ------
    LfnetError
        There is no such folder or record. Single runs that cannot be read are left out with an `LfnetWarning`.

    Examples
    --------
    >>> open_runs(record)  # such as lfnet_runs/sweeps/architectures.json
    RunCollection of 4 runs: 2 ldbm, 2 mean_mlp; cohort simulated
    >>> open_runs("no/such/folder")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: no/such/folder does not exist: give the folder of run folders, such as lfnet_runs.
    """
    path = Path(path)
    if path.is_file():
        return RunCollection(collect(path, path.parent.parent).runs)
    if (path / RESULT).is_file():
        return RunCollection([Run.open(path)])
    if not path.is_dir():
        raise LfnetError(f"{path} does not exist: give the folder of run folders, such as lfnet_runs.")
    found, faults = [], []
    for file in sorted(path.glob(f"*/{RESULT}")):
        try:
            found.append(Run.open(file.parent))
        except LfnetError as error:
            faults.append(str(error))
    if faults:
        warnings.warn(f"left out: {plural(len(faults), 'run')} of {path}: {faults[0]}", LfnetWarning, stacklevel=2)
    return RunCollection(found)


def _names(runs: Sequence[Run]) -> str:
    return ", ".join(str(run.folder) for run in runs)


def joined_training_sets(runs: Sequence[Run], recordings: Sequence[str]) -> TrainingSets | None:
    """The training sets of the runs' scores, a row a run; None unless all of them are cross-validations."""
    found = [run.training_sets(recordings) for run in runs]
    known = [own for own in found if own is not None]
    if not known or len(known) < len(found):
        return None
    return TrainingSets(np.concatenate([own.set_SN for own in known]), known[0].ratio)


def _value(run: Run, key: str) -> Any:
    if key in _FACTS:
        return run.name if key == "name" else getattr(run.result, key)
    return run.setting(key)


def _settings(run: Run) -> dict[str, Any]:
    return {**dict(leaves(run.result.config)), **run.result.choices}


def _metrics(run: Run) -> dict[str, Any]:
    return {
        f"{split}.{name}" if level == "recording" else f"{split}.{level}.{name}": value
        for split, levels in run.result.metrics.items()
        for level, named in levels.items()
        for name, value in named.items()
    }
