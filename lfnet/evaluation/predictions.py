"""Predictions: scores of windows, clips and recordings, their aggregation, metrics and CSV text.

One row is one window, clip or recording. This module opens no file.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import pandas as pd

from lfnet.cohorts.validation import SPLITS
from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import compute_metrics

__all__ = [
    "COLUMNS",
    "LEVELS",
    "Predictions",
    "check_recordings",
    "models_from_csv_text",
    "models_from_frame",
    "models_to_csv_text",
]

LEVELS = ("window", "clip", "recording")
COLUMNS = ("level", "window", "clip_id", "recording_id", "person_id", "split", "label", "score")

How = Literal["mean", "median"]

_TEXT = ("level", "clip_id", "recording_id", "person_id", "split")
_OF_RECORDING = ("person_id", "split", "label")
_DECIMALS = 6


class Predictions:
    """Scores at one or more levels, validated and sorted.

    Parameters
    ----------
    frame : DataFrame
        With `COLUMNS`. `window` is the window's first frame (Int64; NA above window level), `clip_id` is "" at
        recording level, `label` is NaN where unknown, `score` is in the scale's points.

    Attributes
    ----------
    frame : DataFrame
        Sorted by level (window, clip, recording), split (train, dev, test, unlabelled), recording, clip and window.

    Raises
    ------
    ValueError
        A column is missing, a level or split unknown, or a row occurs twice.
    LfnetError
        A score is not finite, or a recording has two labels, people or splits.

    Examples
    --------
    >>> clips = pd.DataFrame({
    ...     "clip_id": ["a1", "a2", "b1"], "recording_id": ["a", "a", "b"], "person_id": ["ann", "ann", "bob"],
    ...     "split": "test", "label": [10.0, 10.0, 30.0], "score": [12.0, 14.0, 20.0],
    ... })
    >>> predictions = Predictions.from_frame(clips, "clip").aggregate("recording")
    >>> predictions.frame["score"].tolist()
    [13.0, 20.0]
    >>> predictions.metrics()["test"]["recording"]["mae"]
    6.5
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = _validated(frame, ())

    @classmethod
    def _of(cls, frame: pd.DataFrame) -> "Predictions":
        """Predictions of rows that were validated and sorted before."""
        made = cls.__new__(cls)
        made.frame = frame.reset_index(drop=True)
        return made

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, level: str) -> "Predictions":
        """Make predictions of one level; clips need no `window`, recordings no `clip_id`."""
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
        """Levels present, from window to recording."""
        return tuple(level for level in LEVELS if (self.frame["level"] == level).any())

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits present, from train to unlabelled."""
        return tuple(split for split in SPLITS if (self.frame["split"] == split).any())

    def at(self, level: str) -> "Predictions":
        """Select the rows of one level."""
        return Predictions._of(self.frame[self.frame["level"] == level])

    def in_split(self, split: str) -> "Predictions":
        """Select the rows of one split."""
        return Predictions._of(self.frame[self.frame["split"] == split])

    def aggregate(self, to: str, how: How = "mean") -> "Predictions":
        """Aggregate the scores of the finest level present to clips or recordings.

        Parameters
        ----------
        to : {"clip", "recording"}
        how : {"mean", "median"}
            Statistic over the windows of a clip, and over the clips of a recording.
        """
        if to not in LEVELS:
            raise ValueError(f"unknown level {to!r}: one of {LEVELS}")
        if how not in ("mean", "median"):
            raise ValueError(f"unknown aggregation {how!r}: mean or median")
        if not len(self):
            return self
        finest = self.levels[0]
        if LEVELS.index(finest) > LEVELS.index(to):
            raise ValueError(f"{finest} scores cannot be split into {to} scores")
        frame = self.frame[self.frame["level"] == finest]
        for level in LEVELS[LEVELS.index(finest) + 1 : LEVELS.index(to) + 1]:
            frame = _join(frame, level, how)
        return Predictions(frame)

    def all_levels(self, clip: How = "mean", recording: How = "mean") -> "Predictions":
        """Add the aggregated scores of every coarser level, as in a run's predictions.csv.

        Parameters
        ----------
        clip, recording : {"mean", "median"}
            Statistic over the windows of a clip, and over the clips of a recording.
        """
        if len(self.levels) > 1:
            raise ValueError(f"predictions already have the levels {self.levels}")
        found = [self]
        for level, how in (("clip", clip), ("recording", recording)):
            if len(self) and LEVELS.index(level) > LEVELS.index(self.levels[0]):
                found.append(found[-1].aggregate(level, how))
        return Predictions(pd.concat([one.frame for one in found], ignore_index=True))

    def metrics(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Compute {split: {level: metrics}} with `compute_metrics`, for each split with a known label."""
        measured: dict[str, dict[str, dict[str, float | None]]] = {}
        for split in self.splits:
            for level in self.levels:
                rows = self.frame[(self.frame["split"] == split) & (self.frame["level"] == level)]
                if rows["label"].notna().any():
                    measured.setdefault(split, {})[level] = compute_metrics(rows["label"], rows["score"])
        return measured

    def to_csv_text(self) -> str:
        """Write the rows as CSV text, with labels and scores rounded to 6 decimals: equal numbers give equal bytes."""
        return _text(self.frame)

    @classmethod
    def from_csv_text(cls, text: str) -> "Predictions":
        """Read what `to_csv_text` wrote; ids stay text ("001" is not 1). Raises `LfnetError` for any other text."""
        with _of_text():
            return cls(_parsed(text))


