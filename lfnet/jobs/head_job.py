"""One job: from a resolved config to a finished run folder, or to the one that is already there."""

import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from lfnet.config import instantiate, read
from lfnet.data.module import DataModule
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions
from lfnet.features.joined_streams import Joined
from lfnet.files import atomic_path, write_text, writing_in
from lfnet.fingerprints import digest
from lfnet.heads.cost import measure as measure_cost
from lfnet.heads.cpu.machine import fast_cpu
from lfnet.jobs.common import Plan, begin, check, chosen, facts, held, log, versions
from lfnet.jobs.fingerprinting import fingerprint
from lfnet.jobs.inputs import Inputs, Streams, prepare
from lfnet.jobs.latency import measure_speed
from lfnet.jobs.refresh import audited, bring_up_to_date, measured, refer
from lfnet.jobs.tracking import log_summary, trackers
from lfnet.once import once
from lfnet.runs.result import Cost, Result, Training
from lfnet.runs.run import PREDICTIONS, WEIGHTS, Outcome
from lfnet.training.fit import fit, seed_all
from lfnet.training.mc_dropout import dropout_spread
from lfnet.training.predict import levels, predict, window_predictions
from lfnet.training.settings import TrainerSettings, check_compatible

__all__ = ["Plan", "plan", "run", "run_safely"]


def plan(config: dict[str, Any], *, progress: bool = True) -> Plan:
    """Name the job of a resolved config; features that are missing are extracted first."""
    if fusion := _fusion(config):
        named: Plan = fusion.plan(config, progress=progress)
        return named
    parts = [config["trainer"], config["protocol"]]
    check(config)
    once(("checked", digest(parts)), lambda: _checked(config))  # a wrong number is said before videos are read
    inputs = prepare(config, progress=progress)
    settings = {key: config[key] for key in ("head", "protocol", "trainer", *_streams(inputs), "seed")}
    clip_ids = list(inputs.cohort.clips["clip_id"])
    name = fingerprint(settings, cohort=inputs.cohort.fingerprint(), features=inputs.store.fingerprint(clip_ids))
    return Plan(inputs, settings, name, Path(config["paths"]["runs"]) / name[:16])


def run(config: dict[str, Any], choices: dict[str, str]) -> Outcome:
    """Do one job.

    config: the whole resolved config. choices: what was chosen of each config group, for tables.
    A finished job is skipped (unless `force`); its metrics, references and audit are made again where their code has
    changed, and nothing is trained.
    Raises `LfnetError` for a user's mistake.
    """
    return _do(plan(config), config, choices)


def _do(job: Plan, config: dict[str, Any], choices: dict[str, str]) -> Outcome:
    fusion = _fusion(config)
    data = fusion.data if fusion else _data
    if job.finished and not config["force"]:
        bring_up_to_date(job.folder, job.inputs.cohort, job.inputs.store, config, lambda: data(config, job))
        return Outcome("skipped", job.fingerprint, job.folder.name)
    started = time.perf_counter()
    with writing_in(job.folder), log(job.folder), fast_cpu():
        (fusion.fuse if fusion else _train)(config, choices, job)
    return Outcome("finished", job.fingerprint, job.folder.name, seconds=time.perf_counter() - started)


def _fusion(config: dict[str, Any]) -> Any:
    """`lfnet.jobs.fusion_job` where a fusion is chosen, in the place of a head; else None."""
    # By name, so that the sources of fusions are no part of the fingerprint of heads.
    return import_module("lfnet.jobs.fusion_job") if (config.get("fusion") or {}).get("name") else None


def run_safely(config: dict[str, Any], choices: dict[str, str], planned: Plan | None = None) -> Outcome:
    """As `run`, but a job that fails says so in its Outcome and leaves its traceback in its own train.log.

    planned: what `plan` says, where that has been asked just now.
    """
    fingerprint = folder = ""
    try:
        job = planned or plan(config)
        fingerprint, folder = job.fingerprint, job.folder.name
        return _do(job, config, choices)
    except LfnetError as error:
        line = str(error)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return Outcome("failed", fingerprint, folder, error=" ".join(line.split()))


def _streams(inputs: Inputs | Streams) -> tuple[str, ...]:
    """The node that says how streams are joined, where there are several."""
    return ("streams",) if isinstance(inputs.store, Joined) else ()


def _checked(config: dict[str, Any]) -> tuple[TrainerSettings, Protocol]:
    check(config)
    return read(TrainerSettings, config["trainer"], "trainer"), read(Protocol, config["protocol"], "protocol")


