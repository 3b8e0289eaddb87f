"""The run folder: what a finished job wrote, opened as a `Run`. File names are defined here and nowhere else."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pandas as pd

from lfnet.cohorts.scale import Scale
from lfnet.errors import LfnetError
from lfnet.evaluation.class_metrics import add_class_metrics
from lfnet.evaluation.predictions import Predictions, models_from_csv_text
from lfnet.evaluation.quantiles import COLUMNS as QUANTILE_COLUMNS
from lfnet.evaluation.ranks import add_rank_metrics
from lfnet.evaluation.training_sets import TrainingSets
from lfnet.files import DISK_ERRORS, refuse_special
from lfnet.fingerprints import file_digest, source_digest
from lfnet.runs.find import find_folder
from lfnet.runs.result import RESULT, Metrics, Result, damaged
from lfnet.runs.trials import TRIALS

if TYPE_CHECKING:
    import torch

__all__ = [
    "CONFIG",
    "GROUPS",
    "ITEMS",
    "LEARNING_CURVE",
    "LOCK",
    "LOG",
    "MISSING",
    "PREDICTIONS",
    "QUANTILES",
    "REFERENCES",
    "RESULT",
    "SPREAD",
    "TRAINING_STATE",
    "WEIGHTS",
    "Outcome",
    "Run",
    "check_same_config_except_seed",
    "digest_files",
    "folder_name",
    "leaves",
    "measure",
    "measure_references",
    "measuring_code",
]

CONFIG = "config.yaml"
PREDICTIONS = "predictions.csv"
REFERENCES = "references.csv"
LEARNING_CURVE = "metrics.csv"
SPREAD = "spread.csv"
QUANTILES = "quantiles.csv"
GROUPS = "groups.csv"
ITEMS = "items.csv"
LOG = "train.log"
LOCK = ".run.lock"  # there while a process works in the folder
TRAINING_STATE = ".training_state"  # of a training that was interrupted or goes on (`lfnet.training.progress`)
WEIGHTS = {"head": "head.safetensors", "fusion": "model.skops"}
_DIGESTED = (
    *(CONFIG, PREDICTIONS, REFERENCES, LEARNING_CURVE, SPREAD, QUANTILES, GROUPS, ITEMS, TRIALS),
    *WEIGHTS.values(),
)

MISSING = object()
"""Value of `Run.setting` for a setting that a run does not have."""

_T = TypeVar("_T")


def folder_name(fingerprint: str) -> str:
    """Return the name of the run folder of a job."""
    return fingerprint[:16]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    `run` is its folder's name, "" where it failed before it had one; the folder of a failed job contains its log and
    no result. interrupted: a signal asked its process to stop; the same job goes on from what it saved. pending: it
    waits or runs in a queue. `error` is one line. `seconds` and `memory` (the peak, GB) are 0 where it did nothing, or
    is not known. `saved`: whether an interrupted job saved what another call goes on from.
    """

    status: Literal["finished", "skipped", "failed", "interrupted", "pending"]
    fingerprint: str = ""
    run: str = ""
    error: str | None = None
    seconds: float = 0.0
    memory: float = 0.0
    saved: bool = False


