"""Predictions: validation, order, aggregation from windows to recordings, and CSV text that is equal byte for byte."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import compute_metrics
from lfnet.evaluation.predictions import COLUMNS, Predictions, models_from_csv_text, models_to_csv_text


def windows() -> pd.DataFrame:
    """Recording 001: a long and a short clip; recording 002: one clip; one unlabelled recording."""
    rows = [
        (0, "001_a", "001", "p1", "dev", 20.0, 10.0),
        (512, "001_a", "001", "p1", "dev", 20.0, 14.0),
        (1024, "001_a", "001", "p1", "dev", 20.0, 21.0),
        (0, "001_b", "001", "p1", "dev", 20.0, 5.0),
        (0, "002_a", "002", "p2", "test", 3.0, 4.0),
        (0, "003_a", "003", "p3", "unlabelled", np.nan, 7.0),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS[1:]))


def predictions() -> Predictions:
    return Predictions.from_frame(windows(), level="window")


def scores(predictions: Predictions) -> dict[str, float]:
    frame = predictions.frame
    return dict(zip(frame["recording_id"] + "/" + frame["clip_id"], frame["score"], strict=True))


def test_a_recording_is_the_mean_of_its_clips_and_a_clip_of_its_windows() -> None:
    assert scores(predictions().aggregate("clip")) == {
        "001/001_a": 15.0,
        "001/001_b": 5.0,
        "002/002_a": 4.0,
        "003/003_a": 7.0,
    }
    assert scores(predictions().aggregate("recording")) == {"001/": 10.0, "002/": 4.0, "003/": 7.0}
    assert scores(predictions().aggregate("clip").aggregate("recording")) == scores(
        predictions().aggregate("recording")
    )


def test_windows_can_be_joined_by_the_median() -> None:
    assert scores(predictions().aggregate("clip", how="median"))["001/001_a"] == 14.0
    assert scores(predictions().aggregate("recording", how="median"))["001/"] == 9.5


def test_aggregation_keeps_the_ids_that_still_apply() -> None:
    recordings = predictions().aggregate("recording").frame
    assert recordings["clip_id"].eq("").all() and recordings["window"].isna().all()
    assert recordings[["person_id", "split"]].values.tolist() == [["p1", "dev"], ["p2", "test"], ["p3", "unlabelled"]]
    assert recordings["label"].tolist()[:2] == [20.0, 3.0] and np.isnan(recordings["label"].iloc[2])


def test_all_levels_equal_each_aggregation() -> None:
    every = predictions().all_levels()
    assert every.levels == ("window", "clip", "recording")
    for level in every.levels:
        pd.testing.assert_frame_equal(every.at(level).frame, predictions().aggregate(level).frame)
    with pytest.raises(ValueError, match="already have the levels"):
        every.all_levels()


def test_metrics_by_split_and_level_leave_out_unlabelled_splits() -> None:
    measured = predictions().all_levels().metrics()
    assert list(measured) == ["dev", "test"]
    assert measured["dev"]["window"] == compute_metrics([20.0] * 4, [10.0, 14.0, 21.0, 5.0])
    assert measured["dev"]["recording"]["mae"] == 10.0
    assert measured["test"]["recording"] == compute_metrics([3.0], [4.0])


def test_coarse_scores_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="cannot be split"):
        predictions().aggregate("recording").aggregate("clip")
    with pytest.raises(ValueError, match="unknown aggregation"):
        predictions().aggregate("clip", how="mode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown level"):
        predictions().aggregate("person")


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_neither_order_nor_index_of_the_rows_matters(random) -> None:
    order = list(range(len(windows())))
    random.shuffle(order)
    shuffled = windows().iloc[order]
    shuffled.index = [0] * len(shuffled)
    other = Predictions.from_frame(shuffled, level="window")
    pd.testing.assert_frame_equal(other.frame, predictions().frame)
    assert other.all_levels().to_csv_text() == predictions().all_levels().to_csv_text()


def test_text_is_exact_and_reads_back() -> None:
    frame = windows().iloc[4:]
    frame = frame.assign(score=[-1e-9, 1 / 3])
    text = Predictions.from_frame(frame, level="window").all_levels().to_csv_text()
    assert text == (
        "level,window,clip_id,recording_id,person_id,split,label,score\n"
        "window,0,002_a,002,p2,test,3.000000,0.000000\n"
        "window,0,003_a,003,p3,unlabelled,,0.333333\n"
        "clip,,002_a,002,p2,test,3.000000,0.000000\n"
        "clip,,003_a,003,p3,unlabelled,,0.333333\n"
        "recording,,,002,p2,test,3.000000,0.000000\n"
        "recording,,,003,p3,unlabelled,,0.333333\n"
    )
    back = Predictions.from_csv_text(text)
    assert back.to_csv_text() == text
    assert back.frame["recording_id"].tolist()[0] == "002"
    assert back.frame.dtypes.equals(predictions().frame.dtypes)


@settings(deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8))
def test_values_read_back_are_within_half_of_the_last_digit(values: list[float]) -> None:
    frame = pd.DataFrame({"recording_id": [f"r{i}" for i in range(len(values))], "person_id": "p", "split": "test"})
    text = Predictions.from_frame(frame.assign(label=1.0, score=values), "recording").to_csv_text()
    back = Predictions.from_csv_text(text)
    assert np.abs(back.frame["score"] - values).max() <= 5.1e-7
    assert "-0.000000" not in text


def test_ids_that_look_like_numbers_or_missing_values_stay_text() -> None:
    frame = pd.DataFrame(
        {"recording_id": ["007", "NA"], "person_id": ["1e5", "nan"], "split": "dev", "label": 1.0, "score": 2.0}
    )
    back = Predictions.from_csv_text(Predictions.from_frame(frame, "recording").to_csv_text()).frame
    assert back["recording_id"].tolist() == ["007", "NA"]
    assert back["person_id"].tolist() == ["1e5", "nan"]


def test_references_hold_several_models_in_the_order_given() -> None:
    recordings = predictions().aggregate("recording")
    text = models_to_csv_text({"train_median": recordings, "train_mean": recordings})
    assert text.splitlines()[0] == "model," + ",".join(COLUMNS)
    back = models_from_csv_text(text)
    assert list(back) == ["train_median", "train_mean"]
    pd.testing.assert_frame_equal(back["train_mean"].frame, recordings.frame)
    assert models_from_csv_text(models_to_csv_text({})) == {}


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_diverged_training_is_named(score: float) -> None:
    frame = windows()
    frame.loc[2, "score"] = score
    with pytest.raises(LfnetError, match=r"clip 001_a, window at frame 1024.*1 of 6.*diverged"):
        Predictions.from_frame(frame, level="window")


@pytest.mark.parametrize("column, value", [("label", 21.0), ("label", np.nan), ("person_id", "p9"), ("split", "train")])
def test_a_recording_is_one_person_one_split_one_label(column: str, value: object) -> None:
    frame = windows()
    frame.loc[3, column] = value
    with pytest.raises(LfnetError, match=f"recording 001 has several values of {column}"):
        Predictions.from_frame(frame, level="window")


def broken(change) -> pd.DataFrame:
    frame = predictions().all_levels().frame.copy()
    return change(frame)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda frame: frame.drop(columns="score"), "lack the columns"),
        (lambda frame: frame.assign(split="validation"), "unknown split"),
        (lambda frame: frame.assign(level="person"), "unknown level"),
        (lambda frame: frame.assign(window=0), "only windows have a first frame"),
        (lambda frame: frame.assign(clip_id="x"), "recordings have none"),
        (lambda frame: frame.assign(person_id=None), "needs a recording_id and a person_id"),
        (lambda frame: pd.concat([frame, frame.tail(1)]), "a row occurs twice: recording 003"),
        (lambda frame: frame.replace({"clip_id": {"002_a": "001_a"}}), "clip 001_a belongs to two recordings"),
    ],
)
def test_inconsistent_rows_are_refused(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictions(broken(change))


def test_empty_predictions_are_allowed() -> None:
    nothing = predictions().in_split("train")
    assert len(nothing) == 0 and nothing.metrics() == {} and nothing.levels == ()
    assert len(nothing.aggregate("recording")) == 0 and len(nothing.all_levels()) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "level\n",
        "\0",
        'a,"b\n',
        "level,window,clip_id,recording_id,person_id,split,label,score\nclip,,c,r,p,test,many,1\n",
        "level,window,clip_id,recording_id,person_id,split,label,score\nwindow,inf,c,r,p,test,1,1\n",
        "level,window,clip_id,recording_id,person_id,split,label,score\nroom,,c,r,p,test,1,1\n",
    ],
)
def test_another_text_is_no_table_of_predictions(text: str) -> None:
    for read in (Predictions.from_csv_text, models_from_csv_text):
        with pytest.raises(LfnetError, match="the text is no table of predictions"):
            read(text)
