"""Trackers beside metrics.csv: a mirror of numbers and settings, never the source of a table.

No face image, clip, recording or person id, and no path of the machine, goes to a tracker: what is sent is listed here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from lfnet.training.inputs import encoder_names

__all__ = ["log_summary", "shared_settings", "trackers"]


def shared_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that a tracker may see: how the job was done, not on whom or where."""
    cohort = config["cohort"]
    parts = ("fusion", "protocol", "seed") if _fused(config) else ("head", "protocol", "trainer", "seed")
    settings = {key: config[key] for key in parts}
    names = encoder_names(config)
    settings |= {"encoder": names} if names else {}
    if not _fused(config) and (len(names) > 1 or (config.get("streams") or {}).get("columns")):
        settings["streams"] = config["streams"]
    return {**settings, "cohort": {key: cohort[key] for key in ("name", "signal") if key in cohort}}


def _fused(config: dict[str, Any]) -> bool:
    return bool((config.get("fusion") or {}).get("name"))


@contextmanager
def trackers(config: dict[str, Any], fingerprint: str) -> Iterator[list[Logger]]:
    """The loggers that `conf/logger` asks for. A job is one W&B run: group = table, id = fingerprint.

    The run is finished when the job ends, else W&B would go on writing the next job of a sweep into it.
    """
    settings = config["logger"]["wandb"]
    if settings is None:
        yield []
        return
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    if fused := _fused(config):
        name = f"{config['fusion']['model']} {config['fusion']['name']}"
    else:
        name = config["head"]["_target_"].rpartition(".")[2]
    if encoders := encoder_names(config):
        name += f" {' + '.join(encoders)}"
    folder = Path(settings["dir"])
    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=settings["project"],
        entity=settings["entity"],
        mode=settings["mode"],
        dir=str(folder),
        group=config["table"]["name"] or "train",
        job_type="fuse" if fused else "train",
        name=f"{name} seed {config['seed']}",
        id=fingerprint[:16],
        config=shared_settings(config),
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
        yield [WandbLogger(experiment=run)]
        failed = False
    finally:
        run.finish(exit_code=int(failed))


def log_summary(loggers: list[Logger], metrics: dict[str, Any]) -> None:
    """Write the final metrics of dev and test, at every level, to the trackers."""
    values = {
        f"final/{split}/{level}/{name}": value
        for split, levels in metrics.items()
        for level, named in levels.items()
        for name, value in named.items()
        if value is not None
    }
    for logger in loggers:
        logger.log_metrics(values)
