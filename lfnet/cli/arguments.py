"""Parse what the command lines of several commands have in common."""

import argparse
from typing import Any, NoReturn

from lfnet.errors import LfnetError
from lfnet.text import cut_lines

__all__ = ["add_threads", "check_threads", "command_parser", "split_overrides"]


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


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads of the networks of a bundle; see `check_threads`."""
    parser.add_argument("--threads", type=int, metavar="N", help="of the networks (onnxruntime's default)")


def check_threads(options: argparse.Namespace) -> None:
    """Raise `LfnetError` where --threads is below 1."""
    if options.threads is not None and options.threads < 1:
        raise LfnetError(f"--threads {options.threads}: give 1 or more.")
