"""What a job stands on: its cohort and the features of all clips, made where they are missing."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate
from lfnet.encoders.encoder import Encoder, per_segment
from lfnet.errors import LfnetError
from lfnet.features.derived import PULSE, SKIN, pulse_store
from lfnet.features.extract import estimate, extract, needs_landmarker, open_stores
from lfnet.features.joined_streams import Joined, Joining, parts_of
from lfnet.features.store import FeatureStore, Readable
from lfnet.fingerprints import digest
from lfnet.once import once

__all__ = ["Inputs", "Streams", "encoder_names", "forget", "load_cohort", "prepare", "prepare_streams"]

# Settings shared by all encoders lie beside the encoders' own nodes.
_SHARED = ("device", "stride", "batch_size", "threads")
_cohorts: dict[str, Cohort] = {}


@dataclass(frozen=True)
class Inputs:
    """A cohort and what the vectors of its clips are read from: a store, or several streams as one (`Joined`)."""

    cohort: Cohort
    store: Readable


class Streams(NamedTuple):
    """A cohort and the stores that hold the vectors of its clips, by stream."""

    cohort: Cohort
    stores: Mapping[str, Readable]

    @property
    def store(self) -> Readable:
        """The first stream's: what baselines and the audit read."""
        return next(iter(self.stores.values()))


def load_cohort(config: dict[str, Any]) -> Cohort:
    """The cohort of a resolved config, in the splits that it asks for.

    The same settings give the same object within a process, read once.
    """
    key, cohort = digest([config["cohort"], config.get("splits")]), digest(config["cohort"])
    if cohort not in _cohorts:
        _cohorts.clear()
        _cohorts[cohort] = instantiate(config["cohort"], "cohort")
    if key not in _cohorts:
        own = _cohorts[cohort]
        # Hydra would make a dict of a cohort that it is handed.
        _cohorts[key] = (
            instantiate({**config["splits"], "_partial_": True}, "splits")(own) if config.get("splits") else own
        )
    return _cohorts[key]


def forget() -> None:
    """Read cohorts anew: in a notebook, a manifest may have changed since the last command."""
    _cohorts.clear()


def encoder_names(config: dict[str, Any]) -> list[str]:
    """The chosen encoders, in order."""
    return [name for name in config["encoder"] if name not in _SHARED]


def prepare(config: dict[str, Any], *, progress: bool = True) -> Inputs:
    """The cohort and the vectors that a head reads, of one encoder or of several; what is missing is extracted first.

    config: the resolved `cohort`, `encoder`, `streams`, `video` and `paths` nodes.
    Raises `LfnetError` where an encoder does not fit the cohort or gives no vector a frame, or clips cannot be read.
    """
    return once(_key("prepare", config), lambda: _one_stream(config, progress))


def _one_stream(config: dict[str, Any], progress: bool) -> Inputs:
    settings = Joining.from_config(config["streams"]) if config.get("streams") else None
    with ExitStack() as stack:
        encoders = _encoders(config, stack)
        for encoder in encoders:
            if per_segment(encoder):
                raise LfnetError(
                    f"encoder={encoder.name} gives one vector a segment, and a head reads frames: choose an encoder of "
                    "frames for `lfnet train`, or train a fusion."
                )
        cohort = load_cohort(config)
        stores = _prepare(cohort, config, encoders, progress)
    return Inputs(cohort, _joined(cohort, stores, settings))


def _joined(cohort: Cohort, stores: Mapping[str, FeatureStore], settings: Joining | None) -> Readable:
    several = len(stores) > 1
    if settings is None and several:
        raise LfnetError(f"the encoders {', '.join(stores)} are to be joined, and no `streams` node says how.")
    if settings is None or not (several or settings.columns):
        if settings is not None and settings.dropout:
            raise LfnetError(
                f"streams.dropout={settings.dropout:g} takes whole streams away, and there is one: choose several "
                "encoders, as in encoder=[webface,expression], or cut its columns with streams.columns."
            )
        return next(iter(stores.values()))
    train = cohort.clips.loc[cohort.clips["split"] == "train", "clip_id"].tolist()
    return Joined(parts_of(stores, settings, str(cohort.clips["clip_id"].iloc[0])), train, settings)


def prepare_streams(config: dict[str, Any], *, progress: bool = True) -> Streams:
    """The cohort and all streams of the chosen encoders, by name; what is missing is extracted first, in one pass.

    A cohort that brings its own vectors may bring several streams. The stream `skin` becomes the stream `pulse`.
    config: the resolved `cohort`, `encoder`, `video`, `pulse` and `paths` nodes.
    Raises `LfnetError` where an encoder does not fit the cohort, or clips cannot be read.
    """
    return once(_key("prepare_streams", config), lambda: _all_streams(config, progress))


def _all_streams(config: dict[str, Any], progress: bool) -> Streams:
    cohort = load_cohort(config)
    with ExitStack() as stack:
        stores = _prepare(cohort, config, _encoders(config, stack), progress)
    for own in getattr(cohort.own, "more", ()):
        stores |= _prepare(replace(cohort, own=own), config, [], progress)
    if SKIN in stores and config.get("pulse"):
        skin, folder = stores.pop(SKIN), Path(config["paths"]["cache"]) / "features" / cohort.name
        stores[PULSE] = pulse_store(skin, cohort.clips["clip_id"], folder, instantiate(config["pulse"], "pulse"))
    return Streams(cohort, stores)


def _key(what: str, config: dict[str, Any]) -> tuple[str, str]:
    return what, digest(
        [config.get(name) for name in ("cohort", "splits", "encoder", "streams", "video", "pulse", "visual", "paths")]
    )


def _encoders(config: dict[str, Any], stack: ExitStack) -> list[Encoder]:
    return [stack.enter_context(instantiate(config["encoder"][name])) for name in encoder_names(config)]


def _prepare(
    cohort: Cohort, config: dict[str, Any], encoders: list[Encoder], progress: bool
) -> dict[str, FeatureStore]:
    video = instantiate(config["video"])
    given: dict[str, Any] = {
        "cache": Path(config["paths"]["cache"]),
        "video": video,
        "stride": config["encoder"]["stride"],
    }
    stores, lacking = open_stores(cohort, encoders, **given)
    if lacking:
        if needs_landmarker(cohort, [encoder for encoder in encoders if encoder.name in lacking]):
            given["mesh_model"] = video.find_landmarker(Path(config["paths"]["weights"]))
        given["batch_size"] = config["encoder"]["batch_size"]
        if progress:
            print(f"cohort {cohort.name}: {estimate(cohort, encoders, **given)}", flush=True)
        stores = extract(cohort, encoders, progress=progress, **given)
    return stores
