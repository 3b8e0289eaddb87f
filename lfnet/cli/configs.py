"""Find and compose the yamls of `conf/`: `lfnet/conf` in an installed wheel, else the repository's `conf/`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lfnet.config import conf_dir
from lfnet.errors import LfnetError
from lfnet.files import user_path

__all__ = ["compose", "conf_dir", "description", "mode", "names", "paths"]


def names(group: str) -> list[str]:
    """Return the names of the yamls of a config group; empty where there is no such group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def description(group: str, name: str) -> str:
    """Return the description of a yaml: its first comment line."""
    for line in (conf_dir() / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        text = line.lstrip("#").strip()
        if line.startswith("#") and text and not text.startswith("@package"):
            return text.rstrip(":,;")
    return ""


def compose(config_name: str | None, overrides: Sequence[str]) -> Any:
    """Compose the settings of `config_name` (None: of the overrides alone) as an OmegaConf node.

    Hydra's global state is restored.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return hydra_compose(config_name, overrides=list(overrides))


def paths(overrides: Sequence[str] = ()) -> dict[str, Path]:
    """Return the absolute folders of data, cache, weights, runs and tables. overrides: `paths.cache=/big/cache`.

    Raises `LfnetError` for an override of anything else.
    """
    folders = _paths_node(overrides)
    folders.pop("mode", None)
    return {name: user_path(folder).absolute() for name, folder in folders.items()}


def mode(overrides: Sequence[str] = ()) -> str:
    """Return `paths.mode`, the permissions of personal files. overrides and errors: as for `paths`."""
    return _paths_node(overrides).get("mode", "private")


def _paths_node(overrides: Sequence[str]) -> dict[str, str]:
    choice = "+paths=default"
    others = []
    for override in overrides:
        if override.startswith("paths="):
            choice = f"+{override}"
        elif override.startswith("paths."):
            others.append(override)
        else:
            raise LfnetError(f"`{override}` is no setting of this command: it takes paths.NAME=FOLDER only.")
    from omegaconf import OmegaConf

    node = OmegaConf.to_container(compose(None, [choice, *others]).paths, resolve=True)
    if not isinstance(node, dict):
        raise LfnetError(f"{choice.removeprefix('+')} is not a mapping of names to folders.")
    return {str(name): str(folder) for name, folder in node.items()}
