"""The weights that the configuration knows: for `lfnet weights fetch NAME` and `lfnet doctor`."""

from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.weights.files import WeightsFile

__all__ = ["load", "names"]


def names(conf: Path) -> list[str]:
    """The names of all `conf/weights/*.yaml`, sorted. conf: the configuration's folder."""
    return sorted(file.stem for file in (Path(conf) / "weights").glob("*.yaml"))


def load(conf: Path, name: str) -> WeightsFile:
    """The weights called `name`, as their yaml describes them. Raises `LfnetError` for an unknown name, listing all."""
    from omegaconf import DictConfig, OmegaConf

    from lfnet.config import instantiate

    file = Path(conf) / "weights" / f"{name}.yaml"
    if name not in names(conf):
        raise LfnetError(f"there are no weights called {name!r} in {file.parent}. There are: {', '.join(names(conf))}.")
    described = OmegaConf.load(file)
    assert isinstance(described, DictConfig), f"{file} holds no settings"
    weights: WeightsFile = instantiate(described)
    return weights
