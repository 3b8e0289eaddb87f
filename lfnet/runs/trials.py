"""The trials of a tuned job: trials.json, rewritten after each trial, so that a killed job continues its study.

The file names no person, clip or recording. Like the result, it contains a digest of itself.
"""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from lfnet.errors import LfnetError, LfnetWarning
from lfnet.files import exists
from lfnet.seals import read_sealed_json, write_sealed_json

__all__ = ["TRIALS", "Trial", "incumbents", "read_trials", "write_trials"]

TRIALS = "trials.json"
_FORMAT = 1


@dataclass(frozen=True)
class Trial:
    """One trial of a study.

    Attributes
    ----------
    settings : dict
        The tuned settings by their dotted names.
    value : float or None
        The selection metric of its best epoch; None where it failed or the metric is undefined.
    epochs, best_epoch : int
    converged : bool
    seconds : float
    collapsed : bool
        Whether it predicts nearly the same score for all people.
    error : str
        Why it failed, in one line; "" where it did not.
    """

    settings: dict[str, Any]
    value: float | None
    epochs: int = 0
    best_epoch: int = 0
    converged: bool = False
    seconds: float = 0.0
    collapsed: bool = False
    error: str = ""


def incumbents(trials: Sequence[Trial], better: Literal["lower", "higher"]) -> list[int]:
    """The places of trials that were better than all before them, in order; the last one is the best of all.

    The first trial leads until another has a defined value.

    Examples
    --------
    >>> incumbents([Trial({}, 6.5), Trial({}, None), Trial({}, 6.1), Trial({}, 6.3)], "lower")
    [0, 2]
    """
    found: list[int] = []
    for place, trial in enumerate(trials):
        best = trials[found[-1]].value if found else None
        wins = trial.value is not None and (
            best is None or (trial.value < best if better == "lower" else trial.value > best)
        )
        if wins or not found:
            found.append(place)
    return found


def write_trials(folder: Path, fingerprint: str, trials: Sequence[Trial]) -> None:
    """Write the trials so far of the job with this fingerprint, whole or not at all."""
    rows = [asdict(trial) for trial in trials]
    write_sealed_json(Path(folder) / TRIALS, {"format": _FORMAT, "fingerprint": fingerprint, "trials": rows})


def read_trials(folder: Path, fingerprint: str) -> list[Trial]:
    """Read the trials so far of the job with this fingerprint.

    Empty without a file. Of a damaged file, or one of another job, nothing is used, with an `LfnetWarning`.
    """
    path = Path(folder) / TRIALS
    if not exists(path):
        return []
    try:
        content, whole = read_sealed_json(path)
        if not whole or content.get("format") != _FORMAT or content.get("fingerprint") != fingerprint:
            raise LfnetError("it is not as the job wrote it")
        found: list[Trial] = _adapter().validate_python(content.get("trials"))
        return found
    except (LfnetError, ValidationError):
        warnings.warn(f"{path} is damaged: its trials are run again.", LfnetWarning, stacklevel=2)
        return []


@cache
def _adapter() -> TypeAdapter[list[Trial]]:
    return TypeAdapter(list[Trial])
