"""The record of a finished job: `result.json`, typed and versioned, with one writer and one reader.

It contains a digest of itself and of the other files of the run folder, so that damage is noticed (`lfnet.seals`).
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from lfnet.cohorts.scale import Band, Cutoff, Kind
from lfnet.cohorts.scale import Scale as LabelScale
from lfnet.errors import LfnetError
from lfnet.files import DISK_ERRORS, refuse_special
from lfnet.seals import SEAL, check_seal, write_sealed_json

__all__ = [
    "FORMAT",
    "RESULT",
    "STAGE",
    "AuditEntry",
    "Classes",
    "CohortSummary",
    "Cost",
    "FeatureSummary",
    "Metrics",
    "Result",
    "Scale",
    "Training",
    "damaged",
    "describe_scale",
]

RESULT = "result.json"  # written last: where it exists the job is finished
STAGE = ".forget"  # folder in which `lfnet.runs.removal` prepares files; it is there while they are moved
FORMAT = 3

Number = int | float
Metrics = dict[str, dict[str, dict[str, Number | None]]]
"""{split: {level: {metric: value}}}; None where a metric is undefined."""


@dataclass(frozen=True)
class Classes:
    """What makes classes of the labels: the scale's kind, bands and cut-offs."""

    kind: Kind
    bands: tuple[Band, ...]
    cutoffs: tuple[Cutoff, ...]


@dataclass(frozen=True)
class Scale:
    """Name and range of the labels' scale, in points; earlier versions recorded no `classes`."""

    name: str
    min: Number
    max: Number
    classes: Classes | None = None

    @property
    def whole(self) -> LabelScale | None:
        """The scale of the cohort; None where its classes are not recorded."""
        if self.classes is None:
            return None
        return LabelScale(name=self.name, min=self.min, max=self.max, **vars(self.classes))


def describe_scale(scale: LabelScale) -> Scale:
    """What a result records of a cohort's scale."""
    kind = "interval" if scale.kind == "items" else scale.kind  # scores and metrics are of the sum
    return Scale(scale.name, scale.min, scale.max, Classes(kind, scale.bands, scale.cutoffs))


@dataclass(frozen=True)
class CohortSummary:
    """The cohort that a job used; `recordings` and `people` count the usable ones of each split."""

    name: str
    fingerprint: str
    simulated: bool
    recordings: dict[str, int]
    people: dict[str, int]
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if set(self.recordings) != set(self.people):
            raise ValueError("recordings and people must have the same splits")


@dataclass(frozen=True)
class FeatureSummary:
    """The features that a job used; `coverage` is the share of frames with a valid vector."""

    stream: str
    fingerprint: str
    dim: int
    coverage: float


@dataclass(frozen=True)
class Cost:
    """Cost of scoring one window (a head) or one clip (a fusion); None for what the kind of model does not have.

    `energy_mj` is None too where this machine has no counter. `parts` holds the cost of each part of a fusion.
    """

    parameters: Number | None = None
    active_parameters: Number | None = None
    flops: Number | None = None
    frames: int | None = None
    support_vectors: Number | None = None
    bytes: Number | None = None
    latency_ms: float | None = None
    energy_mj: float | None = None
    parts: dict[str, "Cost"] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """How the model was fitted; None for what the kind of model does not have.

    `label_mean` and `label_sd` (points) standardise the labels of a head. `reach` counts the last real frames of a
    window that its score depends on, where the head tells.
    """

    seconds: float | None = None
    monitor: str = ""
    epochs: int | None = None
    best_epoch: int | None = None
    max_epochs: int | None = None
    converged: bool | None = None
    best: float | None = None
    windows_per_epoch: int | None = None
    label_mean: float | None = None
    label_sd: float | None = None
    reach: int | None = None


@dataclass(frozen=True)
class AuditEntry:
    """One line of the cohort's audit (`lfnet.audit.audit.summary`); it contains no id."""

    name: str
    title: str
    status: str
    text: str
    flagged: bool = False