@dataclass(frozen=True)
class Run:
    """A finished job. Files are read when they are first asked for, and compared with their digests then.

    Parameters
    ----------
    folder : Path
        The run folder.
    overrides : tuple of str
        The overrides of the job, if it was part of a sweep.
    control : bool
        Whether `table.controls` added it.
    trust : tuple of str
        Exact dotted names of classes that its settings may name besides lfnet's own (`lfnet.trust`).

    Raises
    ------
    LfnetError
        On access of a part whose file is missing, damaged or of an earlier format.

    Examples
    --------
    >>> run = Run.open(runs[0].folder)  # such as lfnet_runs/0b1c…, which `lfnet train` prints
    >>> run.seed, run.setting("head"), run.setting("head.patch_size")
    (0, 'ldbm', 16)
    >>> sorted(run.baselines)[:2]
    ['oracle_people_mean', 'oracle_people_median']
    """

    folder: Path
    overrides: tuple[str, ...] = ()
    control: bool = False
    trust: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path | str, trust: Sequence[str] = ()) -> "Run":
        """Open a run folder and check its result.

        Parameters
        ----------
        path : path of the folder, as `lfnet train` prints it.
        trust : sequence of str
            As in the class.

        Raises
        ------
        LfnetError
            The folder contains no finished job, or its result.json is damaged or of an earlier format.
        """
        folder = Path(path)
        if not (folder / RESULT).is_file():
            raise LfnetError(f"{folder} is no finished run: it contains no {RESULT}.")
        run = cls(folder, trust=tuple(trust))
        _ = run.result
        return run

    @classmethod
    def finished(cls, runs: Path, fingerprint: str) -> bool:
        """Whether the job with this fingerprint has a result below `runs`; its files are not compared with digests."""
        folder = Path(runs) / folder_name(fingerprint)
        try:
            return (folder / RESULT).is_file() and cls(folder).result.fingerprint == fingerprint
        except LfnetError:  # damaged: the job is run again
            return False

    @classmethod
    def find(cls, name: str, runs: Path) -> "Run":
        """Open the finished run `name`: a folder, or one below `runs`, of which the first letters are enough.

        Raises
        ------
        LfnetError
            No run has this name, or several begin with it.
        """
        return cls.open(find_folder(name, runs))

    @property
    def name(self) -> str:
        """The folder's name: the beginning of the fingerprint."""
        return self.folder.name or self.folder.resolve().name

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds of a cross-validation that were joined into this run; empty for a run of its own."""
        return ()

    def training_sets(self, recordings: Sequence[str]) -> TrainingSets | None:
        """The training sets of a cross-validation that tested these recordings; None for a run of its own."""
        return None

    @cached_property
    def result(self) -> Result:
        """Metrics, cost, settings and what else the job recorded."""
        result = Result.read(self.folder)
        if (self.folder / CONFIG).is_file():  # notices the result of another run, whose settings differ
            _check(self.folder / CONFIG, result)
        return result

    @property
    def seed(self) -> int:
        """The seed of the weights, the order of windows and dropout."""
        return self.result.seed

    @cached_property
    def config(self) -> dict[str, Any]:
        """All resolved settings of the job; it names no code but lfnet's own and `trust`."""
        from lfnet.config import read_yaml
        from lfnet.trust import check_settings

        path = self.folder / CONFIG
        self.content(CONFIG)
        try:
            settings = read_yaml(path)
        except LfnetError as error:
            raise damaged(path, f"it {str(error).removeprefix(str(path)).strip()}") from error
        return check_settings(settings, path, trust=self.trust)

    @property
    def has_scores(self) -> bool:
        """Whether predictions.csv and references.csv are there: folders may be shared without the scores of people."""
        return all((self.folder / name).is_file() for name in (PREDICTIONS, REFERENCES))

    @cached_property
    def predictions(self) -> Predictions:
        """Scores and labels of every split but train, at every level."""
        return self._read(PREDICTIONS, Predictions.from_csv_text)

    @cached_property
    def baselines(self) -> dict[str, Predictions]:
        """Scores of the baselines and oracles on the same recordings, those of training included."""
        return self._read(REFERENCES, models_from_csv_text)

    @cached_property
    def learning_curve(self) -> pd.DataFrame | None:
        """One row an epoch; None for a model that is not trained in epochs."""
        return self._read(LEARNING_CURVE, _epochs) if (self.folder / LEARNING_CURVE).is_file() else None

    @cached_property
    def spread(self) -> pd.DataFrame | None:
        """SD over passes with dropout, one row a recording; None without `trainer.mc_dropout`."""
        if not (self.folder / SPREAD).is_file():
            return None
        return self._read(SPREAD, _spread)

    @cached_property
    def quantiles(self) -> pd.DataFrame | None:
        """Predicted quantiles (`lfnet.evaluation.quantiles`), one row a recording; None without such a loss."""
        if not (self.folder / QUANTILES).is_file():
            return None
        return self._read(QUANTILES, _quantiles)

    @cached_property
    def groups(self) -> pd.DataFrame | None:
        """The groups of people as text ("" where unknown), one row a recording of any split; None where there are none.

        Columns recording_id, person_id, split, and those of the cohort: sex, age, site and the like.
        """
        if not (self.folder / GROUPS).is_file():
            return None
        return self._read(GROUPS, _groups)

    @cached_property
    def trained_people(self) -> frozenset[str]:
        """The people of the training recordings."""
        frames = [model.frame for model in self.baselines.values()]
        return frozenset(person for frame in frames for person in frame.loc[frame["split"] == "train", "person_id"])

    def shared_people(self, split: str) -> frozenset[str]:
        """The people of a split who have recordings in another split too: they are no new people to the model."""
        frames = [model.frame for model in (self.predictions, *self.baselines.values())]
        people: dict[bool, set[str]] = {True: set(), False: set()}
        for frame in frames:
            for inside, own in frame["person_id"].groupby(frame["split"] == split):
                people[bool(inside)] |= set(own)
        return frozenset(people[True] & people[False])

    @property
    def weights_path(self) -> Path:
        """The file of the trained model."""
        return self.folder / WEIGHTS[self.result.kind]

    def weights(self) -> "dict[str, torch.Tensor]":
        """The trained weights of a head.

        Raises
        ------
        LfnetError
            The run is of a fusion, or the file is missing or damaged.
        """
        if self.result.kind != "head":
            raise LfnetError(f"{self.folder} is a run of a fusion, which has no weights of a network.")
        from safetensors import SafetensorError
        from safetensors.torch import load

        content = self.content(self.weights_path.name)
        try:
            return load(content)
        except SafetensorError as error:
            raise damaged(self.weights_path, str(error)) from error

    def setting(self, key: str) -> Any:
        """The option chosen of a config group ("head"), or a setting ("head.patch_size"); else MISSING."""
        # A group that the sweep adds (`+leak=none`) may only name settings: a job that another table has finished has
        # no such name, or another one.
        if "." not in key:
            for text in self.overrides:
                if text.startswith(f"+{key}="):
                    return text.partition("=")[2]
        for name in (key, key.replace(".", "/")):
            if name in self.result.choices:
                return self.result.choices[name]
        value: Any = self.result.config
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                return MISSING
            value = value[part]
        return value

    def _read(self, name: str, parse: Callable[[str], _T]) -> _T:
        return _parse(self.folder / name, self.content(name), parse)

    def content(self, name: str) -> bytes:
        """The bytes of a file of the folder. Raises `LfnetError` unless they are those that the job wrote."""
        return _check(self.folder / name, self.result)

    def check(self) -> None:
        """Compare the result and the tables of the folder with their digests; files that are not there are passed over.

        The model is left out, since a sweep skips hundreds of finished jobs: it is compared when it is read. The scores
        of baselines are left out too: `lfnet.jobs.refresh` recomputes them without training.

        Raises
        ------
        LfnetError
            A file is damaged.
        """
        for name in (PREDICTIONS, LEARNING_CURVE, SPREAD, QUANTILES, ITEMS, TRIALS):
            if (self.folder / name).is_file():
                self.content(name)


