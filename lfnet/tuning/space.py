"""Search spaces: which settings of a trainer and a head are tuned, and between which values.

A yaml of conf/trainer or conf/head declares its part under `search`: a list of values, or a range
`{low: 1.0e-4, high: 3.0e-3, log: true}`. The settings as given are the first trial, so they lie in the space.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import model_validator

from lfnet.config import read, settings
from lfnet.errors import LfnetError

__all__ = ["SEARCH", "Range", "Space", "read_space", "separate", "with_values"]

SEARCH = "search"
_NODES = ("trainer", "head")
Scalar = str | int | float | bool | None


@settings
class Range:
    """An interval of numbers, of whole ones where its ends and the setting are whole; `log`: uniform in the logarithm.

    Examples
    --------
    >>> read(Range, {"low": 0, "high": 0.5, "log": True}, "head.search.dropout")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: head.search.dropout.low=0: give a number above 0 where log is true.
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f".low={self.low}: give a number below high={self.high}.")
        if self.log and self.low <= 0:
            raise ValueError(f".low={self.low}: give a number above 0 where log is true.")
        return self

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


Dimension = Range | tuple[Scalar, ...]


@dataclass(frozen=True)
class Space:
    """A search space.

    Attributes
    ----------
    dimensions : dict
        `trainer.NAME` or `head.NAME` → a `Range`, or the values to choose from.
    given : dict
        The settings as given, by the same names: the first trial.
    """

    dimensions: dict[str, Dimension]
    given: dict[str, Scalar]

    def extremes(self) -> Iterator[tuple[str, Scalar]]:
        """Yield the name and the value of each choice, and of the ends of each range."""
        for name, dimension in self.dimensions.items():
            for value in (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension:
                yield name, value

    def whole(self, name: str) -> bool:
        """Whether a range is of whole numbers."""
        dimension = self.dimensions[name]
        assert isinstance(dimension, Range)
        return all(type(value) is int for value in (dimension.low, dimension.high, self.given[name]))


def separate(config: Mapping[str, Any]) -> dict[str, Any]:
    """Move what `trainer` and `head` declare under `search` into a node of its own.

    The space decides the numbers of tuned jobs alone: it is part of no other job's name, and no argument of a head.

    Examples
    --------
    >>> separate({"head": {"hidden": 64, "search": {"hidden": [64, 128]}}, "trainer": {"lr": 0.1}})
    {'head': {'hidden': 64}, 'trainer': {'lr': 0.1}, 'search': {'trainer': {}, 'head': {'hidden': [64, 128]}}}
    """
    if SEARCH in config:
        return dict(config)
    nodes = {name: config[name] for name in _NODES if isinstance(config.get(name), Mapping)}
    without = {name: {key: value for key, value in node.items() if key != SEARCH} for name, node in nodes.items()}
    declared = {name: nodes.get(name, {}).get(SEARCH) or {} for name in _NODES}
    return {**config, **without, SEARCH: declared}


def read_space(config: Mapping[str, Any]) -> Space:
    """Read the search space of a config that `separate` returned.

    Parameters
    ----------
    config : mapping
        With the nodes `trainer`, `head` and `search`.

    Returns
    -------
    Space
        First the trainer's settings, then the head's.

    Raises
    ------
    LfnetError
        One line for each setting that does not exist, has no range or list of values, or lies outside of its own; and
        where nothing is declared.

    Examples
    --------
    >>> search = {"trainer": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}}, "head": {"hidden": [64, 128]}}
    >>> space = read_space({"trainer": {"lr": 1e-3}, "head": {"hidden": 64}, "search": search})
    >>> space.given
    {'trainer.lr': 0.001, 'head.hidden': 64}
    >>> read_space({"trainer": {}, "head": {"hidden": 32}, "search": {"trainer": {}, "head": {"hidden": [64, 128]}}})
    Traceback (most recent call last):
    lfnet.errors.LfnetError: head.hidden=32 is not in head.search.hidden (64, 128), ...
    """
    dimensions: dict[str, Dimension] = {}
    given: dict[str, Scalar] = {}
    lines = []
    for node in _NODES:
        declared = config[SEARCH][node]
        if not isinstance(declared, Mapping):
            lines.append(f"{node}.search={declared}: give names of settings with a list of values or a range each.")
            continue
        own = {key: value for key, value in config[node].items() if not isinstance(value, Mapping) and key[0] != "_"}
        for key, value in declared.items():
            try:
                name = f"{node}.{key}"
                dimensions[name], given[name] = _dimension(node, key, value, own), own[key]
            except LfnetError as error:
                lines += str(error).splitlines()
    if lines:
        raise LfnetError("\n".join(lines))
    if not dimensions:
        raise LfnetError("there is nothing to tune: declare trainer.search or head.search, or give tune=0.")
    return Space(dimensions, given)


def _dimension(node: str, key: str, value: Any, own: Mapping[str, Any]) -> Dimension:
    place = f"{node}.search.{key}"
    if key not in own:
        raise LfnetError(f"{place}: there is no such setting to tune; known: {', '.join(own)}.")
    dimension: Dimension
    if isinstance(value, Mapping):
        dimension = read(Range, value, place)
    elif isinstance(value, list | tuple) and all(isinstance(item, Scalar) for item in value):
        dimension = tuple(value)
        if len(dimension) < 2 or len({repr(item) for item in dimension}) < len(dimension):
            raise LfnetError(f"{place}={_listed(dimension)}: give two different values or more.")
    else:
        raise LfnetError(f"{place}={value}: give a list of values, or a range as in {{low: 1, high: 8, log: true}}.")
    if own[key] not in dimension:
        shown = str(dimension) if isinstance(dimension, Range) else _listed(dimension)
        raise LfnetError(
            f"{node}.{key}={_shown(own[key])} is not in {place} ({shown}), and the settings as given are the first "
            f"trial: widen the space, or keep this setting with ~{place}."
        )
    return dimension


def _listed(values: tuple[Scalar, ...]) -> str:
    return ", ".join(map(_shown, values))


def _shown(value: Scalar) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def with_values(config: Mapping[str, Any], values: Mapping[str, Scalar]) -> dict[str, Any]:
    """A config with other values of some settings, by their dotted names.

    Examples
    --------
    >>> with_values({"trainer": {"lr": 0.1}, "seed": 0}, {"trainer.lr": 0.2})
    {'trainer': {'lr': 0.2}, 'seed': 0}
    """
    changed = dict(config)
    for name, value in values.items():
        node, _, key = name.partition(".")
        changed[node] = {**changed[node], key: value}
    return changed
