"""Audit a DataFrame of clips or recordings of any cohort."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lfnet.audit.audit import find_leaks
from lfnet.audit.report import Report
from lfnet.audit.settings import AuditSettings
from lfnet.cohorts.cohort import COLUMNS, SPLITS, Band, Cohort, Scale
from lfnet.cohorts.validation import SPLIT_ALIASES
from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import check_recordings
from lfnet.features.clip_summaries import ClipSummaries, frames_digest

__all__ = ["audit_cohort"]

_VECTORS = "given"  # name of the vectors


def audit_cohort(
    frame: pd.DataFrame,
    *,
    vectors: ArrayLike | None = None,
    scale: Scale | None = None,
    name: str = "cohort",
    person: str | None = None,
    split: str | None = None,
    label: str | None = None,
    recording: str | None = None,
    clip: str | None = None,
    task: str | None = None,
    duration: str | None = None,
    coverage: str | None = None,
    path: str | None = None,
    same_person: float | None = None,
    alpha: float = 0.005,
    resamples: int = 19999,
    random_seed: int = 0,
) -> Report:
    """Check a cohort for people and copies in several splits, confounds with the label, and identity in features.

    Parameters
    ----------
    frame : DataFrame
        One row per clip or recording.
    vectors : array_like, shape [n, D], optional
        A feature vector of each row, NaN where unknown. With them, identity and equal features are checked.
    scale : Scale, optional
        Severity scale of the labels; without it splits are compared without severity bands.
    name : str
        Name of the cohort in the report.
    person, split, label : str, optional
        Columns; by default person or person_id, split, label. Labels may be missing in test. Splits are train, dev
        (or val, validation), test and unlabelled.
    recording, clip, task, duration, coverage, path : str, optional
        Columns, where there are any of these names (or recording_id, clip_id): the recording of each clip, its id, its
        task, its seconds, its share of frames with a face, and its file.
    same_person : float, optional
        Cosine of two vectors from which they show one person, where `vectors` are those of a face-recognition network
        and its error rates are known; without it, one person with two ids is not searched for.
    alpha, resamples
        As in `AuditSettings`. Further columns whose names are those of numbers of filming (fps, face_size, session,
        sex, age and more: `lfnet.audit.filming.NUMBERS`) are compared with label and split.
    random_seed : int
        Of the permutations.

    Returns
    -------
    Report

    Raises
    ------
    LfnetError
        A column is missing or has values that are not allowed, or a recording has two labels, people or splits.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> frame = pd.DataFrame({
    ...     "person": np.repeat(np.arange(30), 2),
    ...     "split": np.repeat(["train", "dev", "test"], 20),
    ...     "label": random.integers(0, 40, 60),
    ... })
    >>> frame["duration"] = 20 + 3 * frame["label"] + random.normal(0, 5, 60)
    >>> report = audit_cohort(frame)
    >>> [finding.name for finding in report.leaks]
    ['duration']
    >>> report["duration"].text.split(":")[0]
    'duration is associated with the label'
    >>> report.to_frame().set_index("name").loc["people", "status"]
    'clear'
    """
    bars = {} if same_person is None else {_VECTORS: same_person}
    options = {"alpha": alpha, "resamples": resamples, "seed": random_seed, "same_person": bars}
    settings = read(AuditSettings, options, "")
    table = frame.reset_index(drop=True)
    if not len(table):
        raise LfnetError("the frame has no rows.")
    clips = pd.DataFrame(index=table.index)
    given_clip = _column(table, "clip", clip)
    recordings = _column(table, "recording", recording)
    if given_clip is None and recordings is not None and not recordings.duplicated().any():
        given_clip = recordings
    numbers = pd.Series([f"row {row}" for row in range(len(table))])
    clips["clip_id"] = given_clip if given_clip is not None else numbers
    clips["recording_id"] = recordings if recordings is not None else clips["clip_id"]
    clips["person_id"] = _required(table, "person", person)
    clips["split"] = _required(table, "split", split).map(lambda word: SPLIT_ALIASES.get(word.lower(), word.lower()))
    tasks = _column(table, "task", task)
    clips["task"] = tasks if tasks is not None else ""
    clips["label"] = _numbers(table, _name(table, "label", label, required=True))
    paths = _column(table, "path", path)
    clips["path"] = paths if paths is not None else ""
    seconds = _name(table, "duration", duration)
    clips["fps"] = 1.0
    clips["n_frames"] = np.nan if seconds is None else _numbers(table, seconds)
    if seconds is None and {"fps", "n_frames"} <= set(table):
        clips["fps"], clips["n_frames"] = _numbers(table, "fps"), _numbers(table, "n_frames")
    _check(clips)
    share = _name(table, "coverage", coverage)
    pool = _pool(table, clips, vectors, share)
    for column, values in (("duration", clips["n_frames"]), ("coverage", pd.Series(pool.coverage_N))):
        wrong = (values < 0) | ((values > 1) & (column == "coverage"))
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            allowed = "0 or more" if column == "duration" else "a share from 0 to 1"
            raise LfnetError(f"{column} of row {row} is {values.iloc[row]:g}: give {allowed}.")
    ordered = clips[list(COLUMNS)].sort_values("clip_id", kind="stable", ignore_index=True)
    about = table.astype(object).where(table.notna(), "").astype(str).set_axis(clips["clip_id"], axis=0)
    known = about.rename(columns=lambda column: str(column).lower()).drop(columns=["path"], errors="ignore")
    if (clips["fps"] == 1).all():
        known["fps"] = ""  # durations were given, and no frame rate
    cohort = Cohort(name, ordered, scale or _scale(clips), about=known)
    absent = int(clips["n_frames"].isna().sum())
    no_durations = f"durations of {absent} of {len(clips)} rows are not given"
    return find_leaks(
        cohort,
        pool,
        encoder=_VECTORS,
        no_features="no vectors are given",
        no_durations=no_durations,
        settings=settings,
    )


def _name(table: pd.DataFrame, role: str, given: str | None, required: bool = False) -> str | None:
    known = [role, f"{role}_id"]
    if given is not None:
        known = [given]
    found = [name for name in known if name in table]
    if not found and (required or given is not None):
        columns = ", ".join(map(str, table.columns))
        raise LfnetError(f"no column {known[0]}: name it with {role}=. Columns: {columns}.")
    return found[0] if found else None


def _column(table: pd.DataFrame, role: str, given: str | None) -> "pd.Series[str] | None":
    """A column of ids as texts, which must not be missing; None where there is none."""
    name = _name(table, role, given)
    if name is None:
        return None
    values = table[name]
    if role in ("task", "path"):
        return values.astype(object).where(values.notna(), "").astype(str)
    absent = values.isna()
    if absent.any():
        raise LfnetError(f"column {name}: row {int(absent.to_numpy().argmax())} is empty (of {int(absent.sum())}).")
    return values.astype(str).str.strip()


def _required(table: pd.DataFrame, role: str, given: str | None) -> "pd.Series[str]":
    values = _column(table, role, _name(table, role, given, required=True))
    assert values is not None
    return values


def _numbers(table: pd.DataFrame, name: str | None) -> "pd.Series[float]":
    values = pd.to_numeric(table[name], errors="coerce").astype("float64")
    wrong = values.isna() & table[name].notna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise LfnetError(f"column {name}: row {row} is {table[name].iloc[row]!r}, not a number.")
    return values


def _check(clips: pd.DataFrame) -> None:
    unknown = sorted(set(clips["split"]) - set(SPLITS))
    if unknown:
        raise LfnetError(f"column split has {', '.join(unknown)}: the splits are {', '.join(SPLITS)}.")
    twice = clips["clip_id"].duplicated()
    if twice.any():
        raise LfnetError(
            f"clip {clips.loc[twice, 'clip_id'].iloc[0]} is in two rows: each row needs a clip of its own (`recording` "
            "says what clips belong together)."
        )
    check_recordings(clips)


def _scale(clips: pd.DataFrame) -> Scale:
    """A scale with one band, over the range of the labels."""
    labels: Sequence[float] = clips["label"].dropna().tolist()
    low, high = (min(labels), max(labels)) if labels else (0.0, 1.0)
    high = high if high > low else low + 1
    return Scale(name="label", min=low, max=high, bands=(Band(name="all", low=low, high=high),))


def _pool(table: pd.DataFrame, clips: pd.DataFrame, vectors: ArrayLike | None, share: str | None) -> ClipSummaries:
    n = len(table)
    x_ND = np.full((n, 0), np.nan) if vectors is None else np.asarray(vectors, np.float64)
    if x_ND.ndim != 2 or len(x_ND) != n:
        raise LfnetError(f"vectors have the shape {x_ND.shape}: give [{n}, D], one row per row of the frame.")
    return ClipSummaries(
        tuple(clips["clip_id"]),
        x_ND if vectors is not None else np.full((n, 1), np.nan),
        np.ones(n, np.int64),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan) if share is None else _numbers(table, share).to_numpy(),
        tuple(np.zeros((1, 1), np.float32) for _ in range(n)),
        tuple(frames_digest(x_D[None]) for x_D in x_ND) if vectors is not None else ("",) * n,
    )
