"""A job that trains one head: plan, data, head, fit, score, write."""

from dataclasses import asdict, replace

import torch

from lfnet.data.datamodule import DataModule
from lfnet.evaluation.predictions import Predictions
from lfnet.evaluation.recalibration import fit_recalibration
from lfnet.features.joined_streams import JoinedStreams
from lfnet.files import write_text
from lfnet.heads.cost import measure as measure_cost
from lfnet.jobs.experiment import SHARED_CODE, Coverage, Experiment
from lfnet.jobs.inputs import Inputs, prepare
from lfnet.jobs.latency import measure_head
from lfnet.jobs.records import describe_training, save_weights, start_folder, versions, write_result
from lfnet.jobs.refresh import compute_metrics, run_audit, write_baselines
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings
from lfnet.jobs.tracking import log_summary, trackers
from lfnet.runs.result import Cost
from lfnet.runs.run import LEARNING_CURVE, PREDICTIONS
from lfnet.training.distribution_head import DistributionHead, build_head, with_distribution, write_quantiles
from lfnet.training.fit import fit, seed_all
from lfnet.training.mc_dropout import dropout_spread
from lfnet.training.pooling import with_pooling
from lfnet.training.predict import check_output, score_splits
from lfnet.training.settings import check_compatible

__all__ = ["COVERS", "execute", "load_data", "plan"]

COVERS = Coverage(
    nodes=("head", "protocol", "trainer", "seed"),
    recorded=("cohort", "splits", "encoder", "head", "protocol", "trainer", "seed"),
    code=(*SHARED_CODE, "lfnet.heads.cost", "lfnet.jobs.head_job", "lfnet.training"),
    follow=("lfnet.heads",),
    libraries=("torch", "lightning", "numpy", "pandas", "scipy"),
)
_JOINED = replace(COVERS, nodes=(*COVERS.nodes, "streams"), recorded=(*COVERS.recorded, "streams"))


def plan(settings: JobSettings, session: Session, *, progress: bool = True) -> tuple[Inputs, Coverage]:
    """Prepare the inputs of a job; returns them and what its name covers."""
    inputs = prepare(settings.inputs, session, progress=progress)
    covers = _JOINED if isinstance(inputs.store, JoinedStreams) else COVERS
    if settings.inputs.filming is not None:  # its effect on numbers is in the features' fingerprint
        covers = replace(covers, recorded=(*covers.recorded, "filming"))
    return inputs, covers


def load_data(job: Experiment, session: Session) -> DataModule:
    """The job's windows, set up."""
    trainer, streams = job.settings.trainer, job.settings.inputs.streams
    data = DataModule(
        job.inputs.cohort,
        job.inputs.stores,
        job.settings.protocol,
        batch_size=trainer.batch_size,
        eval_batch_size=trainer.eval_batch_size,
        windows_per_clip=trainer.windows_per_clip,
        recordings=None if trainer.pooling is None else trainer.pooling.recordings,
        select_windows_per_clip=trainer.select_windows_per_clip,
        stream_dropout=streams.dropout if streams and isinstance(job.inputs.store, JoinedStreams) else 0.0,
        seed=job.settings.seed,
        cache=session.frames,
    )
    data.setup()
    return data


def execute(job: Experiment, session: Session) -> None:
    """Train, score and measure; result.json is written last."""
    settings, trainer, protocol = job.settings, job.settings.trainer, job.settings.protocol
    assert settings.head is not None
    start_folder(job)
    torch.set_num_threads(trainer.threads)
    with job.inputs.keep_open():
        data = load_data(job, session)
        parts = {**write_baselines(job, data, session), **run_audit(job, session)}

    seed_all(settings.seed)
    head = build_head(settings.head, trainer.loss, n_features=data.n_features)
    check_compatible(trainer, protocol, head)  # again, for heads that the meta device cannot hold
    scale = data.cohort.scale
    scored = with_distribution(head, trainer.loss, data.labels, scale.min, scale.max)
    check_output(scored, protocol.window, data.n_features)
    whole = with_pooling(scored, trainer.pooling, data.n_features)
    cost = measure_cost(whole, frames=protocol.window, n_features=data.n_features)
    seed_all(settings.seed)  # measuring the cost drew random numbers
    if trainer.pretrain is not None:
        parts["pretraining"] = trainer.pretrain.fit(head, data, device=trainer.device, seed=settings.seed)
        seed_all(settings.seed)

    with trackers(job) as loggers:
        fitted = fit(whole, data, trainer, job.folder / LEARNING_CURVE, loggers)
        scores = score_splits(fitted.head, data, trainer.device, trainer.pooling)
        labels, marks = data.labels, fitted.marks
        if trainer.recalibrate is not None:
            recalibration = fit_recalibration(scores.at("recording").in_split("dev").frame, trainer.recalibrate)
            parts["recalibration"], marks = asdict(recalibration), (*marks, recalibration.mark)
            scores = Predictions(scores.frame.assign(score=recalibration.apply(scores.frame["score"])))
            labels = labels.mapped(recalibration.intercept, recalibration.slope)
        if isinstance(fitted.head, DistributionHead):
            parts["quantiles"] = write_quantiles(fitted.head, data, scores, job.folder, device=trainer.device)
        if passes := trainer.mc_dropout:
            parts["spread"] = dropout_spread(
                fitted.head,
                data,
                job.folder,
                passes=passes,
                device=trainer.device,
                seed=settings.seed,
                pooling=trainer.pooling,
                labels=labels,
            )
        save_weights(fitted.head, job.folder)
        write_text(job.folder / PREDICTIONS, scores.to_csv_text())
        metrics = compute_metrics(job)
        log_summary(loggers, metrics["metrics"])

    write_result(
        job,
        data,
        kind="head",
        model=job.choices.get("head", ""),
        choices=job.recorded_choices("fusion"),
        **metrics,
        **parts,
        cost=Cost(
            **{name: getattr(cost, name) for name in ("parameters", "active_parameters", "flops")},
            frames=protocol.window,
            **measure_head(fitted.head, protocol.window, data.n_features),
        ),
        training=describe_training(fitted, data, trainer.max_epochs),
        marks=(*data.marks, *marks),
        versions=versions(),
        threads=trainer.threads,
        device=trainer.device,
        precision=trainer.precision,
    )
