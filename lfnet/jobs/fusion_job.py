"""One job with a fusion in the place of a head: the same run folder, with model.skops for head.safetensors."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lfnet.config import read
from lfnet.data.module import DataModule
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import COLUMNS, Predictions
from lfnet.files import write_text
from lfnet.fingerprints import code_digest, digest
from lfnet.fusion import cost, persist
from lfnet.fusion.modalities import Memo
from lfnet.fusion.modality_data import Split
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.system import FusionResult
from lfnet.fusion.system import fuse as fuse_splits
from lfnet.jobs.common import Plan, begin, check, chosen, facts, held, versions
from lfnet.jobs.inputs import Inputs, Streams, encoder_names, prepare_streams
from lfnet.jobs.latency import measure_speed
from lfnet.jobs.refresh import audited, measured, refer
from lfnet.jobs.tracking import log_summary, trackers
from lfnet.runs.result import Cost, Result, Training
from lfnet.runs.run import PREDICTIONS, WEIGHTS

__all__ = ["data", "fingerprint", "fuse", "plan"]

# What turns features into predictions here. What is made again without fitting anything is left out, as for heads.
_ROOMS = ("lfnet.data", "lfnet.fusion", "lfnet.training", "lfnet.jobs")
_REMADE = ("lfnet.runs.run", "lfnet.jobs.baselines", "lfnet.jobs.refresh")
_PACKAGES = ("lightgbm", "skops")
_sides: dict[str, Memo] = {}
_SKIN = "skin"
_ENCODER = "visual"  # whose settings `fusion.extraction` changes


def fingerprint(settings: dict[str, Any], *, cohort: str, features: list[str]) -> str:
    """SHA-256 (hex) of a job: its settings, cohort, the features of every stream, and the code that it uses."""
    code = code_digest(("lfnet.jobs.fusion_job", "lfnet.features.health"), within=_ROOMS, without=_REMADE)
    return digest({"config": settings, "cohort": cohort, "features": features, "code": code, "kind": "fusion"})


def plan(config: dict[str, Any], *, progress: bool = True) -> Plan:
    """Name the job of a resolved config; features that are missing are extracted first, all streams in one pass."""
    _checked(config)
    inputs = prepare_streams(config if _absent(config) else _laid_over(config), progress=progress)
    settings = {key: config[key] for key in ("fusion", "protocol", "seed")}
    name = fingerprint(settings, cohort=inputs.cohort.fingerprint(), features=_features(inputs))
    return Plan(inputs, settings, name, Path(config["paths"]["runs"]) / name[:16])


def data(config: dict[str, Any], job: Plan) -> DataModule:
    """The job's features, set up."""
    assert isinstance(job.inputs, Streams)
    _, protocol = _checked(config)
    made = DataModule(job.inputs.cohort, job.inputs.stores, protocol, seed=config["seed"], held=held)
    made.setup()
    return made


def fuse(config: dict[str, Any], choices: dict[str, str], job: Plan) -> None:
    """Fit, score, save and measure; the folder's result.json is written last.

    A component that the cohort does not have (`fusion.extraction` without video) leaves a result that says so and
    holds no score.
    """
    begin(job.folder, config)
    settings, protocol = _checked(config)
    given = data(config, job)
    own: dict[str, Any]
    if absent := _absent(config):
        write_text(job.folder / PREDICTIONS, Predictions(pd.DataFrame(columns=list(COLUMNS))).to_csv_text())
        own = {"marks": (absent,), "cost": Cost(), "training": Training()}
        numbers = _beside(given, config, job)
    else:
        with trackers(config, job.fingerprint) as loggers:
            own = _fit(given, config, settings, protocol, job)
            numbers = _beside(given, config, job)
            log_summary(loggers, numbers["metrics"])
    result = Result(
        fingerprint=job.fingerprint,
        kind="fusion",
        model=settings.model,
        seed=config["seed"],
        # A head and how it would be trained are settings too, but not of this job.
        choices={group: name for group, name in chosen(choices, config).items() if group not in ("head", "trainer")},
        config={key: config[key] for key in _recorded(config) if key in config},
        **_facts(given, own.pop("warnings", [])),
        **numbers,
        **own,
        versions=versions(*_PACKAGES),
        threads=1,
        device="cpu",
        precision="64-true",
    )
    result.write(job.folder)


def _recorded(config: dict[str, Any]) -> list[str]:
    """The nodes that decide a fusion's numbers; those of the pulse only where it is made from skin."""
    pulse = ["pulse"] if _SKIN in encoder_names(config) else []
    return ["cohort", "splits", "encoder", *pulse, "fusion", "protocol", "seed"]


