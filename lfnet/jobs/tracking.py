"""Trackers beside metrics.csv: a mirror of numbers and settings, never the source of a table.

No face image, clip, recording or person id, and no path of the machine, goes to a tracker: what is sent is listed here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from lfnet.jobs.inputs import encoder_names

__all__ = ["final_metrics", "log_summary", "run_name", "shared_settings", "tracked_run", "trackers"]


def shared_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that a tracker may see: how the job was done, not on whom or where."""
    cohort = config["cohort"]
    parts = ("fusion",) if _fused(config) else ("head", "trainer")
    settings = {key: config[key] for key in (*parts, "protocol", "seed") if key in config}
    if splits := config.get("splits"):  # a user's own may hold a path
        settings["splits"] = {key: splits[key] for key in ("name", "folds", "fold", "seed") if key in splits}
    names = encoder_names(config)
    settings |= {"encoder": names} if names else {}
    if not _fused(config) and (len(names) > 1 or (config.get("streams") or {}).get("columns")):
        settings["streams"] = config["streams"]
    return {**settings, "cohort": {key: cohort[key] for key in ("name", "signal") if key in cohort}}


def _fused(config: dict[str, Any]) -> bool:
    return bool((config.get("fusion") or {}).get("name"))


def run_name(config: dict[str, Any]) -> str:
    """What a job is called in a tracker: its model, encoders where there are any, and seed."""
    if _fused(config):
        name = f"{config['fusion']['model']} {config['fusion']['name']}"
    else:
        name = config["head"]["_target_"].rpartition(".")[2]
    if encoders := encoder_names(config):
        name += f" {' + '.join(encoders)}"
    return f"{name} seed {config['seed']}"


@contextmanager
def tracked_run(
    settings: Mapping[str, Any], *, identity: str, name: str, group: str, job_type: str, config: dict[str, Any]
) -> Iterator[Any]:
    """A W&B run that says nothing of the machine, finished at the end: as failed where an error ends it.

    Else W&B would go on writing the next job of a sweep into it. settings: `logger.wandb`. identity: its id; it takes
    the place of an earlier run of this id.
    """
    import wandb

    folder = Path(settings["dir"])
    folder.mkdir(parents=True, exist_ok=True)
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


@contextmanager
def trackers(config: dict[str, Any], fingerprint: str) -> Iterator[list[Logger]]:
    """The loggers that `conf/logger` asks for. A job is one W&B run: group = table, id = fingerprint."""
    settings = config["logger"]["wandb"]
    if settings is None:
        yield []
        return
    from lightning.pytorch.loggers import WandbLogger

    with tracked_run(
        settings,
        identity=fingerprint[:16],
        name=run_name(config),
        group=config["table"]["name"] or "train",
        job_type="fuse" if _fused(config) else "train",
        config=shared_settings(config),
    ) as run:
        yield [WandbLogger(experiment=run)]


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
    for logger in loggers:
        logger.log_metrics(final_metrics(metrics))
