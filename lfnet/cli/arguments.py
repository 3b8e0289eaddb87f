"""Parse what the command lines of several commands have in common."""

import argparse
from typing import Any, NoReturn

from lfnet.text import cut_lines

__all__ = ["command_parser", "split_overrides"]


def command_parser(name: str, description: str, epilog: str, **more: Any) -> argparse.ArgumentParser:
    """Make the parser of `lfnet NAME`, whose description and epilog are printed as they are written."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog=f"lfnet {name}", description=description, epilog=epilog, formatter_class=plain, **more)
    # For --help alone: `lfnet.cli.main` reads it.
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with your own yamls, such as DIR/head/NAME.yaml")
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose messages do not repeat arguments of any length."""

    def error(self, message: str) -> NoReturn:
        super().error(cut_lines(message))


def split_overrides(words: list[str]) -> tuple[list[str], list[str]]:
    """Separate names (of runs, of weights) from settings such as paths.runs=FOLDER."""
    overrides = [word for word in words if word.startswith(("paths.", "paths=")) and "=" in word]
    return [word for word in words if word not in overrides], overrides
