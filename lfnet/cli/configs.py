"""Find and compose the yamls of `conf/`, and those of the folder that --config-dir names.

lfnet's own lie in `lfnet/conf` of an installed wheel, else in the repository's `conf/`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lfnet.cli.own_code import append_current_folder, config_dir
from lfnet.config import conf_dir
from lfnet.errors import LfnetError
from lfnet.files import user_path

__all__ = ["compose", "conf_dir", "conf_of", "description", "groups", "mode", "names", "paths", "search_path"]


def _roots() -> list[Path]:
    own = config_dir()
    return [conf_dir(), *([] if own is None else [own])]


def groups() -> list[str]:
    """Return the names of the config groups, such as `head` and `fusion/component`."""
    found = {
        path.parent.relative_to(root).as_posix()
        for root in _roots()
        for pattern in ("*/*.yaml", "*/*/*.yaml")
        for path in root.glob(pattern)
    }
    return sorted(name for name in found if not name.startswith("hydra"))


def names(group: str) -> list[str]:
    """Return the names of the yamls of a config group; empty where there is no such group."""
    return sorted({path.stem for root in _roots() for path in (root / group).glob("*.yaml")})


def conf_of(group: str, name: str) -> Path:
    """Return the folder of groups that has the yaml `name` of a group: lfnet's wins, as in Hydra."""
    return next((root for root in _roots() if (root / group / f"{name}.yaml").is_file()), conf_dir())


def description(group: str, name: str) -> str:
    """Return the description of a yaml: its first comment line."""
    for line in (conf_of(group, name) / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        text = line.lstrip("#").strip()
        if line.startswith("#") and text and not text.startswith("@package"):
            return text.rstrip(":,;")
    return ""


def search_path() -> list[str]:
    """Return the override that lets Hydra's compose find the yamls of --config-dir; empty without the option."""
    own = config_dir()
    return [] if own is None else [f'hydra.searchpath=["file://{own}"]']


def compose(config_name: str | None, overrides: Sequence[str]) -> Any:
    """Compose the settings of `config_name` (None: of the overrides alone) as an OmegaConf node.

    Their `_target_`s may name classes of the current folder. Hydra's global state is restored.
    """
    append_current_folder()
    return _compose(config_name, overrides)


def _compose(config_name: str | None, overrides: Sequence[str]) -> Any:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return hydra_compose(config_name, overrides=[*search_path(), *overrides])


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

    node = OmegaConf.to_container(_compose(None, [choice, *others]).paths, resolve=True)
    if not isinstance(node, dict):
        raise LfnetError(f"{choice.removeprefix('+')} is not a mapping of names to folders.")
    return {str(name): str(folder) for name, folder in node.items()}
