"""What every kind of job does alike: its plan, its folder and log, and what its result says of the cohort."""

import logging
import platform
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lfnet.data.module import DataModule, Held
from lfnet.errors import LfnetError
from lfnet.files import write_text
from lfnet.jobs.inputs import Inputs, Streams, encoder_names
from lfnet.runs.result import CohortSummary, FeatureSummary, Scale
from lfnet.runs.run import CONFIG, LOG, RESULT

__all__ = ["PACKAGES", "Plan", "begin", "check", "chosen", "facts", "held", "log", "versions"]

PACKAGES = ("lfnet", "torch", "lightning", "numpy", "pandas", "scikit-learn")
held = Held()  # what jobs of one process share


@dataclass(frozen=True)
class Plan:
    """A job before it runs: its inputs, and the folder that its fingerprint names."""

    inputs: Inputs | Streams
    settings: dict[str, Any]
    fingerprint: str
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether its result is there: result.json is written last."""
        return (self.folder / RESULT).is_file()


def check(config: dict[str, Any]) -> None:
    """Raise `LfnetError` where a setting that all jobs share is wrong."""
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise LfnetError(f"seed={seed}: give a whole number from 0 to 2^63 - 1.")
    for name in ("force", "fail_fast"):
        if not isinstance(config[name], bool):
            raise LfnetError(f"{name}={config[name]}: give true or false.")


def chosen(choices: dict[str, str], config: dict[str, Any]) -> dict[str, str]:
    """What was chosen of each config group, with all encoders where they are several: Hydra does not tell these."""
    names = encoder_names(config)
    return {**choices, "encoder": " + ".join(names)} if len(names) > 1 else choices


def begin(folder: Path, config: dict[str, Any]) -> None:
    """Take away what an earlier or killed run left that could be mistaken for this one's, and write config.yaml."""
    (folder / RESULT).unlink(missing_ok=True)
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(config)))


def facts(data: DataModule) -> dict[str, Any]:
    """`scale`, `cohort` and `features` of a result: whom it was measured on."""
    cohort = data.cohort
    recordings = data.clips.drop_duplicates("recording_id")
    by_split = recordings.groupby("split")
    warnings = list(cohort.warnings)
    if data.dropped:
        warnings.append(
            f"{len(data.dropped)} clips left out as unusable (protocol.health): {', '.join(data.dropped[:10])}"
            + (" …" if len(data.dropped) > 10 else "")
        )
    return {
        "scale": Scale(cohort.scale.name, cohort.scale.min, cohort.scale.max),
        "cohort": CohortSummary(
            name=cohort.name,
            fingerprint=cohort.fingerprint(),
            simulated=cohort.simulated,
            recordings={str(split): int(count) for split, count in by_split.size().items()},
            people={str(split): int(count) for split, count in by_split["person_id"].nunique().items()},
            warnings=tuple(warnings),
        ),
        "features": FeatureSummary(
            stream=data.store.stream,
            fingerprint=data.store.fingerprint(list(cohort.clips["clip_id"])),
            dim=data.n_features,
            coverage=round(data.packed.coverage, 4),
        ),
    }


def versions(*more: str) -> dict[str, str]:
    """Python's and the packages' versions."""
    return {"python": platform.python_version(), **{name: version(name) for name in (*PACKAGES, *more)}}


@contextmanager
def log(folder: Path) -> Iterator[None]:
    """Everything that is logged while the job runs, its own traceback included, goes to its train.log."""
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("lfnet")
    handler = logging.FileHandler(folder / LOG, mode="w", encoding="utf-8")
    # A disk that is full is said once, by what the job cannot do without; not by each line of its log.
    setattr(handler, "handleError", lambda record: None)  # noqa: B010  mypy forbids to assign a method
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    except Exception:
        logger.error("the job failed\n%s", traceback.format_exc())
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
