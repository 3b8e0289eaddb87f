"""Import of the user's own classes: the current folder on the import path, and the option --trust."""

import argparse
import os
import re
import sys
from pathlib import Path

from lfnet.errors import LfnetError

__all__ = ["add_trust", "append_current_folder", "trusted"]


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
