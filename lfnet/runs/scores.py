"""Scores of the recordings of many runs, read some hundred files at a time.

A table needs the recordings' rows alone. Validating one file with pandas takes ten milliseconds, whatever its length;
the rows of a hundred files together take three times as long.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import COLUMNS, models_from_csv_text
from lfnet.runs.run import PREDICTIONS, REFERENCES, Run

__all__ = ["RecordingScores", "recording_rows"]

_TOGETHER = 200  # files
_LEVEL = "recording"
_HEAD = ",".join(COLUMNS)


class RecordingScores:
    """Scores of the recordings of runs, each read when it is first asked for, with the next ones in order.

    The rows of a run are those of `run.predictions`, which stays unread.

    Parameters
    ----------
    runs : sequence of Run
        In the order in which they will be asked for.

    Examples
    --------
    >>> read = RecordingScores(runs)  # runs: a RunCollection
    >>> read.rows(runs[0], "test").equals(recording_rows(runs[0].predictions.frame, "test"))
    True
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = list(runs)
        self._place = {id(run): place for place, run in enumerate(self._runs)}
        self._frames: dict[int, pd.DataFrame] = {}  # of the files that were read together last
        self._people: dict[str, frozenset[tuple[str, str]]] = {}

    def rows(self, run: Run, split: str) -> pd.DataFrame:
        """Return the rows of one split's recordings, sorted by their id. Raises `LfnetError` as `Run.predictions`."""
        return recording_rows(self._frame(run), split)

    def shared_people(self, run: Run, split: str) -> frozenset[str]:
        """Return `run.shared_people(split)`. Equal files of baselines, as runs on one cohort have, are parsed once."""
        if run.folds:
            return run.shared_people(split)
        pairs = _people(self._frame(run)) | self._people_of_baselines(run)
        return frozenset({person for person, own in pairs if own == split}) & {
            person for person, own in pairs if own != split
        }

    def _people_of_baselines(self, run: Run) -> frozenset[tuple[str, str]]:
        """Each person and split in the run's references.csv."""
        run.content(REFERENCES)  # is undamaged
        digest = run.result.files[REFERENCES]
        if digest not in self._people:
            self._people[digest] = frozenset().union(*(_people(model.frame) for model in run.baselines.values()))
        return self._people[digest]

    def _frame(self, run: Run) -> pd.DataFrame:
        """The run's rows, at least those of recordings."""
        if id(run) not in self._frames:
            place = self._place[id(run)]
            self._frames = _read_together(self._runs[place : place + _TOGETHER])
        return self._frames[id(run)]


def _read_together(runs: Sequence[Run]) -> dict[int, pd.DataFrame]:
    lines = {id(run): _recording_lines(run) for run in runs}
    text = "\n".join([_HEAD, *(f"{key},{line}" for key, own in lines.items() for line in own), ""])
    try:
        models = models_from_csv_text(f"model,{text}")
    except LfnetError:
        models = {}  # one of the files is no table of predictions: reading it alone names it
    return {id(run): models[str(id(run))].frame if str(id(run)) in models else run.predictions.frame for run in runs}


def _recording_lines(run: Run) -> list[str]:
    """The lines of the recordings in predictions.csv; none where finding them takes a parser, or several files."""
    if run.folds:
        return []
    text = run.content(PREDICTIONS).decode(errors="replace")
    start = text.find(f"\n{_LEVEL},")
    if start < 0 or not text.startswith(f"{_HEAD}\n") or not text.endswith("\n") or {'"', "\r", "\ufffd"} & set(text):
        return []
    return text[start + 1 : -1].split("\n")


def _people(frame: pd.DataFrame) -> frozenset[tuple[str, str]]:
    """Each person and split in a frame."""
    return frozenset(zip(frame["person_id"], frame["split"], strict=True))


def recording_rows(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of one split's recordings, sorted by their id."""
    places = np.flatnonzero((frame["level"].to_numpy(object) == _LEVEL) & (frame["split"].to_numpy(object) == split))
    order = np.argsort(frame["recording_id"].to_numpy(object)[places], kind="stable")
    return frame.take(places[order]).reset_index(drop=True)
