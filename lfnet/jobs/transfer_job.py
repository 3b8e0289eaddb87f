"""A job that tests a trained head on another cohort: plan, data, head from its run, score, write. Nothing is fitted."""

from dataclasses import replace

import torch

from lfnet.data.datamodule import DataModule
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.recalibration import Recalibration
from lfnet.files import write_text
from lfnet.jobs import head_job
from lfnet.jobs.experiment import SHARED_CODE, Coverage, Experiment
from lfnet.jobs.inputs import Inputs, prepare_transfer
from lfnet.jobs.records import start_folder, versions, write_result
from lfnet.jobs.refresh import compute_metrics, refer_and_audit
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings, read_settings
from lfnet.runs.result import RESULT, damaged
from lfnet.runs.run import PREDICTIONS, Run
from lfnet.training.predict import score_splits
from lfnet.training.trained import labels_of, load_head
from lfnet.tuning.space import with_values

__all__ = ["COVERS", "execute", "load_data", "plan"]

# Settings and training are in the name of the run that is tested.
COVERS = Coverage(
    nodes=(),
    recorded=(*head_job.COVERS.recorded, "test_cohort", "test_split", "conversions"),
    code=(*SHARED_CODE, "lfnet.cohorts.transfer", "lfnet.evaluation.conversion", "lfnet.jobs.transfer_job"),
    libraries=("torch", "numpy", "pandas"),
)


def plan(settings: JobSettings, session: Session, *, progress: bool = True) -> tuple[Inputs, Coverage]:
    """Prepare the features of both cohorts; returns them as one cohort, and what the job's name covers."""
    assert settings.test is not None
    inputs = prepare_transfer(settings.inputs, settings.test, settings.conversions, session, progress=progress)
    more = [name for name in ("streams", "filming") if getattr(settings.inputs, name) is not None]
    return inputs, replace(COVERS, recorded=(*COVERS.recorded, *more))


def load_data(job: Experiment, session: Session) -> DataModule:
    """The windows of both cohorts, set up; their labels are those of the training cohort."""
    assert job.trained is not None
    cohort = replace(job.inputs.cohort, scale=job.trained.inputs.cohort.scale)
    return head_job.load_data(replace(job, inputs=replace(job.inputs, cohort=cohort)), session)


def execute(job: Experiment, session: Session) -> None:
    """Score the other cohort by the finished run's head and measure; result.json is written last."""
    start_folder(job)
    with job.inputs.keep_open():
        _execute(job, session)


def _execute(job: Experiment, session: Session) -> None:
    base = job.trained
    assert base is not None
    run = Run(base.folder)
    result = run.result
    settings = base.settings
    if settings.tune:
        chosen = result.chosen[base.choices.get("head", "head")]
        settings = read_settings({**with_values(base.config, chosen), "tune": 0}, session)
    trainer = settings.trainer
    if settings.head is None:
        raise damaged(base.folder / RESULT, "it is no record of a trained head")
    torch.set_num_threads(trainer.threads)
    data = load_data(job, session)
    data.labels = labels_of(run)
    head = load_head(run, settings.head, trainer.loss, trainer.pooling, data.n_features)
    scores = score_splits(head, data, trainer.device, trainer.pooling)
    if result.recalibration is not None:
        line = Recalibration(**result.recalibration)
        scores = Predictions(scores.frame.assign(score=line.apply(scores.frame["score"])))
    write_text(job.folder / PREDICTIONS, job.inputs.in_test_points(scores).to_csv_text())
    parts = refer_and_audit(job, data, session)
    write_result(
        job,
        data,
        kind="head",
        model=job.choices.get("head", ""),
        choices=job.recorded_choices("fusion"),
        **compute_metrics(job, session),
        **parts,
        cost=result.cost,
        training=result.training,
        tested=job.tested,
        marks=tuple(dict.fromkeys([*result.marks, *_marks(job)])),
        versions=versions(),
        threads=trainer.threads,
        device=trainer.device,
        precision=trainer.precision,
    )


def _marks(job: Experiment) -> list[str]:
    """What a reader of the scores must know of their points."""
    assert job.trained is not None
    of, to = job.trained.inputs.cohort.scale.name, job.inputs.cohort.scale.name
    if job.inputs.conversion is not None:
        return [f"scores converted from {of} to {to} by {job.inputs.conversion.source}"]
    return [] if job.inputs.same_points else [f"scores are on {of} and labels on {to}: ranks alone"]
