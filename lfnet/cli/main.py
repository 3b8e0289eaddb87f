"""Entry point of `lfnet`: find the command, run it, and print a mistake as one line.

Only the standard library is imported here, so that `lfnet --help` is fast; a command's module is imported when the
command runs.
"""

import contextlib
import difflib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

import lfnet
from lfnet.cli.commands import COMMANDS
from lfnet.cli.own_code import own_yamls, take_config_dir
from lfnet.errors import Interrupted, LfnetError, LfnetWarning
from lfnet.signals import stoppable
from lfnet.text import cut_lines

__all__ = ["main"]


HELP = f"""\
lfnet {lfnet.__version__}: ablations for depression severity regression from facial video.

usage: lfnet COMMAND [ARGUMENTS]

commands:
{chr(10).join(f"  {command.name:<9} {command.summary}" for command in COMMANDS.values())}

options:
  -h, --help                     print this page; `lfnet COMMAND --help` explains a command
  --version                      print the version
  --config-dir DIR               of every command: a folder with your own yamls, such as DIR/head/NAME.yaml
  --shell-completion SHELL       print a completion script for bash, zsh or fish

examples:
  lfnet table architectures                      the architecture table, on the simulated cohort
  lfnet train head=ldbm head.patch_size=8 seed=3
  lfnet extract cohort=folder cohort.root=my_videos encoder=blendshapes
  lfnet list heads
  lfnet runs head=ldbm --sort test.mae           runs of a head, the lowest error first
  eval "$(lfnet --shell-completion bash)"        tab completion in this shell

{lfnet.RESEARCH_ONLY}
"""

DEFECT = "This is a defect of lfnet. Please report it, with the lines above and what `lfnet doctor --json` prints."


def main(argv: list[str] | None = None) -> int:
    """Run `lfnet ARGV` and return its exit status.

    0 done, 1 failed, 2 a mistake to fix; interrupted: 130 by Ctrl-C, 143 by SIGTERM, 128 and its number by SIGUSR1.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no "×" gets "?"
            with contextlib.suppress(OSError):  # some devices
                stream.reconfigure(errors="replace")
    status = _run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe (`lfnet list heads | head -1`)
        _drop(sys.stdout)
        return 141
    except OSError as error:
        _drop(sys.stdout)
        if status == 0:
            _tell(f"error: cannot write standard output: {error.strerror}. Free some space, or write elsewhere.")
            return 2
    return status


def _run(arguments: list[str]) -> int:
    try:
        with stoppable(), _plain_warnings():
            return _dispatch(arguments)
    except SystemExit as stop:  # argparse and Hydra end this way
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        _tell(str(stop.code))
        return 1
    except KeyboardInterrupt as stop:
        _tell(str(stop) or "interrupted; run the same command again to continue from the finished part")
        return stop.status if isinstance(stop, Interrupted) else 130
    except BrokenPipeError:
        _drop(sys.stdout)
        return 141
    except LfnetError as error:
        return _mistake(str(error))
    except Exception as error:
        message = _explained(error, f"lfnet {arguments[0]}")
        if message is not None:
            return _mistake(message)
        import traceback

        _tell(f"{traceback.format_exc()}{DEFECT}")
        return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0 if arguments else 2
    word, rest = arguments[0], arguments[1:]
    if word in ("--version", "-V", "version"):
        print(f"lfnet {lfnet.__version__}")
        return 0
    if word == "--shell-completion":
        from lfnet.cli.completion import script

        print(script(rest[0] if rest else ""), end="")
        return 0
    if word == "--complete":
        from lfnet.cli.completion import complete

        print("\n".join(complete(rest[0] if rest else "")))
        return 0
    if word not in COMMANDS:
        raise LfnetError(_unknown(word))
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError as error:
        raise LfnetError("the current folder does not exist any more: change to another one.") from error
    rest, folder = take_config_dir(rest)
    with own_yamls(folder):
        return COMMANDS[word].load()([_quoted(argument) for argument in rest])


def _quoted(argument: str) -> str:
    """Quote a value that Hydra cannot read, such as in cohort.root=Köln, and replace the `~` of cohort.root=~/videos.

    Values in quotes or brackets, and lists, are left as they are.
    """
    found = re.fullmatch(r"([\w.@/+]+)=([^,\[\](){}$'\"\\]+)", argument)
    if not found or os.path.lexists(argument) or re.fullmatch(r"[\w/%*+.@?|:\s-]+", found[2], re.ASCII):
        return argument
    value = re.sub(r"^~(?=/|$)", lambda _: os.path.expanduser("~"), found[2])  # noqa: PTH111
    return f'{found[1]}="{value}"'


def _unknown(word: str) -> str:
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f" Did you mean `lfnet {near[0]}`?" if near else f" Commands: {', '.join(COMMANDS)}."
    return f"there is no command `{word}`.{hint} See `lfnet --help`."


def _explained(error: Exception, command: str) -> str | None:
    """Explain a missing extra, or an error of Hydra, OmegaConf or YAML in terms of the settings; None for others."""
    from lfnet.cli.hydra_errors import explain
    from lfnet.extras import explain_import

    return explain_import(error, command) or explain(error)


def _mistake(message: str) -> int:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    _tell(f"error: {cut_lines(message)}")
    return 2


def _replace_closed_streams() -> None:
    """Let the output that was closed before the start (`>&-`) go nowhere; else the next file would get its number."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _tell(text: str) -> None:
    """Print a text on standard error, if that can be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def _drop(stream: TextIO) -> None:
    """Send a stream that cannot be written to nowhere; Python would fail again when it flushes it at exit."""
    with contextlib.suppress(OSError, ValueError):  # no file of the operating system
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show each `LfnetWarning` once, as one plain line; other warnings as Python does."""
    usual = warnings.showwarning
    shown: set[str] = set()

    def show(message, category, filename, lineno, file=None, line=None) -> None:  # type: ignore[no-untyped-def]
        if not issubclass(category, LfnetWarning):
            usual(message, category, filename, lineno, file, line)
        elif str(message) not in shown:
            shown.add(str(message))
            _tell(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", LfnetWarning)
        warnings.showwarning = show
        yield


if __name__ == "__main__":
    from lfnet.__main__ import run  # takes the current folder off the import path

    run()
