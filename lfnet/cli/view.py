"""`lfnet view`: all runs and tables of a folder as a page in the browser."""

import shlex
import sys
import webbrowser
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.text import plural

__all__ = ["main"]

HELP = """\
usage: lfnet view [FOLDER] [--out DIR] [--no-open] [--show-paths]

Write a page that shows all runs and tables of a folder of runs (default: lfnet_runs), and open it in the browser: what
each table found, with intervals; the list of runs to sort, filter and compare; of each run its learning curve, scores
against labels, errors by person, settings and audit. It is a folder of static files (default: FOLDER/view) that works
from disk or from any web server, needs no network, and trains nothing. Call it again after more runs: what has not
changed is kept. The page of a table is that of `lfnet report`.

Pages name no person, clip, recording, file or folder; people are numbered, and of settings that may name some, such as
cohort.root, they show `…`. --show-paths shows these. --out: another folder to write. --no-open: only write; without a
terminal or a display nothing is opened either.

examples:
  lfnet view
  lfnet view lfnet_runs --out results_for_my_group
  lfnet view --no-open && python -m http.server -b 127.0.0.1 -d lfnet_runs/view
"""

_FLAGS = ("--no-open", "--show-paths")


def main(argv: list[str]) -> int:
    """`lfnet view FOLDER`. Returns 0; 1 where runs or tables could not be read."""
    if argv and argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    folder, out = _folders(argv)
    from lfnet.cli.configs import paths
    from lfnet.reports.view import write_view

    runs = Path(folder) if folder else _relative(paths()["runs"])
    if not folder and not runs.is_dir():
        raise LfnetError(f"{runs} does not exist: run something first, such as `lfnet table architectures`.")
    view = write_view(runs, Path(out) if out else runs / "view", "--show-paths" in argv)
    for fault in view.faults:
        print(f"left out: {fault}", file=sys.stderr)
    print(f"written: {view.index} ({plural(view.runs, 'run')}, {plural(view.tables, 'table')})")
    if view.faults:
        print(f"runs and tables that could not be read, and are left out: {len(view.faults)}")
    print(f"to serve it: python -m http.server -b 127.0.0.1 -d {shlex.quote(str(view.index.parent))}")
    if "--no-open" not in argv and sys.stdout.isatty():
        _open(view.index)
    return int(bool(view.faults))


def _folders(argv: list[str]) -> tuple[str, str]:
    """FOLDER and DIR, "" where they are not given."""
    folder = out = ""
    words = iter(argv)
    for word in words:
        flag, equals, value = word.partition("=")
        if word in _FLAGS:
            continue
        if flag == "--out":
            out = value if equals else next(words, "")
            if not out:
                raise LfnetError("--out needs a folder.")
        elif word.startswith("-"):
            raise LfnetError(f"{word} is no option of this command: --out DIR, {', '.join(_FLAGS)}.")
        elif folder:
            raise LfnetError(f"give one folder of runs, not both {folder} and {word}.")
        else:
            folder = word
    return folder, out


def _relative(path: Path) -> Path:
    """The path from the current folder where it is below it, which is shorter to read."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _open(page: Path) -> None:
    """Open the page, unless the only browser there is one of the terminal, or none."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is not webbrowser.GenericBrowser:  # w3m and the like would take over the terminal
        browser.open(page.absolute().as_uri())
