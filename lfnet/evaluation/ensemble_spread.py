"""How far several scores of the same recording lie apart: of passes with dropout, or of an ensemble's members.

The spread is the standard deviation over K scores with ddof 1, in points. It is what the model does not know about its
own weights, as far as those K ways of drawing them show it; it is no interval, and nobody has calibrated it.

- MC dropout: Gal and Ghahramani 2016, "Dropout as a Bayesian approximation", ICML: K passes with dropout left on.
- Deep ensembles: Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty estimation using deep
  ensembles", NeurIPS: K runs that differ in their seed alone.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lfnet.cohorts.validation import SPLITS
from lfnet.evaluation.metrics import evaluate, pcc
from lfnet.evaluation.predictions import Predictions

__all__ = ["COLUMNS", "DDOF", "error_rank", "mean_of", "spread", "spread_of", "summary"]

DDOF = 1
_KEYS = ["window", "clip_id", "recording_id", "person_id", "split", "label"]
COLUMNS = ("recording_id", "person_id", "split", "label", "score", "sd", "members")


def spread(rows: pd.DataFrame, scores_KR: np.ndarray) -> pd.DataFrame:
    """One row a recording: COLUMNS, with `score` the mean of its K scores, `sd` their spread and `members` K.

    rows: recording_id, person_id, split and label of R recordings. scores_KR: float64 [K, R], in points. Raises
    `ValueError` for fewer than two scores, for other shapes and for scores that are not finite.
    """
    scores_KR = np.asarray(scores_KR, dtype=np.float64)
    if scores_KR.ndim != 2 or len(scores_KR) < 2 or scores_KR.shape[1] != len(rows):
        raise ValueError(f"a spread needs scores [K ≥ 2, {len(rows)}], not {scores_KR.shape}")
    if not np.isfinite(scores_KR).all():
        raise ValueError("scores must be finite")
    found = rows[["recording_id", "person_id", "split", "label"]].reset_index(drop=True)
    return found.assign(score=scores_KR.mean(axis=0), sd=scores_KR.std(axis=0, ddof=DDOF), members=len(scores_KR))


def spread_of(members: Sequence[Predictions]) -> pd.DataFrame:
    """As `spread`, from the recordings' scores of several runs. Raises `ValueError` where they are not of the same."""
    if len(members) < 2:
        raise ValueError("a spread needs two members or more")
    frames = [member.at("recording").frame for member in members]
    for frame in frames[1:]:
        if not frame[_KEYS].equals(frames[0][_KEYS]):
            raise ValueError("the members have not scored the same recordings, or their labels differ")
    return spread(frames[0], np.stack([frame["score"].to_numpy(float) for frame in frames]))


def mean_of(members: Sequence[Predictions]) -> Predictions:
    """The mean of several runs' scores, row by row at every level. Raises `ValueError` where rows differ."""
    first = members[0].frame
    keys = ["level", *_KEYS]
    if any(not member.frame[keys].equals(first[keys]) for member in members[1:]):
        raise ValueError("the members have not scored the same rows, or their labels differ")
    return Predictions(
        first.assign(score=np.mean([member.frame["score"].to_numpy(float) for member in members], axis=0))
    )


def error_rank(table: pd.DataFrame) -> float | None:
    """Spearman's rank correlation of spread and absolute error: above 0 where the spread says who is scored badly.

    None where it is undefined: fewer than two labels known, or one side all ties.
    """
    known = table[table["label"].notna()]
    if len(known) < 2:
        return None
    error = (known["score"] - known["label"]).abs()
    value = float(pcc(rankdata(error), rankdata(known["sd"])))
    return None if np.isnan(value) else value


def summary(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """{split: {"n", "sd" (mean spread), "mae" (of the mean score), "rank" (`error_rank`)}} of a table of `spread`."""
    found: dict[str, dict[str, float | None]] = {}
    for split in SPLITS:
        own = table[table["split"] == split]
        if len(own):
            found[split] = {
                "n": len(own),
                "sd": float(own["sd"].mean()),
                "mae": evaluate(own["label"], own["score"])["mae"],
                "rank": error_rank(own),
            }
    return found
