"""The name of a job: what decides its numbers, and nothing else."""

from typing import Any

from lfnet.digests import code_digest, digest

__all__ = ["ROOMS", "fingerprint", "targets"]

# What turns features into predictions. Metrics are not here: they are measured again, never trained again.
ROOMS = ("lfnet.data", "lfnet.heads", "lfnet.training")
_START = ("lfnet.training.fit", "lfnet.training.predict", "lfnet.data.module")


def fingerprint(config: dict[str, Any], *, cohort: str, features: str) -> str:
    """SHA-256 (hex) of a job.

    config: the resolved settings that matter (head, protocol, trainer, seed). cohort, features: their fingerprints.
    The sources of the data, heads and training rooms that this job uses, and the modules its `_target_`s name, count
    too; the commit does not, so that editing the README trains nothing again.
    """
    code = code_digest((*_START, *targets(config)), within=(*ROOMS, *(name.split(".")[0] for name in _foreign(config))))
    return digest({"config": config, "cohort": cohort, "features": features, "code": code})


def targets(config: Any) -> list[str]:
    """The modules named by `_target_` anywhere in a config, sorted."""
    if isinstance(config, dict):
        own = [str(config["_target_"]).rpartition(".")[0]] if "_target_" in config else []
        return sorted({*own, *(name for value in config.values() for name in targets(value))})
    if isinstance(config, list | tuple):
        return sorted({name for value in config for name in targets(value)})
    return []


def _foreign(config: dict[str, Any]) -> list[str]:
    """A user's own modules; torch and its like are pinned by version, not read."""
    from importlib.util import find_spec

    foreign = []
    for name in targets(config):
        top = name.split(".")[0]
        spec = find_spec(top) if top and top != "lfnet" else None
        if spec is not None and "site-packages" not in str(spec.origin or spec.submodule_search_locations):
            foreign.append(name)
    return foreign
