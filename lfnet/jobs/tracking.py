"""Trackers next to metrics.csv: a mirror of numbers and settings, never the source of a table.

No face image, clip, recording or person id, and no path or name of the machine or its user is sent to a tracker.
"""

import getpass
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from lightning.pytorch.loggers import Logger

from lfnet.config import instantiate
from lfnet.errors import LfnetError
from lfnet.files import make_folder
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.settings import encoder_names
from lfnet.runs.public_settings import public_value

__all__ = ["final_metrics", "log_summary", "run_name", "shared_settings", "tracked_run", "trackers"]


def shared_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a tracker may see: how a job was done, not on whom or where. config: as its result has it."""
    parts = ("fusion", "head", "trainer", "protocol", "streams", "seed")
    settings = {key: public_value(config[key]) for key in parts if key in config}
    if splits := config.get("splits"):  # a user's own may hold a path
        settings["splits"] = {key: splits[key] for key in ("name", "folds", "fold", "seed") if key in splits}
    if encoders := encoder_names(config.get("encoder") or {}):
        settings["encoder"] = encoders
    cohort = config.get("cohort") or {}
    return {**settings, "cohort": {key: public_value(cohort[key]) for key in ("name", "signal") if key in cohort}}


def run_name(config: Mapping[str, Any]) -> str:
    """The name of a job in a tracker: its model, encoders where there are any, and seed. config: as recorded."""
    if "fusion" in config:
        name = f"{config['fusion']['model']} {config['fusion']['name']}"
    else:
        name = str(config["head"]["_target_"]).rpartition(".")[2]
    if encoders := encoder_names(config.get("encoder") or {}):
        name += f" {' + '.join(encoders)}"
    return f"{name} seed {config['seed']}"


@contextmanager
def tracked_run(
    settings: Mapping[str, Any], *, identity: str, name: str, group: str, job_type: str, config: dict[str, Any]
) -> Iterator[Any]:
    """Open a W&B run that sends nothing about the machine, and finish it: as failed where an error ends the block.

    Otherwise W&B would write the next job of a sweep into it. settings: `logger.wandb`. identity: its id; it replaces
    an earlier run of this id.
    """
    import wandb

    folder = Path(settings["dir"])
    make_folder(folder)
    run = wandb.init(
        project=settings["project"],
        entity=settings["entity"],
        mode=settings["mode"],
        dir=str(folder),
        group=group,
        job_type=job_type,
        name=name,
        id=identity,
        config=config,
        reinit="create_new",
        settings=wandb.Settings(
            host="",  # else the machine's name
            symlink=False,
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        ),
    )
    failed = True
    try:
        yield run
        failed = False
    finally:
        run.finish(exit_code=int(failed))
        shutil.rmtree(Path(run.settings.log_user).parent, ignore_errors=True)  # W&B's own logs contain paths


@contextmanager
def trackers(job: Experiment) -> Iterator[list[Logger]]:
    """The loggers that `conf/logger` asks for. A job is one run of a tracker, with the same name, group and id in each.

    group = table, id = fingerprint. All get the same settings (`shared_settings`) and the same metrics.
    """
    settings, loggers = job.settings.logger, list[Logger]()
    identity, group = job.fingerprint[:16], job.settings.table or "train"
    name, config = run_name(job.recorded_config()), shared_settings(job.recorded_config())
    with ExitStack() as stack:
        if settings.wandb is not None:
            from lightning.pytorch.loggers import WandbLogger

            kind = "train" if job.settings.fusion is None else "fuse"
            run = tracked_run(
                vars(settings.wandb), identity=identity, name=name, group=group, job_type=kind, config=config
            )
            loggers.append(WandbLogger(experiment=stack.enter_context(run)))
        if settings.tracker is not None:
            node = _filled(settings.tracker, {"{name}": name, "{table}": group, "{id}": identity})
            loggers.append(stack.enter_context(_opened(node, config)))
        yield loggers


@contextmanager
def _opened(node: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Logger]:
    """Make a logger of Lightning, give it the settings, and finish it: as failed where an error ends the block."""
    with _unnamed_machine():
        logger = instantiate(node, "logger.tracker")
        if not isinstance(logger, Logger):
            raise LfnetError(f"logger.tracker._target_={node['_target_']}: give a logger of lightning.pytorch.loggers.")
        try:
            logger.log_hyperparams(dict(config))
        except Exception as error:  # of a tracker's own kinds: its server does not answer, its folder cannot be written
            reason = " ".join(str(error).split())[:200]
            raise LfnetError(
                f"logger.tracker: {type(logger).__name__} cannot begin ({type(error).__name__}: {reason}). Check its "
                "settings, or give logger=csv."
            ) from error
    status = "failed"
    try:
        yield logger
        status = "success"
    finally:
        logger.finalize(status)


def _filled(node: Any, values: Mapping[str, str]) -> Any:
    """A node in whose texts the keys of `values` are replaced."""
    if isinstance(node, Mapping):
        return {key: _filled(value, values) for key, value in node.items()}
    if isinstance(node, str):
        for key, value in values.items():
            node = node.replace(key, value)
    return node


@contextmanager
def _unnamed_machine() -> Iterator[None]:
    """Give trackers other names of host and user than the true ones: TensorBoard names its files after the host."""
    host = mock.patch.object(socket, "gethostname", lambda: "host")
    with host, mock.patch.object(getpass, "getuser", lambda: "user"):
        yield


def final_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """`final/SPLIT/LEVEL/METRIC` → value, of every split and level; what is undefined is left out."""
    return {
        f"final/{split}/{level}/{name}": value
        for split, levels in metrics.items()
        for level, named in levels.items()
        for name, value in named.items()
        if value is not None
    }


def log_summary(loggers: list[Logger], metrics: dict[str, Any]) -> None:
    """Write the final metrics of dev and test, at every level, to the trackers."""
    with _unnamed_machine():  # TensorBoard begins another file after the training
        for logger in loggers:
            logger.log_metrics(final_metrics(metrics))
