"""Hydra's configs as plain values and objects: the one way in which lfnet instantiates a `_target_`."""

from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate as _instantiate
from omegaconf import DictConfig, OmegaConf

from lfnet.errors import LfnetError

__all__ = ["instantiate", "plain"]


def plain(node: Any) -> Any:
    """A config node with everything resolved, as dicts, lists and scalars; a `~` in `paths` is the home folder."""
    if not OmegaConf.is_config(node):
        return node
    values = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    if isinstance(values, dict) and isinstance(paths := values.get("paths"), dict):
        values["paths"] = {name: str(Path(str(folder)).expanduser()) for name, folder in paths.items()}
    return values


def instantiate(node: DictConfig | dict[str, Any], **extra: Any) -> Any:
    """What the node's `_target_` makes of its settings and of `extra`.

    Raises `LfnetError` where the target does not exist or does not take a setting; a `LfnetError` that the target
    itself raises comes through as it is. A `TypeError` or `ValueError` of the target speaks of a setting's value; any
    other exception of the target comes through as its own cause.
    """
    node = plain(node)
    name = str(node.get("_target_", ""))
    try:
        return _instantiate(node, **extra, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, LfnetError):
            raise cause from None
        if isinstance(cause, TypeError) and "argument" in str(cause) and _raised_by_call(cause):
            raise LfnetError(f"{name} does not take these settings: {cause}. See its yaml in conf/.") from error
        if cause is None or isinstance(cause, ImportError | AttributeError):
            first = str(error).splitlines()[0]
            raise LfnetError(f"_target_ {name!r} cannot be used: {first}. Check its yaml in conf/.") from error
        if isinstance(cause, TypeError | ValueError):
            raise LfnetError(f"{name} refuses its settings: {cause}. See its yaml in conf/.") from error
        raise cause from error


def _raised_by_call(error: TypeError) -> bool:
    """Whether the TypeError comes from calling the target (wrong settings) and not from within it."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and "hydra" in last.tb_frame.f_code.co_filename
