"""What `make fuzz` damages: readers with their valid files, and commands. Modules `of_*.py` here register them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from lfnet.testing.reader_check import read_damaged

__all__ = ["Target", "found", "reader", "target"]


@dataclass(frozen=True)
class Target:
    """A reader or command.

    `make` writes valid files into a folder and returns what `run` needs; `run` gets that, an empty folder and the
    source of all choices, and returns one word on how the case ended. `share`: cases compared with other targets.
    `read`: of a reader, the function that reads what `make` returns.
    """

    name: str
    make: Callable[[Path], Any]
    run: Callable[[Any, Path, Random], str]
    share: float = 1.0
    read: Callable[[Path], Any] | None = None


_TARGETS: dict[str, Target] = {}


def target(name: str, make: Callable[[Path], Any], share: float = 1.0) -> Callable[[Any], Any]:
    """Register a function as the `run` of a target."""

    def register(run: Callable[[Any, Path, Random], str]) -> Callable[[Any, Path, Random], str]:
        _TARGETS[name] = Target(name, make, run, share)
        return run

    return register


def reader(name: str, make: Callable[[Path], Path], share: float = 1.0, *, named: bool = True) -> Callable[[Any], Any]:
    """Register a reader, a function of the path that `make` returns.

    named: whether its messages name the file; those of settings name the setting.
    """

    def register(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        def run(valid: Path, folder: Path, random: Random) -> str:
            return read_damaged(read, valid, folder, random, named)

        _TARGETS[name] = Target(name, make, run, share, read)
        return read

    return register


def found() -> dict[str, Target]:
    """All targets, by name."""
    for module in sorted(Path(__file__).parent.glob("of_*.py")):
        importlib.import_module(f"{__package__}.{module.stem}")
    return dict(sorted(_TARGETS.items()))
