"""One job as a frozen value: its settings, inputs, name and folder."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.fingerprints import code_digest, digest, source_digest
from lfnet.jobs.inputs import Inputs
from lfnet.jobs.settings import JobSettings
from lfnet.runs.result import damaged
from lfnet.runs.run import RESULT, Run, folder_name

__all__ = ["SHARED_CODE", "Coverage", "Experiment", "targets"]

# Bumped where the meaning of a fingerprint changes, so that older runs are not taken for current ones.
_FORMAT = 2
# Code that every kind of job uses and that can change a number of it.
SHARED_CODE = (
    "lfnet.data",
    "lfnet.evaluation.metrics",  # chooses the best epoch or recipe
    "lfnet.evaluation.predictions",  # aggregates scores
    "lfnet.features.columns",
    "lfnet.features.feature_file",
    "lfnet.features.health",
    "lfnet.features.store",
    "lfnet.heads.cpu.machine",
    "lfnet.jobs.latency",
)


@dataclass(frozen=True)
class Coverage:
    """What can change a number of a kind of job, and so is part of the job's name.

    Cohort and features are part of it by their own fingerprints, which cover the code that makes them. What is
    recomputed for finished runs without training (baselines, audit), what shows results, and the commit are not.

    Parameters
    ----------
    nodes : tuple of str
        Config groups that count.
    recorded : tuple of str
        Config groups that result.json records, in order.
    code : tuple of str
        Modules, and packages with all modules in them, whose source counts (comments and docstrings do not).
    follow : tuple of str
        Packages in which also what the modules of a `_target_` import counts: a change in one head does not rename the
        jobs of another. A user's own modules are always followed.
    libraries : tuple of str
        Distributions whose major and minor version counts. A patch release fixes errors and may change the last bits;
        it would retrain everything at each security fix, so it is recorded in result.json and not part of the name.
    """

    nodes: tuple[str, ...]
    recorded: tuple[str, ...]
    code: tuple[str, ...]
    libraries: tuple[str, ...]
    follow: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Experiment:
    """A job that `plan` has validated and whose features exist.

    Parameters
    ----------
    settings : JobSettings
    config, choices : mapping
        The resolved config, and what was chosen of each group: to be named by and recorded, not read.
    inputs : Inputs
        Cohort and stores.
    covers : Coverage
        What the name covers.
    of : Experiment or None
        The tuned job that this is a trial of: its name, folder and recorded settings are the job's.
    trained : Experiment or None
        The job whose model this one tests on another cohort.
    """

    settings: JobSettings
    config: Mapping[str, Any]
    choices: Mapping[str, str]
    inputs: Inputs
    covers: Coverage
    of: "Experiment | None" = None
    trained: "Experiment | None" = None

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The fingerprint of each stream's features of all clips."""
        clip_ids = tuple(self.inputs.cohort.clips["clip_id"])
        return tuple(store.fingerprint(clip_ids) for store in self.inputs.stores.values())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that can change a number of this job."""
        if self.of is not None:
            return self.of.fingerprint
        covers = self.covers
        config = {name: self.config[name] for name in covers.nodes}
        return digest(
            {
                "format": _FORMAT,
                "config": config,
                "cohort": self.inputs.cohort.fingerprint(),
                "features": self.features,
                "code": [source_digest(covers.code), code_digest(targets(config), within=covers.follow)],
                "libraries": {name: _minor(name) for name in covers.libraries},
                **({} if self.trained is None else {"trained": self.trained.fingerprint, "tested": self.tested}),
            }
        )

    @property
    def tested(self) -> dict[str, Any] | None:
        """What `Result.tested` records; None for a job that tests its own model on its own cohort."""
        if self.trained is None:
            return None
        cohort, conversion = self.trained.inputs.cohort, self.inputs.conversion
        return {
            "run": self.trained.folder.name,
            "trained_on": cohort.name,
            "scale": cohort.scale.name,
            "conversion": None if conversion is None else {**asdict(conversion), "points": list(conversion.points)},
            "points": self.inputs.same_points,
        }

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.settings.inputs.paths.runs / folder_name(self.fingerprint)

    @property
    def finished(self) -> bool:
        """Whether its result exists undamaged (`Run.check`): result.json is written last. Warns of damage."""
        if not (self.folder / RESULT).is_file():
            return False
        run = Run(self.folder)
        try:
            if run.result.fingerprint != self.fingerprint:
                raise damaged(self.folder / RESULT, "it is the result of another job")
            run.check()
        except LfnetError as error:
            reason = str(error).partition(" Delete ")[0]
            warnings.warn(f"{reason} The job is run again.", LfnetWarning, stacklevel=2)
            return False
        return True

    def recorded_config(self) -> dict[str, Any]:
        """The config groups that result.json holds: as given, also where settings were tuned."""
        if self.of is not None:
            return self.of.recorded_config()
        return {name: self.config[name] for name in self.covers.recorded if name in self.config}

    def recorded_choices(self, *without: str) -> dict[str, str]:
        """What was chosen of each group, with all encoders where they are several, which Hydra does not tell."""
        choices = {group: name for group, name in self.choices.items() if group not in without}
        encoders = list(self.settings.inputs.encoders)
        return {**choices, "encoder": " + ".join(encoders)} if len(encoders) > 1 else choices


def targets(config: Any) -> list[str]:
    """The modules named by `_target_` anywhere in a config, sorted."""
    if isinstance(config, Mapping):
        own = [str(config["_target_"]).rpartition(".")[0]] if "_target_" in config else []
        return sorted({*own, *(name for value in config.values() for name in targets(value))})
    if isinstance(config, list | tuple):
        return sorted({name for value in config for name in targets(value)})
    return []


@cache
def _minor(library: str) -> str:
    try:
        installed = version(library)
    except PackageNotFoundError:
        installed = version(f"{library}-cpu")  # as XGBoost's Linux wheel without NVIDIA's libraries is named
    return ".".join(installed.split(".")[:2])
