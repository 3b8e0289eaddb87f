"""trials.json: read as written, and not used where it is damaged or of another job."""

import pytest

from lfnet.errors import LfnetWarning
from lfnet.runs.trials import TRIALS, Trial, incumbents, read_trials, write_trials

TRIALS_OF_A_JOB = [
    Trial({"trainer.lr": 0.001, "head.hidden": None}, 6.5, 9, 5, True, 1.25),
    Trial({"trainer.lr": 0.1, "head.hidden": 64}, None, error="training diverged"),
    Trial({"trainer.lr": 0.0002112, "head.hidden": 64}, 6.1, 16, 16, False, 2.0, collapsed=True),
]


def test_trials_are_read_as_they_were_written(tmp_path):
    assert read_trials(tmp_path, "a" * 64) == []
    write_trials(tmp_path, "a" * 64, TRIALS_OF_A_JOB)
    assert read_trials(tmp_path, "a" * 64) == TRIALS_OF_A_JOB


@pytest.mark.parametrize("damage", [lambda raw: raw.replace(b"6.1", b"5.1"), lambda raw: raw[:-9], lambda raw: b""])
def test_damaged_trials_are_not_used_and_said(tmp_path, damage):
    write_trials(tmp_path, "a" * 64, TRIALS_OF_A_JOB)
    path = tmp_path / TRIALS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(LfnetWarning, match=r"trials\.json is damaged: its trials are run again"):
        assert read_trials(tmp_path, "a" * 64) == []


def test_trials_of_another_job_are_not_used(tmp_path):
    write_trials(tmp_path, "b" * 64, TRIALS_OF_A_JOB)
    with pytest.warns(LfnetWarning, match="are run again"):
        assert read_trials(tmp_path, "a" * 64) == []


def test_the_first_trial_leads_until_another_is_better():
    values = [None, None, 6.0, 6.0, 7.0, 5.5, None]
    trials = [Trial({}, value) for value in values]
    assert incumbents(trials, "lower") == [0, 2, 5]
    assert incumbents(trials, "higher") == [0, 2, 4]
    assert incumbents(trials[:2], "lower") == [0]
