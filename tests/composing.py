"""Configs for tests: the real conf/, with a cohort small enough to train on in a second."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

from lfnet.jobs.inputs import Inputs, prepare, prepare_streams
from lfnet.jobs.planned import Job
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.tuning.space import separate

CONF = Path(__file__).resolve().parents[1] / "conf"

# 12 recordings a split, two clips each of about 3 s.
SMALL = (
    "cohort.recordings={train:12,dev:8,test:8}",
    "cohort.duration={min:2,max:5,median:3,spread:0.3}",
    "cohort.dim=16",
    "protocol.window=48",
    "protocol.hop=24",
    "trainer.max_epochs=2",
    "trainer.batch_size=8",
)


_ROOT = "/root_of_a_composed_config"


def composed(*overrides: str, name: str = "train", root: Path | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """The resolved config of `conf/NAME.yaml` with overrides, everything below `root`, and its groups' choices."""
    where = (
        () if root is None else (f"paths.cache={_ROOT}/cache", f"paths.runs={_ROOT}/runs", f"paths.data={_ROOT}/data")
    )
    config, groups = _composed((*where, *overrides), name)
    return _below(config, str(root)), dict(groups)


@cache  # many tests take less time than Hydra, and many configs differ in the root alone
def _composed(overrides: tuple[str, ...], name: str) -> tuple[dict[str, Any], dict[str, str]]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(name, overrides=list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        choices = OmegaConf.to_container(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
    assert isinstance(choices, dict)
    job = Job.of([], config, choices)
    return separate(job.config) if name == "train" else job.config, job.choices


def _below(value: Any, root: str) -> Any:
    """A copy of a plain config in which `_ROOT` is `root`."""
    if isinstance(value, dict):
        return {key: _below(own, root) for key, own in value.items()}
    if isinstance(value, list):
        return [_below(own, root) for own in value]
    return value.replace(_ROOT, root) if isinstance(value, str) else value


def swept(name: str) -> dict[str, list[str]]:
    """What a table's yaml varies: override → its values."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=[f"table={name}"], return_hydra_config=True)
        params = OmegaConf.to_container(config.hydra.sweeper.params)
    return {key: [part.strip() for part in re.split(r",(?![^{]*\})", str(values))] for key, values in params.items()}


def head_inputs(config: dict[str, Any], *, progress: bool = False) -> Inputs:
    """The cohort and the stream of a head, in a session of its own."""
    session = Session()
    return prepare(read_inputs(config, session), session, progress=progress)


def fusion_inputs(config: dict[str, Any], *, progress: bool = False) -> Inputs:
    """The cohort and all streams, in a session of its own."""
    session = Session()
    return prepare_streams(read_inputs(config, session), session, progress=progress)
