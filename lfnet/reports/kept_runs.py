"""Record of the runs that `lfnet view` has written, so that an unchanged run is read and drawn once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.evaluation.estimates import Estimate
from lfnet.evaluation.intervals import Interval
from lfnet.files import read_json
from lfnet.fingerprints import digest, file_digest
from lfnet.runs.result import RESULT
from lfnet.runs.run import LEARNING_CURVE, PREDICTIONS, Run

__all__ = ["KeptRuns"]


class KeptRuns:
    """The error of each run whose script is written, with digests of what both were made from.

    Parameters
    ----------
    path : Path
        The JSON file in which they are kept; a missing or damaged one has none.
    code : sequence of str
        Digests of the code that decides what is written.
    """

    def __init__(self, path: Path, code: Sequence[str]) -> None:
        self._path, self._code = path, list(code)
        self._before = self._read()
        self._now: dict[str, dict[str, Any]] = {}

    def _read(self) -> dict[str, Any]:
        try:
            content = read_json(self._path) if self._path.is_file() else {}
        except LfnetError:  # damaged: everything is written again
            return {}
        return content if isinstance(content, dict) else {}

    def find(self, key: str, run: Run, script: Path) -> bool:
        """Whether the script of a run is that of its files as they are now; then the run is kept."""
        own = self._before.get(key)
        if own is None or not script.is_file() or own != self._entry(run, script, _estimate(own["error"])):
            return False
        self._now[key] = own
        return True

    def add(self, key: str, run: Run, script: Path, error: Estimate | None) -> None:
        """Keep a run whose script has been written."""
        self._now[key] = self._entry(run, script, error)

    def error(self, key: str) -> Estimate | None:
        """Return the error of a run that is kept."""
        return _estimate(self._now[key]["error"])

    def content(self) -> dict[str, Any]:
        """Return what is written to the file: the runs that are kept."""
        return dict(sorted(self._now.items()))

    def _entry(self, run: Run, script: Path, error: Estimate | None) -> dict[str, Any]:
        files = [run.folder / name for name in (RESULT, PREDICTIONS, LEARNING_CURVE)]
        stamp = digest([self._code, [file_digest(file) if file.is_file() else "" for file in files]])
        ends = None if error is None or error.interval is None else error.interval
        interval = None if ends is None else [ends.low, ends.high, ends.level, ends.method]
        kept = None if error is None else {"value": error.value, "interval": interval}
        return {"stamp": stamp, "script": file_digest(script), "error": kept}


def _estimate(kept: dict[str, Any] | None) -> Estimate | None:
    if kept is None:
        return None
    return Estimate(kept["value"], None if kept["interval"] is None else Interval(*kept["interval"]))
