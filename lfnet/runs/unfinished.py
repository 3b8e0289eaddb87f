"""Run folders without a result: jobs that run, failed, or were interrupted."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lfnet.config import read_yaml
from lfnet.errors import LfnetError
from lfnet.locks import in_use
from lfnet.runs.run import CONFIG, LOCK, LOG, RESULT, TRAINING_STATE

__all__ = ["Unfinished", "list_unfinished"]

_FAILED = b" ERROR the job failed"  # as `lfnet.jobs.records.log` writes it
_TAIL = 100_000  # bytes of a log in which it is looked for


@dataclass(frozen=True)
class Unfinished:
    """A run folder without a result.

    Attributes
    ----------
    folder : Path
    state : "running", "interrupted", "failed" or "stopped"
        interrupted: the same command goes on from a saved state; stopped: its process ended without a word.
    changed : float
        When the folder was last written to, by `time.time`.
    config : dict
        The settings of the job; empty where they cannot be read.
    """

    folder: Path
    state: Literal["running", "interrupted", "failed", "stopped"]
    changed: float
    config: dict[str, Any]


def list_unfinished(runs: Path) -> list[Unfinished]:
    """Return the run folders in `runs` that have settings and no result."""
    folders = sorted(path.parent for path in Path(runs).glob(f"*/{CONFIG}"))
    return [_unfinished(folder) for folder in folders if not (folder / RESULT).exists()]


def _unfinished(folder: Path) -> Unfinished:
    config: Any = None
    with contextlib.suppress(LfnetError):
        config = read_yaml(folder / CONFIG)
    state: Literal["running", "interrupted", "failed", "stopped"] = "stopped"
    if in_use(folder / LOCK):
        state = "running"
    elif (folder / TRAINING_STATE).exists():
        state = "interrupted"
    elif _FAILED in _tail(folder / LOG):
        state = "failed"
    changed = max(_changed(folder / name) for name in (CONFIG, LOG, TRAINING_STATE))
    return Unfinished(folder, state, changed, config if isinstance(config, dict) else {})


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read()
    except OSError:
        return b""
