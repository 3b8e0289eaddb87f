"""Scores of many runs read together: those that each file alone gives."""

from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions
from lfnet.runs import scores
from lfnet.runs.collection import open_runs
from lfnet.runs.scores import RecordingScores, recording_rows
from tests.sealing import reseal
from tests.tables.factory import leave, result

SPLITS = ("train", "dev", "test", "unlabelled")


def leave_some(folder: Path, runs: int = 5, cohorts: int = 2) -> None:
    for seed in range(runs):
        leave(folder, result("ldbm", seed, cohort_seed=seed % cohorts))


def same(folder: Path) -> bool:
    """Whether all rows and shared people are those of each run's own files, in any order of asking."""
    runs = open_runs(folder)
    read = RecordingScores(runs)
    for run in [*runs, *reversed(runs.runs)]:
        assert "predictions" not in vars(run) or '"' in run.content("predictions.csv").decode()
        for split in SPLITS:
            alone = type(run).open(run.folder)
            rows = recording_rows(alone.predictions.frame, split)
            if not read.rows(run, split).equals(rows) or read.shared_people(run, split) != alone.shared_people(split):
                return False
    return True


def test_scores_read_together_are_those_of_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_some(tmp_path)
    monkeypatch.setattr(scores, "_TOGETHER", 2)
    assert same(tmp_path)


def test_windows_clips_and_unusual_ids_are_read_too(tmp_path: Path) -> None:
    leave_some(tmp_path, 2)
    frame = open_runs(tmp_path)[0].predictions.frame
    clips = frame.assign(clip_id=frame["recording_id"] + "_a", window=0)[frame["split"] != "train"]
    first, second = (run.folder for run in open_runs(tmp_path))
    odd = clips.replace({"recording_id": {"r100": "r\nrecording,100", "r101": 'r "101"'}})
    for folder, frame in ((first, clips), (second, odd)):
        text = Predictions.from_frame(frame.assign(level="window"), "window").all_levels().to_csv_text()
        assert "window,0," in text
        (folder / "predictions.csv").write_text(text)
        reseal(folder)
    assert same(tmp_path)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_bad_file_among_good_ones_is_named(tmp_path: Path, sealed: bool) -> None:
    leave_some(tmp_path, cohorts=1)
    runs = open_runs(tmp_path)
    path = runs[3].folder / "predictions.csv"
    path.write_text(path.read_text().replace("recording,,,r100,", "recording,,,r101,"))  # r101 twice
    if sealed:
        reseal(runs[3].folder)
    reason = "a row occurs twice" if sealed else "its SHA-256 is not the one"
    with pytest.raises(LfnetError, match=f"{runs[3].name}/predictions.csv cannot be used.*{reason}"):
        open_runs(tmp_path).scores("test")
