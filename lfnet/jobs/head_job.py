"""A job that trains one head: plan, data, tuning, head, fit, score, write."""

from dataclasses import asdict, replace
from typing import Any

import torch

from lfnet.features.joined_streams import JoinedStreams
from lfnet.files import write_text
from lfnet.jobs.experiment import SHARED_CODE, Coverage, Experiment
from lfnet.jobs.head_fit import check_own_head, head_key, load_data, open_progress, prepare_head, score_head
from lfnet.jobs.inputs import Inputs, prepare
from lfnet.jobs.latency import measure_head
from lfnet.jobs.records import describe_training, save_weights, start_folder, versions, write_config, write_result
from lfnet.jobs.refresh import compute_metrics, refer_and_audit
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings
from lfnet.jobs.tracking import log_summary, trackers
from lfnet.jobs.tuning import describe_study, study_marks, tune
from lfnet.runs.result import Cost
from lfnet.runs.run import LEARNING_CURVE, PREDICTIONS
from lfnet.training.distribution_head import DistributionHead, write_quantiles
from lfnet.training.distributions import DistributionLoss
from lfnet.training.fit import fit
from lfnet.training.items import ItemLayer, Items, write_items
from lfnet.training.mc_dropout import dropout_spread
from lfnet.training.settings import TrainerSettings

__all__ = ["COVERS", "execute", "load_data", "plan"]

COVERS = Coverage(
    nodes=("head", "protocol", "trainer", "seed"),
    recorded=("cohort", "splits", "encoder", "head", "protocol", "trainer", "seed", "tune"),
    code=(*SHARED_CODE, "lfnet.heads.cost", "lfnet.jobs.head_fit", "lfnet.jobs.head_job", "lfnet.training"),
    follow=("lfnet.heads",),
    libraries=("torch", "lightning", "numpy", "pandas", "scipy"),
)


def plan(settings: JobSettings, session: Session, *, progress: bool = True) -> tuple[Inputs, Coverage]:
    """Prepare the inputs of a job; returns them and what its name covers."""
    inputs = prepare(settings.inputs, session, progress=progress)
    if session.launcher is None:  # else a head that kills its process would end the whole sweep
        check_own_head(settings, inputs, session)
    covers = COVERS
    if isinstance(inputs.store, JoinedStreams):
        covers = _more(covers, nodes=("streams",), recorded=("streams",))
    if settings.inputs.filming is not None:  # its effect on numbers is in the features' fingerprint
        covers = _more(covers, recorded=("filming",))
    covers = _more(covers, code=_of_settings(settings.trainer))
    if settings.tune:
        code = ("lfnet.jobs.tuning", "lfnet.runs.trials", "lfnet.tuning")
        covers = _more(covers, nodes=("tune", "search"), recorded=("search",), code=code, libraries=("optuna",))
    return inputs, covers


def _of_settings(trainer: TrainerSettings) -> tuple[str, ...]:
    """Modules outside `lfnet.training` that change numbers of jobs with some settings only."""
    line = ("lfnet.evaluation.offsets", "lfnet.evaluation.recalibration")  # fit_line, and what chooses it
    return (
        *(line if trainer.recalibrate is not None else ()),
        *(("lfnet.evaluation.replicates",) if trainer.mc_dropout else ()),
        *(("lfnet.evaluation.quantiles",) if isinstance(trainer.loss, DistributionLoss) else ()),
        *(("lfnet.evaluation.items",) if isinstance(trainer.loss, Items) else ()),
    )


def _more(covers: Coverage, **added: tuple[str, ...]) -> Coverage:
    return replace(covers, **{name: (*getattr(covers, name), *values) for name, values in added.items()})


def execute(job: Experiment, session: Session) -> None:
    """Train, score and measure; result.json is written last."""
    start_folder(job)
    with job.inputs.keep_open():
        _execute(job, session)


def _execute(job: Experiment, session: Session) -> None:
    settings, trainer, protocol = job.settings, job.settings.trainer, job.settings.protocol
    torch.set_num_threads(trainer.threads)
    data = untuned = load_data(job, session)
    parts: dict[str, Any] = {}
    study = None
    if settings.tune:
        study = tune(job, session)
        job, chosen = study.job, study.best.settings
        parts["chosen"] = {job.choices.get("head", "head"): chosen}
        settings, trainer = job.settings, job.settings.trainer
        write_config(job)
        data = load_data(job, session)
    with trackers(job) as loggers, open_progress(job) as progress:
        name = f"{job.choices.get('head', 'head')}, seed {settings.seed}"
        session.display.phase(f"{name}: {'before training' if trainer.pretrain is None else 'pre-training'}")
        prepared = prepare_head(job, data, session, progress)
        if prepared.pretraining is not None:
            parts["pretraining"] = prepared.pretraining
        curve, show = job.folder / LEARNING_CURVE, session.display.training(name)
        fitted = fit(prepared.head, data, trainer, curve, loggers, progress, show)
        session.display.phase(f"{name}: scoring")
        scores, recalibration = score_head(fitted.head, data, trainer)
        labels, marks = data.labels, [*data.marks, *fitted.marks]
        if recalibration is not None:
            parts["recalibration"] = asdict(recalibration)
            marks.append(recalibration.mark)
            labels = labels.mapped(recalibration.intercept, recalibration.slope)
        if isinstance(fitted.head, DistributionHead) and fitted.head.layer.has_quantiles:
            parts["quantiles"] = write_quantiles(fitted.head, data, scores, job.folder, device=trainer.device)
        if isinstance(fitted.head, DistributionHead) and isinstance(fitted.head.layer, ItemLayer):
            parts["items"] = write_items(fitted.head, data, job.folder, device=trainer.device)
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
        session.display.phase(f"{name}: baselines and audit of the cohort")
        # After the training: the first jobs of a sweep come here at different times, so that one of them does the work.
        parts |= refer_and_audit(job, untuned, session)
        metrics = compute_metrics(job, session)
        log_summary(loggers, metrics["metrics"])

        speed = session.keep(
            "speed of a head", head_key(job, data), lambda: measure_head(fitted.head, protocol.window, data.n_features)
        )
        if study is not None:
            parts["tuning"] = describe_study(study, session, fitted, metrics["metrics"])
            marks += study_marks(study, fitted)
        write_result(
            job,
            data,
            kind="head",
            model=job.choices.get("head", ""),
            choices=job.recorded_choices("fusion"),
            **metrics,
            **parts,
            cost=Cost(
                **{name: getattr(prepared.cost, name) for name in ("parameters", "active_parameters", "flops")},
                frames=protocol.window,
                **speed,
            ),
            training=describe_training(fitted, data, trainer.max_epochs),
            marks=tuple(marks),
            versions=versions(*(["optuna"] if study is not None else [])),
            threads=trainer.threads,
            device=trainer.device,
            precision=trainer.precision,
        )
