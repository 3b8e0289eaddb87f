"""What a job stands on: its cohort and the features of all clips, made where they are missing."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate
from lfnet.digests import digest
from lfnet.errors import LfnetError
from lfnet.features.extract import estimate, extract, needs_landmarker, open_store
from lfnet.features.store import FeatureStore

__all__ = ["Inputs", "encoder_names", "forget", "load_cohort", "prepare"]

# Settings shared by all encoders lie beside the encoders' own nodes.
_SHARED = ("device", "stride", "batch_size", "threads")
_cohorts: dict[str, Cohort] = {}


@dataclass(frozen=True)
class Inputs:
    """A cohort and the store that holds the vectors of its clips."""

    cohort: Cohort
    store: FeatureStore


def load_cohort(config: dict[str, Any]) -> Cohort:
    """The cohort of a resolved config; the same settings give the same object within a process, read once."""
    key = digest(config["cohort"])
    if key not in _cohorts:
        _cohorts.clear()
        _cohorts[key] = instantiate(config["cohort"])
    return _cohorts[key]


def forget() -> None:
    """Read cohorts anew: in a notebook, a manifest may have changed since the last command."""
    _cohorts.clear()


def encoder_names(config: dict[str, Any]) -> list[str]:
    """The chosen encoders, in order."""
    return [name for name in config["encoder"] if name not in _SHARED]


def prepare(config: dict[str, Any], *, progress: bool = True) -> Inputs:
    """The cohort and its features; what is missing is extracted first.

    config: the resolved `cohort`, `encoder`, `video` and `paths` nodes.
    Raises `LfnetError` where no encoder fits the cohort, or clips cannot be read.
    """
    cohort = load_cohort(config)
    names = encoder_names(config)
    if len(names) > 1:
        raise LfnetError(f"one encoder at a time, not encoder={','.join(names)}: a run's vectors come from one stream.")
    with ExitStack() as stack:
        encoder = stack.enter_context(instantiate(config["encoder"][names[0]])) if names else None
        video = instantiate(config["video"])
        given: dict[str, Any] = {
            "cache": Path(config["paths"]["cache"]),
            "video": video,
            "stride": config["encoder"]["stride"],
        }
        store, missing = open_store(cohort, encoder, **given)
        if missing:
            if needs_landmarker(cohort, encoder):
                given["mesh_model"] = video.find_landmarker(Path(config["paths"]["weights"]))
            given["batch_size"] = config["encoder"]["batch_size"]
            if progress:
                print(f"cohort {cohort.name}: {estimate(cohort, encoder, **given)}", flush=True)
            store = extract(cohort, encoder, progress=progress, **given)
    return Inputs(cohort, store)
