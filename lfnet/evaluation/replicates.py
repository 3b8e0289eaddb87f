"""Several runs of one model: the summary of a value over them, and the mean and spread of their scores.

Standard deviations have ddof 1 (the sample's). The spread of K scores of one recording is their SD, in points. It says
what the model does not know about its own weights, as far as K ways of drawing them show it. It is no interval.

References
----------
MC dropout, K passes with dropout on: Gal and Ghahramani (2016), "Dropout as a Bayesian approximation", ICML.
Deep ensembles, K runs that differ in their seed: Lakshminarayanan et al. (2017), "Simple and scalable predictive
uncertainty estimation using deep ensembles", NeurIPS.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lfnet.cohorts.validation import SPLITS
from lfnet.evaluation.metrics import compute_metrics, pcc
from lfnet.evaluation.predictions import Predictions

__all__ = [
    "COLUMNS",
    "Summary",
    "mean_scores",
    "score_spread",
    "spread_error_correlation",
    "spread_of_runs",
    "spread_summary",
    "summarise",
]

_DDOF = 1
_KEYS = ["window", "clip_id", "recording_id", "person_id", "split", "label"]
COLUMNS = ("recording_id", "person_id", "split", "label", "score", "sd", "members")


@dataclass(frozen=True)
class Summary:
    """Values of one quantity over several runs.

    Parameters
    ----------
    n, undefined : int
        How many values are defined, and how many are not (the PCC of a constant prediction).
    mean, min, max : float or None
        Over the defined values; None where there are none.
    sd : float or None
        Standard deviation (ddof 1); None below two defined values.
    """

    n: int
    undefined: int
    mean: float | None
    sd: float | None
    min: float | None
    max: float | None


def summarise(values: Iterable[float | None]) -> Summary:
    """Summarise values over runs.

    Parameters
    ----------
    values : iterable of float or None
        None is an undefined value.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        A value is NaN or infinite: an undefined value is None.

    Examples
    --------
    >>> summarise([1.0, 2.0, 3.0, None])
    Summary(n=3, undefined=1, mean=2.0, sd=1.0, min=1.0, max=3.0)
    """
    given = list(values)
    defined = np.array([value for value in given if value is not None], dtype=np.float64)
    if not np.isfinite(defined).all():
        raise ValueError(f"values must be finite or None: {given}")
    undefined = len(given) - len(defined)
    if not len(defined):
        return Summary(0, undefined, None, None, None, None)
    # fsum is exact: the mean of equal values is that value, and the order of runs does not matter.
    mean = min(max(math.fsum(defined) / len(defined), float(defined.min())), float(defined.max()))
    sd = None
    if len(defined) > 1:
        sd = math.sqrt(math.fsum((value - mean) ** 2 for value in defined) / (len(defined) - _DDOF))
    return Summary(len(defined), undefined, mean, sd, float(defined.min()), float(defined.max()))


def score_spread(rows: pd.DataFrame, scores_KN: np.ndarray) -> pd.DataFrame:
    """Mean and spread of each recording's K scores.

    Parameters
    ----------
    rows : DataFrame
        recording_id, person_id, split and label of N recordings.
    scores_KN : ndarray, float64
        K ≥ 2 scores of each, in points.

    Returns
    -------
    DataFrame
        One row a recording with `COLUMNS`: `score` is the mean, `sd` the spread, `members` K.

    Raises
    ------
    ValueError
        Fewer than two scores, another shape, or a score that is not finite.
    """
    scores_KN = np.asarray(scores_KN, dtype=np.float64)
    if scores_KN.ndim != 2 or len(scores_KN) < 2 or scores_KN.shape[1] != len(rows):
        raise ValueError(f"a spread needs scores [K ≥ 2, {len(rows)}], not {scores_KN.shape}")
    if not np.isfinite(scores_KN).all():
        raise ValueError("scores must be finite")
    found = rows[["recording_id", "person_id", "split", "label"]].reset_index(drop=True)
    return found.assign(score=scores_KN.mean(axis=0), sd=scores_KN.std(axis=0, ddof=_DDOF), members=len(scores_KN))


def spread_of_runs(runs: Sequence[Predictions]) -> pd.DataFrame:
    """As `score_spread`, of the recordings' scores of several runs.

    Raises
    ------
    ValueError
        Fewer than two runs, or runs that scored different recordings.
    """
    if len(runs) < 2:
        raise ValueError("a spread needs two members or more")
    frames = [run.at("recording").frame for run in runs]
    for frame in frames[1:]:
        if not frame[_KEYS].equals(frames[0][_KEYS]):
            raise ValueError("the members have not scored the same recordings, or their labels differ")
    return score_spread(frames[0], np.stack([frame["score"].to_numpy(float) for frame in frames]))


def mean_scores(runs: Sequence[Predictions]) -> Predictions:
    """Mean of several runs' scores, row by row at every level.

    Raises
    ------
    ValueError
        The runs scored different rows.
    """
    first = runs[0].frame
    keys = ["level", *_KEYS]
    if any(not run.frame[keys].equals(first[keys]) for run in runs[1:]):
        raise ValueError("the members have not scored the same rows, or their labels differ")
    return Predictions(first.assign(score=np.mean([run.frame["score"].to_numpy(float) for run in runs], axis=0)))


def spread_error_correlation(table: pd.DataFrame) -> float | None:
    """Spearman's rank correlation of spread and absolute error: above 0 where a wide spread tells of a large error.

    Returns
    -------
    float or None
        None where it is undefined: fewer than two labels known, or one side all ties.
    """
    known = table[table["label"].notna()]
    if len(known) < 2:
        return None
    error = (known["score"] - known["label"]).abs()
    value = float(pcc(rankdata(error), rankdata(known["sd"])))
    return None if np.isnan(value) else value


def spread_summary(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Summarise a table of `score_spread` by split.

    Returns
    -------
    dict
        split → n, sd (mean spread), mae (of the mean score) and rank (`spread_error_correlation`).
    """
    found: dict[str, dict[str, float | None]] = {}
    for split in SPLITS:
        own = table[table["split"] == split]
        if len(own):
            found[split] = {
                "n": len(own),
                "sd": float(own["sd"].mean()),
                "mae": compute_metrics(own["label"], own["score"])["mae"],
                "rank": spread_error_correlation(own),
            }
    return found
