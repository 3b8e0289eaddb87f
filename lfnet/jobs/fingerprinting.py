"""The name of a job: what decides its numbers, and nothing else."""

from typing import Any

from lfnet.fingerprints import code_digest, digest

__all__ = ["ROOMS", "fingerprint", "targets"]

# What turns features into predictions. Metrics are not here: finished runs are measured again, not trained again.
ROOMS = ("lfnet.data", "lfnet.heads", "lfnet.training", "lfnet.jobs")
# What is made again for a finished run when its code changes, without training anything.
_REMADE = ("lfnet.runs.run", "lfnet.jobs.baselines", "lfnet.jobs.refresh")
_START = ("lfnet.jobs.head_job", "lfnet.features.health")


def fingerprint(config: dict[str, Any], *, cohort: str, features: str) -> str:
    """SHA-256 (hex) of a job.

    config: the resolved settings that matter (head, protocol, trainer, seed). cohort, features: their fingerprints.
    The sources of the data, heads and training rooms that this job uses, and the modules its `_target_`s name, count
    too; the commit does not, so that editing the README trains nothing again.
    """
    code = code_digest((*_START, *targets(config)), within=ROOMS, without=_REMADE)
    return digest({"config": config, "cohort": cohort, "features": features, "code": code})


def targets(config: Any) -> list[str]:
    """The modules named by `_target_` anywhere in a config, sorted."""
    if isinstance(config, dict):
        own = [str(config["_target_"]).rpartition(".")[0]] if "_target_" in config else []
        return sorted({*own, *(name for value in config.values() for name in targets(value))})
    if isinstance(config, list | tuple):
        return sorted({name for value in config for name in targets(value)})
    return []