def _fit(
    given: DataModule, config: dict[str, Any], settings: FusionSettings, protocol: Protocol, job: Plan
) -> dict[str, Any]:
    """The result's own part of a job: what was chosen, what is missing, what it costs. Writes scores and the model."""
    started = time.perf_counter()
    pulse = settings.physiological.stream
    train = Split.from_arrays(given.arrays("train"), settings.visual.stream, pulse)
    present = [name for name in ("dev", "test", "unlabelled") if (given.clips["split"] == name).any()]
    others = {name: Split.from_arrays(given.arrays(name), settings.visual.stream, pulse) for name in present}
    fused = fuse_splits(train, others, settings, seed=config["seed"], share=_shared(job, config))
    seconds = time.perf_counter() - started
    members = {name: _predictions(given, others, fused, name, protocol) for name in next(iter(fused.scores.values()))}
    write_text(job.folder / PREDICTIONS, members[settings.model].to_csv_text())
    persist.save(fused.system, job.folder / WEIGHTS["fusion"])
    parts = cost.measure(fused.system)
    clip = others[present[0]].take(np.array([0]))
    return {
        "members": {
            name: {split: levels["recording"] for split, levels in scores.metrics().items()}
            for name, scores in members.items()
        },
        "chosen": {name: choice.to_json() for name, choice in fused.chosen.items()},
        "missing": fused.missing,
        "cost": Cost(
            **vars(parts["all"]),
            parts={name: Cost(**vars(part)) for name, part in parts.items() if name != "all"},
            **measure_speed(lambda: fused.system.scores(clip)),
        ),
        "training": Training(
            seconds=round(seconds, 2),
            monitor="test MAE (clips)" if settings.choose == "test" else "train MAE (clips), by person",
        ),
        "marks": tuple(_marks(given, settings, fused)),
        "warnings": _missing(fused, others, len(train)),
    }


def _shared(job: Plan, config: dict[str, Any]) -> Memo:
    """What fusions of one cohort's same features leave to each other in a process."""
    key = digest(
        [job.inputs.cohort.fingerprint(), _features(job.inputs), config["protocol"], config["fusion"]["extraction"]]
    )
    if key not in _sides:
        _sides.clear()
        _sides[key] = Memo()
    return _sides[key]


def _features(inputs: Inputs | Streams) -> list[str]:
    assert isinstance(inputs, Streams)
    clip_ids = list(inputs.cohort.clips["clip_id"])
    return [store.fingerprint(clip_ids) for store in inputs.stores.values()]


def _checked(config: dict[str, Any]) -> tuple[FusionSettings, Protocol]:
    check(config)
    return read(FusionSettings, config["fusion"], "fusion"), read(Protocol, config["protocol"], "protocol")


def _absent(config: dict[str, Any]) -> str:
    """Why the component that `fusion.extraction` changes is not there; "" where it is, or nothing is changed."""
    if not config["fusion"]["extraction"] or _ENCODER in encoder_names(config):
        return ""
    parts = ", ".join(config["fusion"]["extraction"])
    return f"no such component here: features not made by encoder={_ENCODER} have no {parts}"


def _laid_over(config: dict[str, Any]) -> dict[str, Any]:
    """The config with `fusion.extraction` laid over the visual encoder's settings."""
    changed = config["fusion"]["extraction"]
    if not changed:
        return config
    node = config["encoder"][_ENCODER]
    if unknown := sorted(set(changed) - set(node["settings"])):
        raise LfnetError(f"fusion.extraction.{unknown[0]} is no setting of conf/visual.")
    own = {**node, "settings": {**node["settings"], **changed}}
    return {**config, "encoder": {**config["encoder"], _ENCODER: own}}


def _predictions(
    given: DataModule, others: dict[str, Split], fused: FusionResult, member: str, protocol: Protocol
) -> Predictions:
    """One member's scores at clip and recording level, beside the labels that were measured and never permuted."""
    clips = given.clips.set_index("clip_id")[["recording_id", "person_id", "split", "label"]]
    rows = [
        clips.loc[split.clip_ids].assign(score=fused.scores[name][member]).reset_index()
        for name, split in others.items()
    ]
    scores = Predictions.from_frame(pd.concat(rows, ignore_index=True), level="clip")
    recordings = scores.aggregate("recording", protocol.aggregate.recording)
    return Predictions(pd.concat([scores.frame, recordings.frame], ignore_index=True))


def _beside(given: DataModule, config: dict[str, Any], job: Plan) -> dict[str, Any]:
    beside = {**refer(job.folder, given), **audited(given.cohort, given.store, config)}
    return {**measured(job.folder), **beside}


def _marks(given: DataModule, settings: FusionSettings, fused: FusionResult) -> list[str]:
    marks = list(given.marks)
    if settings.choose == "test":
        count = math.prod(choice.candidates for choice in fused.chosen.values())
        marks += ["selected on test", f"{count} candidate{'s' * (count > 1)}"]
    return list(dict.fromkeys(marks))


def _missing(fused: FusionResult, others: dict[str, Split], train: int) -> list[str]:
    """One line for each side that some clips lack; result.json's `missing` names the clips."""
    sizes = {"train": train, **{name: len(split) for name, split in others.items()}}
    lines = []
    for side, splits in fused.missing.items():
        counts = [f"{len(clips)} of {sizes[name]} {name}" for name, clips in splits.items() if clips]
        if counts:
            lines.append(f"clips without a {side} row, imputed inside the pipeline: {', '.join(counts)}")
    return lines


def _facts(given: DataModule, warnings: list[str]) -> dict[str, Any]:
    found = facts(given)
    cohort, features = found["cohort"], found["features"]
    first = given.cohort.clips["clip_id"].iloc[0]
    found["cohort"] = replace(cohort, warnings=(*cohort.warnings, *warnings))
    found["features"] = replace(
        features,
        stream=" + ".join(given.stores),
        fingerprint=digest(_features(Streams(given.cohort, given.stores))),
        dim=sum(store.shape(first)[1] for store in given.stores.values()),
    )
    return found
