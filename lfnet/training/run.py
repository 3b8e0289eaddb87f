"""One job: from a resolved config to a finished run folder, or to the one that is already there."""

import logging
import platform
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import save_file

from lfnet.config import instantiate
from lfnet.data.module import DataModule, Held
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions
from lfnet.files import atomic_path, write_json, write_text, writing_in
from lfnet.heads.cost import measure as measure_cost
from lfnet.training.fingerprint import fingerprint
from lfnet.training.fit import TrainerSettings, fit, seed_all
from lfnet.training.inputs import Inputs, prepare
from lfnet.training.loggers import log_summary, trackers
from lfnet.training.outcome import RESULT, Outcome
from lfnet.training.predict import levels, predict, window_predictions
from lfnet.training.remake import audited, bring_up_to_date, measured, refer

__all__ = ["Plan", "plan", "run", "run_safely"]

_PACKAGES = ("lfnet", "torch", "lightning", "numpy", "pandas", "scikit-learn")
_held = Held()


@dataclass(frozen=True)
class Plan:
    """A job before it runs: its inputs, and the folder that its fingerprint names."""

    inputs: Inputs
    settings: dict[str, Any]
    fingerprint: str
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether its result is there: result.json is written last."""
        return (self.folder / RESULT).is_file()


def plan(config: dict[str, Any], *, progress: bool = True) -> Plan:
    """Name the job of a resolved config; features that are missing are extracted first."""
    _checked(config)  # a wrong number is said before videos are read
    inputs = prepare(config, progress=progress)
    settings = {key: config[key] for key in ("head", "protocol", "trainer", "seed")}
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
    if job.finished and not config["force"]:
        bring_up_to_date(job.folder, job.inputs.cohort, job.inputs.store, config, lambda: _data(config, job))
        return Outcome("skipped", job.fingerprint, job.folder.name)
    started = time.perf_counter()
    with writing_in(job.folder), _log(job.folder):
        _train(config, choices, job)
    return Outcome("finished", job.fingerprint, job.folder.name, seconds=time.perf_counter() - started)


def run_safely(config: dict[str, Any], choices: dict[str, str]) -> Outcome:
    """As `run`, but a job that fails says so in its Outcome and leaves its traceback in its own train.log."""
    fingerprint = folder = ""
    try:
        job = plan(config)
        fingerprint, folder = job.fingerprint, job.folder.name
        return _do(job, config, choices)
    except LfnetError as error:
        line = str(error)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return Outcome("failed", fingerprint, folder, error=" ".join(line.split()))


def _checked(config: dict[str, Any]) -> tuple[TrainerSettings, Protocol]:
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise LfnetError(f"seed={seed}: give a whole number from 0 to 2^63 - 1.")
    for name in ("force", "fail_fast"):
        if not isinstance(config[name], bool):
            raise LfnetError(f"{name}={config[name]}: give true or false.")
    return TrainerSettings.from_config(config["trainer"]), Protocol.from_config(config["protocol"])


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
        select_windows_per_clip=settings.select_windows_per_clip,
        seed=config["seed"],
        held=_held,
    )
    data.setup()
    return data


def _train(config: dict[str, Any], choices: dict[str, str], job: Plan) -> None:
    (job.folder / RESULT).unlink(missing_ok=True)
    for part in job.folder.glob(".*.part"):  # what a killed run was writing
        part.unlink(missing_ok=True)
    write_text(job.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
    settings, protocol = _checked(config)
    torch.set_num_threads(settings.threads)
    data = _data(config, job)
    seed_all(config["seed"])
    head = instantiate(config["head"], n_features=data.n_features)
    cost = measure_cost(head, frames=protocol.window, n_features=data.n_features)
    seed_all(config["seed"])  # measuring the cost drew random numbers
    with trackers(config, job.fingerprint) as loggers:
        fitted = fit(head, data, settings, job.folder, loggers)
        scores = _score(fitted.head, data, settings)
        beside = {**refer(job.folder, data), **audited(data.cohort, data.store, config)}
        with atomic_path(job.folder / "head.safetensors") as temporary:
            try:
                save_file({name: value.contiguous() for name, value in fitted.head.state_dict().items()}, temporary)
            except SafetensorError as error:
                raise LfnetError(f"cannot write the weights into {job.folder}: {error}. Is the disk full?") from error
        write_text(job.folder / "predictions.csv", scores.to_csv_text())
        numbers = measured(job.folder)
        log_summary(loggers, numbers["metrics"])
    result = {
        "format": 1,
        "fingerprint": job.fingerprint,
        "kind": "head",
        "model": choices.get("head", ""),
        "seed": config["seed"],
        "choices": choices,
        "config": {key: config[key] for key in ("cohort", "encoder", "head", "protocol", "trainer", "seed")},
        **_facts(data),
        **numbers,
        **beside,
        "cost": {
            "parameters": cost.parameters,
            "active_parameters": cost.active_parameters,
            "flops": cost.flops,
            "frames": protocol.window,
        },
        "training": {
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            "max_epochs": settings.max_epochs,
            "converged": fitted.converged,
            "monitor": f"{protocol.select.split} {protocol.select.metric} ({protocol.select.level})",
            "best": None if fitted.best != fitted.best else fitted.best,
            "seconds": round(fitted.seconds, 2),
            "windows_per_epoch": data.windows_per_epoch,
            "label_mean": data.labels.mean,
            "label_sd": data.labels.sd,
        },
        "marks": data.marks,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "threads": settings.threads,
        "device": settings.device,
        "precision": settings.precision,
    }
    write_json(job.folder / RESULT, result)


def _score(head: torch.nn.Module, data: DataModule, settings: TrainerSettings) -> Predictions:
    """Predictions of every split but train, at every level. The test split is opened here, once."""
    frames = []
    for split in ("dev", "test", "unlabelled"):
        windows = data.split(split)
        if len(windows):
            scores = data.labels.points(predict(head, data.eval_dataloader(windows), settings.device))
            frames.append(levels(window_predictions(windows, scores), data.protocol))
    return Predictions(pd.concat([part.frame for part in frames], ignore_index=True))


def _facts(data: DataModule) -> dict[str, Any]:
    cohort = data.cohort
    recordings = data.clips.drop_duplicates("recording_id")
    by_split = recordings.groupby("split")
    warnings = list(cohort.warnings)
    if data.dropped:
        warnings.append(
            f"{len(data.dropped)} clips left out as unusable (protocol.health): {', '.join(data.dropped[:10])}"
            + (" …" if len(data.dropped) > 10 else "")
        )
    return {
        "scale": {"name": cohort.scale.name, "min": cohort.scale.min, "max": cohort.scale.max},
        "cohort": {
            "name": cohort.name,
            "fingerprint": cohort.fingerprint(),
            "simulated": cohort.simulated,
            "recordings": {str(split): int(count) for split, count in by_split.size().items()},
            "people": {str(split): int(count) for split, count in by_split["person_id"].nunique().items()},
            "warnings": warnings,
        },
        "features": {
            "stream": data.store.stream,
            "fingerprint": data.store.fingerprint(list(cohort.clips["clip_id"])),
            "dim": data.n_features,
            "coverage": round(data.packed.coverage, 4),
        },
    }


@contextmanager
def _log(folder: Path) -> Iterator[None]:
    """Everything that is logged while the job runs, its own traceback included, goes to its train.log."""
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("lfnet")
    handler = logging.FileHandler(folder / "train.log", mode="w", encoding="utf-8")
    # A disk that is full is said once, by what the job cannot do without; not by each line of its log.
    setattr(handler, "handleError", lambda record: None)  # noqa: B010  mypy forbids to assign a method
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    except Exception:
        logger.error("the job failed\n%s", traceback.format_exc())
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
