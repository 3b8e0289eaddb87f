"""A job that fits a fusion in the place of a head: plan, data, fit, score, write; model.skops is its model file."""

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lfnet.data.module import DataModule
from lfnet.evaluation.predictions import COLUMNS, Predictions
from lfnet.features.derived import SKIN
from lfnet.files import write_text
from lfnet.fingerprints import digest
from lfnet.fusion import cost, persist
from lfnet.fusion.modalities import Memo
from lfnet.fusion.modality_data import Split
from lfnet.fusion.system import FusionResult, fuse
from lfnet.jobs.experiment import Coverage, Experiment
from lfnet.jobs.inputs import Inputs, prepare_streams
from lfnet.jobs.latency import measure_speed
from lfnet.jobs.records import describe_inputs, start_folder, versions, write_result
from lfnet.jobs.refresh import compute_metrics, run_audit, write_baselines
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings
from lfnet.jobs.tracking import log_summary, trackers
from lfnet.runs.result import Cost, Training
from lfnet.runs.run import PREDICTIONS, WEIGHTS

__all__ = ["COVERS", "execute", "load_data", "plan"]

COVERS = Coverage(
    nodes=("fusion", "protocol", "seed"),
    recorded=("cohort", "splits", "encoder", "fusion", "protocol", "seed"),
    code=(
        "lfnet.data",
        "lfnet.evaluation.metrics",
        "lfnet.evaluation.predictions",
        "lfnet.features.health",
        "lfnet.features.store",
        "lfnet.fusion",
        "lfnet.heads.cpu.machine",
        "lfnet.jobs.fusion_job",
        "lfnet.jobs.latency",
    ),
    libraries=("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "xgboost"),
)
_WITH_PULSE = replace(COVERS, recorded=(*COVERS.recorded, "pulse"))  # which is made from skin
_SPLITS = ("dev", "test", "unlabelled")


def plan(settings: JobSettings, session: Session, *, progress: bool = True) -> tuple[Inputs, Coverage]:
    """Prepare the inputs of a job, all streams in one pass; returns them and what its name covers."""
    inputs = prepare_streams(settings.inputs, session, progress=progress)
    return inputs, _WITH_PULSE if SKIN in settings.inputs.encoders else COVERS


def load_data(job: Experiment, session: Session) -> DataModule:
    """The job's features, set up."""
    settings = job.settings
    data = DataModule(job.inputs.cohort, job.inputs.stores, settings.protocol, seed=settings.seed, cache=session.frames)
    data.setup()
    return data


def execute(job: Experiment, session: Session) -> None:
    """Fit, score, save and measure; result.json is written last.

    A component that the cohort does not have (`fusion.extraction` without video) leaves a result that names it and
    holds no score.
    """
    start_folder(job)
    with job.inputs.keep_open():
        data = load_data(job, session)
        parts = {**write_baselines(job, data, session), **run_audit(job, session)}
        if not (lacking := job.settings.lacking_component):
            rows = {name: _rows(data, name, job) for name in ("train", *_SPLITS) if (data.clips["split"] == name).any()}
    if lacking:
        write_text(job.folder / PREDICTIONS, Predictions(pd.DataFrame(columns=list(COLUMNS))).to_csv_text())
        parts |= {"marks": (lacking,), "cost": Cost(), "training": Training(), **compute_metrics(job)}
    else:
        with trackers(job) as loggers:
            parts |= _fit(job, data, rows, session)
            parts |= compute_metrics(job)
            log_summary(loggers, parts["metrics"])
    assert job.settings.fusion is not None
    write_result(
        job,
        data,
        kind="fusion",
        model=job.settings.fusion.model,
        # A head and how it would be trained are settings too, but not of this job.
        choices=job.recorded_choices("head", "trainer"),
        versions=versions("lightgbm", "skops"),
        threads=1,
        device="cpu",
        precision="64-true",
        **_describe(job, data, parts.pop("warnings", [])),
        **parts,
    )


def _rows(data: DataModule, split: str, job: Experiment) -> Split:
    assert job.settings.fusion is not None
    return Split.from_arrays(
        data.arrays(split), job.settings.fusion.visual.stream, job.settings.fusion.physiological.stream
    )


def _fit(job: Experiment, data: DataModule, rows: dict[str, Split], session: Session) -> dict[str, Any]:
    """The result's own part of a job: what was chosen, what is missing, what it costs. Writes scores and the model."""
    settings = job.settings.fusion
    assert settings is not None
    started = time.perf_counter()
    others = {name: split for name, split in rows.items() if name != "train"}
    key = (job.inputs.cohort.fingerprint(), job.features, job.settings.protocol, digest(settings.extraction))
    memo = session.keep_latest("fusion", key, Memo)
    fused = fuse(rows["train"], others, settings, seed=job.settings.seed, share=memo)
    seconds = time.perf_counter() - started
    members = {name: _predictions(job, data, others, fused, name) for name in next(iter(fused.scores.values()))}
    write_text(job.folder / PREDICTIONS, members[settings.model].to_csv_text())
    persist.save(fused.system, job.folder / WEIGHTS["fusion"])
    parts = cost.measure(fused.system)
    clip = next(iter(others.values())).take(np.array([0]))
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
        "marks": _marks(data, settings.choose, fused),
        "warnings": _missing(fused, rows),
    }


def _predictions(
    job: Experiment, data: DataModule, others: dict[str, Split], fused: FusionResult, member: str
) -> Predictions:
    """One member's scores of clips and recordings, with the labels that were measured and never permuted."""
    clips = data.clips.set_index("clip_id")[["recording_id", "person_id", "split", "label"]]
    rows = [
        clips.loc[split.clip_ids].assign(score=fused.scores[name][member]).reset_index()
        for name, split in others.items()
    ]
    scores = Predictions.from_frame(pd.concat(rows, ignore_index=True), level="clip")
    recordings = scores.aggregate("recording", job.settings.protocol.aggregate.recording)
    return Predictions(pd.concat([scores.frame, recordings.frame], ignore_index=True))


def _marks(data: DataModule, choose: str, fused: FusionResult) -> tuple[str, ...]:
    marks = list(data.marks)
    if choose == "test":
        count = math.prod(choice.candidates for choice in fused.chosen.values())
        marks += ["selected on test", f"{count} candidate{'s' * (count > 1)}"]
    return tuple(dict.fromkeys(marks))


def _missing(fused: FusionResult, rows: dict[str, Split]) -> list[str]:
    """One line for each modality that some clips lack; the result's `missing` names the clips."""
    lines = []
    for side, splits in fused.missing.items():
        counts = [f"{len(clips)} of {len(rows[name])} {name}" for name, clips in splits.items() if clips]
        if counts:
            lines.append(f"clips without a {side} row, imputed inside the pipeline: {', '.join(counts)}")
    return lines


def _describe(job: Experiment, data: DataModule, warnings: list[str]) -> dict[str, Any]:
    """As `describe_inputs`, of all streams."""
    found = describe_inputs(data)
    first = data.cohort.clips["clip_id"].iloc[0]
    cohort, features = found["cohort"], found["features"]
    found["cohort"] = replace(cohort, warnings=(*cohort.warnings, *warnings))
    found["features"] = replace(
        features,
        stream=" + ".join(data.stores),
        fingerprint=digest(list(job.features)),
        dim=sum(store.shape(first)[1] for store in data.stores.values()),
    )
    return found
