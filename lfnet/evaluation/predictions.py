"""Scores with the names of what was scored: from windows to clips to recordings, to metrics, and to text and back.

One row is one window, clip or recording. This module opens no file: it makes and reads the text of one.
"""

import io
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from lfnet.cohorts.validation import SPLITS
from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import compute_metrics

__all__ = ["COLUMNS", "LEVELS", "Predictions", "models_from_csv_text", "models_to_csv_text"]

LEVELS = ("window", "clip", "recording")
COLUMNS = ("level", "window", "clip_id", "recording_id", "person_id", "split", "label", "score")

How = Literal["mean", "median"]

_TEXT = ("level", "clip_id", "recording_id", "person_id", "split")
_OF_RECORDING = ("person_id", "split", "label")
_DECIMALS = 6


class Predictions:
    """Scores at one or more levels, validated and in an order that depends only on the rows themselves.

    frame: DataFrame of COLUMNS. `window` is the window's first frame (Int64; NA above window level), `clip_id` is "" at
    recording level, `label` NaN where nobody knows it, `score` is in the scale's points. Rows are sorted by level
    (window, clip, recording), split (train, dev, test, unlabelled), recording, clip, window.

    Raises `ValueError` for rows that a program got wrong (a column missing, an unknown level or split, a row twice) and
    `LfnetError` for what a person must mend: a score that is not finite, a recording with two labels, people or splits.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        missing = [column for column in COLUMNS if column not in frame.columns]
        if missing:
            raise ValueError(f"predictions lack the columns {missing}")
        self.frame = _sorted(_typed(frame))
        _check_rows(self.frame)
        _check_scores(self.frame)
        _check_recordings(self.frame)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, level: str) -> "Predictions":
        """One level's predictions, from a frame without `level`; a clip needs no `window`, a recording no `clip_id`."""
        filled = frame.assign(level=level)
        if level != "window":
            filled["window"] = pd.NA
        if level == "recording":
            filled["clip_id"] = ""
        return cls(filled)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels present, from window to recording."""
        return tuple(level for level in LEVELS if (self.frame["level"] == level).any())

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits present, from train to unlabelled."""
        return tuple(split for split in SPLITS if (self.frame["split"] == split).any())

    def at(self, level: str) -> "Predictions":
        """The rows of one level."""
        return Predictions(self.frame[self.frame["level"] == level])

    def in_split(self, split: str) -> "Predictions":
        """The rows of one split."""
        return Predictions(self.frame[self.frame["split"] == split])

    def aggregate(self, to: str, how: How = "mean", through_clips: bool = True) -> "Predictions":
        """The scores of clips or recordings, from those of the finest level present.

        how: the statistic that joins windows to a clip and clips to a recording. Each clip of a recording has one vote
        however long it is; with `through_clips=False` each of the recording's windows has one.
        """
        rank = {level: number for number, level in enumerate(LEVELS)}
        if to not in rank:
            raise ValueError(f"unknown level {to!r}: one of {LEVELS}")
        if how not in ("mean", "median"):
            raise ValueError(f"unknown aggregation {how!r}: mean or median")
        if not len(self):
            return self
        finest = self.levels[0]
        if rank[finest] > rank[to]:
            raise ValueError(f"{finest} scores cannot be told apart into {to} scores")
        frame = self.frame[self.frame["level"] == finest]
        if finest == "window" and (to == "clip" or (to == "recording" and through_clips)):
            frame = _join(frame, "clip", how)
        if to == "recording" and finest != "recording":
            frame = _join(frame, "recording", how)
        return Predictions(frame)

    def all_levels(self, how: How = "mean", through_clips: bool = True) -> "Predictions":
        """These scores, of one level, and those of every coarser level: what a run's predictions.csv holds."""
        if len(self.levels) > 1:
            raise ValueError(f"predictions already have the levels {self.levels}")
        coarser = LEVELS[LEVELS.index(self.levels[0]) + 1 :] if len(self) else ()
        frames = [self.frame, *(self.aggregate(level, how, through_clips).frame for level in coarser)]
        return Predictions(pd.concat(frames, ignore_index=True))

    def metrics(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """{split: {level: `compute_metrics`'s metrics}} for each split in which a label is known."""
        measured: dict[str, dict[str, dict[str, float | None]]] = {}
        for split in self.splits:
            for level in self.levels:
                rows = self.frame[(self.frame["split"] == split) & (self.frame["level"] == level)]
                if rows["label"].notna().any():
                    measured.setdefault(split, {})[level] = compute_metrics(rows["label"], rows["score"])
        return measured

    def to_csv_text(self) -> str:
        """These rows as CSV text. Labels and scores are rounded to 6 decimals, so equal numbers give equal bytes."""
        return _text(self.frame)

    @classmethod
    def from_csv_text(cls, text: str) -> "Predictions":
        """What `to_csv_text` wrote; ids stay text ("001" is not 1)."""
        return cls(_parsed(text))


def models_to_csv_text(models: Mapping[str, Predictions]) -> str:
    """Several models' predictions, in their order, as CSV text with a first column `model`: a run's references.csv."""
    frames = [predictions.frame.assign(model=model) for model, predictions in models.items()]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*COLUMNS, "model"])
    return _text(frame[["model", *COLUMNS]])


