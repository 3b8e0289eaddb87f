"""Turn arrays and DataFrames of scores into rows for `compute_evidence`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import RowScores
from lfnet.evaluation.baselines import TRIVIAL
from lfnet.evaluation.predictions import check_recordings

__all__ = ["baseline_rows", "evaluated_split", "model_rows", "recordings_of", "score_frame"]

Floats = NDArray[np.float64]

_KEYS = ["recording", "person", "split", "label"]


def score_frame(
    y: ArrayLike,
    scores: ArrayLike | Mapping[str, ArrayLike] | pd.DataFrame,
    person: ArrayLike | None,
    recording: ArrayLike | None,
    split: ArrayLike | None,
    model: ArrayLike | None,
    seed: ArrayLike | None,
) -> pd.DataFrame:
    """One row per score: recording, person, split, label, model, seed, score."""
    label = _numbers_of(y, "y")
    if label.ndim != 1:
        raise LfnetError(f"y has the shape {label.shape}: give one value per row.")
    n = len(label)
    if not n:
        raise LfnetError("y is empty: give one value per row.")
    if np.isinf(label).any():
        raise LfnetError(f"y of row {int(np.isinf(label).argmax())} is infinite: give a number, or NaN where unknown.")
    if recording is None and (model is not None or seed is not None):
        raise LfnetError("models and seeds in rows need `recording`, which says what rows have scored the same.")
    ids = _column(recording, n, "recording", np.arange(n))
    known = {
        "recording": ids,
        "person": _column(person, n, "person", ids),
        "split": _column(split, n, "split", np.full(n, "")),
        "label": label,
    }
    named = _column(model, n, "model", np.full(n, ""))
    seeds = _column(seed, n, "seed", np.full(n, "0"))
    columns = dict(scores) if isinstance(scores, Mapping | pd.DataFrame) else {getattr(scores, "name", None): scores}
    if not columns:
        raise LfnetError("scores: give one model's scores or more.")
    parts = []
    for name, values in columns.items():
        given = _numbers_of(values, f"scores of {name}" if name is not None else "scores")
        score_SN = given[None] if given.ndim == 1 else given
        if score_SN.ndim != 2 or score_SN.shape[1] != n or not len(score_SN):
            raise LfnetError(f"scores have the shape {given.shape}: give [{n}] or [seeds, {n}], as y has {n} values.")
        if len(score_SN) > 1 and seed is not None:
            raise LfnetError("give seeds either as rows (`seed`) or as scores [seeds, n], not both.")
        own = str(name) if name is not None else "model"
        joined = [own if not row else row if len(columns) == 1 else f"{row}, {own}" for row in named.tolist()]
        for number, score_N in enumerate(score_SN):
            order = seeds if len(score_SN) == 1 else np.full(n, str(number))
            parts.append(pd.DataFrame({**known, "model": joined, "seed": order, "score": score_N}))
    return pd.concat(parts, ignore_index=True)


def _numbers_of(values: ArrayLike, name: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise LfnetError(f"{name}: give numbers.") from None


def _column(values: ArrayLike | None, n: int, name: str, default: NDArray[Any]) -> NDArray[Any]:
    """Ids as texts."""
    given = np.asarray(default if values is None else values)
    if given.shape != (n,):
        raise LfnetError(f"{name} has the shape {given.shape}: give one value per row of y, which has {n}.")
    absent = np.flatnonzero(pd.isna(given))
    if len(absent):
        raise LfnetError(f"{name} of row {absent[0]} is missing (of {len(absent)} rows in all).")
    if given.dtype.kind == "f" and (given == np.rint(given)).all():
        given = given.astype(np.int64)
    return np.array([str(value) for value in given.tolist()], dtype=object)


def recordings_of(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per recording; each has one person, split and label."""
    check_recordings(frame, "recording", ("person", "split", "label"))
    return frame[_KEYS].drop_duplicates("recording")


def evaluated_split(recordings: pd.DataFrame, on: str | None) -> str | None:
    """Choose the split to evaluate: `on`, else test; None without splits."""
    present = list(dict.fromkeys(recordings["split"]))
    if present == [""]:
        if on is not None:
            raise LfnetError(f"on={on}: no splits are given.")
        return None
    on = on or ("test" if "test" in present or len(present) > 1 else present[0])
    if on not in present:
        raise LfnetError(f"no row has the split {on}. Choose the split to evaluate (on): {', '.join(present)}.")
    return on


def model_rows(frame: pd.DataFrame, elsewhere: frozenset[str]) -> list[RowScores]:
    """Make one row per model, with its seeds in order. elsewhere: people of the other splits."""
    broken = frame[~np.isfinite(frame["score"])]
    if len(broken):
        first = broken.iloc[0]
        raise LfnetError(
            f"the score of recording {first['recording']} by {first['model']} is {first['score']} (so are "
            f"{len(broken)} of {len(frame)}): leave out or fill in what was not scored."
        )
    rows = []
    every = frame["recording"].nunique()
    for name, own in frame.groupby("model", sort=False):
        table = own.pivot_table("score", "recording", "seed", aggfunc="mean", observed=True)
        holes = table.isna()
        if len(table) < every or holes.any(axis=None):
            lacking = sorted(set(frame["recording"]) - set(table.index)) or holes.index[holes.any(axis=1)].tolist()
            raise LfnetError(
                f"{name} has not scored {len(lacking)} of {every} recordings with each of its seeds, such as "
                f"{lacking[0]}: models are compared on the same recordings only."
            )
        seeds = sorted(table.columns, key=lambda seed: (0, float(seed), "") if _is_number(seed) else (1, 0.0, seed))
        facts = own.drop_duplicates("recording").set_index("recording").loc[table.index]
        score_SN = table[seeds].to_numpy(np.float64).T
        rows.append(
            RowScores(
                str(name),
                table.index.tolist(),
                facts["person"].tolist(),
                facts["label"].to_numpy(),
                score_SN,
                elsewhere,
            )
        )
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def baseline_rows(train: pd.DataFrame, like: RowScores) -> list[RowScores]:
    """Make the rows train_mean and train_median on the recordings of another row."""
    ids = list(like.recording_id), list(like.person_id), like.label
    table = pd.DataFrame({"recording_id": ids[0], "person_id": ids[1]})
    fitted = [baseline.fit(train) for baseline in TRIVIAL]
    return [
        RowScores(one.name, *ids, one.predict(table)[None], like.shared_people, deterministic=True) for one in fitted
    ]
