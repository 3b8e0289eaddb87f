"""Find run folders by the first letters of their names, as git finds commits."""

import contextlib
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.runs.result import RESULT, Result
from lfnet.text import plural

__all__ = ["find_folder", "run_names"]

_MAX_NAMED = 8


def run_names(runs: Path) -> list[str]:
    """Return the names of the finished runs in a folder, sorted."""
    return sorted(path.parent.name for path in Path(runs).glob(f"*/{RESULT}"))


def find_folder(name: str, runs: Path) -> Path:
    """Return the folder of the finished run `name`: a path, or the first letters of a name in `runs`, as in git.

    Raises
    ------
    LfnetError
        No finished run has this name; or several begin with it, which are named.
    """
    if not name:
        raise LfnetError("a run's name is empty. `lfnet runs` lists the runs.")
    if (Path(name) / RESULT).is_file():
        return Path(name)
    own = [] if "/" in name else [one for one in run_names(runs) if one.startswith(name)]
    if name in own:
        return Path(runs) / name
    if len(own) > 1:
        shown = [_described(Path(runs) / one) for one in own[:_MAX_NAMED]] + ["…"] * (len(own) > _MAX_NAMED)
        raise LfnetError(f"{plural(len(own), 'run')} of {runs} begin with {name}: {', '.join(shown)}. Give more of it.")
    if not own:
        raise LfnetError(
            f"{name} names no finished run: neither {name} nor {Path(runs) / name} is one. `lfnet runs` lists them."
        )
    return Path(runs) / own[0]


def _described(folder: Path) -> str:
    with contextlib.suppress(LfnetError, OSError):
        result = Result.read(folder)
        return f"{folder.name} ({result.model}, seed {result.seed})"
    return folder.name