def models_from_csv_text(text: str) -> dict[str, Predictions]:
    """What `models_to_csv_text` wrote."""
    frame = _parsed(text)
    return {str(model): Predictions(rows.drop(columns="model")) for model, rows in frame.groupby("model", sort=False)}


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    typed = pd.DataFrame(index=frame.index)
    for column in COLUMNS:
        values = frame[column]
        if column in _TEXT:
            typed[column] = values.astype(object).where(values.notna(), "").astype(str)
        elif column == "window":
            typed[column] = values.astype("Int64")
        else:
            typed[column] = pd.to_numeric(values).astype("float64")
    return typed


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.reset_index(drop=True)
    for column, known in (("level", LEVELS), ("split", SPLITS)):
        unknown = sorted(set(frame[column]) - set(known))
        if unknown:
            raise ValueError(f"unknown {column} {unknown}: one of {known}")
    order = frame.assign(
        level=frame["level"].map({level: number for number, level in enumerate(LEVELS)}),
        split=frame["split"].map({split: number for number, split in enumerate(SPLITS)}),
        window=frame["window"].fillna(-1),
    ).sort_values(["level", "split", "recording_id", "clip_id", "window"], kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


def _check_rows(frame: pd.DataFrame) -> None:
    is_window = frame["level"] == "window"
    is_recording = frame["level"] == "recording"
    if (frame["window"].notna() != is_window).any():
        raise ValueError("a window, and nothing else, has a first frame in `window`")
    if ((frame["clip_id"] == "") != is_recording).any():
        raise ValueError("windows and clips have a clip_id, recordings have none")
    if (frame[["recording_id", "person_id"]] == "").any(axis=None):
        raise ValueError("every row needs a recording_id and a person_id")
    twice = frame.duplicated(["level", "recording_id", "clip_id", "window"])
    if twice.any():
        raise ValueError(f"a row is there twice: {_name(frame[twice].iloc[0])}")
    recordings = frame[~is_recording].groupby("clip_id")["recording_id"].nunique()
    if (recordings > 1).any():
        raise ValueError(f"clip {recordings.index[recordings > 1][0]} belongs to two recordings")


def _check_scores(frame: pd.DataFrame) -> None:
    broken = frame[~np.isfinite(frame["score"])]
    if len(broken):
        raise LfnetError(
            f"the score of {_name(broken.iloc[0])} is {broken['score'].iloc[0]} (so are {len(broken)} of {len(frame)} "
            "scores): training has diverged. Lower the learning rate, or check the features."
        )
    infinite = frame[np.isinf(frame["label"])]
    if len(infinite):
        raise LfnetError(f"the label of {_name(infinite.iloc[0])} is infinite. Mend it in the cohort.")


def _check_recordings(frame: pd.DataFrame) -> None:
    counts = frame.groupby("recording_id")[list(_OF_RECORDING)].nunique(dropna=False)
    for column in _OF_RECORDING:
        several = counts.index[counts[column] > 1]
        if len(several):
            values = frame.loc[frame["recording_id"] == several[0], column].drop_duplicates().tolist()
            raise LfnetError(f"recording {several[0]} has several values of {column}: {values}. Mend it in the cohort.")


def _join(frame: pd.DataFrame, level: str, how: How) -> pd.DataFrame:
    keys = ["recording_id", "clip_id"] if level == "clip" else ["recording_id"]
    groups = frame.groupby(keys, sort=True)
    joined = groups[list(_OF_RECORDING)].first(skipna=False)
    joined["score"] = groups["score"].mean() if how == "mean" else groups["score"].median()
    return Predictions.from_frame(joined.reset_index(), level).frame


def _name(row: pd.Series) -> str:
    if row["level"] == "recording":
        return f"recording {row['recording_id']}"
    return f"clip {row['clip_id']}" + (f", window at frame {row['window']}" if row["level"] == "window" else "")


def _text(frame: pd.DataFrame) -> str:
    # Adding 0 turns the -0.0 that rounding can leave into 0.0: equal numbers, equal bytes.
    numbers = frame[["label", "score"]].astype("float64").round(_DECIMALS) + 0.0
    return frame.assign(label=numbers["label"], score=numbers["score"]).to_csv(
        index=False, float_format=f"%.{_DECIMALS}f", lineterminator="\n"
    )


def _parsed(text: str) -> pd.DataFrame:
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    for column in ("window", "label", "score"):
        if column in frame:
            frame[column] = pd.to_numeric(frame[column].replace("", np.nan))
    return frame
