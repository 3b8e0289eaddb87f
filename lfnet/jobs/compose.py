"""Compose the configs of a sweep's jobs; jobs that differ only in numbers share one composition.

Hydra takes some 50 ms to compose a config, 50 s for a sweep of 1,000 jobs, and most jobs of a large sweep differ from
another one in their seed only. Such a job gets a copy of the other's config with its own numbers, unless another
setting may follow from one of them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from lfnet.jobs.planned import Job

__all__ = ["compose_jobs"]

_MISSING = object()


def compose_jobs(load: Callable[[list[str]], DictConfig], overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
    """Compose one Job for each list of overrides.

    Parameters
    ----------
    load : callable
        Composes a config, with its `hydra` node, from a list of overrides.
    overrides : sequence of sequences of str
        Of each job.
    first : int
        The number of the first job.
    """
    shared: dict[tuple[str, ...], tuple[Job, frozenset[str]]] = {}
    jobs = []
    for number, own in enumerate(overrides, start=first):
        parts = [_number(item) for item in own]
        form = tuple(key for key, _ in parts)
        numbers = {key: value for key, value in parts if value is not _MISSING}
        alike, referred = shared.get(form, (None, frozenset()))
        if alike is not None and all(_is_free(alike.config, key, referred) for key in numbers):
            jobs.append(Job(list(own), _with(alike.config, numbers), alike.choices))
        else:
            made = _compose(load, list(own), number)
            shared.setdefault(form, made)
            jobs.append(made[0])
    return jobs


def _compose(load: Callable[[list[str]], DictConfig], own: list[str], number: int) -> tuple[Job, frozenset[str]]:
    """Compose a job; returns it and every word in its interpolations."""
    config = load(own)
    with open_dict(config):
        config.hydra.job.num = number
        choices = OmegaConf.to_container(config.hydra.runtime.choices)
        del config["hydra"]
    assert isinstance(choices, dict)
    return Job.of(own, config, choices), frozenset(_referred(OmegaConf.to_container(config, resolve=False)))


def _referred(node: Any) -> Iterator[str]:
    """Yield every word in every interpolation."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _referred(value)
    elif isinstance(node, list):
        for value in node:
            yield from _referred(value)
    elif isinstance(node, str) and "${" in node:
        yield from re.findall(r"\w+", node)


@lru_cache(maxsize=100_000)
def _number(override: str) -> tuple[str, Any]:
    """Return key and value of an override that sets a number or a truth value; no value for any other."""
    found = re.fullmatch(r"([A-Za-z_][\w.]*)=([-+.\w]+)", override)
    if found is None:
        return override, _MISSING
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(override)
    value = parsed.value()
    return (found[1], value) if isinstance(value, bool | int | float) else (override, _MISSING)


def _is_free(config: dict[str, Any], key: str, referred: frozenset[str]) -> bool:
    """Whether `key` is a number of the config from which no other setting follows."""
    *path, last = key.split(".")
    node: Any = config
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    known = isinstance(node, dict) and isinstance(node.get(last), bool | int | float)
    return known and not referred & {*path, last}


def _with(config: dict[str, Any], numbers: dict[str, Any]) -> dict[str, Any]:
    """Copy the config with other numbers; nodes that do not change are shared."""
    changed = dict(config)
    for key, value in numbers.items():
        *path, last = key.split(".")
        node = changed
        for name in path:
            node[name] = dict(node[name])
            node = node[name]
        node[last] = value
    return changed