def models_to_csv_text(models: Mapping[str, Predictions]) -> str:
    """Write several models' predictions as CSV text with a first column `model`, as in a run's references.csv."""
    frames = [predictions.frame.assign(model=model) for model, predictions in models.items()]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*COLUMNS, "model"])
    return _text(frame[["model", *COLUMNS]])


def models_from_csv_text(text: str) -> dict[str, Predictions]:
    """Read what `models_to_csv_text` wrote. Raises `LfnetError` for any other text."""
    with _of_text():
        return models_from_frame(_parsed(text))


def models_from_frame(frame: pd.DataFrame) -> dict[str, Predictions]:
    """Validate the rows of several models in one pass, which is faster than one `Predictions` after another.

    Parameters
    ----------
    frame : DataFrame
        With `COLUMNS` and a column `model`.

    Returns
    -------
    dict
        {model: Predictions}, in the order of the frame.

    Raises
    ------
    ValueError, LfnetError
        As `Predictions`.
    """
    parts = dict(tuple(_validated(frame, ("model",)).groupby("model", sort=False)))
    return {str(model): Predictions._of(parts[model].drop(columns="model")) for model in dict.fromkeys(frame["model"])}


def _validated(frame: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    """The rows with `COLUMNS` and those of `by`, which tell apart what is validated together, checked and sorted."""
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise ValueError(f"predictions lack the columns {missing}")
    valid = _sorted(_typed(frame, by))
    _check_rows(valid, by)
    _check_scores(valid)
    check_recordings(valid, by=by)
    return valid


def _typed(frame: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    typed = pd.DataFrame(index=frame.index)
    for column in (*by, *COLUMNS):
        values = frame[column]
        if column in by or column in _TEXT:
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


def _check_rows(frame: pd.DataFrame, by: tuple[str, ...]) -> None:
    is_window = frame["level"] == "window"
    is_recording = frame["level"] == "recording"
    if (frame["window"].notna() != is_window).any():
        raise ValueError("only windows have a first frame in `window`, and each has one")
    if ((frame["clip_id"] == "") != is_recording).any():
        raise ValueError("windows and clips have a clip_id, recordings have none")
    if (frame[["recording_id", "person_id"]] == "").any(axis=None):
        raise ValueError("every row needs a recording_id and a person_id")
    twice = frame.duplicated([*by, "level", "recording_id", "clip_id", "window"])
    if twice.any():
        raise ValueError(f"a row occurs twice: {_name(frame[twice].iloc[0])}")
    recordings = frame[~is_recording].groupby(["clip_id", *by])["recording_id"].nunique()
    if (recordings > 1).any():
        clip = recordings.index.get_level_values("clip_id")[recordings > 1][0]
        raise ValueError(f"clip {clip} belongs to two recordings")


def _check_scores(frame: pd.DataFrame) -> None:
    broken = frame[~np.isfinite(frame["score"])]
    if len(broken):
        raise LfnetError(
            f"the score of {_name(broken.iloc[0])} is {broken['score'].iloc[0]} (so are {len(broken)} of {len(frame)} "
            "scores): training has diverged. Lower the learning rate, or check the features."
        )
    infinite = frame[np.isinf(frame["label"])]
    if len(infinite):
        raise LfnetError(f"the label of {_name(infinite.iloc[0])} is infinite. Correct it in the cohort.")


def check_recordings(
    frame: pd.DataFrame,
    recording: str = "recording_id",
    columns: Sequence[str] = _OF_RECORDING,
    by: tuple[str, ...] = (),
) -> None:
    """Raise `LfnetError` for a recording with several values in one of `columns`, within each group of `by`."""
    counts = frame.groupby([recording, *by])[list(columns)].nunique(dropna=False)
    for column in columns:
        several = counts.index.get_level_values(recording)[counts[column] > 1]
        if len(several):
            values = frame.loc[frame[recording] == several[0], column].drop_duplicates().tolist()
            raise LfnetError(f"recording {several[0]} has several values of {column}: {values}. It must have one.")


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
    # Adding 0 turns the -0.0 that rounding can give into 0.0, so that equal numbers give equal bytes.
    numbers = frame[["label", "score"]].astype("float64").round(_DECIMALS) + 0.0
    return frame.assign(label=numbers["label"], score=numbers["score"]).to_csv(
        index=False, float_format=f"%.{_DECIMALS}f", lineterminator="\n"
    )


@contextmanager
def _of_text() -> Iterator[None]:
    """Turn what is wrong with predictions into what is wrong with the text that they were read from."""
    try:
        yield
    except (ValueError, TypeError, OverflowError, KeyError) as error:  # pandas' parser and conversions raise them
        raise LfnetError(f"the text is no table of predictions: {error}.") from error


def _parsed(text: str) -> pd.DataFrame:
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    for column in ("window", "label", "score"):
        if column in frame:
            frame[column] = pd.to_numeric(frame[column].replace("", np.nan))
    return frame
