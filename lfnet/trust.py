"""Check settings from files of other people: they name no code but lfnet's own classes."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lfnet.config import conf_dir, plain, read_yaml
from lfnet.errors import LfnetError

__all__ = ["check_settings", "check_targets", "named_classes", "read_settings"]

_TARGET = re.compile(r"^\s*(?:- +)?_target_: *([\w.]+) *(?:#.*)?$", re.MULTILINE)


def named_classes(groups: Collection[str] | None = None) -> frozenset[str]:
    """Return the classes that lfnet's own yamls name: a file from somebody else may name these and no others.

    Parameters
    ----------
    groups : collection of str, optional
        Groups of conf/; by default all.

    Examples
    --------
    >>> sorted(named_classes(["pulse", "video"]))
    ['lfnet.pulse.settings.PulseSettings', 'lfnet.video.settings.VideoSettings']
    """
    folder = conf_dir()
    return frozenset(
        name
        for path in folder.rglob("*.yaml")
        if groups is None or path.relative_to(folder).parts[0] in groups
        for name in _TARGET.findall(path.read_text(encoding="utf-8"))
    )


def read_settings(path: Path, *, trust: Sequence[str] = ()) -> dict[str, Any]:
    """Read a run's settings from its yaml file, which somebody else may have written.

    Parameters
    ----------
    path : Path
        The file.
    trust : sequence of str
        Exact dotted names of classes that the file may name besides `named_classes`.

    Raises
    ------
    LfnetError
        Where the file names any other code, see `check_targets`.
    """
    return check_settings(read_yaml(path), path, trust=trust)


def check_settings(settings: Any, path: Path, *, trust: Sequence[str] = ()) -> dict[str, Any]:
    """Check the content of a run's yaml file as `read_settings` does, and return it resolved."""
    if not isinstance(settings, dict):
        raise LfnetError(f"{path} contains no settings: train the run again.")
    check_targets(settings, path, trust=trust)
    checked: dict[str, Any] = plain(OmegaConf.create(_without_sources(settings, named_classes(["weights"]))))
    return checked


def check_targets(
    settings: Any, path: Path, *, groups: Collection[str] | None = None, trust: Sequence[str] = ()
) -> None:
    """Check that the settings read from a file name no code but `named_classes`; nothing is imported.

    Parameters
    ----------
    settings : dict, list or scalar
        The whole content of the file, unresolved. All levels are checked.
    path : Path
        The file, for the message.
    groups : collection of str, optional
        Groups of conf/ whose classes are allowed; by default all.
    trust : sequence of str
        Exact dotted names that are allowed too.

    Raises
    ------
    LfnetError
        At the first `_target_` that is not allowed, and at the first interpolation (`${...}`), which could produce
        one later.
    """
    allowed = named_classes(groups).union(trust)
    for place, key, value in _items(settings):
        where = f"{path}: {'.'.join((*place, key))}"
        if isinstance(value, str) and "${" in value:
            raise LfnetError(f"{where}={value!r}: a file of results contains plain values, and no interpolation.")
        if key != "_target_" or (isinstance(value, str) and value in allowed):
            continue
        if not isinstance(value, str):
            raise LfnetError(f"{where}={value!r}: give the name of a class.")
        raise LfnetError(
            f"{where}={value!r} is not one of lfnet's classes that this file may name, and other code could do "
            f"anything on this machine. If it is your own class, allow it with --trust {value}."
        )


def _items(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield place, key and value at all levels of dicts and lists."""
    if isinstance(node, dict):
        pairs = [(str(key), value) for key, value in node.items()]
    elif isinstance(node, list | tuple):
        pairs = [(str(index), value) for index, value in enumerate(node)]
    else:
        return
    for key, value in pairs:
        yield place, key, value
        yield from _items(value, (*place, key))


def _without_sources(node: Any, weights: frozenset[str]) -> Any:
    """Return the settings without the `sources` of weights: a file from somebody else starts no download."""
    if isinstance(node, dict):
        empty = {"sources"} if node.get("_target_") in weights else set()
        return {key: [] if key in empty else _without_sources(value, weights) for key, value in node.items()}
    return [_without_sources(value, weights) for value in node] if isinstance(node, list) else node
