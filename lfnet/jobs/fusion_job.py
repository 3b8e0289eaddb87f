"""A job that fits a fusion in the place of a head: plan, data, fit, score, write; model.skops is its model file."""

import time
from dataclasses import replace
from typing import Any

import pandas as pd

from lfnet.data.datamodule import DataModule
from lfnet.evaluation.predictions import COLUMNS, Predictions
from lfnet.features.derived import SKIN
from lfnet.files import write_text
from lfnet.fingerprints import digest
from lfnet.fusion import persist
from lfnet.fusion.modalities import Memo
from lfnet.fusion.modality_data import Split, read_splits
from lfnet.fusion.results import fitting_marks, member_predictions, missing_rows, recording_metrics
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.system import fuse
from lfnet.jobs.experiment import SHARED_CODE, Coverage, Experiment
from lfnet.jobs.inputs import Inputs, prepare_streams
from lfnet.jobs.latency import measure_fusion
from lfnet.jobs.records import start_folder, versions, write_result
from lfnet.jobs.refresh import compute_metrics, refer_and_audit
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings
from lfnet.jobs.tracking import log_summary, trackers
from lfnet.runs.result import Cost, Training
from lfnet.runs.run import PREDICTIONS, WEIGHTS

__all__ = ["COVERS", "execute", "load_data", "plan"]

COVERS = Coverage(
    nodes=("fusion", "protocol", "seed"),
    recorded=("cohort", "splits", "encoder", "fusion", "protocol", "seed"),
    code=(*SHARED_CODE, "lfnet.fusion", "lfnet.jobs.fusion_job"),
    libraries=("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "xgboost"),
)
_WITH_PULSE = replace(COVERS, recorded=(*COVERS.recorded, "pulse"))  # made from skin


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
    """Fit, score, save and measure. A component that the cohort lacks leaves a result without scores that names it."""
    settings = job.settings.fusion
    assert settings is not None
    start_folder(job)
    with job.inputs.keep_open():
        data = load_data(job, session)
        parts = refer_and_audit(job, data, session)
        lacking = job.settings.lacking_component
        audio = None if settings.audio is None else settings.audio.stream
        named = (settings.visual.stream, settings.physiological.stream, audio)
        splits = {} if lacking else read_splits(data, *named)

    if lacking:
        write_text(job.folder / PREDICTIONS, Predictions(pd.DataFrame(columns=list(COLUMNS))).to_csv_text())
        parts |= {"marks": (lacking,), "cost": Cost(), "training": Training(), **compute_metrics(job, session)}
    else:
        with trackers(job) as loggers:
            parts |= _fit(job, settings, data, splits, session) | compute_metrics(job, session)
            log_summary(loggers, parts["metrics"])

    write_result(
        job,
        data,
        kind="fusion",
        model=settings.model,
        # A head and how it would be trained are settings too, but not of this job.
        choices=job.recorded_choices("head", "trainer"),
        versions=versions("lightgbm", "skops"),
        threads=1,
        device="cpu",
        precision="64-true",
        **parts,
    )


def _fit(
    job: Experiment, settings: FusionSettings, data: DataModule, splits: dict[str, Split], session: Session
) -> dict[str, Any]:
    """The result's own part of a job: what was chosen, what is missing, what it costs. Writes scores and the model."""
    started = time.perf_counter()
    others = {name: split for name, split in splits.items() if name != "train"}
    key = (job.inputs.cohort.fingerprint(), job.features, job.settings.protocol, digest(settings.extraction))
    memo = session.keep_latest("fusion", key, Memo)
    spared = memo.spared
    fused = fuse(splits["train"], others, settings, seed=job.settings.seed, share=memo)
    # What jobs before have fitted counts as if it had been fitted here.
    seconds = time.perf_counter() - started + memo.spared - spared
    how = job.settings.protocol.aggregate.recording
    names = next(iter(fused.scores.values()))
    members = {name: member_predictions(fused, name, splits, data.clips, how) for name in names}
    write_text(job.folder / PREDICTIONS, members[settings.model].to_csv_text())
    persist.save(fused.system, job.folder / WEIGHTS["fusion"])
    measured = recording_metrics(members)
    sigma_ratio = measured[settings.model].get("dev", {}).get("sigma_ratio")
    return {
        "members": measured,
        "chosen": {name: choice.to_json() for name, choice in fused.chosen.items()},
        "missing": fused.missing,
        "cost": measure_fusion(fused.system, next(iter(others.values()))),
        "training": Training(
            seconds=round(seconds, 2),
            monitor="test MAE (clips)" if settings.choose == "test" else f"train MAE (clips), by {settings.group_by}",
        ),
        "marks": tuple(dict.fromkeys([*data.marks, *fitting_marks(fused, settings, sigma_ratio)])),
        "warnings": missing_rows(fused, splits),
    }
