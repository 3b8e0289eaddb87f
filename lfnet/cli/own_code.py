"""The user's own classes and yamls: the current folder on the import path, and the options --config-dir and --trust.

Only the standard library is imported here, since every command reads --config-dir.
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lfnet.errors import LfnetError

__all__ = ["add_trust", "append_current_folder", "config_dir", "own_yamls", "take_config_dir", "trusted"]

_OPTIONS = ("--config-dir", "-cd")
_folders: list[Path] = []  # of the command that runs; the last one counts


def take_config_dir(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """Return the words without --config-dir, and its folder; None where it is not given.

    Raises `LfnetError` where there is no such folder.

    Examples
    --------
    >>> take_config_dir(["head=ldbm", "--json"])
    (['head=ldbm', '--json'], None)
    """
    kept: list[str] = []
    folder: str | None = None
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in _OPTIONS:
            folder = value if equals else next(rest, "")
        else:
            kept.append(word)
    if folder is None:
        return kept, None
    found = Path(folder).expanduser()
    if not folder or not found.is_dir():
        raise LfnetError(
            f"--config-dir {folder or 'DIR'}: there is no such folder. Give one that contains your own yamls, such as "
            "DIR/head/NAME.yaml or DIR/cohort/NAME.yaml."
        )
    return kept, found


@contextlib.contextmanager
def own_yamls(folder: Path | None) -> Iterator[None]:
    """Let the yamls of `folder` be found next to lfnet's in the block; None changes nothing."""
    if folder is None:
        yield
        return
    _folders.append(folder.absolute())
    try:
        yield
    finally:
        _folders.pop()


def config_dir() -> Path | None:
    """Return the folder of --config-dir of the command that runs."""
    return _folders[-1] if _folders else None


def append_current_folder() -> None:
    """Append the current folder to the import path, so that a `_target_` can name a class in it.

    In front of the libraries, a file `statistics.py` in a folder of data would run in place of Python's own.
    """
    from hydra.core.plugins import Plugins

    # Hydra imports all modules below `hydra_plugins` once: before the current folder can add one.
    Plugins.instance()
    # New Python processes, such as the workers of a sweep, would put the current folder in front.
    os.environ["PYTHONSAFEPATH"] = "1"
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add the option --trust to a command that reads a run or a bundle."""
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="CLASS",
        help="a class of your own that the run or bundle may name, such as my_module.MyHead; may be repeated",
    )


def trusted(options: argparse.Namespace) -> list[str]:
    """Return the names given with --trust, whose modules may lie in the current folder."""
    names: list[str] = options.trust
    for name in names:
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", name):
            raise LfnetError(f"--trust {name}: give the full name of one class, such as my_module.MyHead.")
    if names:
        append_current_folder()
    return names
