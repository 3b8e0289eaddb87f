"""Tab completion of commands, options and settings; those of settings come from Hydra.

Each shell's script passes the line up to the cursor to `lfnet --complete LINE`, which prints whole words, one per line.
A complete word ends in a space; one that continues (`head=`, `head.`) does not.
"""

import contextlib
import io
import re
import warnings
from pathlib import Path

from lfnet.cli.commands import COMMANDS
from lfnet.cli.configs import conf_dir, groups, names, search_path
from lfnet.cli.own_code import own_yamls, take_config_dir
from lfnet.errors import LfnetError

__all__ = ["complete", "script"]

# bash splits words at `=` and `:` too and replaces the last piece only: the part before it is cut from the answers.
_BASH = """\
_lfnet() {
    local line="${COMP_LINE:0:COMP_POINT}" word head IFS=$'\\n'
    word="${line##* }"
    COMPREPLY=($(command lfnet --complete "$line" 2>/dev/null))
    if [[ "$word" == *[=:]* && "$COMP_WORDBREAKS" == *[=:]* ]]; then
        head="${word%"${word##*[=:]}"}"
        COMPREPLY=("${COMPREPLY[@]#"$head"}")
    fi
}
complete -o nospace -o default -F _lfnet lfnet
"""

_ZSH = """\
_lfnet() {
    local -a found
    found=("${(@f)$(command lfnet --complete "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    [[ -n "$found" ]] && compadd -Q -S '' -- "${found[@]}" || _files
}
compdef _lfnet lfnet
"""

_FISH = """\
complete -c lfnet -f -a '(command lfnet --complete (commandline -cp) 2>/dev/null | string trim -r)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_CONFIGS = {
    "train": "train",
    "table": "train",
    "jobs": "train",
    "cancel": "train",
    "report": "train",
    "dashboard": "train",
    "extract": "extract",
    "audit": "audit",
    "forget": "audit",
}
_OPTIONS = {
    "train": ["--cfg", "--multirun", "--submit"],
    "table": ["--cfg", "--full", "--render", "--show-paths", "--submit"],
    "jobs": ["--all"],
    "cancel": [],
    "audit": ["--json", "--strict"],
    "forget": ["--yes"],
}
_NAMED = ("table", "jobs", "cancel", "report", "dashboard", "power")  # a table's name comes first
_OF_RUNS = ("adapt", "bench", "export")  # take the name of a run
_FILTERS = ("head=", "cohort=", "seed=", "state=")


def script(shell: str) -> str:
    """Return the script that enables completion in `shell`: bash, zsh or fish."""
    if shell not in _SCRIPTS:
        raise LfnetError('name a shell: eval "$(lfnet --shell-completion bash)"; zsh and fish are supported too.')
    return _SCRIPTS[shell]


def complete(line: str) -> list[str]:
    """Return the words that may stand where `line` ends, such as `lfnet train head=ld`."""
    words = line.split()
    if not words or line[-1].isspace():
        words.append("")
    try:
        before, folder = take_config_dir(words[1:-1])
    except LfnetError:
        return []
    with own_yamls(folder):
        return _complete(words[-1], before)


def _complete(word: str, before: list[str]) -> list[str]:
    if not before:
        return _finished(word, [*COMMANDS, "--help", "--version"])
    command = before[0]
    if command in _NAMED and len(before) == 1:
        return _finished(word, [name for name in names("table") if name != "none"])
    if before[:2] == ["cohort", "show"]:
        return _settings("extract", before[2:], word)
    if command in _CONFIGS:
        return _settings(command, before[1 + (command in _NAMED) :], word)
    if word.startswith("-") and command in COMMANDS:
        return _finished(word, _options(command, before[1:]))
    if command in _OF_RUNS or (command == "runs" and "--compare" in before):
        return _finished(word, _run_names(before))
    if command == "runs":
        return [name for name in _FILTERS if name.startswith(word)]
    return _finished(word, _words(command, before[1:]))


def _run_names(before: list[str]) -> list[str]:
    from lfnet.cli.configs import paths
    from lfnet.runs.find import run_names

    try:
        return run_names(paths([word for word in before if word.startswith(("paths.", "paths="))])["runs"])
    except LfnetError:
        return []


def _options(command: str, given: list[str]) -> list[str]:
    """The options that --help names."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit, LfnetError):
        COMMANDS[command].load()([*given[: command == "cohort"], "--help"])
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][\w-]*", printed.getvalue())))


def _words(command: str, given: list[str]) -> list[str]:
    if command == "list":
        from lfnet.cli.listing import KINDS

        return (
            ["--json", "--help"] if given else [*KINDS, *(group for group in groups() if group not in KINDS.values())]
        )
    if command == "weights":
        if not given:
            return ["list", "fetch"]
        return [*names("weights"), "--all"] if given[0] == "fetch" else ["--json"]
    if command == "evidence":
        from lfnet.cli.evidence import OPTIONS

        return [*OPTIONS] if given else []
    if command == "doctor":
        return ["--json", "--help"]
    if command == "cohort" and not given:
        return ["init", "split", "show"]
    return []


def _finished(word: str, choices: list[str]) -> list[str]:
    return [f"{choice} " for choice in choices if choice.startswith(word)]


def _settings(command: str, before: list[str], word: str) -> list[str]:
    """Return Hydra's answers for a setting; none for a line that Hydra cannot read."""
    if word.startswith("-"):
        return _finished(word, ["--help", "--config-dir", *_OPTIONS.get(command, ["--cfg", "--multirun"])])
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.plugins.completion_plugin import DefaultCompletionPlugin

    settings = [part for part in before if not part.startswith("-") and part != "job"]
    quiet = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(quiet),
            contextlib.redirect_stderr(quiet),
            warnings.catch_warnings(action="ignore"),
            initialize_config_dir(str(conf_dir()), version_base="1.3"),
        ):
            plugin = DefaultCompletionPlugin(GlobalHydra.instance().config_loader())
            found = plugin._query(config_name=_CONFIGS[command], line=" ".join([*search_path(), *settings, word]))
    except Exception:
        return []
    return [_ended(name) for name in found if not name.startswith("hydra")]


def _ended(setting: str) -> str:
    """Append a space to a complete word; a folder continues."""
    value = setting.partition("=")[2]
    if value.startswith((".", "/")) and Path(value).is_dir():
        return f"{setting.rstrip('/')}/"
    return setting if setting.endswith(("=", ".", "/")) else f"{setting} "
