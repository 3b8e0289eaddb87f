"""What a job stands on: its cohort and the features of all clips, made where they are missing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate
from lfnet.digests import digest
from lfnet.encoders.encoder import Encoder
from lfnet.errors import LfnetError
from lfnet.features.extract import extract, open_store
from lfnet.features.store import FeatureStore

__all__ = ["Inputs", "encoder_names", "load_cohort", "prepare"]

# Settings shared by all encoders lie beside the encoders' own nodes.
_SHARED = ("device", "stride", "batch_size")
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
    cache = Path(config["paths"]["cache"])
    if cohort.own is not None:
        if names:
            raise LfnetError(
                f"cohort {cohort.name} brings its own vectors, so encoder={names[0]} has nothing to encode. "
                "Leave encoder out (encoder=none)."
            )
        store, missing = open_store(cohort, None, cache=cache)
        if missing:
            store = extract(cohort, None, cache=cache, progress=progress)
        return Inputs(cohort, store)
    if len(names) != 1:
        asked = f"encoder={','.join(names)}" if names else "no encoder"
        raise LfnetError(
            f"cohort {cohort.name} holds video and takes one encoder, not {asked}: "
            "add encoder=blendshapes (works out of the box); `lfnet list encoders` shows the others."
        )
    return Inputs(cohort, _extract(cohort, names[0], config, cache, progress))


def _extract(cohort: Cohort, name: str, config: dict[str, Any], cache: Path, progress: bool) -> FeatureStore:
    settings = config["encoder"]
    encoder: Encoder = instantiate(
        settings[name],
        device=settings["device"],
        batch_size=settings["batch_size"],
        weights_cache=Path(config["paths"]["weights"]),
    )
    raise NotImplementedError(encoder)
