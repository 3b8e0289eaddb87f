"""Readers of settings: a run's config.yaml, and the user's own yamls in a folder of --config-dir."""

import shutil
from pathlib import Path
from random import Random
from typing import Any

from lfnet.config import conf_dir
from lfnet.testing.mutations import damage
from lfnet.trust import read_settings
from tests.composing import SMALL, composed
from tests.fuzz.of_commands import command
from tests.fuzz.targets import reader, target

_OWN = ("head/ldbm", "loss/temporal", "splits/grouped", "cohort/simulated", "encoder/blendshapes", "protocol/masked")
_OWN += ("table/architectures", "trainer/quick", "scale/phq8", "pulse/nested", "weights/mobileface", "audit/default")


def _config(at: Path) -> Path:
    from omegaconf import OmegaConf

    path = at / "config.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(composed(*SMALL)[0])))
    return path


@reader("config-yaml", _config, 2)
def _read_config(path: Path) -> Any:
    read_settings(path)


def _own_yamls(at: Path) -> Path:
    """Copies of lfnet's yamls under other names."""
    for name in _OWN:
        source = conf_dir() / f"{name}.yaml"
        copy = at / "conf" / source.parent.name / f"own_{source.name}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    return at / "conf"


@target("own-yaml", _own_yamls, 3)
def _use_own_yaml(valid: Path, folder: Path, random: Random) -> str:
    own = folder / "conf"
    shutil.rmtree(own, ignore_errors=True)
    name = random.choice(_OWN)
    group, _, option = name.partition("/")
    path = own / group / f"own_{option}.yaml"
    path.parent.mkdir(parents=True)
    shutil.copy(valid / group / path.name, path)
    damage(path, random)
    extra = {"scale": "/scale@cohort.scale", "weights": "+weights"}.get(group, group)
    return command(["train", "--config-dir", str(own), f"{extra}=own_{option}"], folder)
