"""Baselines learn from training labels and from nothing else."""

import numpy as np
import pandas as pd
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.baselines import TRIVIAL, Constant, fit_predict


def recordings() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "recording_id": ["r1", "r2", "r3", "r4", "r5", "r6", "r7"],
            "person_id": ["p1", "p2", "p3", "p4", "p1", "p6", "p7"],
            "split": ["train", "train", "train", "train", "dev", "test", "unlabelled"],
            "label": [0.0, 3.0, 30.0, np.nan, 40.0, 50.0, np.nan],
            "seconds": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0],
        }
    )


def test_constants_are_the_mean_and_median_of_the_labelled_training_recordings() -> None:
    values = {
        baseline.name: fit_predict(baseline, recordings()).frame["score"].unique().tolist() for baseline in TRIVIAL
    }
    assert values == {"train_mean": [11.0], "train_median": [3.0]}


@pytest.mark.parametrize("baseline", TRIVIAL)
def test_labels_outside_train_change_nothing(baseline: Constant) -> None:
    changed = recordings()
    changed.loc[changed["split"] != "train", "label"] = 63.0
    scores = [fit_predict(baseline, frame).frame["score"].tolist() for frame in (recordings(), changed)]
    assert scores[0] == scores[1]


def test_the_median_has_the_least_mae_and_the_mean_the_least_rmse_on_train() -> None:
    labelled = recordings().query("split == 'train' and label.notna()")
    mean, median = (fit_predict(baseline, labelled).metrics()["train"]["recording"] for baseline in TRIVIAL)
    assert median["mae"] < mean["mae"] and mean["rmse"] < median["rmse"]
    assert mean["rmse"] == pytest.approx(np.std([0, 3, 30]))


class Duration:
    """A baseline of somebody else's: it reads a further column of the recordings."""

    name = "duration"

    def __init__(self, line: np.ndarray | None = None) -> None:
        self.line = line

    def fit(self, train: pd.DataFrame) -> "Duration":
        return Duration(np.polyfit(train["seconds"], train["label"], 1))

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        assert "label" not in recordings
        return np.polyval(self.line, recordings["seconds"])


def test_a_baseline_that_needs_more_than_labels_fits_the_same_shape() -> None:
    frame = fit_predict(Duration(), recordings()).frame.set_index("recording_id")
    slope, intercept = 1.5, -19.0
    assert frame.loc["r6", "score"] == pytest.approx(slope * 60 + intercept)


def test_no_training_label_is_an_error() -> None:
    with pytest.raises(LfnetError, match="labelled recording in the train split"):
        fit_predict(Constant("mean"), recordings().query("split != 'train'"))
    with pytest.raises(ValueError, match="one row a recording"):
        fit_predict(Constant("mean"), pd.concat([recordings(), recordings()]))
    with pytest.raises(ValueError, match="fit before predict"):
        Constant("mean").predict(recordings())