def digest_files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a run folder that readers use, as `files` of its `Result`."""
    return {name: file_digest(folder / name) for name in _DIGESTED if (folder / name).is_file()}


def _check(path: Path, result: Result) -> bytes:
    content = _bytes(path)
    if hashlib.sha256(content).hexdigest() != result.files.get(path.name):
        raise damaged(path, f"its SHA-256 is not the one in {RESULT}")
    return content


def _bytes(path: Path) -> bytes:
    refuse_special(path)
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno in DISK_ERRORS:  # the file may be whole: do not advise to delete it
            raise
        raise damaged(path, str(error.strerror)) from error


def _parse(path: Path, content: bytes, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(content.decode())
    except KeyError as error:
        raise damaged(path, f"it has no {error}") from error
    except Exception as error:  # parsers of CSV and YAML raise many kinds; whatever they are, the file is damaged
        raise damaged(path, str(error) or type(error).__name__) from error


def _csv(text: str, texts: Sequence[str] = ()) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(texts, str), float_precision="round_trip")


def _spread(text: str) -> pd.DataFrame:
    table = _csv(text, ("recording_id", "person_id", "split"))
    return table.astype({"recording_id": str, "person_id": str, "split": str, "label": float, "sd": float})


def _quantiles(text: str) -> pd.DataFrame:
    table = _csv(text, ("recording_id", "person_id", "split"))
    kinds = {"recording_id": str, "person_id": str, "split": str}
    return table.astype({**kinds, **dict.fromkeys(("label", *QUANTILE_COLUMNS), float)})


def _groups(text: str) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    return table[["recording_id", "person_id", "split", *table.columns[3:]]]


def _epochs(text: str) -> pd.DataFrame:
    """The rows of each epoch as one; training and validation may write one each."""
    table = _csv(text).astype(float)
    epoch = table.pop("epoch").fillna(0).astype(int)
    if epoch.is_unique and epoch.is_monotonic_increasing:
        table.insert(0, "epoch", epoch)
        return table
    return table.groupby(epoch).last().reset_index()


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of each setting below a nested dict; a list counts as one value."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def check_same_config_except_seed(runs: Sequence[Run]) -> None:
    """Raise `LfnetError` unless these runs differ in their seed and in nothing else."""
    seeds: dict[int, Run] = {}
    for run in runs:
        first = _config_without_seed(runs[0])
        for what, value in _config_without_seed(run).items():
            if value != first[what]:
                raise LfnetError(
                    f"{run.folder} and {runs[0].folder} differ in their {what}: name runs that differ in seed alone."
                )
        if run.seed in seeds:
            twin = seeds[run.seed]
            raise LfnetError(f"{run.folder} and {twin.folder} have the same seed {run.seed}: they are one run.")
        seeds[run.seed] = run


def _config_without_seed(run: Run) -> dict[str, Any]:
    result = run.result
    settings = {name: node for name, node in result.config.items() if name not in ("seed", "cohort", "encoder")}
    return {"settings": settings, "cohort": result.cohort.fingerprint, "features": result.features.fingerprint}


def measuring_code() -> str:
    """Digest of the code that measures: if it differs, a finished run is measured again, not trained again."""
    return source_digest(
        [
            "lfnet.evaluation.class_metrics",
            "lfnet.evaluation.classes",
            "lfnet.evaluation.metrics",
            "lfnet.evaluation.predictions",
            "lfnet.evaluation.ranks",
            "lfnet.runs.run",
        ]
    )


def measure(folder: Path, scale: Scale | None, tested: Mapping[str, Any] | None = None) -> Metrics:
    """Metrics of predictions.csv of a run folder, as `metrics` of its `Result`.

    scale: of the labels, whose bands and cut-offs make them classes; None: no metrics of classification. tested: of a
    model that is tested on another cohort (`Result.tested`).
    """
    scores = Path(folder) / PREDICTIONS
    return _metrics(_parse(scores, _bytes(scores), Predictions.from_csv_text), scale, tested)


def measure_references(folder: Path, scale: Scale | None, tested: Mapping[str, Any] | None = None) -> Metrics:
    """Metrics of references.csv of a run folder by recording, as `references` of its `Result`; see `measure`."""
    models = Path(folder) / REFERENCES
    return {
        model: {split: levels["recording"] for split, levels in _metrics(own, scale, tested).items()}
        for model, own in _parse(models, _bytes(models), models_from_csv_text).items()
    }


def _metrics(own: Predictions, scale: Scale | None, tested: Mapping[str, Any] | None) -> Metrics:
    found = add_class_metrics(own.metrics(), own, scale)
    return found if tested is None else add_rank_metrics(found, own, points=tested["points"])