@dataclass(frozen=True)
class Result:
    """Everything that a finished job recorded, of a head or of a fusion.

    Parameters
    ----------
    fingerprint : str
        Digest of all that can change a number; its first 16 digits name the run folder.
    kind : "head" or "fusion"
    model : str
        Name of the head's yaml, or `fusion.model`.
    seed : int
    choices : dict
        The option chosen of each config group.
    config : dict
        The resolved settings that decide the numbers.
    scale, cohort, features, cost, training
        See their classes.
    metrics : dict
        {split: {level: {metric: value}}}.
    references : dict
        {baseline: {split: {metric: value}}} of recordings.
    audit : tuple of AuditEntry
    marks : tuple of str
        What a reader of the numbers must know ("selected on test").
    measured_by, referred_by, audited_by : str
        Digests of the code of metrics, baselines and audit: if they differ, these are recomputed.
    versions, threads, device, precision
        The software and how it was run.
    members, chosen, missing : dict
        Of a fusion: metrics of each member, chosen recipes, imputed clips.
    spread, quantiles, items, recalibration, pretraining, tuning : dict or None
        Of a head: MC dropout, a loss of distributions, that of items, the line through the scores of dev, pre-training,
        and the trials that chose its settings; `chosen` names these, `config` has the settings as given.
    nuisance : dict
        What the baseline of that name uses, and what is constant or absent: {"used", "constant", "absent": names}.
    tested : dict or None
        Of a model that was trained in another run and is tested on another cohort: its `run`, the cohort and scale it
        was `trained_on`, the `conversion` of its scores, and whether they and the labels are in the same `points`.
    files : dict
        SHA-256 of each file of the folder that readers use, by name: all but result.json, which contains its own, and
        train.log, which is open until the job ends and which nothing reads.

    Examples
    --------
    >>> result = Result.read(runs[0].folder)  # a run folder
    >>> result.model, result.seed, result.cost.parameters
    ('ldbm', 0, 1354881)
    >>> result.training.converged
    True
    """

    fingerprint: str
    kind: Literal["head", "fusion"]
    model: str
    seed: int
    choices: dict[str, str]
    config: dict[str, Any]
    scale: Scale
    cohort: CohortSummary
    features: FeatureSummary
    metrics: Metrics
    references: dict[str, dict[str, dict[str, Number | None]]]
    cost: Cost
    training: Training
    marks: tuple[str, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    measured_by: str = ""
    referred_by: str = ""
    audited_by: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    device: str = "cpu"
    precision: str = "32-true"
    members: dict[str, dict[str, dict[str, Number | None]]] = field(default_factory=dict)
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    spread: dict[str, Any] | None = None
    quantiles: dict[str, Any] | None = None
    items: dict[str, Any] | None = None
    recalibration: dict[str, Any] | None = None
    pretraining: dict[str, Any] | None = None
    tuning: dict[str, Any] | None = None
    nuisance: dict[str, list[str]] = field(default_factory=dict)
    tested: dict[str, Any] | None = None
    files: dict[str, str] = field(default_factory=dict)

    @property
    def selection_value(self) -> float | None:
        """The metric that chooses: of the best epoch; of a model without epochs, its metric of `protocol.select`."""
        if self.training.best is not None:
            return self.training.best
        select = {"split": "dev", "metric": "mae", "level": "recording", **self.config["protocol"].get("select", {})}
        return self.metrics.get(select["split"], {}).get(select["level"], {}).get(select["metric"])

    def to_json(self) -> dict[str, Any]:
        """The record as JSON; fields without a value are left out."""
        content: dict[str, Any] = _json(self)
        return {"format": FORMAT, **content}

    def write(self, folder: Path) -> None:
        """Write `result.json` into a run folder, atomically. It must be the last file that a job writes."""
        write_sealed_json(Path(folder) / RESULT, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> "Result":
        """Read the record of a run folder.

        Raises
        ------
        LfnetError
            The file is missing, damaged or of another format; the message says how to recompute it.
        """
        path = Path(folder) / RESULT
        refuse_special(path)
        try:
            raw = path.read_bytes()
            content = json.loads(raw)
        except OSError as error:
            if error.errno in DISK_ERRORS:  # the file may be whole: do not advise to delete it
                raise
            raise damaged(path, str(error.strerror)) from error
        except (ValueError, RecursionError) as error:
            raise damaged(path, f"it is not valid JSON ({error})") from error
        if not isinstance(content, dict):
            raise damaged(path, "it is no record of a job")
        if content.get("format") != FORMAT:
            raise damaged(path, f"its format is {content.get('format')}, and this version of lfnet reads {FORMAT}")
        if not check_seal(raw, content.get(SEAL)):
            raise damaged(path, "its SHA-256 is not the one that it contains")
        try:
            return _adapter().validate_python(content)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(map(str, fault["loc"]))
            raise damaged(path, f"{place}: {fault['msg'][0].lower()}{fault['msg'][1:]}") from None


@cache
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)


def _json(value: Any) -> Any:
    """Dataclasses as dicts without empty fields; other containers keep their None."""
    if is_dataclass(value):
        own = [(item, getattr(value, item.name)) for item in fields(value)]
        empty: list[Any] = [None, {}]  # what the fields of the other kind of model contain
        return {
            item.name: _json(part)
            for item, part in own
            if part not in empty or (item.default is MISSING and item.default_factory is MISSING)
        }
    if isinstance(value, Mapping):
        return {name: _json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_json(part) for part in value]
    return value


def damaged(path: Path, reason: str) -> LfnetError:
    """The error for a file of a run folder that cannot be used."""
    one_line = " ".join(reason.split()).rstrip(".")
    if (path.parent / STAGE).exists():
        return LfnetError(
            f"{path} cannot be used: a removal of a person was interrupted in {path.parent}. Finish it with the same "
            "`lfnet forget PERSON … --yes`."
        )
    return LfnetError(
        f"{path} cannot be used: {one_line}. Delete the folder {path.parent} and run the job or table again to "
        "recompute it."
    )
