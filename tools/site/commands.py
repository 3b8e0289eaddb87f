"""Reference of the commands: what each prints for --help."""

import contextlib
import io
import re

from lfnet.cli.commands import COMMANDS
from lfnet.cli.main import HELP

__all__ = ["page"]

_PARTS = re.compile(r"^  COMMAND\n((?:    .+\n)+)", re.MULTILINE)


def page() -> str:
    """Return the page of all commands."""
    lines = ["# Commands", "", f"```text\n{HELP}```", ""]
    for name, command in COMMANDS.items():
        text = _help(name)
        lines += [
            f"## lfnet {name}",
            "",
            f"{command.summary[0].upper()}{command.summary[1:]}.",
            "",
            f"```text\n{text}```",
            "",
        ]
        parts = _PARTS.search(text)
        for part in re.findall(r"^    (\w+) ", parts[1], re.MULTILINE) if parts else ():
            lines += [f"### lfnet {name} {part}", "", f"```text\n{_help(name, part)}```", ""]
    return "\n".join(lines)


def _help(name: str, *parts: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        COMMANDS[name].load()([*parts, "--help"])
    return printed.getvalue().strip("\n") + "\n"