def _data(config: dict[str, Any], job: Plan) -> DataModule:
    """The job's windows, set up."""
    settings, protocol = _checked(config)
    data = DataModule(
        job.inputs.cohort,
        job.inputs.store,
        protocol,
        batch_size=settings.batch_size,
        eval_batch_size=settings.eval_batch_size,
        windows_per_clip=settings.windows_per_clip,
        bags=settings.bags,
        select_windows_per_clip=settings.select_windows_per_clip,
        stream_dropout=config["streams"]["dropout"] if _streams(job.inputs) else 0.0,
        seed=config["seed"],
        held=held,
    )
    data.setup()
    return data


def _train(config: dict[str, Any], choices: dict[str, str], job: Plan) -> None:
    begin(job.folder, config)
    settings, protocol = _checked(config)
    torch.set_num_threads(settings.threads)
    data = _data(config, job)
    seed_all(config["seed"])
    head = instantiate(config["head"], "head", n_features=data.n_features)
    check_compatible(settings, protocol, head)
    cost = measure_cost(head, frames=protocol.window, n_features=data.n_features)
    seed_all(config["seed"])  # measuring the cost drew random numbers
    pretraining: dict[str, Any] = {}
    if settings.pretrain is not None:
        pretraining["pretraining"] = settings.pretrain.fit(head, data, device=settings.device, seed=config["seed"])
        seed_all(config["seed"])
    with trackers(config, job.fingerprint) as loggers:
        fitted = fit(head, data, settings, job.folder, loggers)
        scores = _score(fitted.head, data, settings)
        beside = {**refer(job.folder, data), **audited(data.cohort, data.store, config)}
        if passes := settings.mc_dropout:
            told = {"passes": passes, "device": settings.device, "seed": config["seed"]}
            beside["spread"] = dropout_spread(fitted.head, data, job.folder, **told)
        with atomic_path(job.folder / WEIGHTS["head"]) as temporary:
            try:
                save_file({name: value.contiguous() for name, value in fitted.head.state_dict().items()}, temporary)
            except SafetensorError as error:
                raise LfnetError(f"cannot write the weights into {job.folder}: {error}. Is the disk full?") from error
        write_text(job.folder / PREDICTIONS, scores.to_csv_text())
        numbers = measured(job.folder)
        log_summary(loggers, numbers["metrics"])
    result = Result(
        fingerprint=job.fingerprint,
        kind="head",
        model=choices.get("head", ""),
        seed=config["seed"],
        choices={group: name for group, name in chosen(choices, config).items() if group != "fusion"},
        config={key: config[key] for key in _recorded(job) if key in config},
        **facts(data),
        **numbers,
        **beside,
        **pretraining,
        cost=Cost(
            parameters=cost.parameters,
            active_parameters=cost.active_parameters,
            flops=cost.flops,
            frames=protocol.window,
            **_speed(fitted.head, protocol.window, data.n_features),
        ),
        training=Training(
            epochs=fitted.epochs,
            best_epoch=fitted.best_epoch,
            max_epochs=settings.max_epochs,
            converged=fitted.converged,
            monitor=f"{protocol.select.split} {protocol.select.metric} ({protocol.select.level})",
            best=None if fitted.best != fitted.best else fitted.best,
            seconds=round(fitted.seconds, 2),
            windows_per_epoch=data.windows_per_epoch,
            label_mean=data.labels.mean,
            label_sd=data.labels.sd,
        ),
        marks=(*data.marks, *fitted.marks),
        versions=versions(),
        threads=settings.threads,
        device=settings.device,
        precision=settings.precision,
    )
    result.write(job.folder)


def _recorded(job: Plan) -> tuple[str, ...]:
    """The nodes that decide a head's numbers."""
    return ("cohort", "splits", "encoder", *_streams(job.inputs), "head", "protocol", "trainer", "seed")


def _speed(head: torch.nn.Module, frames: int, n_features: int) -> dict[str, Any]:
    """Latency and energy of one window of real frames, on the processor."""
    x_BTD, mask_BT = torch.zeros(1, frames, n_features), torch.ones(1, frames, dtype=torch.bool)
    head.to("cpu").eval()
    with torch.inference_mode():
        return measure_speed(lambda: head(x_BTD, mask_BT))


def _score(head: torch.nn.Module, data: DataModule, settings: TrainerSettings) -> Predictions:
    """Predictions of every split but train, at every level. The test split is opened here, once."""
    frames = []
    for split in ("dev", "test", "unlabelled"):
        windows = data.split(split)
        if len(windows):
            scores = data.labels.points(predict(head, data.eval_dataloader(windows), settings.device))
            frames.append(levels(window_predictions(windows, scores), data.protocol))
    return Predictions(pd.concat([part.frame for part in frames], ignore_index=True))
